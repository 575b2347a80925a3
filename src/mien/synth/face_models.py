"""Where face models come from, as something that other processes can load too."""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from mien.synth.anny import AnnyFace
from mien.synth.facemodel import FaceModel
from mien.synth.ict import IctFace

Loader = Callable[[], FaceModel]
"""Loads a face model; it can be pickled, because each process loads its own."""

ICT_VARIABLE = "MIEN_ICT"
NAMES: tuple[str, ...] = ("anny", "ict")


class SourceError(ValueError):
    """A face model cannot be had; the message says what to install or to give."""


def loader(name: str, *, ict: Path | None = None) -> Loader:
    """What loads the face model of a name.

    Args:
        name: "anny" or "ict".
        ict: checkout or packed .npz of ICT-FaceKit; by default what `$MIEN_ICT` names.

    Raises:
        SourceError: on an unknown name, or where ICT-FaceKit is asked for and nothing says where it
            is.
    """
    if name == "anny":
        return AnnyFace
    if name != "ict":
        raise SourceError(f"unknown face model {name!r}; it is one of {', '.join(NAMES)}")
    place = ict or os.environ.get(ICT_VARIABLE)
    if not place:
        raise SourceError(
            f"ICT-FaceKit does not come with mien: give --ict PATH or set {ICT_VARIABLE}; get it "
            "with `git clone https://github.com/ICT-VGL/ICT-FaceKit`"
        )
    return partial(IctFace, Path(place))


def load(load_model: Loader) -> FaceModel:
    """The face model.

    Raises:
        SourceError: if it is not installed or its files are not what they should be.
    """
    try:
        return load_model()
    except (ImportError, ValueError, OSError, zipfile.BadZipFile, KeyError) as error:
        place = load_model.args[0] if isinstance(load_model, partial) and load_model.args else None
        where = f"{place}: " if place and str(place) not in str(error) else ""
        raise SourceError(f"{where}{error}") from error


def fingerprint(model: FaceModel) -> str:
    """Of the mesh and its actions: two versions of a model give different pictures."""
    digest = hashlib.sha256("\n".join(model.mesh.action_names).encode())
    for array in (model.mesh.template, model.mesh.triangles, model.mesh.actions):
        digest.update(array.tobytes())
    return f"{model.name}-{digest.hexdigest()[:16]}"
