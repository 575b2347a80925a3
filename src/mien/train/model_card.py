"""The model card of a trained folder: what it is, made from what, how good, and its limits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mien import facs
from mien._version import __version__
from mien.partfile import write_whole
from mien.untrusted import json_value, read_json_object

CARD = "README.md"
RUN_RECIPE = "recipe.json"
_TITLES = {"feallm": "FEALLM", "emo_llama": "EMO-LLaMA"}
_PAPERS = {"feallm": "arXiv 2505.13419", "emo_llama": "arXiv 2408.11424"}

_ADAPTERS = (
    "This folder holds adapters, and the modules that were trained with them, without the model "
    "that they were put on; `mien merge` makes one whole model of both."
)

Figure = tuple[str, str, float, float | None, float | None]
"""Suite and task, name of the figure, value, ends of its 95 % interval."""


class CardError(ValueError):
    """A card cannot be written; the message names what is missing."""


@dataclass(frozen=True)
class Facts:
    """What a card tells beside what stands in the model's folder.

    Attributes:
        base: name of the start model.
        recipe: as `mien train` wrote it, or None.
        data: folders or files of instruction data.
        figures: of `mien bench`.
        licence: of the model, as the Hub writes it; None where it is not settled.
    """

    base: str | None = None
    recipe: Mapping[str, Any] | None = None
    data: tuple[Path, ...] = ()
    figures: tuple[Figure, ...] = ()
    licence: str | None = None


@dataclass
class DataCounts:
    """Rows of a set of instruction data, counted by dataset and by licence."""

    rows: int
    datasets: Counter[str]
    licences: Counter[str]


def read_run(folder: Path) -> Facts:
    """What the folder of a run says: base, recipe and data; nothing where it says nothing.

    The base is the start of the whole run; what adapters name may be a stage within it.

    Args:
        folder: of the run, or of a model or adapters within it; of a stage's own model, later
            stages are left out.
    """
    config = next(
        (p for f in (folder, folder / "model") if (p := f / "adapter_config.json").is_file()), None
    )
    base = _json(config).get("base_model_name_or_path") if config else None
    recipe = _recipe_of(folder)
    if recipe is None:
        return Facts(base=base)
    stages = recipe.get("stages") or []
    given = [recipe.get("data"), *(stage.get("data") for stage in stages)]
    sources = [source for one in given if one for source in one.get("train") or ()]
    data = tuple(dict.fromkeys(Path(s["rows"]) for s in sources if s.get("rows")))
    return Facts(base=recipe.get("start") or base, recipe=recipe, data=data)


def _recipe_of(folder: Path) -> dict[str, Any] | None:
    """The recipe of a run, up to the stage that the folder is of."""
    for place in (folder, folder.parent):
        if (place / RUN_RECIPE).is_file():
            return _json(place / RUN_RECIPE)
    run = folder.parent.parent
    if (run / RUN_RECIPE).is_file():
        recipe = _json(run / RUN_RECIPE)
        names = [stage.get("name") for stage in recipe.get("stages") or ()]
        if folder.parent.name in names:
            last = names.index(folder.parent.name)
            return recipe | {"stages": recipe["stages"][: last + 1]}
    return None


def write_card(folder: Path, facts: Facts, *, config: Mapping[str, Any] | None = None) -> None:
    """Writes README.md into the folder of a model or of adapters.

    Args:
        folder: to write to.
        facts: what the card tells.
        config: of the model that adapters belong to; None where the folder has a whole model.

    Raises:
        CardError: if the folder holds no whole model, or data cannot be read.
        SinkError: if it cannot be written.
    """
    write_whole(folder / CARD, model_card(folder, facts, config=config).encode())


def model_card(folder: Path, facts: Facts, *, config: Mapping[str, Any] | None = None) -> str:
    """The card as Markdown, with the front matter that the Hub reads.

    Args:
        folder, facts, config: see `write_card`.

    Raises:
        CardError: if the folder holds no whole model, or data cannot be read.
    """
    adapters = config is not None
    file = folder / "config.json"
    if config is None:
        if not file.is_file():
            raise CardError(f"{folder} has no config.json; give the folder of a whole model")
        config = _json(file)
    kind = str(config.get("model_type"))
    if kind not in _TITLES:
        raise CardError(f"{folder} holds a model of type {kind!r}, not one of mien's")
    counts = [(path, count_rows(path)) for path in facts.data]
    lines = [
        *_front_matter(facts, counts),
        f"# {_TITLES[kind]}: expressions, action units, and why",
        "",
        *([_ADAPTERS, ""] if adapters else []),
        f"A {_TITLES[kind]} ({_PAPERS[kind]}) made with mien {__version__}, an open implementation "
        "that is not the authors'. It reads expression and action units off a face and writes the "
        "reasoning from one to the other.",
        "",
        *_what(config, facts),
        *_data(counts),
        *_recipe(facts.recipe),
        *_figures(facts.figures),
        *_use(config, adapters=adapters),
        *_limits(),
    ]
    return "\n".join(lines)


def count_rows(path: Path) -> DataCounts:
    """Rows by dataset and licence, from Parquet or JSON lines.

    Raises:
        CardError: if there are no such rows.
    """
    files = [path] if path.is_file() else sorted(path.rglob("*.parquet"))
    files = files or sorted(path.rglob("*.jsonl"))
    if not files:
        raise CardError(f"{path} holds no instruction data; say where it is with --data")
    found = DataCounts(0, Counter(), Counter())
    for file in files:
        for dataset, licence in _columns(file):
            found.rows += 1
            found.datasets[dataset or "unknown"] += 1
            found.licences[licence or "unknown"] += 1
    return found


def _columns(file: Path) -> Iterable[tuple[str | None, str | None]]:
    if file.suffix == ".jsonl":
        with file.open(encoding="utf-8") as lines:
            for line in lines:
                row = json_value(line)
                yield row.get("dataset"), row.get("licence")
        return
    from pyarrow import ArrowInvalid, parquet

    try:
        opened = parquet.ParquetFile(file)
        for batch in opened.iter_batches(columns=["dataset", "licence"]):
            columns = [batch.column(name).to_pylist() for name in ("dataset", "licence")]
            yield from zip(*columns, strict=True)
    except (ArrowInvalid, KeyError) as error:
        raise CardError(f"{file} holds no rows of `mien data build` ({error})") from error


def _front_matter(facts: Facts, counts: Sequence[tuple[Path, DataCounts]]) -> Iterable[str]:
    yield from ("---", "library_name: transformers", "pipeline_tag: image-text-to-text")
    if facts.licence:
        yield f"license: {facts.licence}"
    else:
        yield from ("license: other", "license_name: terms-of-base-and-data")
    if facts.base and not Path(facts.base).exists() and "/" in facts.base:
        yield f"base_model: {facts.base}"
    yield from ("language:", "- en", "tags:", "- facial-expression", "- action-units", "- FACS")
    yield from ("---", "")


def _what(config: Mapping[str, Any], facts: Facts) -> list[str]:
    vision = (config.get("vision_config") or {}).get("model_type", "unknown")
    text = config.get("text_config") or {}
    names = ", ".join(config.get("expressions") or []) or "none"
    units = ", ".join(f"AU{au}" for au in config.get("action_units") or []) or "none"
    scale = config.get("face_scale", 1.0)
    turned = "turned upright" if config.get("face_align") else "not turned"
    base = Path(facts.base).name if facts.base and Path(facts.base).exists() else facts.base
    return [
        "| | |",
        "|---|---|",
        f"| start model | {base or 'unknown'} |",
        f"| vision encoder | {vision}, {config.get('image_size', 'unknown')} pixels, "
        f"{'frozen' if config.get('freeze_vision', True) else 'trained'} |",
        f"| language model | {text.get('model_type', 'unknown')}, "
        f"{text.get('num_hidden_layers', 'unknown')} layers of {text.get('hidden_size', '?')} |",
        f"| expressions | {names} |",
        f"| action units | {units} |",
        f"| face crop | {scale:g} times the face box, {turned} |",
        f"| numbers calibrated | {'yes' if config.get('calibration') else 'no'} |",
        "",
    ]


def _data(counts: Sequence[tuple[Path, DataCounts]]) -> list[str]:
    lines = ["## Training data", ""]
    if not counts:
        return [*lines, "Not known to this card.", ""]
    total = sum(found.rows for _, found in counts)
    datasets: Counter[str] = sum((found.datasets for _, found in counts), Counter())
    licences: Counter[str] = sum((found.licences for _, found in counts), Counter())
    lines += [f"{total:,} rows of instruction data. Its terms bind this model too.", ""]
    lines += ["| dataset | rows |", "|---|---:|"]
    lines += [f"| {name} | {count:,} |" for name, count in datasets.most_common()]
    lines += ["", "| licence, as the rows say | rows |", "|---|---:|"]
    lines += [f"| {name} | {count:,} |" for name, count in licences.most_common()]
    for path, _ in counts:
        notice = (path if path.is_dir() else path.parent) / "NOTICE"
        if notice.is_file():
            lines += ["", "```", notice.read_text(encoding="utf-8").strip(), "```"]
    return [*lines, ""]


def _recipe(recipe: Mapping[str, Any] | None) -> list[str]:
    lines = ["## Recipe", ""]
    if recipe is None:
        return [*lines, "Not known to this card.", ""]
    lines += [f"`mien train`, recipe {recipe.get('name')}, seed {recipe.get('seed')}.", ""]
    lines += ["| stage | trains | LoRA | length | learning rate | batch | precision |"]
    lines += ["|---|---|---|---|---|---|---|"]
    for stage in recipe.get("stages") or ():
        lora = stage.get("lora") or {}
        rank = f"rank {lora.get('rank')}, alpha {lora.get('alpha')}" if lora else "-"
        length = (
            f"{stage['epochs']:g} epochs"
            if stage.get("epochs")
            else f"{stage.get('max_steps')} steps"
        )
        batch = stage.get("batch_size", 0) * stage.get("accumulation", 1)
        lines.append(
            f"| {stage.get('name')} | {', '.join(stage.get('train') or ())} | {rank} | {length} | "
            f"{stage.get('learning_rate')} | {batch} a device | {stage.get('precision')} |"
        )
    return [*lines, ""]


def _figures(figures: Sequence[Figure]) -> list[str]:
    lines = ["## Figures", ""]
    if not figures:
        return [*lines, "Not measured yet: `mien bench SUITE --model DIR`.", ""]
    lines += ["Measured by `mien bench`; unparsed answers count as wrong.", ""]
    lines += ["| suite and task | figure | value | 95 % interval |", "|---|---|---:|---|"]
    for task, name, value, low, high in figures:
        interval = "-" if low is None or high is None else f"{low:.3f} to {high:.3f}"
        lines.append(f"| {task} | {name} | {value:.3f} | {interval} |")
    return [*lines, ""]


def _use(config: Mapping[str, Any], *, adapters: bool) -> list[str]:
    known = [au for au in config.get("action_units") or [] if au in facs.ACTION_UNITS]
    named = ", ".join(f"AU{au} {facs.ACTION_UNITS[au].name}" for au in known)
    return [
        "## Use",
        "",
        "```",
        *(["pip install 'mien[train]'", "mien merge DIR --out WHOLE"] if adapters else []),
        *([] if adapters else ["pip install mien"]),
        f"mien analyze photo.jpg --model {'WHOLE' if adapters else 'DIR'}",
        "```",
        "",
        "Or in Transformers, after `import mien.models`: `AutoModelForImageTextToText` and "
        "`AutoProcessor`, without remote code.",
        "",
        *([f"Units that it knows: {named}.", ""] if named else []),
    ]


def _limits() -> list[str]:
    return [
        "## Limits and conduct",
        "",
        "The model says what a face shows in a picture, not what a person feels, thinks or is. Its "
        "answers are as right as its labels, and worse for faces unlike those it was trained on; "
        "figures by group of people are only known where they are given above. It must not decide "
        "about people. Emotion recognition is forbidden or restricted at work and in education in "
        "some countries, among them those of the European Union. Faces are personal data: have "
        "leave to analyse them.",
        "",
    ]


def _json(file: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = read_json_object(file)
    except (OSError, ValueError) as error:
        raise CardError(f"{file} cannot be read: {error}") from error
    return found
