"""What a training run is: model, data, losses and stages, read from a YAML file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Literal

from mien.data.build.tasks import TASKS
from mien.train.fields import RecipeError, dotted, read
from mien.train.values import parse, set_value

BUILT_IN = ("feallm-7b", "feallm-qwen", "emo-llama-7b", "nano")
"""Recipes inside the package."""

Part = Literal["face", "language", "qformer", "lora"]
Metric = Literal["loss", "uar", "war", "au_f1"]


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


@dataclass(frozen=True)
class Source:
    """Rows of one set of instruction data.

    Attributes:
        rows: folder or file that `mien data build` wrote, Parquet or JSONL.
        root: folder of the pictures, below which each row's paths lie; none where the pictures are
            inside the rows or `roots.json` beside them says where they are.
        weight: how often its faces are visited, beside those of the other sources.
        augment: strength of the changes to pictures in training, 0 (none) to 1.
        priors: facial priors of an EMO-LLaMA: "built-in", or a file that was computed elsewhere;
            none leaves them unknown.
    """

    rows: Path
    root: Path | None = None
    weight: float = 1.0
    augment: float = 0.0
    priors: str | None = None

    def __post_init__(self) -> None:
        _require(self.weight > 0, f"weight is {self.weight:g}; it must be above 0")
        _require(0 <= self.augment <= 1, f"augment is {self.augment:g}, outside 0 to 1")


@dataclass(frozen=True)
class CacheSpec:
    """Features of the frozen vision encoder, computed once.

    Attributes:
        folder: where they are kept; they may be as large as `budget`.
        views: fixed views of each face: 1 is the plain picture, 2 adds its mirror image, more are
            drawn as `augment` says.
        budget: GB that the files may take; a larger cache is refused before it is begun.
        precision: of the stored numbers; "model" is what the encoder gives.
    """

    folder: Path
    views: int = 1
    budget: float = 20.0
    precision: Literal["model", "float16", "float32"] = "model"

    def __post_init__(self) -> None:
        _require(self.views >= 1, f"views is {self.views}; give 1 or more")
        _require(self.budget > 0, f"budget is {self.budget:g}; give the GB that may be used")


@dataclass(frozen=True)
class DataSpec:
    """What is learned from.

    Attributes:
        train: sources of the training rows.
        validation: sources of the rows that choose the best checkpoint; none leaves it out.
        by: "row" visits every row once an epoch; "face" every face, with one of its rows drawn.
        tasks: how often a row of each task is drawn then, beside the others; 1 where not named.
        faces: "given" takes pictures as face crops; "find" finds the face and cuts it as the
            model wants it.
        max_length: most tokens of a conversation, pictures included; none is no limit.
        too_long: a longer one stops the run ("error") or is left out ("drop").
        text_share: share of the faces of a batch that carry text, beside their numbers; one face
            at least, but for 0.
        invented: share of analyses with drawn labels, whose label line is given and not learned.
        soft_labels: Parquet file of a teacher: sample, expression probabilities, presence of units.
        cache: features of the frozen encoder; none computes them at every step.
        frames: frames that are drawn from a clip.
        group_by_length: put conversations of like length into a batch, which saves padding.
        workers: processes that prepare batches; 0 does so between the steps.
    """

    train: tuple[Source, ...]
    validation: tuple[Source, ...] = ()
    by: Literal["row", "face"] = "row"
    tasks: dict[str, float] | None = None
    faces: Literal["given", "find"] = "find"
    max_length: int | None = None
    too_long: Literal["error", "drop"] = "error"
    text_share: float = 1.0
    invented: float = 0.0
    soft_labels: Path | None = None
    cache: CacheSpec | None = None
    frames: int = 8
    group_by_length: bool = False
    workers: int = 0

    def __post_init__(self) -> None:
        _require(len(self.train) > 0, "train is empty; name at least one source")
        for task, weight in (self.tasks or {}).items():
            _require(task in TASKS, f"tasks has {task!r}; tasks are {', '.join(TASKS)}")
            _require(weight > 0, f"tasks.{task} is {weight:g}; a weight is above 0")
        _require(not self.tasks or self.by == "face", "tasks are drawn where by is face alone")
        for name in ("text_share", "invented"):
            value = getattr(self, name)
            _require(0 <= value <= 1, f"{name} is {value:g}, outside 0 to 1")
        _require(self.frames >= 1, f"frames is {self.frames}; give 1 or more")
        _require(self.workers >= 0, f"workers is {self.workers}; give 0 or more")
        if self.max_length is not None:
            _require(self.max_length >= 1, f"max_length is {self.max_length}; give 1 or more")


@dataclass(frozen=True)
class LossSpec:
    """Weights of what is learned at the same time; 0 leaves a part out.

    Attributes:
        text: cross entropy of the answers' tokens.
        numbers: cross entropy of expression and units, by the likelihoods of candidate answers.
        teacher: divergence from what a teacher says, `heads` or the soft labels of the data.
        label_smoothing: share of an expression's target that is spread over all classes.
        balance: lift rare expressions and rare units.
        heads: safetensors file of heads on the frozen vision encoder of a FEALLM, which are asked
            about each face as it is shown, changed by `augment`; `mien.train.heads` writes it.
    """

    text: float = 1.0
    numbers: float = 0.0
    teacher: float = 0.0
    label_smoothing: float = 0.0
    balance: bool = True
    heads: Path | None = None

    def __post_init__(self) -> None:
        for name in ("text", "numbers", "teacher"):
            value = getattr(self, name)
            _require(value >= 0, f"{name} is {value:g}; a weight is 0 or more")
        _require(self.text + self.numbers + self.teacher > 0, "text, numbers and teacher are all 0")
        smooth = self.label_smoothing
        _require(0 <= smooth < 1, f"label_smoothing is {smooth:g}, outside 0 to 1")
        _require(
            self.heads is None or self.teacher > 0, "heads are given, but teacher is 0; set it to 1"
        )


@dataclass(frozen=True)
class LoraSpec:
    """Low-rank adapters on the language model's attention.

    Attributes:
        rank: of the two factors.
        alpha: the factors' product counts alpha / rank times.
        dropout: share of the inputs of an adapter that is dropped in training.
    """

    rank: int = 128
    alpha: float = 256.0
    dropout: float = 0.05

    def __post_init__(self) -> None:
        _require(self.rank >= 1, f"rank is {self.rank}; give 1 or more")
        _require(self.alpha > 0, f"alpha is {self.alpha:g}; it must be above 0")
        _require(0 <= self.dropout < 1, f"dropout is {self.dropout:g}, outside 0 to 1")


@dataclass(frozen=True)
class Stage:
    """One stage of training; the next goes on from its weights.

    Attributes:
        name: also of its folder.
        train: what trains: "face" (mien's own modules), "language" (the whole decoder), "qformer",
            "lora"; all else is frozen.
        lora: adapters, where "lora" trains.
        epochs: visits to every row or face.
        max_steps: instead: so many optimiser steps.
        learning_rate: the highest.
        face_learning_rate: that of "face" and "qformer", where it is another.
        batch_size: rows or faces at a time on one device.
        accumulation: batches to one optimiser step.
        warmup: below 1: share of the steps; else their number.
        schedule: course of the learning rate after the warm-up.
        weight_decay: of AdamW; not on biases and norms.
        adam_beta2: of AdamW.
        max_grad_norm: gradients are scaled down to it; 0 leaves them.
        precision: of the computation; trained weights are kept in float32.
        gradient_checkpointing: compute activations twice instead of keeping them.
        save_every: steps between checkpoints and evaluations; none is once an epoch.
        log_every: steps between records.
        keep: last checkpoints that are kept, beside the best.
        data: another DataSpec than the recipe's.
        loss: another LossSpec than the recipe's.
    """

    name: str
    train: tuple[Part, ...]
    lora: LoraSpec | None = None
    epochs: float | None = None
    max_steps: int | None = None
    learning_rate: float = 1e-4
    face_learning_rate: float | None = None
    batch_size: int = 16
    accumulation: int = 1
    warmup: float = 0.03
    schedule: Literal["cosine", "linear", "constant", "constant_with_warmup"] = "cosine"
    weight_decay: float = 0.0
    adam_beta2: float = 0.999
    max_grad_norm: float = 1.0
    precision: Literal["float32", "bf16", "fp16"] = "bf16"
    gradient_checkpointing: bool = False
    save_every: int | None = None
    log_every: int = 10
    keep: int = 1
    data: DataSpec | None = None
    loss: LossSpec | None = None

    def __post_init__(self) -> None:
        safe = self.name.replace("-", "").replace("_", "").isalnum()
        _require(safe, f"name is {self.name!r}; use letters, digits, - and _")
        _require(self.name != "model", "name is 'model', which is the folder of the result")
        _require(len(self.train) > 0, "train is empty; name what trains")
        _require(
            not {"lora", "language"} <= set(self.train),
            "train has both lora and language; take one of them",
        )
        has_lora = "lora" in self.train
        _require(has_lora or self.lora is None, 'lora is given, but train has no "lora"')
        _require(
            (self.epochs is None) != (self.max_steps is None),
            "epochs or max_steps: give exactly one of them",
        )
        for name in ("learning_rate", "face_learning_rate", "epochs", "max_steps", "save_every"):
            value = getattr(self, name)
            _require(value is None or value > 0, f"{name} is {value}; it must be above 0")
        for name in ("batch_size", "accumulation", "log_every", "keep"):
            value = getattr(self, name)
            _require(value >= 1, f"{name} is {value}; give 1 or more")
        for name in ("warmup", "weight_decay", "max_grad_norm"):
            value = getattr(self, name)
            _require(value >= 0, f"{name} is {value:g}; give 0 or more")
        _require(0 < self.adam_beta2 < 1, f"adam_beta2 is {self.adam_beta2:g}, outside 0 to 1")


@dataclass(frozen=True)
class Recipe:
    """A training run from a start model to a trained one.

    Attributes:
        name: of the run.
        start: folder or Hub name of the model that it starts from (`mien init` makes one).
        data: what is learned from.
        stages: in order.
        loss: what is learned at the same time.
        seed: of new weights, order, augmentation and wording.
        out: folder of the run; `--out` replaces it.
        metric: what chooses the best checkpoint, on the validation rows: "loss" (lowest), "uar",
            "war" or "au_f1" (highest).
        report: where curves go beside `log.csv`: "tensorboard".
    """

    name: str
    start: str
    data: DataSpec
    stages: tuple[Stage, ...]
    loss: LossSpec = field(default_factory=LossSpec)
    seed: int = 0
    out: Path | None = None
    metric: Metric = "loss"
    report: tuple[Literal["tensorboard"], ...] = ()

    def __post_init__(self) -> None:
        names = [stage.name for stage in self.stages]
        _require(len(names) > 0, "stages is empty; give at least one")
        twice = next((n for n in names if names.count(n) > 1), None)
        _require(twice is None, f"stages has two of the name {twice!r}; names must differ")
        blind = next((s.name for s in self.stages if not (s.data or self.data).validation), None)
        _require(
            self.metric == "loss" or blind is None,
            f"metric is {self.metric!r}, which is measured on validation rows, and stage {blind!r} "
            "has none; give data.validation, or metric: loss",
        )
        for stage in self.stages:
            loss, data = stage.loss or self.loss, stage.data or self.data
            given = [loss.heads, data.soft_labels]
            _require(
                not loss.teacher or given.count(None) == 1,
                f"loss.teacher is {loss.teacher:g}, and stage {stage.name!r} has "
                f"{'both' if None not in given else 'neither'} of loss.heads and data.soft_labels; "
                "give one of them",
            )
            _require(
                loss.heads is None or data.cache is None,
                f"stage {stage.name!r} has loss.heads, which read whole maps, and data.cache, "
                "which keeps them on a coarser grid; give one of them",
            )


def load_recipe(source: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """Reads and checks a recipe.

    Args:
        source: name of a built-in recipe, or a YAML file. Its paths count from the working folder.
        overrides: "stages.0.learning_rate=1e-5", "data.train.0.rows=DIR", ...; values are YAML.

    Raises:
        RecipeError: naming file and field, or line, and the remedy.
    """
    file, text = _text(source)
    data = parse(text, file)
    for override in overrides:
        set_value(data, override)
    recipe: Recipe = read(Recipe, data, f"{file}: ")
    _check_paths(recipe, file)
    return recipe


def _text(source: str | Path) -> tuple[str, str]:
    """Name and text of a recipe."""
    if str(source) in BUILT_IN:
        folder = resources.files("mien.train") / "recipes"
        return f"{source}.yaml", (folder / f"{source}.yaml").read_text(encoding="utf-8")
    path = Path(source).expanduser()
    try:
        return path.name, path.read_text(encoding="utf-8")
    except FileNotFoundError:
        known = ", ".join(BUILT_IN)
        raise RecipeError(f"no recipe {source}: there is no such file; built in: {known}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"cannot read recipe {source}: {error}") from None


def _check_paths(recipe: Recipe, file: str) -> None:
    """Refuses paths that do not exist, before anything heavy is loaded."""
    wanted: list[tuple[str, Path | None]] = []
    specs = [("data", recipe.data)]
    specs += [
        (f"stages[{n}].data", s.data) for n, s in enumerate(recipe.stages) if s.data is not None
    ]
    for place, spec in specs:
        for part in ("train", "validation"):
            for number, source in enumerate(getattr(spec, part)):
                wanted.append((f"{place}.{part}[{number}].rows", source.rows))
                wanted.append((f"{place}.{part}[{number}].root", source.root))
        wanted.append((f"{place}.soft_labels", spec.soft_labels))
    wanted.append(("loss.heads", recipe.loss.heads))
    wanted += [
        (f"stages[{n}].loss.heads", s.loss.heads)
        for n, s in enumerate(recipe.stages)
        if s.loss is not None
    ]
    if recipe.start.startswith((".", "/", "~")):
        wanted.append(("start", Path(recipe.start).expanduser()))
    for where, path in wanted:
        if path is not None and not path.exists():
            raise RecipeError(
                f"{file}: {where} is {path}, which does not exist; "
                f"give another with --set {dotted(where)}=PATH"
            )
