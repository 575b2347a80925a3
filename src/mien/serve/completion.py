"""A chat completion: the talk and its pictures to a request, the reply to OpenAI's JSON."""

from __future__ import annotations

import asyncio
import queue
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.chat.hold import Said, whose
from mien.engines import EngineError, Reply, Request
from mien.engines.answers import task_of
from mien.faces import can_be_whole, crop_face
from mien.language import prompt_for
from mien.schema import Analysis, Face
from mien.serve.chat_form import ChatRequest, Talk, talk_of
from mien.serve.errors import ApiError
from mien.serve.inputs import check_pixels, check_video, decoded, frames, picture
from mien.serve.own_words import JsonForm, as_json, held, json_form, words_needed
from mien.serve.service import Served, Service

CLIP_FRAMES = 8
"""Frames of a clip that a model is shown which says nothing of its own."""


@dataclass(frozen=True, slots=True, eq=False)
class _Shown:
    """What the talk is about, as the model takes it: pictures, the face in each, their times.

    Beside them what a user should know of how they were chosen.
    """

    images: tuple[NDArray[np.uint8], ...]
    faces: tuple[Face | None, ...]
    priors: tuple[Any, ...]
    times: tuple[float, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Files:
    """Encoded pictures, or one video, and the pixels that they have when decoded."""

    data: list[bytes]
    pixels: int


@dataclass(frozen=True, slots=True)
class Completed:
    """An answer.

    Attributes:
        text: its words, or JSON.
        finish: "stop" or "length".
        usage: tokens that the model read and wrote.
        more: what mien adds to the message.
    """

    text: str
    finish: str
    usage: dict[str, int]
    more: dict[str, Any]


class Completion:
    """One chat completion.

    Args:
        service: what is shared.
        asked: the request.

    Raises:
        ApiError: if it cannot be answered.
    """

    def __init__(self, service: Service, asked: ChatRequest) -> None:
        asked.check()
        self.service, self.asked = service, asked
        self.model: Served = service.model(asked.model)
        self.own = self.model.responder.gives_numbers
        self.talk: Talk = talk_of(asked, service.limits)
        self.form = self._form()
        self.id, self.created = f"chatcmpl-{uuid.uuid4().hex}", int(time.time())
        self._check_words()

    async def answer(self) -> Completed:
        """The answer, from a forward pass that other requests may share.

        Raises:
            ApiError: if there is none.
        """
        files = await self.service.in_thread(self._files)
        async with self.service.desk.pixels(files.pixels):
            shown = await self.service.in_thread(lambda: self._shown(files))
            if not self.own:
                return await self._answered(shown)
        return await self._answered(shown)  # of cut faces, beside which the pictures are let go

    async def _answered(self, shown: _Shown) -> Completed:
        request = self._request(shown)
        try:
            async with asyncio.timeout(self.service.limits.answer_seconds):
                asked = self.model.responder.ask(request, counted=True)
                reply = await asyncio.wrap_future(asked)
        except queue.Full:
            why = "too many requests wait; come again in a moment"
            raise ApiError(429, "busy", why, retry_after=1) from None
        except TimeoutError:
            why = "the model did not answer in time; come again in a moment"
            raise ApiError(503, "timeout", why, retry_after=5) from None
        except EngineError as error:
            raise ApiError(502, "model_failed", str(error)) from None
        if reply.status == "failed":
            raise ApiError(502, "model_failed", reply.error or "the model gave no answer")
        return self._completed(request, reply, shown)

    def whole(self, done: Completed) -> dict[str, Any]:
        """The answer as one JSON object."""
        message: dict[str, Any] = {"role": "assistant", "content": done.text, "refusal": None}
        if done.more:
            message["mien"] = done.more
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": done.finish}
        return self._envelope("chat.completion", [choice]) | {"usage": done.usage}

    def pieces(self, done: Completed) -> Iterator[dict[str, Any]]:
        """The answer as the pieces of a stream.

        The words come at once: they are compared with the numbers before anybody sees them.
        """
        extra = {"mien": done.more} if done.more else {}
        options = self.asked.stream_options
        counted = options is not None and bool(options.include_usage)
        for delta, finish in (
            ({"role": "assistant", "content": ""}, None),
            ({"content": done.text, **extra}, None),
            ({}, done.finish),
        ):
            choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
            piece = self._envelope("chat.completion.chunk", [choice])
            yield piece | {"usage": None} if counted else piece
        if counted:
            yield self._envelope("chat.completion.chunk", []) | {"usage": done.usage}

    def _envelope(self, kind: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": self.model.name,
            "system_fingerprint": self.model.fingerprint,
            "choices": choices,
        }

    def _form(self) -> JsonForm | None:
        """What an answer in JSON offers, where a model of mien is asked for one."""
        form = self.asked.response_format
        if form is None or form.type == "text":
            return None
        if not self.own:
            if not self.model.name.startswith(("openai:", "gemini:")):
                why = f"{self.model.name} cannot be held to JSON; ask for it in the prompt"
                raise ApiError(400, "unsupported_parameter", why, param="response_format")
            return None
        schema = form.json_schema
        return json_form(schema.name, schema.schema_) if schema else json_form(None, None)

    def _schema(self) -> Mapping[str, Any] | None:
        form = self.asked.response_format
        if self.own or form is None or form.type == "text":
            return None
        return form.json_schema.schema_ if form.json_schema else {"type": "object"}

    def _check_words(self) -> None:
        talk, limits = self.talk, self.service.limits
        if self.own and not (talk.pictures or talk.videos):
            why = f"{self.model.name} answers questions about a face; show it a picture"
            raise ApiError(400, "no_picture", why, param="messages")
        if not self.own and not talk.prompt:
            raise ApiError(400, "no_question", "the question has no words", param="messages")
        size = len((talk.prompt + (talk.system or "")).encode("utf-8", "replace"))
        if self.own and self.form is None and size > limits.question_bytes:
            why = f"instructions and question have more than {limits.question_bytes:,} bytes"
            raise ApiError(400, "context_length_exceeded", why, param="messages")

    def _files(self) -> _Files:
        """What the data URLs of the talk hold."""
        limits, talk = self.service.limits, self.talk
        if talk.videos:
            video = decoded(talk.videos[0], "video", limits)
            return _Files([video], self._clip_frames() * check_video(video, "video", limits))
        found = [decoded(url, "picture", limits) for url in talk.pictures]
        names = (f"picture {number + 1}" for number in range(len(found)))
        sizes = [check_pixels(one, name, limits) for one, name in zip(found, names, strict=False)]
        return _Files(found, sum(sizes))

    def _clip_frames(self) -> int:
        return self.model.responder.clip_frames or CLIP_FRAMES

    def _shown(self, files: _Files) -> _Shown:
        """Pictures of the talk: for models of mien the largest face of each, cut out."""
        limits = self.service.limits
        if self.talk.videos:
            found = frames(files.data[0], self._clip_frames(), limits)
            images, times = [f.image for f in found], [f.time for f in found]
        else:
            images = [
                picture(data, f"picture {number + 1}", limits)
                for number, data in enumerate(files.data)
            ]
            times = [0.0] * len(images)
        if not self.own:
            count = len(images)
            return _Shown(tuple(images), (None,) * count, (), tuple(times))
        return self._faces(images, times)

    def _faces(self, images: Sequence[NDArray[np.uint8]], times: Sequence[float]) -> _Shown:
        responder = self.model.responder
        crops, faces, priors, kept = [], [], [], []
        most = 0
        for image, time_ in zip(images, times, strict=True):
            found = self.service.finder.find(image)
            if not found and can_be_whole(*image.shape[:2]) and not self.talk.videos:
                found = self.service.whole.find(image)
            most = max(most, len(found))
            if found:
                crops.append(crop_face(image, found[0], responder.crop_spec))
                priors += responder.face_priors(image, found[:1])
                faces.append(found[0])
                kept.append(time_)
        if len(crops) < (1 if self.talk.videos else len(images)):
            what = "video" if self.talk.videos else "picture"
            raise ApiError(400, "no_face", f"no face was found in the {what}", param="messages")
        several = (f"{most} faces were found; this is the largest",) if most > 1 else ()
        return _Shown(tuple(crops), tuple(faces), tuple(priors), tuple(kept), several)

    def _request(self, shown: _Shown) -> Request:
        talk = self.talk
        prompt = talk.prompt or prompt_for("analysis")
        request = Request(
            "0",
            shown.images,
            prompt,
            system=talk.system,
            history=talk.history,
            schema=self._schema(),
            max_tokens=self.asked.tokens(self.service.limits),
            priors=shown.priors,
        )
        if not self.own:
            return request
        if self.form is not None:
            return replace(
                request,
                prompt=prompt_for("analysis"),
                history=(),
                analysis=True,
                words=self.form.reasons,
            )
        return replace(request, words=words_needed(prompt, follows=self.model.follows))

    def _completed(self, request: Request, reply: Reply, shown: _Shown) -> Completed:
        said = Said(reply.text or "")
        if self.own and reply.numbers is not None:
            if self.form is not None:
                said = Said(as_json(self.form, reply.text, reply.numbers), "numbers")
            else:
                asked = [*(question for question, _ in self.talk.history), request.prompt]
                said = held(request.prompt, asked, reply.text, reply.numbers)
                said = whose(said, reply.warnings)
        text, cut = _before(said.text, self.asked.stops())
        warnings = (*self.talk.warnings, *shown.warnings, *reply.warnings, *said.warnings)
        asked_tokens = reply.usage.get("prompt_tokens", 0)
        told = reply.usage.get("completion_tokens", 0)
        free = said.origin == "model" and not (self.own and task_of(request.prompt))
        long = free and told > request.max_tokens and not cut
        return Completed(
            text,
            "length" if long else "stop",
            {
                "prompt_tokens": asked_tokens,
                "completion_tokens": told,
                "total_tokens": asked_tokens + told,
            },
            self._more(reply, said, shown, warnings),
        )

    def _more(
        self, reply: Reply, said: Said, shown: _Shown, warnings: tuple[str, ...]
    ) -> dict[str, Any]:
        """The row of `mien analyze` for the face, and whose words the answer has."""
        if reply.numbers is None:
            return {"warnings": list(warnings)} if warnings else {}
        clip = len(shown.images) > 1
        face = None if clip else shown.faces[0]
        row = Analysis(
            "video" if self.talk.videos else "picture",
            kind="clip" if clip else "face",
            frame=None if clip else 0,
            time=shown.times[0],
            face=None if clip else 0,
            track=0,
            box=face.box if face else None,
            detection=face.detection if face else None,
            pose=face.pose if face else None,
            expression=reply.numbers.expression,
            action_units=reply.numbers.action_units,
            text=None,
            model=self.model.name,
            warnings=warnings,
            start=shown.times[0] if clip else None,
            end=shown.times[-1] if clip else None,
        )
        return {**row.to_dict(), "origin": said.origin}


def _before(text: str, stops: Sequence[str]) -> tuple[str, bool]:
    """The text up to the first of some words, and whether it was cut."""
    places = [place for stop in stops if (place := text.find(stop)) >= 0]
    return (text[: min(places)], True) if places else (text, False)
