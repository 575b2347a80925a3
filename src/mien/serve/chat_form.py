"""A chat completion as OpenAI's clients ask for it, and the talk in it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from mien.serve.errors import ApiError
from mien.serve.limits import Limits

_HALVES = re.compile("[\ud800-\udfff]")


class Address(BaseModel):
    """Where a picture or video is: a data URL."""

    url: str = Field(description="data:image/jpeg;base64,... ; nothing is fetched from elsewhere")


class TextPart(BaseModel):
    """Words of a message."""

    type: Literal["text"]
    text: str


class PicturePart(BaseModel):
    """A picture of a message."""

    type: Literal["image_url"]
    image_url: Address


class VideoPart(BaseModel):
    """A clip of a message."""

    type: Literal["video_url"]
    video_url: Address


Part = Annotated[TextPart | PicturePart | VideoPart, Field(discriminator="type")]


class Message(BaseModel):
    """One message of a talk."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[Part] | None = None

    @property
    def words(self) -> str:
        """Its text; halves of characters, which JSON can hold and no text is, are replaced."""
        text = self.content or ""
        if isinstance(text, list):
            text = "\n".join(p.text for p in text if isinstance(p, TextPart))
        return _HALVES.sub("\ufffd", text)

    def addresses(self, kind: type[PicturePart] | type[VideoPart]) -> list[str]:
        """Its pictures, or its videos."""
        parts = self.content if isinstance(self.content, list) else []
        found = [p for p in parts if isinstance(p, kind)]
        return [p.image_url.url if isinstance(p, PicturePart) else p.video_url.url for p in found]


class JsonSchema(BaseModel):
    """A schema that an answer shall follow."""

    model_config = ConfigDict(populate_by_name=True)

    name: str = "answer"
    schema_: dict[str, Any] = Field(alias="schema")


class ResponseFormat(BaseModel):
    """The form of an answer."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None


class StreamOptions(BaseModel):
    """What a stream ends with."""

    include_usage: bool | None = None


class ChatRequest(BaseModel):
    """A chat completion. Fields that are not named here are left aside."""

    model: str
    messages: list[Message] = Field(min_length=1, max_length=500)
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    response_format: ResponseFormat | None = None
    stop: str | list[str] | None = Field(None, description="The answer ends before it.")
    n: int | None = Field(None, description="Only 1.")
    tools: list[Any] | None = Field(None, description="Only empty.")
    functions: list[Any] | None = Field(None, description="Only empty.")
    logprobs: bool | None = Field(None, description="Only false.")

    def check(self) -> None:
        """Refuses what is understood and cannot be done.

        Raises:
            ApiError: naming the field.
        """
        for name, wanted in (
            ("n", self.n not in (None, 1)),
            ("tools", bool(self.tools)),
            ("functions", bool(self.functions)),
            ("logprobs", bool(self.logprobs)),
        ):
            if wanted:
                why = f"{name} is not supported by this server; leave it out"
                raise ApiError(400, "unsupported_parameter", why, param=name)
        form = self.response_format
        if form is not None and form.type == "json_schema" and form.json_schema is None:
            raise ApiError(
                400, "invalid_value", "json_schema is missing", param="response_format.json_schema"
            )

    def tokens(self, limits: Limits) -> int:
        """The longest answer."""
        wanted = self.max_completion_tokens or self.max_tokens or 256
        return min(wanted, limits.max_tokens)

    def stops(self) -> list[str]:
        """Words before which the answer ends."""
        given = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return [words for words in given if words]


@dataclass(frozen=True, slots=True)
class Talk:
    """What is asked, and what was said before.

    Attributes:
        prompt: the open question; may be empty.
        system: instructions, or None.
        history: earlier turns as (question, answer).
        pictures, videos: data URLs that the talk is about.
        warnings: what was left aside.
    """

    prompt: str
    system: str | None
    history: tuple[tuple[str, str], ...]
    pictures: tuple[str, ...]
    videos: tuple[str, ...]
    warnings: tuple[str, ...] = ()


def talk_of(request: ChatRequest, limits: Limits) -> Talk:
    """The talk in a request; a later picture begins a new one.

    Raises:
        ApiError: if the messages make none.
    """
    if sum(len(message.words) for message in request.messages) > limits.characters:
        why = f"the talk has more than {limits.characters:,} characters; leave out early turns"
        raise ApiError(413, "too_many_words", why, param="messages")
    system = "\n".join(m.words for m in request.messages if m.role in ("system", "developer"))
    said = [m for m in request.messages if m.role in ("user", "assistant")]
    if not said or said[-1].role != "user":
        why = "the last message must be the user's question"
        raise ApiError(400, "no_question", why, param="messages")
    pictures = [m.addresses(PicturePart) for m in said]
    videos = [m.addresses(VideoPart) for m in said]
    shows = [n for n in range(len(said)) if pictures[n] or videos[n]]
    if any(said[n].role != "user" for n in shows):
        raise ApiError(400, "invalid_value", "only the user shows pictures", param="messages")
    start = shows[-1] if shows else 0
    warnings = ("what was said before the last picture was left aside",) if start else ()
    seen = (pictures[start], videos[start]) if shows else ([], [])
    _check_shown(*seen, limits)
    history, prompt = _turns(said[start:])
    return Talk(prompt, system or None, history, tuple(seen[0]), tuple(seen[1]), warnings)


def _turns(said: list[Message]) -> tuple[tuple[tuple[str, str], ...], str]:
    """Finished turns and the open question; messages in a row of one role are one."""
    turns: list[tuple[list[str], list[str]]] = []
    for message in said:
        if message.role == "user":
            if not turns or turns[-1][1]:
                turns.append(([], []))
            turns[-1][0].append(message.words)
        elif turns:  # a greeting before the first question is no answer
            turns[-1][1].append(message.words)
    joined = [("\n".join(asked), "\n".join(told)) for asked, told in turns]
    return tuple(joined[:-1]), joined[-1][0].strip()


def _check_shown(pictures: list[str], videos: list[str], limits: Limits) -> None:
    if len(videos) > 1 or (videos and pictures):
        why = "a message shows one video, or pictures"
        raise ApiError(400, "too_many_videos", why, param="messages")
    if len(pictures) > limits.files:
        why = f"more than {limits.files} pictures in a message"
        raise ApiError(413, "too_many_files", why, param="messages")
