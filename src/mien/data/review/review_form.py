"""A page to read some rows of a set on, with pictures, and to mark them; it sends nothing away."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from mien.data.build.instruction_row import turns_of
from mien.data.build.shards import Folder
from mien.data.build.tasks import content_hash
from mien.data.leak_sets import open_row_image, open_row_video
from mien.data.review.reviewer_agreement import MARKS
from mien.facs import au_info
from mien.media import MediaError
from mien.page import Picture, fill, inlined

SIDE = 320
"""Longest side in pixels of a picture on the page."""
_PICTURES = 4
"""Most pictures of a row that are shown."""
_FRAMES = 3
"""Frames of a video that are shown."""


def review_page(
    folder: Folder, *, count: int, seed: int, roots: Mapping[str, Path] | None = None
) -> str:
    """A self-contained HTML page with rows drawn by chance.

    Args:
        folder: the set.
        count: rows to draw; all where there are fewer.
        seed: raters who are to be compared take the same one.
        roots: folder of each source; by default those that the set was built from.
    """
    known = {**folder.roots(), **(roots or {})}
    embedded = bool(folder.settings["embed_images"])
    drawn = heapq.nsmallest(
        count,
        folder.rows(pictures=embedded),
        key=lambda row: content_hash("review", row["id"], seed),
    )
    return fill(
        "review.html",
        title=f"Review of {len(drawn)} rows, seed {seed}",
        seed=seed,
        marks=MARKS,
        cards=[
            {
                "id": row["id"],
                "labels": _labels(row),
                "writer": row["writer"],
                "turns": turns_of(dict(row)),
                "pictures": list(_pictures(row, known)),
            }
            for row in drawn
        ],
    )


def _labels(row: Mapping[str, Any]) -> str:
    labels = row["labels"]
    expression = labels["expression"] or "expression not labelled"
    if labels["action_units"] is None:
        return f"{expression}; units not labelled"
    present = [
        f"AU{u['au']} {au_info(u['au']).name}"
        + (f" ({u['intensity']:.1f})" if u["intensity"] else "")
        for u in labels["action_units"]
        if u["present"]
    ]
    absent = [f"AU{u['au']}" for u in labels["action_units"] if not u["present"]]
    return f"{expression}; present: {', '.join(present) or 'none'}; absent: " + (
        ", ".join(absent) or "none"
    )


def _pictures(row: Mapping[str, Any], roots: Mapping[str, Path]) -> Iterator[Picture | str]:
    """The pictures of a row and frames of its clips, or words where one cannot be opened."""
    for image in row["images"][:_PICTURES]:
        name = image if isinstance(image, str) else image["path"]
        try:
            yield inlined(Image.fromarray(open_row_image(image, roots)), name, side=SIDE)
        except MediaError as error:
            yield str(error)
    for name in row["videos"]:
        try:  # the middle frame, and one before and behind it
            for frame in open_row_video(name, roots, _FRAMES):
                yield inlined(Image.fromarray(frame), name, side=SIDE)
            yield f"frames of {name}"
        except MediaError as error:
            yield str(error)
