"""How a table of text was written: its encoding and what stands between its cells."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from mien.data.readers.base import LayoutError, regular

_BETWEEN = (",", ";", "\t", "|")
_LINE = 1 << 20
_SEP = re.compile(r"sep=(?P<sep>.)\s*", re.IGNORECASE)
_WINDOWS_SIGNS = frozenset(
    "\u201c\u201d\u2018\u2019\u2013\u2014\u2026\u20ac\u00b0\u00a7\u00b4\u00ab\u00bb\u00b7\u00a0"
)
"""Quotes, dashes, the euro and the like: what office texts hold beside letters."""


@dataclass(frozen=True, slots=True)
class TableForm:
    """How to open and part a table.

    Attributes:
        encoding: as `open` takes it.
        delimiter: between cells.
        skip: whether the first line is Excel's ``sep=;``.
    """

    encoding: str
    delimiter: str
    skip: bool = False

    @property
    def decimal_comma(self) -> bool:
        """Whether a comma between digits is a decimal sign, since it does not part cells."""
        return self.delimiter != ","


def form_of(path: Path, columns: Sequence[str] | None = None) -> TableForm:
    """The form of a table: UTF-8, UTF-16 or Windows-1252; commas, semicolons, tabs or bars.

    Args:
        path: of the table.
        columns: of one that may have no header; they tell how many cells a line has.

    Raises:
        LayoutError: if it is no text of these.
    """
    state = regular(path).stat()
    return _form(path, state.st_mtime_ns, state.st_size, tuple(columns or ()))


@lru_cache(maxsize=16)
def _form(path: Path, stamp: int, size: int, columns: tuple[str, ...]) -> TableForm:
    encoding = _encoding(path)
    try:
        with path.open(encoding=encoding, newline="") as file:
            head = file.readline(_LINE)
    except UnicodeDecodeError as error:
        raise _no_text(path, f"as {encoding} it is broken: {error.reason}") from None
    found = _SEP.fullmatch(head)
    if found is not None:
        return TableForm(encoding, found["sep"], skip=True)
    cells = {sign: _width(head, sign) for sign in _BETWEEN}
    if columns and cells[","] != len(columns):
        return TableForm(encoding, next((s for s in _BETWEEN if cells[s] == len(columns)), ","))
    return TableForm(encoding, "," if columns else max(_BETWEEN, key=lambda sign: cells[sign]))


def _width(line: str, sign: str) -> int:
    """Number of cells in a line that this sign parts."""
    try:
        return len(next(csv.reader([line], delimiter=sign), []))
    except csv.Error:  # longer than a cell may be
        return 1


def _encoding(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(4096)
        if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return "utf-16"
        zeros = [head[k::2].count(0) for k in (0, 1)]
        if max(zeros) > 0.4 * len(head) and min(zeros) < 0.05 * len(head):
            return "utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"
        file.seek(0)
        check = codecs.getincrementaldecoder("utf-8")()
        other: set[str] = set()
        utf8 = True
        while part := file.read(1 << 20):
            try:
                if utf8:
                    check.decode(part)
            except UnicodeDecodeError:
                utf8 = False
                file.seek(0)
                continue
            if not utf8:
                other.update(_windows(part, path))
        try:
            check.decode(b"", final=utf8)
        except UnicodeDecodeError:
            other.update(_windows(head, path))
            utf8 = False
    if utf8:
        return "utf-8-sig"
    if odd := {c for c in other if not c.isascii() and not c.isalpha()} - _WINDOWS_SIGNS:
        raise _no_text(path, f"as Windows-1252 it holds {', '.join(sorted(odd)[:3])!r}")
    return "cp1252"


def _windows(part: bytes, path: Path) -> set[str]:
    """The signs of a part in Windows-1252."""
    if b"\0" in part:
        raise _no_text(path, "it holds zero bytes")
    try:
        return set(part.decode("cp1252"))
    except UnicodeDecodeError as error:
        raise _no_text(path, f"byte {part[error.start]:#04x} is no sign of Windows-1252") from None


def _no_text(path: Path, why: str) -> LayoutError:
    return LayoutError(
        f"{path}: not a table in UTF-8, UTF-16 or Windows-1252 ({why}). If it is a table, save it "
        "as CSV UTF-8; else copy or download it again"
    )
