"""From a picture to the face crop that a model is trained on."""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mien.faces import (
    CropSpec,
    Finder,
    MediaPipeFinder,
    Square,
    WholeFinder,
    crop_at,
    crop_face,
    crop_square,
)
from mien.partfile import sink_error
from mien.untrusted import json_value

CACHE_FOLDER = Path(".mien") / "faces"


class FaceCrops:
    """Cuts faces as a checkpoint wants them.

    Where a face lies is found once for each picture and kept as a line of text, so that later
    epochs only cut. Every process appends to a file of its own.

    Args:
        spec: the checkpoint's `crop_spec`.
        faces: "given" takes a picture as a face crop already; "find" cuts the largest face.
        folder: where found places are kept; None keeps them in memory alone.
        finder: MediaPipe's by default, started when it is first needed.
    """

    def __init__(
        self,
        spec: CropSpec,
        *,
        faces: Literal["given", "find"] = "given",
        folder: Path | None = None,
        finder: Finder | None = None,
    ) -> None:
        self.spec, self.faces, self.finder = spec, faces, finder
        identity = f"{spec.scale} {spec.shift} {spec.align} {getattr(finder, 'name', 'mediapipe')}"
        digest = hashlib.sha256(identity.encode()).hexdigest()[:16]
        self.folder = None if folder is None or faces == "given" else folder / digest
        self._places: dict[str, Square | None] = {}
        self._file: Path | None = None
        self._process = 0
        if self.folder is not None:
            self._read(self.folder)

    def __call__(self, image: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
        """(S, S, 3) of a picture (H, W, 3), both uint8 RGB; None where no face is found."""
        if self.faces == "given":
            return crop_face(image, WholeFinder().find(image)[0], self.spec)
        key = hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=16)
        key.update(repr(image.shape).encode())
        name = key.hexdigest()
        if name not in self._places:
            self._keep(name, self._find(image))
        square = self._places[name]
        return None if square is None else crop_at(image, square, self.spec.size)

    def __getstate__(self) -> dict[str, Any]:
        """Without MediaPipe, which every process starts itself."""
        finder = None if isinstance(self.finder, MediaPipeFinder) else self.finder
        return {**self.__dict__, "finder": finder, "_file": None}

    def _find(self, image: NDArray[np.uint8]) -> Square | None:
        if self.finder is None or self._process not in (0, os.getpid()):
            self.finder, self._process = MediaPipeFinder(), os.getpid()
        found = self.finder.find(image)
        if not found:
            return None
        square = crop_square(found[0], self.spec, height=image.shape[0], width=image.shape[1])
        try:
            crop_at(image, square, 1)
        except ValueError:  # its points lie outside of the picture
            return None
        return square

    def _keep(self, name: str, square: Square | None) -> None:
        self._places[name] = square
        if self.folder is None:
            return
        values = None
        if square is not None:
            values = [square.x, square.y, square.side, square.roll]
        try:
            if self._file is None or str(os.getpid()) not in self._file.stem:
                self.folder.mkdir(parents=True, exist_ok=True)
                self._file = self.folder / f"{os.getpid()}-{uuid.uuid4().hex[:8]}.jsonl"
            with self._file.open("a", encoding="utf-8") as file:
                file.write(json.dumps([name, values]) + "\n")
        except OSError as error:
            raise sink_error(self._file or self.folder, error) from error

    def _read(self, folder: Path) -> None:
        for path in sorted(folder.glob("*.jsonl")):
            for line in path.read_text(encoding="utf-8").splitlines():
                try:
                    name, values = json_value(line)
                except (ValueError, TypeError):  # the last line of a run that was killed
                    continue
                self._places[name] = None if values is None else Square(*values)
