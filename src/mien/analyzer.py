"""Media to faces to engine to `Analysis`: a stream that batches faces over pictures and frames."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from mien.apex import apex_faces
from mien.engines import Answer, Engine, EngineError, load_engine
from mien.faces import Finder, Follower, Tracker, crop_face, make_finder
from mien.media import (
    Input,
    MediaError,
    Picture,
    Sampling,
    expand_inputs,
    is_video,
    iter_pictures,
    read_frames,
)
from mien.media.ahead import ahead
from mien.schema import Analysis, Face
from mien.timeline import Timeline, summary_rows

if TYPE_CHECKING:
    import pandas

USUAL_SAMPLING = Sampling(rate=5.0)
"""Which frames of a clip are looked at: onsets take a few tenths of a second."""


@dataclass(eq=False)
class Looked:
    """A picture, a frame of a clip, or a whole clip after it was looked at.

    Attributes:
        source: as given.
        image: (H, W, 3) upright RGB; None where it could not be read, and for a clip.
        faces: found faces, in the order of the rows.
        rows: one per face, or one that says why there is none; of a clip those of its tracks and
            its own.
        part: a picture; a frame; or, behind its last frame, the clip as a whole.
        timeline: of a clip, its frames' rows by person.
        origin: of a clip, where it can be read again.
    """

    source: str
    image: NDArray[np.uint8] | None
    faces: list[Face] = field(default_factory=list)
    rows: list[Analysis] = field(default_factory=list)
    part: Literal["picture", "frame", "clip"] = "picture"
    timeline: Timeline | None = None
    origin: Path | bytes | None = None


@dataclass(eq=False)
class _Pending:
    """A picture whose faces wait for their answers; of a frame also its place in the clip."""

    picture: Picture
    faces: list[Face]
    answers: list[Answer] = field(default_factory=list)
    tracks: list[int] | None = None
    frame: int = 0
    time: float = 0.0


class Analyzer:
    """Looks at the faces in pictures with one model.

    Args:
        engine: who answers.
        finder: who finds the faces.
        batch_size: faces answered at a time.
    """

    def __init__(self, engine: Engine, finder: Finder, *, batch_size: int = 16):
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}; it must be at least 1")
        self.engine, self.finder, self.batch_size = engine, finder, batch_size

    def analyze(
        self,
        inputs: str | Path | bytes | Sequence[str | Path | bytes],
        *,
        numbers: bool = False,
        sampling: Sampling = USUAL_SAMPLING,
    ) -> list[Analysis]:
        """All rows of some inputs; see `stream` for many.

        Args:
            inputs: a path, glob, folder or encoded picture or video, or several.
            numbers: leave out the text.
            sampling: which frames of clips to look at.
        """
        looked = self.stream(inputs, numbers=numbers, sampling=sampling)
        return [row for one in looked for row in one.rows]

    def stream(
        self,
        inputs: str | Path | bytes | Iterable[str | Path | bytes | Input],
        *,
        numbers: bool = False,
        sampling: Sampling = USUAL_SAMPLING,
    ) -> Iterator[Looked]:
        """Pictures and clips in the order of the inputs, each as soon as its faces are answered.

        Of a video or an animation first each frame that is looked at, then the clip. One bad input
        makes a row that says so; the others go on. Memory holds the pictures of at most one batch
        of faces.
        """
        items = [inputs] if isinstance(inputs, str | Path | bytes) else inputs
        single = map(_loaded, expand_inputs(items, videos=True))
        for video, group in groupby(single, is_video):
            if not video:
                yield from self.stream_pictures(iter_pictures(group), numbers=numbers)
                continue
            for item in group:
                assert item.origin is not None  # or it would not be a video
                yield from self.stream_clip(
                    item.origin, name=item.name, numbers=numbers, sampling=sampling
                )

    def stream_pictures(
        self, pictures: Iterable[Picture], *, numbers: bool = False
    ) -> Iterator[Looked]:
        """As `stream`, from pictures that are in memory."""
        found = (
            _Pending(p, [] if p.image is None else self.finder.find(p.image)) for p in pictures
        )
        yield from self._answered(found, numbers=numbers)

    def stream_clip(
        self,
        origin: Path | bytes,
        *,
        name: str,
        numbers: bool = False,
        sampling: Sampling = USUAL_SAMPLING,
    ) -> Iterator[Looked]:
        """The frames of one clip, then the clip.

        Frames are answered in numbers only; text is written for each track, at its apex. Frames are
        read ahead by a thread, a few at a time.

        Args:
            origin: the clip.
            name: what to call it in results.
            numbers: leave out the text.
            sampling: which frames to look at.
        """
        timeline = Timeline(name, self.engine.name)
        faults: list[str] = []
        frames = self._followed(origin, name, sampling, faults)
        for looked in self._answered(frames, numbers=True):
            looked.part = "frame"
            timeline.add(looked.rows)
            yield looked
        rows = summary_rows(timeline, fault=faults[0] if faults else None)
        if not numbers:
            rows = self._with_text(origin, rows)
        yield Looked(name, None, [], rows, "clip", timeline, origin)

    def _followed(
        self, origin: Path | bytes, name: str, sampling: Sampling, faults: list[str]
    ) -> Iterator[_Pending]:
        """Frames with their faces and numbers; what is wrong with the clip goes to `faults`."""
        tracker, follower = Tracker(), Follower(self.finder)
        # Few frames of a long clip are jumped to, and what lies between is then not seen.
        cuts = sampling.count is None
        frames = ahead(read_frames(origin, name=name, cuts=cuts, **asdict(sampling)))
        try:
            for frame in frames:
                faces = follower.find(frame.image, time=frame.time, cut=frame.cut)
                tracks = tracker.update(frame.image, faces, time=frame.time, cut=frame.cut)
                picture = Picture(name, frame.image)
                yield _Pending(picture, faces, tracks=tracks, frame=frame.index, time=frame.time)
        except MediaError as error:
            faults.append(str(error))
        finally:
            frames.close()

    def _with_text(self, origin: Path | bytes, rows: list[Analysis]) -> list[Analysis]:
        """The rows of tracks with the words of their apex, and the clip's with those of its track.

        A track of which no frame was answered has no words.
        """
        tracks = [row for row in rows if row.kind == "track" and row.status == "ok"]
        wanted = apex_faces(origin, tracks, self.finder)
        written: dict[int | None, Answer] = {}
        while batch := [
            (row.track, crop_face(image, face, self.engine.crop_spec))
            for row, image, face in islice(wanted, self.batch_size)
        ]:
            answers = self._asked([crop for _, crop in batch], numbers=False)
            written |= zip((track for track, _ in batch), answers, strict=True)
        return [
            replace(row, text=said.text, warnings=(*row.warnings, *said.warnings))
            if (said := written.get(row.track)) is not None
            else row
            for row in rows
        ]

    def _answered(self, entries: Iterable[_Pending], *, numbers: bool) -> Iterator[Looked]:
        pending: deque[_Pending] = deque()
        queue: deque[tuple[_Pending, NDArray[np.uint8]]] = deque()
        for entry in entries:
            pending.append(entry)
            image = entry.picture.image
            if image is not None:
                queue.extend(
                    (entry, crop_face(image, face, self.engine.crop_spec)) for face in entry.faces
                )
            # Pictures without a face wait behind those whose faces do; they must not pile up.
            while len(queue) >= self.batch_size or (queue and len(pending) > self.batch_size):
                self._answer(queue, numbers=numbers)
            yield from self._finished(pending)
        while queue:
            self._answer(queue, numbers=numbers)
        yield from self._finished(pending)

    def _answer(self, queue: deque[tuple[_Pending, NDArray[np.uint8]]], *, numbers: bool) -> None:
        """Answers the next batch of faces, in order."""
        batch = [queue.popleft() for _ in range(min(self.batch_size, len(queue)))]
        answers = self._asked([crop for _, crop in batch], numbers=numbers)
        for (entry, _), answer in zip(batch, answers, strict=True):
            entry.answers.append(answer)

    def _asked(self, crops: list[NDArray[np.uint8]], *, numbers: bool) -> list[Answer]:
        """The engine's answers; failed ones where it gives none."""
        try:
            return self.engine.answer(crops, numbers_only=numbers)
        except EngineError as error:
            return [Answer(status="failed", warnings=(str(error),))] * len(crops)

    def _finished(self, pending: deque[_Pending]) -> Iterator[Looked]:
        while pending and len(pending[0].answers) == len(pending[0].faces):
            entry = pending.popleft()
            yield Looked(
                entry.picture.source, entry.picture.image, entry.faces, list(self._rows(entry))
            )

    def _rows(self, entry: _Pending) -> Iterator[Analysis]:
        picture = entry.picture
        common: dict[str, Any] = {
            "source": picture.source,
            "model": self.engine.name,
            "frame": entry.frame,
            "time": entry.time,
        }
        if picture.image is None:
            warning = picture.error or f"{picture.source}: could not be read"
            yield Analysis(**common, status="unreadable", warnings=(warning,))
        elif not entry.faces:
            remedy = "; for a picture that is one face crop use --faces whole"
            why = "no face was found" + ("" if entry.tracks is not None else remedy)
            yield Analysis(**common, status="no_face", warnings=(*picture.warnings, why))
        for number, (face, answer) in enumerate(zip(entry.faces, entry.answers, strict=True)):
            yield Analysis(
                **common,
                face=number,
                track=number if entry.tracks is None else entry.tracks[number],
                status=answer.status,
                box=face.box,
                detection=face.detection,
                pose=face.pose,
                expression=answer.expression,
                action_units=answer.action_units,
                text=answer.text,
                warnings=(*picture.warnings, *answer.warnings),
            )


