"""A page to read some rows of a set on, with pictures, and to mark them; it sends nothing away."""

from __future__ import annotations

import base64
import heapq
import html
import io
import json
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mien.data.build.instruction_row import turns_of
from mien.data.build.shards import Folder
from mien.data.build.tasks import content_hash
from mien.data.leak_sets import open_row_image, open_row_video
from mien.data.review.reviewer_agreement import MARKS
from mien.facs import au_info
from mien.media import MediaError

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
    cards = "\n".join(_card(number, row, known) for number, row in enumerate(drawn, 1))
    template = resources.files("mien.data.review").joinpath("page.html").read_text("utf-8")
    return Template(template).substitute(
        count=len(drawn), seed=seed, cards=cards, marks=json.dumps(MARKS)
    )


def _card(number: int, row: Mapping[str, Any], roots: Mapping[str, Path]) -> str:
    pictures = "".join(_picture(image, roots) for image in row["images"][:_PICTURES])
    pictures += "".join(_video(video, roots) for video in row["videos"])
    turns = "".join(
        f"<p class=question>{html.escape(question)}</p><p class=answer>{html.escape(answer)}</p>"
        for question, answer in turns_of(dict(row))
    )
    buttons = "".join(
        f'<label><input type=radio name="r{number}" value="{mark}"> {mark}</label>'
        for mark in MARKS
    )
    name = html.escape(row["id"], quote=True)
    return (
        f'<article data-id="{name}"><div class=pictures>{pictures}</div><div><h2>{number}. {name}'
        f"</h2><p class=soft>{html.escape(_labels(row))}; written by {html.escape(row['writer'])}"
        f"</p>{turns}<div class=marks>{buttons}<input class=note placeholder=note></div></div>"
        "</article>"
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


def _picture(image: str | Mapping[str, Any], roots: Mapping[str, Path]) -> str:
    name = image if isinstance(image, str) else image["path"]
    try:
        return _shown(open_row_image(image, roots), name)
    except MediaError as error:
        return f"<p class=soft>{html.escape(str(error))}</p>"


def _video(name: str, roots: Mapping[str, Path]) -> str:
    """The middle frame of a clip, and one before and behind it."""
    try:
        frames = open_row_video(name, roots, _FRAMES)
    except MediaError as error:
        return f"<p class=soft>{html.escape(str(error))}</p>"
    pictures = "".join(_shown(frame, name) for frame in frames)
    return f"{pictures}<p class=soft>frames of {html.escape(name)}</p>"


def _shown(pixels: NDArray[np.uint8], name: str) -> str:
    picture = Image.fromarray(pixels)
    picture.thumbnail((SIDE, SIDE))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=85)
    code = base64.b64encode(buffer.getvalue()).decode()
    return f'<img alt="{html.escape(name, quote=True)}" src="data:image/jpeg;base64,{code}">'
