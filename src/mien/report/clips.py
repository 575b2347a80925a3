"""A clip in the report: for each person the plot over time, the frame of the apex, and the card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mien.page import Picture
from mien.report.cards import face_card
from mien.report.timeline import timeline_svg
from mien.schema import Analysis, Face
from mien.timeline import Timeline

Small = tuple[NDArray[np.uint8], NDArray | None, float]


@dataclass(frozen=True, eq=False)
class ClipItem:
    """One clip of a report.

    Attributes:
        source: its path or name.
        timeline: its frames' rows by person.
        rows: of its tracks, then its own.
        frames: track to the frame of its apex as `shrunk` makes it; those that could not be read
            again are missing.
    """

    source: str
    timeline: Timeline
    rows: tuple[Analysis, ...]
    frames: Mapping[int, tuple[NDArray[np.uint8], NDArray | None, float]] = field(
        default_factory=dict
    )


_WIDEST = 900


def shrunk(image: NDArray[np.uint8], face: Face) -> Small:
    """A frame as small as the report shows it, the face's points in it, and its scale."""
    scale = min(1.0, _WIDEST / max(image.shape[:2]))
    points = None if face.landmarks is None else np.asarray(face.landmarks) * scale
    return scaled(image, scale), points, scale


def scaled(image: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    """A picture made smaller."""
    if scale == 1.0:
        return image
    height, width = (max(1, round(side * scale)) for side in image.shape[:2])
    small = Image.fromarray(np.ascontiguousarray(image))
    return np.asarray(small.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=2.0))


def clip_words(item: ClipItem) -> dict[str, Any]:
    """Heading of a clip, and what is to be said of it as a whole."""
    clip, timeline = item.rows[-1], item.timeline
    count = len(timeline.tracks)
    people = f"{count} {'person' if count == 1 else 'tracks'}"
    known = clip.status not in ("no_face", "unreadable")
    # What was said of a person stands on that person's card.
    said = {warning for row in item.rows[:-1] for warning in row.warnings}
    return {
        "when": f"{clip.start:.1f} to {clip.end:.1f} s" if timeline.frames else "",
        "looked": f"{timeline.frames} frames looked at, {people}." if known else "",
        "warnings": [warning for warning in clip.warnings if warning not in said],
    }


def track_part(item: ClipItem, row: Analysis, figure: Picture | None) -> dict[str, Any]:
    """One person of a clip.

    Args:
        item: the clip.
        row: of kind "track".
        figure: the frame of the apex, if there is one.
    """
    track = item.timeline.tracks[row.track or 0]
    return {
        "plot": timeline_svg(track, row),
        "figure": figure,
        "caption": f"At the apex, {row.time:.2f} s, frame {row.frame}." if figure else "",
        "cards": [face_card(row, row.track or 0)],
        "seen": f"Seen in {len(track)} frames from {row.start:.2f} to {row.end:.2f} s. "
        "The expression is the mean over them, units are at their peaks.",
    }
