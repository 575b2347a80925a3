"""How well raters agree on the rows that they marked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mien.data.build.settings import BuildError
from mien.metrics.raters import cohen_kappa, krippendorff_alpha
from mien.untrusted import json_object

MARKS: tuple[str, ...] = (
    "good",
    "wrong expression",
    "wrong AU",
    "bad reasoning",
    "bad language",
)


@dataclass(frozen=True)
class Agreement:
    """What raters made of the same rows.

    Attributes:
        raters: names of the files.
        marks: per rater, how often each mark was given.
        shared: rows that two raters or more have marked.
        same: of these, rows on which all who marked them agree.
        kappa: Cohen's, of two raters; None for more, NaN where all marks are the same.
        alpha: Krippendorff's, of any number; NaN where all marks are the same.
        differing: ids of rows on which raters differ, with their marks.
    """

    raters: tuple[str, ...]
    marks: tuple[Counter[str], ...]
    shared: int
    same: int
    kappa: float | None
    alpha: float
    differing: dict[str, tuple[str | None, ...]]


def read_marks(path: Path) -> dict[str, str]:
    """Row to mark, of a file that the page saved; of a row marked twice the last counts.

    Raises:
        BuildError: if the file cannot be read or holds something else.
    """
    found: dict[str, str] = {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BuildError(f"cannot read {path}: {error}; give files that the page saved") from error
    for number, line in enumerate(filter(str.strip, lines), 1):
        try:
            row = json_object(line)
            name, mark = row["id"], row["mark"]
        except (ValueError, KeyError, TypeError) as error:
            raise BuildError(f"{path}, line {number}: no mark of the review page") from error
        if mark not in MARKS:
            raise BuildError(f"{path}, line {number}: unknown mark {mark!r}; {', '.join(MARKS)}")
        found[name] = mark
    return found


def agreement(paths: Sequence[Path]) -> Agreement:
    """Compares two raters or more, over the rows that at least two of them marked.

    Raises:
        BuildError: if there are fewer than two files, or no row that two raters marked.
    """
    if len(paths) < 2:
        raise BuildError("give the marks of at least two raters")
    files = [read_marks(path) for path in paths]
    names = sorted(
        name for name in set().union(*files) if sum(name in marks for marks in files) > 1
    )
    if not names:
        raise BuildError("no row was marked by two raters; take the same --seed and --count")
    table = [[marks.get(name) for name in names] for marks in files]
    columns = dict(zip(names, zip(*table, strict=True), strict=True))
    differing = {name: column for name, column in columns.items() if len(set(column) - {None}) > 1}
    return Agreement(
        raters=tuple(path.name for path in paths),
        marks=tuple(Counter(marks.values()) for marks in files),
        shared=len(names),
        same=len(names) - len(differing),
        kappa=cohen_kappa(table[0], table[1]) if len(table) == 2 else None,
        alpha=krippendorff_alpha(table),
        differing=differing,
    )
