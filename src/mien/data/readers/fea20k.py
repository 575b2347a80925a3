"""FEA-20K: annotations of pictures of seven other datasets, with units, expression and reasons.

Layout: JSON lines (certain; from the README of its authors), one object a row:

    {"id", "dataset", "image", "question", "AUs": ["AU1"], "labels": ["Sadness"], "description"}

Every .jsonl or .json file below the folder is read; one with "test" in its name belongs to the test
split, all others to train (names of files: as far as is known). Pictures are not part of it: each
row names one of its source, which is looked for as ``IMAGE``, ``images/IMAGE`` and
``DATASET/IMAGE`` below the folder.

Where the source codes a fixed list of units (DISFA, BP4D, FABA), those not named in a row are
absent; elsewhere only the named ones are known. A row with several labels has no expression; the
attribute `labels` keeps them. The text stands in the attribute `description`.

Source: Wu et al., "Facial-R1", AAAI 2026. Texts and part of the labels are by models, so that every
Sample is marked as pseudo-labelled.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mien import facs
from mien.data.readers.base import BadRow, Reader, each, label_set_of, missing
from mien.data.readers.faba import json_rows
from mien.datasets import DATASETS
from mien.sample import Sample
from mien.schema import ActionUnit, Expression

_HELP = "`mien data list fea20k`"
_LICENCE = "research only; pictures have the terms of their source"
_CODED = {
    name: DATASETS[name].benchmark_units or DATASETS[name].action_units
    for name in ("disfa", "bp4d", "faba")
}


def _read(root: Path, split: str | None, bad: BadRow) -> Iterator[Sample]:
    files = sorted(p for p in root.rglob("*.json*") if p.suffix in (".jsonl", ".json"))
    if not files:
        raise missing(root, ["*.jsonl", "*.json"], what="annotations", hint=_HELP)
    places: dict[str, str] = {}
    for path in files:
        own = "test" if "test" in path.stem.lower() else "train"
        if split not in (None, own):
            continue

        rows = list(json_rows(path))
        sets = _label_sets([row for _, row in rows])

        def make(row: dict[str, Any], own: str = own, sets: dict[str, str] = sets) -> Sample:
            return _sample(root, row, own, places, sets)

        yield from each(rows, make, bad)


def _label_sets(rows: list[dict[str, Any]]) -> dict[str, str]:
    """Source to the smallest label set that holds all its labels in a file."""
    words: dict[str, set[str]] = {}
    for row in rows:
        known = facs.expression_words()
        labels = row.get("labels")
        own = [str(x).lower() for x in labels] if isinstance(labels, list) else []
        found = {known[w] for w in own if w in known}
        words.setdefault(str(row.get("dataset")), set()).update(found)
    return {
        source: label_set_of(found & set(facs.LABEL_SETS["basic8"]))
        for source, found in words.items()
    }


def _sample(
    root: Path,
    row: dict[str, Any],
    split: str,
    places: dict[str, str],
    sets: dict[str, str],
) -> Sample:
    source = str(row["dataset"])
    words = [facs.canonical_expression(str(word)) for word in row.get("labels") or ()]
    attributes: dict[str, str | float] = {"source": source}
    for key in ("description", "question"):
        if row.get(key):
            attributes[key] = str(row[key]).replace("<image>", "").strip()
    expression = None
    if len(set(words)) == 1:
        expression = Expression(words[0], sets[source])
    elif words:
        attributes["labels"] = ", ".join(words)
    return Sample(
        id=f"{split}/{source}/{row['id']}",
        dataset="fea20k",
        image=_place(root, source, str(row["image"]), places),
        split=split,
        expression=expression,
        action_units=_units(row.get("AUs"), source),
        attributes=attributes,
        licence=_LICENCE,
        pseudo=True,
    )


def _place(root: Path, source: str, image: str, places: dict[str, str]) -> str:
    """Path of a picture; where those of a source lie is looked up with its first row."""
    if source not in places:
        tried = ("", "images/", f"{source}/", f"{source.lower()}/")
        places[source] = next((p for p in tried if (root / p / image).is_file()), "")
    return places[source] + image


def _units(names: list[str] | None, source: str) -> tuple[ActionUnit, ...] | None:
    """None where the row has no list, or an empty one of a source that codes no units."""
    key = next((k for k in _CODED if source.lower().startswith(k)), None)
    if names is None or (not names and key is None):
        return None
    present: set[int] = set()
    for name in names:
        found = re.fullmatch(r"\s*(?:AU)?\s*0*(\d+)\s*", str(name), re.IGNORECASE)
        if found is None:
            raise ValueError(f"{name!r} is no action unit")
        present.add(facs.au_info(int(found[1])).number)
    known = present | set(_CODED[key] if key else ())
    return tuple(ActionUnit(au, present=au in present) for au in sorted(known))


READER = Reader(
    name="fea20k",
    read=_read,
    title="FEA-20K",
    labels="expression, action units, reasons",
    licence=_LICENCE,
    access="annotations from Hugging Face (QBiscuits/FEA-20K); pictures from each source",
    url="https://huggingface.co/datasets/QBiscuits/FEA-20K",
    page="docs/datasets/fea20k.md",
    splits=("train", "test"),
)
