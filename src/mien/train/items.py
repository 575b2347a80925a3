"""What a training run visits: faces with labels and text, each visit a function of its number."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from mien.data.build.instruction_row import turns_of
from mien.models.priors import FacePriors, Picture, PriorSource
from mien.train.faces import FaceCrops
from mien.train.random_labels import invented_analysis
from mien.train.rows import InstructionRows, RowsError
from mien.train.seeding import draw, generator
from mien.train.soft_labels import SoftLabels
from mien.train.targets import targets_of

log = logging.getLogger(__name__)

_TOKENS_A_CHARACTER = 0.3


@dataclass(frozen=True, slots=True)
class ItemSource:
    """Rows of one source.

    Attributes:
        rows: the rows.
        weight: visits to each of its rows or faces in an epoch, on average.
        augment: strength of the augmentation in [0, 1].
        priors: computes facial priors; None leaves them unknown.
    """

    rows: InstructionRows
    weight: float = 1.0
    augment: float = 0.0
    priors: PriorSource | None = None


@dataclass(eq=False)
class Item:
    """One face or clip, seen once.

    Attributes:
        n: number of the visit.
        name: of the row, for messages.
        frames: (S, S, 3) uint8 crops; empty where features come from the cache.
        turns: questions and answers.
        given: first characters of the first answer that are given instead of learned.
        expression: (E,) target, zeros where unknown.
        units: (U,) intensities, NaN where unknown.
        strength: of the augmentation.
        priors: of each frame; None where there is no source of them.
        soft: a teacher's probabilities (E,) and (U,), NaN where unknown; None without a teacher.
        cached: features of the frozen encoder, by their names in the batch.
    """

    n: int
    name: str
    frames: list[NDArray[np.uint8]]
    turns: list[tuple[str, str]]
    given: int
    expression: NDArray[np.float32]
    units: NDArray[np.float32]
    strength: float = 0.0
    priors: list[FacePriors] | None = None
    soft: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None
    cached: dict[str, Any] = field(default_factory=dict)


class Features(Protocol):
    """Features of the frozen encoder; see `mien.train.feature_cache`."""

    def of(self, source: int, face: int, n: int) -> dict[str, Any] | None:
        """Features of a face in one of its views; None where no face was found."""
        ...


class TrainItems(torch.utils.data.Dataset[Item | None]):
    """Items by the number of the visit, `n = epoch * len(items) + index`.

    Row, wording, view and augmentation are drawn from (seed, n) alone, so that a resumed run sees
    what an uninterrupted one sees, whatever batches and processes there are. An item in whose
    picture no face is found is None, and is left out of its batch.

    Args:
        sources: where rows come from.
        expressions: the model's.
        units: the model's, as FACS numbers.
        crops: cuts the faces.
        seed: of all that is drawn.
        by: "row" visits each row once an epoch, "face" each face, with one of its rows drawn.
        tasks: weight of each task in that draw; 1 where it is not named.
        train: draw and augment; else every visit is plain.
        clip_frames: most frames of a clip.
        invented: share of analyses with drawn labels.
        soft_labels: of a teacher.
        features: of the frozen encoder; pictures are not opened then.
        frame_tokens: placeholders of a frame, for `lengths`.
    """

    def __init__(
        self,
        sources: Sequence[ItemSource],
        *,
        expressions: Sequence[str],
        units: Sequence[int],
        crops: FaceCrops,
        seed: int = 0,
        by: Literal["row", "face"] = "row",
        tasks: Mapping[str, float] | None = None,
        train: bool = True,
        clip_frames: int = 8,
        invented: float = 0.0,
        soft_labels: SoftLabels | None = None,
        features: Features | None = None,
        frame_tokens: int = 0,
    ) -> None:
        if not sources:
            raise RowsError("there are no sources; name at least one folder of rows")
        self.sources, self.crops, self.seed, self.by = list(sources), crops, seed, by
        self.expressions, self.units = list(expressions), list(units)
        self.train, self.clip_frames, self.invented = train, clip_frames, invented
        self.soft_labels, self.features, self.frame_tokens = soft_labels, features, frame_tokens
        self._faces = [_Faces(source.rows, tasks or {}) for source in self.sources]
        self._sizes = np.array(
            [
                len(faces.starts) - 1 if by == "face" else len(source.rows)
                for source, faces in zip(self.sources, self._faces, strict=True)
            ]
        )
        weights = np.array([source.weight if train else 1.0 for source in self.sources])
        self._visits = np.maximum(1, np.round(weights * self._sizes)).astype(np.int64)
        self._starts = np.concatenate([[0], np.cumsum(self._visits)])

    def __len__(self) -> int:
        """Visits in an epoch."""
        return int(self._starts[-1])

    def locate(
        self, n: int | NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Source, face and row of visits."""
        visits = np.atleast_1d(np.asarray(n, np.int64))
        epoch, index = visits // len(self), visits % len(self)
        source = np.searchsorted(self._starts, index, side="right") - 1
        face, row = np.empty_like(visits), np.empty_like(visits)
        for number, faces in enumerate(self._faces):
            here = np.flatnonzero(source == number)
            if not len(here):
                continue
            size, count = int(self._sizes[number]), int(self._visits[number])
            place = epoch[here] * count + index[here] - self._starts[number]
            chosen = place % size
            if count != size:  # each pass in another order, so that a part of it is a fair one
                for one in np.unique(place // size):
                    mine = place // size == one
                    chosen[mine] = _order(self.seed, number, int(one), size)[chosen[mine]]
            if self.by == "face":
                face[here] = chosen
                row[here] = faces.rows(chosen, draw(self.seed, visits[here], "row"))
            else:
                row[here] = chosen
                face[here] = faces.codes[chosen]
        return source, face, row

    def lengths(self, epoch: int) -> NDArray[np.float32]:
        """(len,) about how many tokens each visit of an epoch has."""
        visits = np.arange(len(self)) + epoch * len(self)
        source, _, row = self.locate(visits)
        lengths = np.empty(len(visits), np.float32)
        for number, one in enumerate(self.sources):
            here = source == number
            shown = np.minimum(one.rows.pictures[row[here]], self.clip_frames)
            lengths[here] = (
                _TOKENS_A_CHARACTER * one.rows.characters[row[here]] + self.frame_tokens * shown
            )
        return lengths

    def __getitem__(self, n: int) -> Item | None:
        source, face, at = (int(found[0]) for found in self.locate(n))
        one = self.sources[source]
        row = one.rows[at]
        frames: list[NDArray[np.uint8]] = []
        cached, known = {}, None
        if self.features is not None:
            found = self.features.of(source, face, n if self.train else 0)
            if found is None:
                return None
            cached = found
        if self.features is None or one.priors is not None:
            seen = self.look(source, row)
            if seen is None:
                return None
            frames, known = seen
        turns, given = self._words(one, row, n)
        expression, units = targets_of(row["labels"], self.expressions, self.units)
        soft = None
        if self.soft_labels is not None:
            soft = self.soft_labels.of(row["source"] or "", row["sample"] or row["id"])
        return Item(
            n=n,
            name=one.rows.name_of(row),
            frames=[] if cached else frames,
            turns=turns,
            given=given,
            expression=expression,
            units=units,
            strength=one.augment if self.train else 0.0,
            priors=known,
            soft=soft,
            cached=cached,
        )

    def unseen(self, one: ItemSource, row: dict[str, Any]) -> Item:
        """A row without its pictures: its words as they stand, and as many frames as it shows."""
        shown = len(row["images"] or ()) or self.clip_frames
        return Item(
            n=0,
            name=one.rows.name_of(row),
            frames=[np.zeros((1, 1, 3), np.uint8)] * shown,
            turns=self._turns(one, row),
            given=0,
            expression=np.zeros(len(self.expressions), np.float32),
            units=np.full(len(self.units), np.nan, np.float32),
        )

    def look(
        self, source: int, row: dict[str, Any], *, priors: bool = True
    ) -> tuple[list[NDArray[np.uint8]], list[FacePriors] | None] | None:
        """Face crops of a row's frames and what is known of them; None where no face is found.

        A frame of a clip without a face is left out.

        Args:
            source: number of the source.
            row: one of its rows.
            priors: whether to ask for them, where there is a source.
        """
        one = self.sources[source]
        pictures = one.rows.open_pictures(row, self.clip_frames)
        if len(pictures) > self.clip_frames:
            raise RowsError(
                f"{one.rows.name_of(row)}: shows {len(pictures)} frames, more than "
                f"`frames`, {self.clip_frames}"
            )
        crops = [self.crops(picture) for picture in pictures]
        there = [i for i, crop in enumerate(crops) if crop is not None]
        if not there:
            log.warning("%s: no face is found; left out", one.rows.name_of(row))
            return None
        known = None
        if one.priors is not None and priors:
            known = one.priors.read([_named(one, row, pictures[i], i) for i in there])
        return [crop for crop in crops if crop is not None], known

    def faces(self, source: int) -> NDArray[np.int64]:
        """(faces,) number of the first row of each face of a source."""
        kept = self._faces[source]
        return kept.order[kept.starts[:-1]]

    def _turns(self, one: ItemSource, row: dict[str, Any]) -> list[tuple[str, str]]:
        roles = [message["role"] for message in row["messages"] or ()]
        if not roles or roles != ["user", "assistant"] * (len(roles) // 2):
            raise RowsError(
                f"{one.rows.name_of(row)}: messages must be of user and assistant by "
                f"turns, not {', '.join(roles) or 'none'}"
            )
        return turns_of(row)

    def _words(
        self, one: ItemSource, row: dict[str, Any], n: int
    ) -> tuple[list[tuple[str, str]], int]:
        turns = self._turns(one, row)
        if self.train and self.invented and row["task"] == "analysis":
            rng = generator(self.seed, n, "words")
            if rng.random() < self.invented:
                text, given = invented_analysis(rng, self.units, self.expressions)
                return [(turns[0][0], text)], given
        return turns, 0


class _Faces:
    """Rows by face: those of face f are `order[starts[f]:starts[f + 1]]`."""

    def __init__(self, rows: InstructionRows, tasks: Mapping[str, float]) -> None:
        self.codes = rows.faces()
        self.order = np.argsort(self.codes, kind="stable")
        counts = np.bincount(self.codes) if len(self.codes) else np.zeros(0, np.int64)
        self.starts = np.concatenate([[0], np.cumsum(counts)])
        self._sums: NDArray[np.float64] | None = None
        if tasks:
            weights = np.array([tasks.get(task, 1.0) for task in rows.tasks()])[self.order]
            self._sums = np.concatenate([[0.0], np.cumsum(weights)])

    def rows(self, faces: NDArray[np.int64], drawn: NDArray[np.uint64]) -> NDArray[np.int64]:
        """One row of each of some faces, by 64 random bits each."""
        first, end = self.starts[faces], self.starts[faces + 1]
        if self._sums is None:
            place = first + (drawn % (end - first).astype(np.uint64)).astype(np.int64)
        else:
            low, high = self._sums[first], self._sums[end]
            share = (drawn >> np.uint64(11)) / 2.0**53  # (n,) in [0, 1)
            place = np.searchsorted(self._sums, low + share * (high - low), side="right") - 1
            place = place.clip(first, end - 1)
        found: NDArray[np.int64] = self.order[place]
        return found


@lru_cache(maxsize=8)
def _order(seed: int, source: int, number: int, size: int) -> NDArray[np.int64]:
    start = int(draw(seed, number * 1000 + source, "pass"))
    return np.random.default_rng(start).permutation(size)


def _named(one: ItemSource, row: dict[str, Any], picture: NDArray[np.uint8], index: int) -> Picture:
    """A picture as sources of priors know it: by its path within its dataset."""
    if row["videos"]:
        return Picture(picture, name=row["videos"][0].partition("/")[2], frame=index)
    image = row["images"][index]
    path = image["path"] if isinstance(image, dict) else image
    return Picture(picture, name=(path or "").partition("/")[2] or None)
