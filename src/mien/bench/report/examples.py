"""Examples of right, wrong and unparsed answers, with the face where it may be shown."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from PIL import Image

from mien.bench.figure_names import STATUSES
from mien.bench.score.folder import Scored
from mien.bench.score.items import Items
from mien.bench.score.read_items import asked_for
from mien.bench.source import Source
from mien.page import inlined
from mien.sample import Sample

EACH = 4
"""Examples of a kind."""
_LONGEST = 700
_SIDE = 112  # in pixels


def examples(scored: Scored, place: int, source: Source | None) -> dict[str, list[dict[str, Any]]]:
    """Some answers to one task.

    They are drawn by the hashes of the items' ids, so nobody picked them, and all models show the
    same faces where they can.

    Args:
        scored: the run.
        place: of the task.
        source: opens the pictures; None shows none.

    Returns:
        Kind to what the cards say.
    """
    items = scored.run.tasks[place]
    samples = {sample.id: sample for sample in scored.run.samples}
    order = sorted(range(len(items)), key=lambda row: _draw(items.ids[row]))
    found = {
        words: [row for row in order if want(items, row)][:EACH] for words, want in _KINDS.items()
    }
    return {
        words: [_card(items, row, samples, source, scored) for row in rows]
        for words, rows in found.items()
        if rows
    }


def _draw(item_id: str) -> str:
    return hashlib.sha256(item_id.encode()).hexdigest()


def is_right(items: Items, row: int) -> bool | None:
    """Whether an answer is wholly right; None where it could not be read."""
    if items.statuses[row] != "ok":
        return None
    if asked_for(items) == "expression":
        return items.said_expression[row] == items.expressions[row]
    if asked_for(items) == "units":
        known = items.units[row] == items.units[row]
        return bool((items.units[row][known] == items.said_units[row][known]).all())
    return bool(abs(items.va[row] - items.said_va[row]).max() <= 0.2)


_KINDS: dict[str, Callable[[Items, int], bool]] = {
    "Right": lambda items, row: is_right(items, row) is True,
    "Wrong": lambda items, row: is_right(items, row) is False,
    "Not read": lambda items, row: is_right(items, row) is None,
}


def _card(
    items: Items, row: int, samples: dict[str, Sample], source: Source | None, scored: Scored
) -> dict[str, Any]:
    sample = samples[items.ids[row].removesuffix(f"#{items.task.name}")]
    picture = None
    if source is not None:
        with contextlib.suppress(OSError, ValueError):
            face = Image.fromarray(np.ascontiguousarray(source.pictures(sample, 1)[0]))
            picture = inlined(face, f"face {sample.id}", side=_SIDE, kind="WEBP", quality=80)
    text, status = items.texts[row], items.statuses[row]
    return {
        "id": sample.id,
        "picture": picture,
        "text": text[:_LONGEST] + (" ..." if len(text) > _LONGEST else ""),
        "fault": "" if status == "ok" else STATUSES[status],
        "labels": "; ".join(_truth(items, row, scored)),
    }


def _truth(items: Items, row: int, scored: Scored) -> Iterator[str]:
    if items.expressions[row] is not None and asked_for(items) == "expression":
        yield str(items.expressions[row])
    if items.task.kind in ("au_detection", "au_description", "reasoning"):
        units = scored.run.suite.units
        present = [u for u, value in zip(units, items.units[row], strict=True) if value == 1]
        yield ", ".join(f"AU{u}" for u in present) or "no units"
    if items.task.kind == "valence_arousal":
        yield f"valence {items.va[row][0]:.2f}, arousal {items.va[row][1]:.2f}"
