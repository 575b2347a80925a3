"""The pages of the datasets: how to get each, where to put it, and its traps."""

from __future__ import annotations

from pathlib import Path

import mien
from mien.data.readers.base import Reader


def page_of(entry: Reader) -> str:
    """The page of a dataset as Markdown.

    The wheel holds copies of docs/datasets; in a working copy the pages are read from there.
    """
    package = Path(mien.__file__).parent
    inside = package / "data" / "pages" / Path(entry.page).name
    file = inside if inside.is_file() else package.parents[1] / entry.page
    return file.read_text(encoding="utf-8")
