"""EMO-LLaMA's handcrafted prompt of age, gender and race. The wording is a data file, and ours."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from mien.models.priors.face_priors import ATTRIBUTES, Attribute, FacePriors

_WORDING = Path(__file__).with_name("attribute_sentence.json")


@cache
def wording() -> dict[str, str]:
    """The sentence, what stands between its parts, and a part for each attribute."""
    texts: dict[str, str] = json.loads(_WORDING.read_text(encoding="utf-8"))
    return texts


def attribute_sentence(frames: Sequence[FacePriors | None], *, threshold: float) -> str:
    """The sentence about a face, each attribute with its confidence.

    Args:
        frames: priors of a clip's frames; of each attribute the most confident frame counts.
        threshold: least confidence. Below it, without a confidence, or not known, an attribute is
            left out.

    Returns:
        The sentence, or "" where nothing is left to say.
    """
    texts, parts = wording(), []
    for name in ATTRIBUTES:
        found = _surest([f.attributes[name] for f in frames if f and name in f.attributes])
        if found is not None and found.confidence is not None and found.confidence >= threshold:
            parts.append(texts[name].format(value=found.value, confidence=found.confidence))
    if not parts:
        return ""
    return texts["sentence"].format(attributes=texts["separator"].join(parts))


def _surest(found: Sequence[Attribute]) -> Attribute | None:
    graded = [a for a in found if a.confidence is not None]
    return max(graded, key=lambda a: a.confidence or 0.0, default=None)
