"""Card and notice of a set: what it holds, how it was made, and whose terms bind it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from mien.data.build.plan import Survey
from mien.data.build.shards import DATA, Folder
from mien.data.build.sources import Terms
from mien.data.checks.report import Report
from mien.partfile import write_whole

CARD = "README.md"
NOTICE = "NOTICE"

_FREE = {"CC0-1.0": "cc0-1.0", "CC-BY-4.0": "cc-by-4.0", "Apache-2.0": "apache-2.0", "MIT": "mit"}
"""Licences that Hugging Face has a word for, if all samples say the same."""


def write_card(folder: Folder, report: Report, terms: Mapping[str, Terms], found: Survey) -> None:
    """Writes README.md, with the front matter that Hugging Face reads, and NOTICE.

    Raises:
        SinkError: if they cannot be written.
    """
    write_whole(folder.path / CARD, card(folder, report, terms).encode())
    write_whole(folder.path / NOTICE, notice(terms, found).encode())


def card(folder: Folder, report: Report, terms: Mapping[str, Terms]) -> str:
    """The card as Markdown."""
    settings = folder.settings
    checks = report.checks
    splits: Counter[str] = Counter()
    for shard in folder.shards:
        splits[shard.split] += shard.rows
    titles = [terms[name].title if name in terms else name for name in report.sources]
    lines = [
        *_front_matter(splits, settings, report),
        "# Facial emotion analysis: instruction data",
        "",
        f"{report.rows:,} exchanges about {report.samples:,} faces or clips, made by mien "
        f"{settings['mien']} from {', '.join(titles)}.",
        "**The terms of these datasets bind this one too; see [NOTICE](NOTICE).** Pictures are "
        + ("inside of the files." if settings["embed_images"] else "named by path, not included."),
        "",
        "| | |",
        "|---|---|",
        f"| rows, answers | {report.rows:,}, {report.turns:,} |",
        f"| people, as far as known | {report.subjects:,} |",
        f"| splits | {_list(splits)} |",
        f"| written by | {_list(report.writers)} |",
        *(
            f"| samples of {source} left out | {_list(counts)} |"
            for source, counts in report.left_out.items()
        ),
        f"| with labels of another model | {report.pseudo:,} |",
        f"| texts set aside by the checks | {sum(checks['set_aside'].values()):,} of "
        f"{checks.get('texts', 0):,} |",
        f"| seed | {settings['seed']} |",
        "",
        *_table("task", report.tasks),
        *_table("expression", report.expressions),
        *_units(report),
        "## Columns",
        "",
        "`messages` (role, and content parts of type image, video or text), `images` and `videos` "
        "(paths that begin with the name of the source, below a folder of yours), `source`, "
        "`dataset`, `sample`, `subject`, `split`, `task`, `writer`, `pseudo`, `labels` (expression "
        "and units with presence and intensity 1 to 5; units that are not listed are not labelled),"
        " `licence`.",
        "",
        "## How the texts were made and checked",
        "",
        "Texts of `template` are written from the labels by grammar and phrase files. Every text "
        "of a teacher was read back and had to agree with the labels: expression, units named, "
        "units denied, reasons; and is free of refusals, identities and near-duplicates. "
        "`report.html` has the rates and texts to read.",
        "",
        "## Limits",
        "",
        "The texts are as right as the labels. A label says what a face shows, not what a person "
        "feels. Emotion recognition is forbidden or restricted in places of work and education in "
        "some countries.",
        "",
    ]
    return "\n".join(lines)


def notice(terms: Mapping[str, Terms], found: Survey) -> str:
    """The terms of the sources."""
    lines = [
        "This set of instruction data is derived from the datasets below. Its texts and labels",
        "inherit their terms; whoever passes it on must hold to each of them.",
        "",
    ]
    for name, counts in sorted(found.licences.items()):
        own = terms.get(name)
        title = own.title if own else name
        lines.append(f"{title} ({name}): {found.samples[name]:,} samples read")
        if own:
            lines.append(f"  terms: {own.licence}")
            lines.append(f"  access: {own.access}")
            lines += [f"  owner: {own.url}"] if own.url else []
        lines.append(f"  as its samples say: {_list(counts)}")
        lines.append("")
    return "\n".join(lines)


def _front_matter(
    splits: Mapping[str, int], settings: Mapping[str, Any], report: Report
) -> Iterable[str]:
    licences = list(report.licences)
    # "CC0-1.0 (Anny)" says what the licence is of
    licence = _FREE.get(licences[0].split(" ")[0], "other") if len(licences) == 1 else "other"
    size = next((word for most, word in _SIZES if report.rows < most), "1M<n<10M")
    yield "---"
    yield f"license: {licence}"
    if licence == "other":
        yield "license_name: terms-of-the-sources"
        yield "license_link: NOTICE"
    yield from ("language:", "- en", "task_categories:", "- image-text-to-text")
    yield from ("tags:", "- facial-expression", "- action-units", "- FACS")
    yield from ("size_categories:", f"- {size}")
    yield from ("configs:", "- config_name: default", "  data_files:")
    for split in splits:
        yield f"  - split: {split}"
        yield f"    path: {DATA}/{split}-*.{settings['format']}"
    yield from ("---", "")


_SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
)


def _list(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items()) or "none"


def _table(title: str, counts: Mapping[str, int]) -> list[str]:
    rows = [f"| {name} | {count:,} |" for name, count in counts.items()]
    return [f"| {title} | rows |", "|---|---:|", *rows, ""]


def _units(report: Report) -> list[str]:
    if not report.units:
        return []
    rows = [
        f"| {name} | {c['present']:,} | {c['absent']:,} | {c['not labelled']:,} |"
        for name, c in report.units.items()
    ]
    return ["| unit | present | absent | not labelled |", "|---|---:|---:|---:|", *rows, ""]
