"""Two models on the same items: the difference of each headline figure, with its interval."""

from __future__ import annotations

from dataclasses import dataclass

from mien.bench.answer_log import StoreError
from mien.bench.score.folder import Scored, headline
from mien.bench.score.items import Items
from mien.bench.score.tally import Tally
from mien.metrics import Resampler


@dataclass(frozen=True, slots=True)
class PairedFigure:
    """One figure of two models on the items that both were asked.

    Attributes:
        task, name: of the figure.
        items: how many are compared.
        first, second: values of the two models over those items.
        difference: first - second.
        low, high: ends of its 95 % interval; the same subjects, clips or items are drawn for both.
        above: share of the draws in which the first is better.
    """

    task: str
    name: str
    items: int
    first: float
    second: float
    difference: float
    low: float
    high: float
    above: float

    @property
    def clear(self) -> bool:
        """Whether the interval excludes 0."""
        return self.low > 0 or self.high < 0


def compare(
    first: Scored, second: Scored, *, samples: int = 1000, seed: int = 0
) -> list[PairedFigure]:
    """The headline figures of two runs, paired.

    Args:
        first, second: of the same suite on the same data. Where one was asked a part, the items
            that both were asked are compared, and `items` says how many.
        samples, seed: of the bootstrap.

    Raises:
        StoreError: if the runs are of different suites or data, or share no item.
    """
    for name, where in (("suite", "suite"), ("data", "data")):
        if first.run.header[name] != second.run.header[name]:
            raise StoreError(
                f"{first.run.folder} and {second.run.folder} cannot be compared: they are of"
                f" another {where}, or another version of it; run both on the same one"
            )
    rows = []
    for items, tally in zip(first.run.tasks, first.tallies, strict=True):
        for other, other_tally in zip(second.run.tasks, second.tallies, strict=True):
            if other.task.name == items.task.name:
                shown = ("parse_rate", *headline(items, first.run.suite))
                rows += _paired(items, tally, other, other_tally, shown, samples, seed)
    if not rows:
        raise StoreError(
            f"{first.run.folder} and {second.run.folder} cannot be compared: no item is in both"
        )
    return rows


def _paired(
    items: Items,
    tally: Tally,
    other: Items,
    other_tally: Tally,
    shown: tuple[str, ...],
    samples: int,
    seed: int,
) -> list[PairedFigure]:
    place = {key: row for row, key in enumerate(other.ids)}
    pairs = [(row, place[key]) for row, key in enumerate(items.ids) if key in place]
    if not pairs:
        return []
    ours, theirs = ([pair[k] for pair in pairs] for k in (0, 1))
    a, b = tally.sums[ours], other_tally.sums[theirs]
    groups = None if items.clusters is None else [items.clusters[row] for row in ours]
    resampler = Resampler(len(pairs), groups=groups, samples=samples, seed=seed)
    found = []
    for name in shown:
        if name not in tally.names or name not in other_tally.names:
            continue
        finish = tally.column(name)
        one, two = (float(finish(sums.sum(axis=0, keepdims=True))[0]) for sums in (a, b))
        d = resampler.difference(a, b, finish)
        found.append(
            PairedFigure(
                items.task.name, name, len(pairs), one, two, d.value, d.low, d.high, d.above
            )
        )
    return found
