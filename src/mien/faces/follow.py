"""Finding faces in frames that follow each other, near where they were."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from mien.faces.base import Finder
from mien.faces.track import PATIENCE
from mien.schema import Face

REFRESH = 1.0


@runtime_checkable
class NearFinder(Finder, Protocol):
    """A finder that can also look near known faces, which is quicker."""

    def find_near(self, image: NDArray[np.uint8], known: list[Face]) -> list[Face]:
        """Faces near these, and large ones anywhere; largest first."""
        ...


class Follower:
    """Finds the faces of the frames of one clip.

    The whole picture is searched in the first frame, behind a cut, every `refresh` seconds, and
    where fewer faces are found than before, for `patience` seconds in case one comes back from
    behind another. In between only what is near the last faces is searched, and the picture as a
    whole for large new ones; a small face that enters is thus found within `refresh` seconds.
    Finders that cannot look near a place search every frame.

    Args:
        finder: who finds.
        refresh: seconds from search to search; 0 searches every frame.
        patience: seconds for which a lost face is searched for.
    """

    def __init__(
        self, finder: Finder, *, refresh: float = REFRESH, patience: float = PATIENCE
    ) -> None:
        self._finder, self._refresh, self._patience = finder, refresh, patience
        self._known: list[Face] = []
        self._count = 0  # faces expected
        self._full_at = 0.0  # when there were so many
        self._searched: float | None = None

    def find(self, image: NDArray[np.uint8], *, time: float, cut: bool = False) -> list[Face]:
        """Faces of the next frame, largest first.

        Args:
            image: (H, W, 3) uint8, upright RGB.
            time: of the frame in seconds.
            cut: whether the scene has changed since the last frame.
        """
        faces = None
        fresh = self._searched is not None and 0 <= time - self._searched < self._refresh - 1e-6
        if cut or time - self._full_at > self._patience:
            self._count = len(self._known)
        complete = len(self._known) >= self._count
        if isinstance(self._finder, NearFinder) and fresh and complete and not cut:
            faces = self._finder.find_near(image, self._known)
            if len(faces) < self._count:
                faces = None
        if faces is None:
            faces = self._finder.find(image)
            self._searched = time
        self._known = faces
        if cut or len(faces) >= self._count:
            self._count, self._full_at = len(faces), time
        return faces
