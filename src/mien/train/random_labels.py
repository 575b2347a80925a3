"""Analyses of labels that are drawn instead of read.

A model's text is written behind the label line that its own numbers make, and those may be wrong.
So a part of the analyses stands behind a line that says something else than the picture: the line
is given, and the text has to follow it.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from mien.facs import LABEL_SETS, PROTOTYPES
from mien.language import describe, label_line

Present = dict[int, float | None]


def invented_labels(
    rng: random.Random,
    units: Sequence[int],
    expressions: Sequence[str] = LABEL_SETS["basic7"],
) -> tuple[str, Present]:
    """Labels that may or may not make sense together.

    Args:
        rng: chooses them.
        units: FACS numbers to choose from.
        expressions: names to choose from.

    Returns:
        An expression, and present units with whole intensities from 1 to 5.
    """
    expression = rng.choice(expressions)
    chosen: set[int] = set()
    if rng.random() < 0.6:
        chosen |= rng.choice(PROTOTYPES).units & set(units)
    most = (0, 0, 1, 1, 2, 3, 4)
    chosen |= set(rng.sample(list(units), min(rng.choice(most), len(units))))
    return expression, {au: float(rng.randint(1, 5)) for au in chosen}


def invented_analysis(
    rng: random.Random, units: Sequence[int], expressions: Sequence[str]
) -> tuple[str, int]:
    """An analysis of invented labels, and how many first characters of it are given."""
    expression, present = invented_labels(rng, units, expressions)
    text = describe("analysis", expression=expression, units=present, rng=rng)
    return text, len(label_line(expression, present)) + 1
