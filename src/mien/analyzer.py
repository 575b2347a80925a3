"""Media to faces to model to `Analysis`: a stream that batches faces over pictures and frames."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from functools import cached_property, partial
from itertools import count, groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mien.apex import apex_faces
from mien.engines import Answer, EngineError, ModelOptions, Responder, load_responder
from mien.engines.analysis import ask_analysis
from mien.engines.load import PICTURES, default_clip_model
from mien.engines.track_clips import ClipFrames, TrackClips
from mien.faces import Finder, Follower, Tracker, crop_face, make_finder
from mien.looked import Looked, Pending, rows_of
from mien.media import Input, MediaError, Picture, Sampling, is_video, read_frames
from mien.media.ahead import ahead
from mien.media.inputs import loaded
from mien.media.memory import listed, pictures, taken
from mien.model_options import USUAL
from mien.schema import Analysis
from mien.timeline import Timeline, summary_rows

if TYPE_CHECKING:
    import pandas

    from mien.models.priors import FacePriors

USUAL_SAMPLING = Sampling(rate=5.0)
"""Which frames of a clip are looked at: onsets take a few tenths of a second."""

USUAL_CLIP_FRAMES = ClipFrames()
"""Which of those a model that reads clips is shown of each person."""


_Asked = tuple[Pending, NDArray[np.uint8], "FacePriors | None"]

_FORKED = (
    "this analyzer was made before the process was forked, and its threads stayed behind; call "
    "mien.load() in each worker (worker_init_fn, post_fork), or start workers by 'spawn'"
)


class Analyzer:
    """Looks at the faces in pictures and clips.

    Args:
        responder: who answers about pictures and frames.
        finder: who finds the faces.
        batch_size: faces answered at a time.
        clips: makes who answers about the tracks of clips as a whole; called before the first clip.
            By default it is `responder`, where that reads clips; else tracks are summaries of
            their frames.
        clip_frames: which frames of a track such a model is shown.
    """

    def __init__(
        self,
        responder: Responder,
        finder: Finder,
        *,
        batch_size: int = 16,
        clips: Callable[[], Responder] | None = None,
        clip_frames: ClipFrames = USUAL_CLIP_FRAMES,
    ):
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}; it must be at least 1")
        self.responder, self.finder, self.batch_size = responder, finder, batch_size
        self._make_clip_responder, self.clip_frames = clips, clip_frames
        self._process = os.getpid()
        self._ids = map(str, count())

    @cached_property
    def clip_responder(self) -> Responder | None:
        """Who answers about the tracks of clips as a whole; None where frames are summed up."""
        if self._make_clip_responder is not None:
            return self._make_clip_responder()
        return None if self.responder.clip_frames is None else self.responder

    def analyze(
        self,
        inputs: Any,
        *,
        numbers: bool = False,
        sampling: Sampling = USUAL_SAMPLING,
        bgr: bool = False,
    ) -> list[Analysis]:
        """All rows of some inputs; see `stream` for many.

        Args:
            inputs: a path, glob or folder; a picture or video as bytes or open file; a picture as
                array of (H, W, 3) in RGB, as torch tensor or of Pillow; or several.
            numbers: leave out the text.
            sampling: which frames of clips to look at.
            bgr: arrays and tensors hold blue first, as OpenCV's do.

        Raises:
            TypeError: naming an input that is none of these.
        """
        looked = self.stream(inputs, numbers=numbers, sampling=sampling, bgr=bgr)
        return [row for one in looked for row in one.rows]

    def stream(
        self,
        inputs: Any,
        *,
        numbers: bool = False,
        sampling: Sampling = USUAL_SAMPLING,
        bgr: bool = False,
    ) -> Iterator[Looked]:
        """Pictures and clips in the order of the inputs, each as soon as its faces are answered.

        Of a video or an animation first each frame that is looked at, then the clip. One bad input
        makes a row that says so; the others go on. Memory holds the pictures of at most one batch
        of faces.
        """
        given = taken(listed(inputs), bgr=bgr)
        single = (i if isinstance(i, Picture) else loaded(i) for i in given)
        for video, group in groupby(single, lambda one: isinstance(one, Input) and is_video(one)):
            if not video:
                yield from self.stream_pictures(pictures(group), numbers=numbers)
                continue
            for item in group:
                assert isinstance(item, Input)
                assert item.origin is not None  # or it would not be a video
                yield from self.stream_clip(
                    item.origin, name=item.name, numbers=numbers, sampling=sampling
                )

    def stream_pictures(
        self, pictures: Iterable[Picture], *, numbers: bool = False
    ) -> Iterator[Looked]:
        """As `stream`, from pictures that were read."""
        self._check_process()
        found = (Pending(p, [] if p.image is None else self.finder.find(p.image)) for p in pictures)
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

        Frames are answered in numbers only. Tracks are answered by the model that reads clips, or
        summed up, with text for the apex, where there is none. Frames are read ahead by a thread, a
        few at a time.

        Args:
            origin: the clip.
            name: what to call it in results.
            numbers: leave out the text.
            sampling: which frames to look at.
        """
        self._check_process()
        timeline = Timeline(name, self.responder.name)
        faults: list[str] = []
        frames = self._followed(origin, timeline, sampling, faults)
        clips: TrackClips | None = None
        if self.clip_responder is not None:
            clips = TrackClips(
                self.clip_responder, self.clip_frames, batch_size=self.batch_size, numbers=numbers
            )
        for looked in self._answered(frames, numbers=True):
            looked.part = "frame"
            timeline.add(looked.rows)
            if clips is not None and looked.image is not None:
                clips.add(looked.image, looked.faces, looked.rows if looked.faces else ())
                clips.end_all_but(looked.going_on)
            yield looked
        rows = summary_rows(timeline, fault=faults[0] if faults else None)
        if clips is not None:
            rows = clips.answered(rows)
        elif not numbers:
            rows = self._with_text(origin, rows)
        yield Looked(name, None, [], rows, "clip", timeline, origin)

    def _check_process(self) -> None:
        """Raises in a fork, which threads of the face finder and of PyTorch do not follow."""
        if os.getpid() != self._process:
            raise EngineError(_FORKED)

    def _followed(
        self, origin: Path | bytes, timeline: Timeline, sampling: Sampling, faults: list[str]
    ) -> Iterator[Pending]:
        """Frames with their faces and numbers; cuts go to the timeline, faults to `faults`."""
        name = timeline.source
        tracker, follower = Tracker(), Follower(self.finder)
        # Few frames of a long clip are jumped to, and what lies between is then not seen.
        cuts = sampling.count is None
        frames = ahead(read_frames(origin, name=name, cuts=cuts, **asdict(sampling)))
        try:
            for frame in frames:
                if frame.cut_at is not None:
                    timeline.cuts.append(frame.cut_at)
                faces = follower.find(frame.image, time=frame.time, cut=frame.cut)
                tracks = tracker.update(frame.image, faces, time=frame.time, cut=frame.cut)
                yield Pending(
                    Picture(name, frame.image),
                    faces,
                    tracks=tracks,
                    going_on=tracker.going_on,
                    frame=frame.index,
                    time=frame.time,
                )
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
            (row.track, crop_face(image, face, self.responder.crop_spec))
            for row, image, face in islice(wanted, self.batch_size)
        ]:
            crops = [crop for _, crop in batch]
            answers = self._asked(crops, [None] * len(crops), numbers=False)
            written |= zip((track for track, _ in batch), answers, strict=True)
        return [
            replace(row, text=said.text, warnings=(*row.warnings, *said.warnings))
            if (said := written.get(row.track)) is not None
            else row
            for row in rows
        ]

    def _answered(self, entries: Iterable[Pending], *, numbers: bool) -> Iterator[Looked]:
        pending: deque[Pending] = deque()
        queue: deque[_Asked] = deque()
        for entry in entries:
            pending.append(entry)
            image = entry.picture.image
            if image is not None:
                queue.extend(self._cut(entry, image))
            # Pictures without a face wait behind those whose faces do; they must not pile up.
            while len(queue) >= self.batch_size or (queue and len(pending) > self.batch_size):
                self._answer(queue, numbers=numbers)
            yield from self._finished(pending)
        while queue:
            self._answer(queue, numbers=numbers)
        yield from self._finished(pending)

    def _cut(self, entry: Pending, image: NDArray[np.uint8]) -> Iterator[_Asked]:
        """The faces of a picture as the model takes them."""
        priors = self.responder.face_priors(image, entry.faces)
        for face, known in zip(entry.faces, priors, strict=True):
            yield entry, crop_face(image, face, self.responder.crop_spec), known

    def _answer(self, queue: deque[_Asked], *, numbers: bool) -> None:
        """Answers the next batch of faces, in order."""
        batch = [queue.popleft() for _ in range(min(self.batch_size, len(queue)))]
        answers = self._asked(
            [crop for _, crop, _ in batch], [known for _, _, known in batch], numbers=numbers
        )
        for (entry, _, _), answer in zip(batch, answers, strict=True):
            entry.answers.append(answer)

    def _asked(
        self,
        crops: list[NDArray[np.uint8]],
        priors: Sequence[FacePriors | None],
        *,
        numbers: bool,
    ) -> list[Answer]:
        """The model's answers; failed ones where it gives none."""
        clips, known = [[crop] for crop in crops], [[one] for one in priors]
        ids = [next(self._ids) for _ in crops]
        try:
            return ask_analysis(self.responder, clips, ids=ids, priors=known, words=not numbers)
        except EngineError as error:
            return [Answer(status="failed", warnings=(str(error),))] * len(crops)

    def _finished(self, pending: deque[Pending]) -> Iterator[Looked]:
        while pending and len(pending[0].answers) == len(pending[0].faces):
            entry = pending.popleft()
            yield Looked(
                entry.picture.source,
                entry.picture.image,
                entry.faces,
                list(rows_of(entry, self.responder.name)),
                going_on=entry.going_on,
            )


