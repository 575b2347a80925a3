"""Prompts and replies: what a responder is asked about a face, and what it says.

An `Engine` gives the numbers and words of an `Analysis`. A `Responder` is one step below: it
answers any prompt about any pictures in text, as a benchmark or a teacher needs it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from mien.engines.base import Answer
from mien.faces import CropSpec

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
        priors: what is known of the face in each picture (`ReadsPriors.face_priors`); empty where
            nothing is, and left aside by models that read no priors.
        dataset: whose labels are asked for, as `mien.datasets` names it; of use to a model that
            knows how this dataset's labels differ from its own.
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


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back for one request.

    Attributes:
        id: of the request.
        status: "ok" wherever the model answered, be it with an empty text; else "failed".
        text: its words; None where there was no answer, or where only options were scored.
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


class Responder(Protocol):
    """Answers prompts about pictures.

    Attributes:
        name: as given to `--model`.
        crop_spec: how the faces that it looks at are cut out.
    """

    name: str
    crop_spec: CropSpec

    def identity(self) -> Mapping[str, str]:
        """What decides its answers, as plain text.

        Weights (with a hash where they are files), decoding, dtype, versions; never a key or a
        password. Answers of two identities may not be mixed.
        """
        ...

    def settings(self) -> Mapping[str, str]:
        """What else a report should say: device, batch size, endpoint's host."""
        ...

    def respond(self, requests: Iterable[Request]) -> Iterator[Reply]:
        """One reply per request, each as soon as it is there, not always in order.

        Requests are drawn as they are needed, so that a long run stays small in memory. A request
        that fails makes a failed reply; the others go on.

        Raises:
            EngineError: if nothing can be answered at all, such as a refused key.
        """
        ...

    def close(self) -> None:
        """Frees connections and memory."""
        ...
