"""`mien analyze` over HTTP: uploads in, rows out as they come."""

from __future__ import annotations

import base64
import io
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

from starlette.datastructures import FormData, UploadFile

from mien.analyzer import USUAL_SAMPLING, Analyzer
from mien.draw import overlay as draw_overlay
from mien.looked import Looked
from mien.media import Input, Picture, Sampling, is_video
from mien.media.ahead import DEPTH as AHEAD
from mien.schema import Analysis
from mien.serve.batching import Caller
from mien.serve.desk import stopping
from mien.serve.errors import ApiError
from mien.serve.inputs import check_pixels, check_video, pictures, shown_name, too_long
from mien.serve.limits import Limits
from mien.serve.service import Served, Service

TRUE, FALSE = ("true", "1", "yes", "on"), ("false", "0", "no", "off", "")
FIELDS: Mapping[str, tuple[dict[str, Any], str]] = {
    "model": ({"type": "string"}, "Default: the first model that is served."),
    "numbers": ({"type": "boolean"}, "Leave out the text, which takes most of the time."),
    "overlay": ({"type": "boolean"}, "Pictures with boxes and labels, as data URLs."),
    "faces": (
        {"type": "string", "enum": ["mediapipe", "whole"]},
        "'whole' takes each picture as one face crop.",
    ),
    "fps": ({"type": "number"}, "Frames of a video to look at each second; default 5."),
    "frames": ({"type": "integer"}, "Instead: so many, evenly over the video."),
    "every": ({"type": "integer"}, "Instead: one of so many frames."),
    "scenes": ({"type": "boolean"}, "Instead: the first frame behind each cut."),
    "start": ({"type": "number"}, "Begin so many seconds into a video."),
    "end": ({"type": "number"}, "Stop so many seconds into it."),
}
"""Fields of the form beside the files: their schema and what they say."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """An analysis that is asked for.

    Attributes:
        files: what was uploaded, in order.
        model: who looks at it.
        numbers, overlay, whole: as the fields of the form.
        sampling: which frames of a video.
        video: place of the video among the files, or None.
    """

    files: tuple[Input, ...]
    model: Served
    numbers: bool
    overlay: bool
    whole: bool
    sampling: Sampling
    video: int | None


@dataclass(frozen=True, slots=True)
class Found:
    """A step of an analysis: rows, and the overlay of a picture as a data URL."""

    rows: list[Analysis]
    overlay: dict[str, str] | None = None


async def wanted(form: FormData, service: Service) -> Wanted:
    """What a form asks for.

    Raises:
        ApiError: naming the field that is wrong.
    """
    files: list[Input] = []
    fields: dict[str, str] = {}
    for name, value in form.multi_items():
        if isinstance(value, UploadFile):
            data = await value.read()
            files.append(Input(shown_name(value.filename, len(files)), data))
        elif name in FIELDS and name not in fields:
            fields[name] = value
        else:
            why = f"unknown field, or given twice; fields are {', '.join(FIELDS)} and files"
            raise ApiError(400, "unknown_field", why, param=name[:64])
    if not files:
        raise ApiError(400, "no_file", "no file was sent; send pictures or a video as 'files'")
    videos = await service.in_thread(lambda: [n for n, f in enumerate(files) if is_video(f)])
    if len(videos) > 1:
        raise ApiError(400, "too_many_videos", "one video at a time; send the others by themselves")
    faces = fields.get("faces", "mediapipe")
    if faces not in ("mediapipe", "whole"):
        raise _wrong("faces", "mediapipe or whole")
    return Wanted(
        tuple(files),
        service.model(fields.get("model")),
        _flag(fields, "numbers"),
        _flag(fields, "overlay"),
        faces == "whole",
        _sampling(fields, service.limits),
        videos[0] if videos else None,
    )


class Run:
    """One analysis under way.

    Args:
        service: what is shared.
        asked: what is asked for.

    Attributes:
        room: pixels that are kept free for it.
    """

    def __init__(self, service: Service, asked: Wanted) -> None:
        self.service, self.asked = service, asked
        model = asked.model
        self.caller = Caller(model.responder)
        self.clip_caller = Caller(model.clips) if model.clips is not None else None
        self.analyzer = Analyzer(
            self.caller,
            service.whole if asked.whole else service.finder,
            batch_size=service.batch_size,
            clips=None if self.clip_caller is None else self._clip_caller,
        )
        self.room = self._frames = 0

    def leave(self) -> None:
        """Takes back what the models were asked."""
        self.caller.leave()
        if self.clip_caller is not None:
            self.clip_caller.leave()

    def found(self) -> Generator[Found]:
        """Rows as they come; drawn in one thread at a time.

        Raises:
            ApiError: where a limit is passed, or the server stops.
        """
        until = time.monotonic() + self.service.limits.work_seconds
        with ExitStack() as stack:
            for looked in self._looked(stack):
                if self.service.desk.must_end:
                    raise stopping()
                if time.monotonic() > until:
                    raise ApiError(413, "too_much_work", "the analysis takes too long; send less")
                if looked.part == "frame":
                    self._count_frame(looked)
                yield Found(looked.rows, self._overlay(looked))

    def pixels(self) -> int:
        """Most pixels of decoded pictures and frames that it holds at a time, about.

        Raises:
            ApiError: if a file is too large.
        """
        batch, sizes, frame = self.service.batch_size, list[int](), 0
        for number, file in enumerate(self.asked.files):
            assert isinstance(file.origin, bytes)
            if number == self.asked.video:
                frame = check_video(file.origin, file.name, self.service.limits)
            else:
                sizes.append(check_pixels(file.origin, file.name, self.service.limits))
        return max(sum(sorted(sizes)[-batch:]), (batch + AHEAD) * frame)

    def _looked(self, stack: ExitStack) -> Iterator[Looked]:
        files, place = self.asked.files, self.asked.video
        if place is None:
            yield from self._pictures(files)
            return
        yield from self._pictures(files[:place])
        video = files[place]
        assert isinstance(video.origin, bytes)
        clip = self.analyzer.stream_clip(
            video.origin,
            name=video.name,
            numbers=self.asked.numbers,
            sampling=self.asked.sampling,
        )
        stack.callback(clip.close)  # type: ignore[attr-defined]
        yield from clip
        yield from self._pictures(files[place + 1 :])

    def _pictures(self, files: Sequence[Input]) -> Iterator[Looked]:
        read = self._read(files)
        return self.analyzer.stream_pictures(read, numbers=self.asked.numbers)

    def _read(self, files: Sequence[Input]) -> Iterator[Picture]:
        for file in files:
            yield from pictures([file], self.service.limits)

    def _count_frame(self, looked: Looked) -> None:
        limits = self.service.limits
        self._frames += 1
        if self._frames > limits.frames:
            why = f"{looked.source}: more than {limits.frames:,} frames; take fewer a second"
            raise ApiError(413, "too_many_frames", why)
        if (looked.rows[0].time or 0.0) - self.asked.sampling.start > limits.video_seconds:
            raise too_long(looked.source, limits)

    def _overlay(self, looked: Looked) -> dict[str, str] | None:
        if not self.asked.overlay or looked.part != "picture" or looked.image is None:
            return None
        landmarks = tuple(face.landmarks for face in looked.faces)
        file = io.BytesIO()
        drawn = draw_overlay(looked.image, looked.rows, landmarks)
        drawn.convert("RGB").save(file, "JPEG", quality=90)
        data = base64.b64encode(file.getvalue()).decode()
        return {"source": looked.source, "image": f"data:image/jpeg;base64,{data}"}

    def _clip_caller(self) -> Caller:
        assert self.clip_caller is not None
        return self.clip_caller


def all_in_vain(rows: Sequence[Analysis]) -> ApiError | None:
    """The error where nothing could be read, or the model answered for none of the faces."""
    said = {row.status for row in rows}
    if len(said) != 1 or not said & {"unreadable", "failed"}:
        return None
    why = "; ".join(dict.fromkeys(w for row in rows for w in row.warnings))[:1000]
    if "failed" in said:
        return ApiError(502, "model_failed", why or "the model gave no answer")
    return ApiError(422, "unreadable", why or "nothing could be read")


def _sampling(fields: Mapping[str, str], limits: Limits) -> Sampling:
    rate, start = _number(fields, "fps"), _number(fields, "start") or 0.0
    count, every = _whole(fields, "frames"), _whole(fields, "every")
    scene, end = _flag(fields, "scenes"), _number(fields, "end")
    if rate is None and count is None and every is None and not scene:
        rate = USUAL_SAMPLING.rate
    if count is not None and count > limits.frames:
        raise ApiError(413, "too_many_frames", f"at most {limits.frames:,} frames", param="frames")
    try:
        sampling = Sampling(rate, count, every, scene, start, end)
        # What lies further is not decoded, whatever the file says of its length.
        furthest = start + limits.video_seconds + 1
        return replace(sampling, end=min(end, furthest) if end is not None else furthest)
    except ValueError as error:
        raise ApiError(400, "invalid_value", f"which frames of the video: {error}") from None


def _flag(fields: Mapping[str, str], name: str) -> bool:
    text = fields.get(name, "").lower()
    if text not in TRUE + FALSE:
        raise _wrong(name, "true or false")
    return text in TRUE


def _number(fields: Mapping[str, str], name: str) -> float | None:
    try:
        return float(fields[name]) if fields.get(name) else None
    except ValueError:
        raise _wrong(name, "a number") from None


def _whole(fields: Mapping[str, str], name: str) -> int | None:
    try:
        return int(fields[name]) if fields.get(name) else None
    except ValueError:
        raise _wrong(name, "a whole number") from None


def _wrong(name: str, wanted: str) -> ApiError:
    return ApiError(400, "invalid_value", f"{name} must be {wanted}", param=name)