def load(
    model: str | None = None,
    *,
    faces: str = "mediapipe",
    clip_frames: ClipFrames = USUAL_CLIP_FRAMES,
    options: ModelOptions = USUAL,
    **changes: Any,
) -> Analyzer:
    """An analyzer that can be used again and again.

    Args:
        model: a folder, or any other form that `mien.engines.load.FORMS` lists. By default
            "mien/nano", and for the tracks of clips "mien/nano-video" where it is installed.
        faces: "mediapipe", or "whole" for pictures that are one face crop each.
        clip_frames: which frames of a track a model that reads clips is shown.
        options: how the model is run.
        **changes: fields of `mien.engines.ModelOptions` instead, such as `device="cpu"`.

    Raises:
        EngineError: if the model or the device cannot be had.
        ValueError: if there is no such finder.
    """
    options = replace(options, **changes)
    finder = make_finder(faces)
    responder = load_responder(model or PICTURES, options=options)
    clip_model = default_clip_model() if model is None else None
    return Analyzer(
        responder,
        finder,
        batch_size=options.batch_size,
        clips=partial(_clip_responder, clip_model, options.device)
        if clip_model is not None
        else None,
        clip_frames=clip_frames,
    )


def _clip_responder(model: str, device: str) -> Responder:
    responder = load_responder(model, device=device)
    if responder.clip_frames is None:
        raise EngineError(f"{model} reads no clips; reinstall mien")
    return responder


def analyze(
    inputs: Any,
    *,
    model: str | None = None,
    faces: str = "mediapipe",
    numbers: bool = False,
    sampling: Sampling = USUAL_SAMPLING,
    as_frame: bool = False,
    bgr: bool = False,
    options: ModelOptions = USUAL,
    **changes: Any,
) -> list[Analysis] | pandas.DataFrame:
    """Analyses pictures and videos in one call; `load` once instead if you call it often.

    Args:
        inputs: as for `Analyzer.analyze`.
        model, faces, options, **changes: as for `load`.
        numbers: leave out the text.
        sampling: which frames of videos to look at.
        as_frame: return a data frame with OpenFace's column names (needs pandas).
        bgr: arrays and tensors hold blue first, as OpenCV's do.
    """
    analyzer = load(model, faces=faces, options=options, **changes)
    rows = analyzer.analyze(inputs, numbers=numbers, sampling=sampling, bgr=bgr)
    if not as_frame:
        return rows
    from mien.sinks import to_frame

    return to_frame(rows)
