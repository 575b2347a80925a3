"""The one way to ask a model: a request about a face or clip, its reply, and who gives it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from mien import facs
from mien.engines.base import Answer
from mien.faces import CropSpec
from mien.schema import Face

if TYPE_CHECKING:
    from mien.models.priors import FacePriors

ReplyStatus = Literal["ok", "failed"]


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """One prompt about one face, or about the frames of a clip.

    Attributes:
        id: unique within a run; the reply carries it.
        images: RGB pictures of shape (H, W, 3), uint8; several are frames of a clip, in order.
        prompt: the words of the user.
        system: instructions that stand before them, or None.
        history: earlier turns of the same talk as (question, answer), the oldest first. The
            pictures then stand with the oldest question. A model on this machine leaves out the
            oldest turns where they do not fit into its context, with a warning.
        schema: JSON schema that the answer must follow where the model can be held to it.
        options: a closed set of answers to be scored by likelihood; empty for free text.
        max_tokens: longest answer, in tokens of the model.
        priors: what is known of the face in each picture (`Responder.face_priors`); empty where
            nothing is, and left aside by models that read no priors.
        dataset: whose labels are asked for, as `mien.datasets` names it; of use to a model that
            knows how this dataset's labels differ from its own.
        analysis: whether this is the question of `mien analyze`, which a model of mien answers in
            its own way, with numbers; `system` and `schema` are for the others.
        words: whether words are wanted, which take most of the time. A model that gives numbers
            leaves them out where they are not; the others have nothing else.
    """

    id: str
    images: tuple[NDArray[np.uint8], ...]
    prompt: str
    system: str | None = None
    history: tuple[tuple[str, str], ...] = ()
    schema: Mapping[str, Any] | None = None
    options: tuple[str, ...] = ()
    max_tokens: int = 256
    priors: tuple[FacePriors | None, ...] = ()
    dataset: str | None = None
    analysis: bool = False
    words: bool = True


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back for one request.

    Attributes:
        id: of the request.
        status: "ok" wherever the model answered, be it with an empty text; else "failed".
        text: its words; None where there was no answer, no words were wanted, or only options were
            scored.
        error: why it failed, in one line, without any secret.
        numbers: what a model of mien reads from its likelihoods beside the words; None elsewhere.
        option_scores: option to log-likelihood, where `Request.options` asked for it.
        seconds: from sending to answer, where it was measured for this request alone.
        usage: tokens, as the endpoint counted them ("prompt_tokens", "completion_tokens").
        warnings: what a user should know about this answer, such as an end cut off by the limit.
    """

    id: str
    status: ReplyStatus = "ok"
    text: str | None = None
    error: str | None = None
    numbers: Answer | None = None
    option_scores: Mapping[str, float] | None = None
    seconds: float | None = None
    usage: Mapping[str, int] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


class Responder(ABC):
    """Whoever answers requests: a model on this machine, an endpoint, or a file of answers.

    Attributes:
        name: as given to `--model`.
        crop_spec: how the faces that it looks at are cut out.
        action_units: FACS numbers of the units that it may name.
        clip_frames: frames that it is shown of a clip, if nothing else is asked for; None where it
            does not read the frames of a clip as one.
        gives_numbers: whether numbers come with each reply, whatever was asked.
        sends_to: the host that pictures are sent to; None where they stay on this machine.
    """

    name: str
    crop_spec: CropSpec
    action_units: tuple[int, ...] = tuple(facs.ACTION_UNITS)
    clip_frames: int | None = None
    gives_numbers: bool = False

    @property
    def sends_to(self) -> str | None:
        return None

    @abstractmethod
    def identity(self) -> Mapping[str, str]:
        """What decides its answers, as plain text.

        Weights (with a hash where they are files), decoding, dtype, versions; never a key or a
        password. Answers of two identities may not be mixed.
        """

    @abstractmethod
    def respond(self, requests: Iterable[Request]) -> Iterator[Reply]:
        """One reply per request, each as soon as it is there, not always in order.

        Requests are drawn as they are needed, so that a long run stays small in memory. A request
        that fails makes a failed reply; the others go on.

        Raises:
            EngineError: if nothing can be answered at all, such as a refused key.
        """

    def settings(self) -> Mapping[str, str]:
        """What else a report should say: device, batch size, endpoint's host."""
        return {}

    def face_priors(
        self, image: NDArray[np.uint8], faces: Sequence[Face]
    ) -> list[FacePriors | None]:
        """What it wants to know of the faces of a picture, in order; None where nothing.

        Args:
            image: (H, W, 3) uint8, RGB.
            faces: as the finder gave them; nothing is looked for again.
        """
        return [None] * len(faces)

    def tokens(self, request: Request, text: str) -> Mapping[str, int]:
        """Tokens of a request and of the answer to it, as `Reply.usage` has them.

        Empty where the tokenizer is not here.
        """
        return {}

    def expect(self, ids: Iterable[str]) -> None:  # noqa: B027
        """Is told the ids of all requests to come, or of the first ones, before anything is done.

        Raises:
            EngineError: if it can answer none of them.
        """

    def close(self) -> None:  # noqa: B027
        """Frees connections and memory."""
