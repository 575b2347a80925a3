"""FERBench: the test pictures of RAF-DB, FERPlus, AffectNet and SFEW 2.0 as questions.

Layout (certain; the files of its authors' repository), lists of

    {"image_path": "/SFEW-2.0/Val/...", "true_label": "angry", "prompt", "candidate_labels": [...]}

in ``*_qa.json``, anywhere below the folder (as in the repository: eval_rafdb/data/rafdb_qa.json).
Pictures are not part of it. The paths begin with a slash and are taken to begin at the folder; if a
picture is not there, leading parts of the path are left out until it is.

The candidates decide the label set; prompt and candidates stand in the attributes, and the name of
the part in `source`.

Source: Zhang et al., "UniFER", arXiv 2511.00389.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mien import facs
from mien.data.readers.base import BadRow, Reader, each, label_set_of, missing
from mien.data.readers.faba import json_rows
from mien.sample import Sample
from mien.schema import Expression

_HELP = "`mien data list ferbench`"
_LICENCE = "pictures have the terms of their source"


def _read(root: Path, split: str | None, bad: BadRow, *, part: str) -> Iterator[Sample]:
    files = sorted(root.rglob("*_qa.json"))
    if not files:
        raise missing(root, ["*_qa.json"], what="questions", hint=_HELP)
    for path in files:
        source = path.stem.removesuffix("_qa")
        if part not in ("all", source):
            continue
        skip: list[int] = []

        def make(
            item: tuple[int, dict[str, Any]], source: str = source, skip: list[int] = skip
        ) -> Sample:
            number, row = item
            names = str(row["image_path"]).replace("\\", "/").strip("/").split("/")
            if not skip:
                skip.append(_leading(root, names))
            candidates = [facs.canonical_expression(word) for word in row["candidate_labels"]]
            label = facs.canonical_expression(str(row["true_label"]))
            if label not in candidates:
                raise ValueError(f"label {label} is none of the candidates")
            return Sample(
                id=f"{source}/{number:05d}",
                dataset="ferbench",
                image="/".join(names[skip[0] :]),
                split="test",
                expression=Expression(label, label_set_of(candidates)),
                attributes={
                    "source": source,
                    "prompt": str(row.get("prompt", "")),
                    "candidates": ", ".join(candidates),
                },
                licence=_LICENCE,
            )

        rows = ((where, (k, row)) for k, (where, row) in enumerate(json_rows(path)))
        yield from each(rows, make, bad)


def _leading(root: Path, names: list[str]) -> int:
    """How many leading parts of a path to leave out; 0 where the picture is nowhere."""
    return next((k for k in range(len(names)) if root.joinpath(*names[k:]).is_file()), 0)


READER = Reader(
    name="ferbench",
    read=_read,
    title="FERBench",
    labels="7 or 8 expressions, with questions and candidates",
    licence=_LICENCE,
    access="questions from the authors' repository; pictures from each source",
    url="https://github.com/zfkarl/UniFER",
    page="docs/datasets/ferbench.md",
    splits=("test",),
    options={"part": ("all", "rafdb", "ferplus", "affectnet", "sfew_2.0")},
)
