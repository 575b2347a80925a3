"""Pictures, frames and videos that labels name and a copy of a dataset lacks."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from mien.data.inside import is_there, located
from mien.data.pictures import files_of
from mien.sample import Sample

Missing = Literal["stop", "leave-out", "keep"]
"""What happens to samples without their files: all are counted and the build ends with an error,
they are left out, or nobody looks (where the pictures are on another machine)."""


class AbsentError(RuntimeError):
    """Files that labels name are not there; the message says how many and what to do."""


class Files:
    """Looks for files; one that holds many pictures is looked for once.

    Args:
        folder: what the paths in the Samples are relative to.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._shared: dict[str, bool] = {}

    def lacking(self, sample: Sample) -> str | None:
        """The first file of a Sample that is not there, none of them outside of the folder."""
        return next((path for path in files_of(sample) if not self._there(sample, path)), None)

    def check_inside(self, sample: Sample) -> None:
        """Looks whether all files of a Sample are the folder's own.

        Raises:
            OutsideError: if one lies elsewhere.
            MediaError: if no file can have its name.
        """
        for path in files_of(sample):
            located(path, self._folder)

    def _there(self, sample: Sample, path: str) -> bool:
        if sample.image is None or path == sample.image:
            return is_there(path, self._folder)
        there = self._shared.get(path)
        if there is None:
            there = self._shared[path] = is_there(path, self._folder)
        return there
