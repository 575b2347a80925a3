"""Pictures and clips of a conversation, with what is known and what is asked about them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mien.models.priors.face_priors import FacePriors

_PLACES = {"image": ("image", "path", "url"), "video": ("video",)}


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture or clip in a conversation.

    Attributes:
        frames: pictures.
        instruction: the words of the message that shows it.
        priors: of the picture, or of each frame, or None.
    """

    frames: list[Any]
    instruction: str
    priors: FacePriors | Sequence[FacePriors | None] | None

    @property
    def has_priors(self) -> bool:
        """Whether anything was handed over."""
        return self.priors is not None


def shown_in(messages: Sequence[Mapping[str, Any]], processor: Any) -> Iterator[Shown]:
    """Pictures and clips in the order of their placeholders.

    Args:
        messages: of one conversation.
        processor: whose image processor opens paths.

    Raises:
        ValueError: if a content names no picture, or a clip is not given as frames.
    """
    for message in messages:
        items = message["content"]
        if isinstance(items, str) or message["role"] == "assistant":
            continue
        instruction = " ".join(i["text"].strip() for i in items if i["type"] == "text")
        for item in items:
            if item["type"] in _PLACES:
                yield Shown(_frames(item, processor), instruction, item.get("priors"))


def _frames(item: Mapping[str, Any], processor: Any) -> list[Any]:
    kind = item["type"]
    found = [item[key] for key in _PLACES[kind] if key in item]
    if not found:
        raise ValueError(f"a content of type {kind!r} needs {' or '.join(_PLACES[kind])}")
    if kind == "image":
        return [processor.image_processor.fetch_images(found[0])]
    if isinstance(found[0], str):
        raise ValueError(
            f"video {found[0]!r}: hand over a clip as a list of frames (mien.media reads them)"
        )
    return list(found[0])
