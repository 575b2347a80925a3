"""The faces of a video's tracks as clips: gathered frame by frame, answered when a track ends.

Of each track a bounded number of crops is held, and those of tracks that have ended are let go as
soon as they are answered, so that memory does not grow with the length of a video.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from mien.engines.analysis import ask_analysis
from mien.engines.base import Answer, EngineError
from mien.engines.request import Responder
from mien.faces import crop_face
from mien.models.priors import FacePriors
from mien.schema import ActionUnit, Analysis, Face
from mien.timeline.bounded_sample import EvenlyKept, Keeper, KeptAroundPeak

Around = Literal["track", "apex"]
_Frame = tuple[NDArray[np.uint8], FacePriors | None]


@dataclass(frozen=True, slots=True)
class ClipFrames:
    """Which frames of a track a model that reads clips is shown, out of those looked at.

    Attributes:
        count: how many; by default as many as the model's own `clip_frames`.
        around: "track": spread evenly over the track. "apex": in a row around the frame in which
            an expression other than neutral is strongest.
    """

    count: int | None = None
    around: Around = "track"

    def __post_init__(self) -> None:
        if self.count is not None and self.count < 1:
            raise ValueError(f"{self.count} frames of a track; at least one must be shown")
        if self.around not in get_args(Around):
            raise ValueError(f"around is {self.around!r}; use {' or '.join(get_args(Around))}")


class TrackClips:
    """Asks a model that reads clips about the tracks of one video.

    Args:
        responder: who answers.
        frames: which frames of a track it is shown.
        batch_size: frames in one batch of clips, about.
        numbers: leave out the text.
    """

    def __init__(
        self,
        responder: Responder,
        frames: ClipFrames,
        *,
        batch_size: int = 16,
        numbers: bool = False,
    ) -> None:
        self.responder, self.frames, self.numbers = responder, frames, numbers
        self.count = frames.count or responder.clip_frames or 1
        self.clips_at_a_time = max(1, 2 * batch_size // self.count)
        self.answers: dict[int, Answer] = {}
        self._open: dict[int, Keeper[_Frame]] = {}
        self._ended: dict[int, list[_Frame]] = {}

    def add(
        self, image: NDArray[np.uint8], faces: Sequence[Face], rows: Sequence[Analysis]
    ) -> None:
        """Takes the faces of the next frame.

        Args:
            image: (H, W, 3) uint8, RGB.
            faces: found in it.
            rows: one a face, with its track.
        """
        wanted: list[tuple[Keeper[_Frame], Face]] = []
        for face, row in zip(faces, rows, strict=True):
            assert row.track is not None  # every face of a clip has one
            keeper = self._open.get(row.track)
            if keeper is None:
                keeper = self._open[row.track] = self._keeper()
            if keeper.wants(_strength(row)):
                wanted.append((keeper, face))
        chosen = [face for _, face in wanted]
        priors = self.responder.face_priors(image, chosen) if chosen else []
        for (keeper, face), known in zip(wanted, priors, strict=True):
            keeper.add((crop_face(image, face, self.responder.crop_spec), known))

    def end_all_but(self, going_on: Collection[int]) -> None:
        """Answers tracks that have ended, once there are enough of them for a batch."""
        for track in [t for t in self._open if t not in going_on]:
            self._ended[track] = self._open.pop(track).kept()
        while len(self._ended) >= self.clips_at_a_time:
            self._answer()

    def finish(self) -> dict[int, Answer]:
        """Track to answer, for all tracks; a failed one where the engine gave none."""
        self.end_all_but(())
        while self._ended:
            self._answer()
        return self.answers

    def answered(self, rows: Sequence[Analysis]) -> list[Analysis]:
        """The rows of tracks and of the clip with the model's answers instead of the summary's.

        Onset, apex, offset and resting levels stay those of the frames. Where the model gave no
        answer the summary stays, with a warning.
        """
        answers = self.finish()
        return [
            self._answered(row, answers.get(-1 if row.track is None else row.track)) for row in rows
        ]

    def _answered(self, row: Analysis, answer: Answer | None) -> Analysis:
        if answer is None:
            return row
        if answer.status == "failed":
            why = "; ".join(answer.warnings)
            said = (
                f"{self.responder.name} gave no answer ({why}); this is the summary of the frames"
            )
            return replace(row, warnings=(*row.warnings, said))
        return replace(
            row,
            status=answer.status,
            expression=answer.expression,
            action_units=_with_rest(answer.action_units, row.action_units),
            text=answer.text,
            model=self.responder.name,
            warnings=(*row.warnings, *answer.warnings),
        )

    def _keeper(self) -> Keeper[_Frame]:
        if self.frames.around == "apex":
            return KeptAroundPeak(self.count)
        return EvenlyKept(self.count)

    def _answer(self) -> None:
        tracks = list(self._ended)[: self.clips_at_a_time]
        frames = [self._ended.pop(track) for track in tracks]
        clips = [[crop for crop, _ in clip] for clip in frames]
        priors = [[known for _, known in clip] for clip in frames]
        ids = [f"track-{track}" for track in tracks]
        try:
            answers = ask_analysis(
                self.responder, clips, ids=ids, priors=priors, words=not self.numbers
            )
        except EngineError as error:
            answers = [Answer(status="failed", warnings=(str(error),))] * len(tracks)
        self.answers.update(zip(tracks, answers, strict=True))


def _strength(row: Analysis) -> float:
    """How much a face shows: its strongest expression but neutral; without scores, its units."""
    if row.expression is not None and row.expression.scores is not None:
        return max(v for name, v in row.expression.scores.items() if name != "neutral")
    return sum(u.intensity or float(bool(u.present)) for u in row.action_units or ())


def _with_rest(
    units: tuple[ActionUnit, ...] | None, summary: tuple[ActionUnit, ...] | None
) -> tuple[ActionUnit, ...] | None:
    """A clip model's units with the resting levels that the frames have shown."""
    if units is None:
        return None
    rest = {(unit.au, unit.side): unit.rest for unit in summary or ()}
    return tuple(replace(unit, rest=rest.get((unit.au, unit.side))) for unit in units)
