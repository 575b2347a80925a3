"""Pictures and frames on their way through the analyzer: waiting for answers, and with them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mien.engines import Answer
from mien.faces import can_be_whole
from mien.media import Picture
from mien.schema import Analysis, Face
from mien.timeline import Timeline


@dataclass(eq=False)
class Looked:
    """A picture, a frame of a clip, or a whole clip after it was looked at.

    Attributes:
        source: as given.
        image: (H, W, 3) upright RGB; None where it could not be read, and for a clip.
        faces: found faces, in the order of the rows.
        rows: one per face, or one that says why there is none; of a clip those of its tracks and
            its own.
        part: a picture; a frame; or, behind its last frame, the clip as a whole.
        timeline: of a clip, its frames' rows by person.
        origin: of a clip, where it can be read again.
        going_on: of a frame, the tracks that may come again behind it.
    """

    source: str
    image: NDArray[np.uint8] | None
    faces: list[Face] = field(default_factory=list)
    rows: list[Analysis] = field(default_factory=list)
    part: Literal["picture", "frame", "clip"] = "picture"
    timeline: Timeline | None = None
    origin: Path | bytes | None = None
    going_on: frozenset[int] = frozenset()


@dataclass(eq=False)
class Pending:
    """A picture whose faces wait for their answers; of a frame also its place in the clip."""

    picture: Picture
    faces: list[Face]
    answers: list[Answer] = field(default_factory=list)
    tracks: list[int] | None = None
    going_on: frozenset[int] = frozenset()
    frame: int = 0
    time: float = 0.0


def rows_of(entry: Pending, model: str) -> Iterator[Analysis]:
    """A row for each face of a picture, or one that says why there is none."""
    picture = entry.picture
    common: dict[str, Any] = {
        "source": picture.source,
        "model": model,
        "frame": entry.frame,
        "time": entry.time,
    }
    if picture.image is None:
        warning = picture.error or f"{picture.source}: could not be read"
        yield Analysis(**common, status="unreadable", warnings=(warning,))
    elif not entry.faces:
        crop = entry.tracks is None and can_be_whole(*picture.image.shape[:2])
        remedy = "; for a picture that is one face crop use --faces whole"
        why = "no face was found" + (remedy if crop else "")
        yield Analysis(**common, status="no_face", warnings=(*picture.warnings, why))
    for number, (face, answer) in enumerate(zip(entry.faces, entry.answers, strict=True)):
        yield Analysis(
            **common,
            face=number,
            track=number if entry.tracks is None else entry.tracks[number],
            status=answer.status,
            box=face.box,
            detection=face.detection,
            pose=face.pose,
            expression=answer.expression,
            action_units=answer.action_units,
            text=answer.text,
            warnings=(*picture.warnings, *answer.warnings),
        )
