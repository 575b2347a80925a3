"""Folds without shared people, for sources whose samples name no split."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mien.data.build.settings import BuildError
from mien.data.build.splits import TEST, TRAIN
from mien.data.folds import folds
from mien.sample import Sample

if TYPE_CHECKING:
    from mien.data.build.sources import Source


@dataclass(frozen=True, slots=True)
class Fold:
    """One of some folds.

    Attributes:
        number: which, from 1.
        count: how many there are.
        test: the people of this fold, per dataset; all others are for training.
    """

    number: int
    count: int
    test: Mapping[str, frozenset[str]]

    def placed(self, sample: Sample) -> Sample:
        """The Sample in train or test; one that names its split stays there."""
        if sample.split:
            return sample
        people = self.test.get(sample.dataset, frozenset())
        return replace(sample, split=TEST if sample.subject in people else TRAIN)


def with_folds(sources: Sequence[Source], count: int, number: int) -> list[Source]:
    """The sources with the people of those that name no splits divided into train and test.

    People of a dataset are divided together, from whichever sources they come, and by their
    samples alone: neither other datasets nor the seed of a build move anyone.

    Args:
        sources: of a build.
        count: of the folds.
        number: of the fold that is for testing, from 1.

    Raises:
        BuildError: if there is no such fold, a sample names no subject, or there is nobody to
            divide.
        DataError: if a dataset cannot be read.
    """
    if count < 2 or not 1 <= number <= count:
        raise BuildError(f"fold {number} of {count} folds: give 2 folds or more, and one of them")
    whole = [replace(source, split=None) for source in sources]
    datasets = sorted({sample.dataset for sample in _unsplit(whole)})
    if not datasets:
        raise BuildError("every source names its splits, so that --folds divides nobody; leave it")
    test = {}
    for dataset in datasets:
        own = (sample for sample in _unsplit(whole) if sample.dataset == dataset)
        try:
            test[dataset] = folds(own, count)[number - 1]
        except ValueError as error:
            raise BuildError(
                f"{dataset}: {error}; leave --folds out, or name the splits in a table of your own"
            ) from None
    return [replace(source, fold=Fold(number, count, test)) for source in sources]


def _unsplit(sources: Sequence[Source]) -> Iterator[Sample]:
    for source in sources:
        yield from (sample for sample in source.samples(None) if not sample.split)