def _loaded(item: Input) -> Input:
    """Standard input as bytes, so that it can be told what they are."""
    if item.origin is not None or item.error is not None:
        return item
    return replace(item, origin=sys.stdin.buffer.read())


def load(
    model: str = "mien/nano",
    *,
    faces: str = "mediapipe",
    device: str = "auto",
    batch_size: int = 16,
    endpoint: str | None = None,
    key_env: str | None = None,
) -> Analyzer:
    """An analyzer that can be used again and again.

    Args:
        model: "mien/nano", a folder, or any other form that `mien.engines.load.FORMS` lists.
        faces: "mediapipe", or "whole" for pictures that are one face crop each.
        device: "auto", "cpu", "cuda", "cuda:1", "mps".
        batch_size: faces answered at a time.
        endpoint: address of an OpenAI-compatible endpoint, for models "openai:NAME".
        key_env: environment variable that holds its key.

    Raises:
        EngineError: if the model or the device cannot be had.
        ValueError: if there is no such finder.
    """
    finder = make_finder(faces)
    engine = load_engine(
        model, device=device, batch_size=batch_size, endpoint=endpoint, key_env=key_env
    )
    return Analyzer(engine, finder, batch_size=batch_size)


def analyze(
    inputs: str | Path | bytes | Sequence[str | Path | bytes],
    *,
    model: str = "mien/nano",
    faces: str = "mediapipe",
    numbers: bool = False,
    device: str = "auto",
    batch_size: int = 16,
    endpoint: str | None = None,
    key_env: str | None = None,
    as_frame: bool = False,
) -> list[Analysis] | pandas.DataFrame:
    """Analyses pictures and videos in one call; `load` once instead if you call it often.

    Args:
        inputs: a path, glob, folder or encoded picture or video, or several.
        model, faces, device, batch_size, endpoint, key_env: as for `load`.
        numbers: leave out the text.
        sampling: which frames of videos to look at.
        as_frame: return a data frame with OpenFace's column names (needs pandas).
    """
    analyzer = load(
        model,
        faces=faces,
        device=device,
        batch_size=batch_size,
        endpoint=endpoint,
        key_env=key_env,
    )
    rows = analyzer.analyze(inputs, numbers=numbers)
    if not as_frame:
        return rows
    from mien.sinks import to_frame

    return to_frame(rows)
