"""Whether another machine renders what the benchmark ships."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import zip_longest

import numpy as np

from mien.sample import Sample
from mien.schema import ActionUnit
from mien.synth.face_models import Loader
from mien.synth.feabench import FeaBenchSynth, decode_picture
from mien.synth.measure import TRACE
from mien.synth.produce import Picture, produce
from recipes.feabench_synth.encoding import psnr
from recipes.feabench_synth.make import plan

NEAR = 35.0
"""Decibels of PSNR that a new render reaches at least."""
_DIGIT = 0.0101
"""The last digit of an intensity, which rounding may turn."""
_PLACE = 0.5
"""Pixels by which a box may differ."""


@dataclass
class Comparison:
    """What came out.

    Attributes:
        psnr: sample's id to decibels.
        differences: labels that are not the same, in words.
    """

    psnr: dict[str, float] = field(default_factory=dict)
    differences: list[str] = field(default_factory=list)

    @property
    def below(self) -> dict[str, float]:
        """Pictures that are not near enough."""
        return {name: value for name, value in self.psnr.items() if value < NEAR}

    @property
    def same(self) -> bool:
        """Whether all labels are the same and all pictures are near enough."""
        return not self.below and not self.differences

    def add(self, benchmark: FeaBenchSynth, position: int, picture: Picture) -> None:
        """Compares one new render with the shipped picture.

        Args:
            benchmark: what is shipped.
            position: of the picture in it.
            picture: the new one, losslessly encoded.
        """
        sample, shipped = benchmark[position]
        self.psnr[sample.id] = psnr(shipped, decode_picture(picture.data))
        self.differences += [f"{sample.id}: {d}" for d in differences(sample, picture.sample)]


def compare(
    benchmark: FeaBenchSynth,
    models: dict[str, Loader],
    *,
    processes: int,
    limit: int | None = None,
    each: Callable[[int], None] = lambda count: None,
) -> Comparison:
    """Renders the benchmark's scenes again and compares.

    Args:
        benchmark: what is shipped.
        models: name to what loads the face model; pictures of others are left out.
        processes: how many render.
        limit: most pictures of each face model.
        each: called with the number of pictures compared so far.

    Raises:
        ProduceError: if nothing can be rendered.
    """
    comparison = Comparison()
    for name, load in models.items():
        positions = [
            i for i, s in enumerate(benchmark.samples) if s.attributes["face_model"] == name
        ][:limit]
        # one face model alone takes every number
        pictures = produce(
            plan((load,)), [benchmark.scenes[i] for i in positions], processes=processes
        )
        for position, picture in zip(positions, pictures, strict=True):
            comparison.add(benchmark, position, picture)
            each(len(comparison.psnr))
    return comparison


def differences(shipped: Sample, new: Sample) -> Iterator[str]:
    """What of two samples' labels is not the same; names and paths aside."""
    if shipped.expression != new.expression:
        yield f"expression {shipped.expression} became {new.expression}"
    if shipped.subject != new.subject:
        yield f"subject {shipped.subject} became {new.subject}"
    for old, now in zip_longest(shipped.action_units or (), new.action_units or ()):
        if not _same(old, now):
            yield f"unit {old} became {now}"
    if dict(shipped.attributes) != dict(new.attributes):
        names = shipped.attributes.keys() | new.attributes.keys()
        changed = [n for n in names if shipped.attributes.get(n) != new.attributes.get(n)]
        yield f"attributes differ: {', '.join(sorted(changed))}"
    if not np.allclose(shipped.box or (), new.box or (), rtol=0, atol=_PLACE):
        yield f"box {shipped.box} became {new.box}"


def _same(old: ActionUnit | None, now: ActionUnit | None) -> bool:
    if old is None or now is None:
        return False
    if (old.au, old.present, old.side) != (now.au, now.present, now.side):
        return False
    if old.intensity is None or now.intensity is None:
        return old.intensity == now.intensity
    # below a trace both mean absence
    return abs(max(old.intensity, TRACE) - max(now.intensity, TRACE)) < _DIGIT
