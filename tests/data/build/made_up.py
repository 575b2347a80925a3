"""Samples and sources for tests of instruction data."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from mien.data.build import build_set, plan
from mien.sample import Sample
from mien.schema import ActionUnit, Expression

prepare = partial(build_set.prepare, missing="keep")
survey = partial(plan.survey, missing="keep")
"""Of samples whose pictures are nowhere."""
UNITS = (1, 2, 4, 6, 12, 15, 25)


def sample(
    number: int = 0,
    *,
    expression: str | None = "happiness",
    units: dict[int, bool] | None = None,
    **more: object,
) -> Sample:
    """A labelled picture."""
    values: dict[str, object] = {
        "id": f"face{number}",
        "dataset": "rafdb",
        "image": f"faces/{number}.png",
        "subject": f"person{number}",
        "split": "train",
        "expression": Expression(expression) if expression else None,
        "action_units": None
        if units is None
        else tuple(ActionUnit(au, present=there) for au, there in units.items()),
        "licence": "research only",
        **more,
    }
    return Sample(**values)  # type: ignore[arg-type]


def samples(count: int) -> list[Sample]:
    """Pictures with expression and units, with one of them, by turns."""
    made = []
    for number in range(count):
        rng = random.Random(number)
        expression = rng.choice(("happiness", "anger", "sadness", "neutral"))
        units = {au: rng.random() < 0.3 for au in UNITS}
        kind = number % 4
        made.append(
            sample(
                number,
                expression=None if kind == 1 else expression,
                units=None if kind == 2 else units,
            )
        )
    return made


@dataclass
class MadeUp:
    """A source in memory."""

    made: Sequence[Sample]
    name: str = "rafdb"
    folder: Path = field(default_factory=Path)

    def samples(self, split: str | None) -> Iterator[Sample]:
        return (s for s in self.made if split in (None, s.split))
