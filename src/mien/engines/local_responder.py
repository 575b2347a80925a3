"""Any prompt about a face or clip, answered by a model of mien's own, with its numbers."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from mien.engines.answers import (
    answer_start,
    hold_to_numbers,
    offered_expression,
    present_units,
    task_of,
)
from mien.engines.base import EngineError
from mien.engines.batches import alike, batches
from mien.engines.history import begun, fitted
from mien.engines.local_model import (
    MAX_NEW_TOKENS,
    Clip,
    LocalModel,
    Numbers,
    Seen,
    numbers_answer,
)
from mien.engines.numbers import read_expression
from mien.engines.quantize import quantized_as
from mien.engines.request import Reply, Request, Responder
from mien.faces.base import check_image
from mien.language import Task
from mien.models.priors import FacePriors
from mien.schema import Face, Status

Answers = Literal["guided", "free"]
DRAFTS = (8, 32)
"""Texts that a model tries, and then tries, where its likeliest one is not true to its numbers."""
_Looked = tuple[Hashable, Clip, Sequence[FacePriors | None]]


class LocalResponder(Responder):
    """Answers prompts in words, with the numbers of each picture or clip.

    Numbers are read from the likelihoods of short candidate answers in one forward pass. The text
    is then written behind the label line that the numbers make, so that words and numbers agree;
    what the model writes is read back. Where it names a unit that they call absent, or calls one a
    sign of the expression that is none (`mien.language.check_reasons`), the text is made from the
    numbers by `mien.language.describe`, with a warning. Of an analysis, which users see most, the
    first of the next likely drafts that is true is taken before.

    The pictures of a request are the frames of one clip. A model that reads clips (EMO-LLaMA) reads
    them as one, with priors of the face in each. Of a model that reads pictures alone (FEALLM) the
    log-likelihoods are averaged over the frames, and the words are about the frame in the middle.
    What stands in a batch more than once, as when several tasks ask about one face, is looked at
    once. The expression is the one that `Request.dataset` would label, where the model has a head
    for it.

    Args:
        core: the model.
        answers: "guided": the answer to one of mien's own prompts begins with the labels that the
            numbers make, and is held to them; other prompts are answered freely. "free": nothing is
            forced or changed.
        batch_size: requests at a time.
    """

    gives_numbers = True

    def __init__(
        self, core: LocalModel, *, answers: Answers = "guided", batch_size: int = 16
    ) -> None:
        if answers not in get_args(Answers):
            raise EngineError(f"answers is {answers!r}; use {' or '.join(get_args(Answers))}")
        if batch_size < 1:
            raise EngineError(f"batch_size is {batch_size}; it must be at least 1")
        self.core, self.answers, self.batch_size = core, answers, batch_size
        self.name, self.crop_spec, self.action_units = core.name, core.crop_spec, core.action_units
        self.clip_frames = core.model.config.clip_frames if core.reads_clips else None

    @classmethod
    def from_folder(
        cls,
        folder: Path,
        *,
        name: str,
        device: torch.device,
        answers: Answers = "guided",
        batch_size: int = 16,
        quantize: str | None = None,
    ) -> LocalResponder:
        """Loads what `save_pretrained` wrote.

        Raises:
            EngineError: if the folder holds no model of mien, or its files are damaged.
        """
        core = LocalModel.from_folder(folder, name=name, device=device, quantize=quantize)
        return cls(core, answers=answers, batch_size=batch_size)

    def identity(self) -> Mapping[str, str]:
        return {**self.core.identity(), "answers": self.answers}

    def settings(self) -> Mapping[str, str]:
        return {"device": str(self.core.device), "batch size": str(self.batch_size)}

    def face_priors(
        self, image: NDArray[np.uint8], faces: Sequence[Face]
    ) -> list[FacePriors | None]:
        return [None] * len(faces) if self.core.faces is None else self.core.faces.read(faces)

    def tokens(self, request: Request, text: str) -> Mapping[str, int]:
        own, _ = fitted(_in_own_way(request), self._fits)
        return {
            "prompt_tokens": self._length(self._question(own)),
            "completion_tokens": self._length(text) + 1,  # its end is a token, too
        }

    def close(self) -> None:
        """Frees the model's memory on an accelerator."""
        if self.core.device.type == "cuda" and not quantized_as(self.core.model):
            self.core.model.to("cpu")
            torch.cuda.empty_cache()

    def respond(self, requests: Iterable[Request]) -> Iterator[Reply]:
        for batch in batches(requests, self.batch_size):
            good, cuts = list[Request](), dict[str, tuple[str, ...]]()
            for request in batch:
                fault = _fault(request)
                if fault is None:
                    fitting, cuts[request.id] = fitted(_in_own_way(request), self._fits)
                    good.append(fitting)
                else:
                    yield Reply(request.id, "failed", error=fault)
            for reply in self._answer(good) if good else ():
                cut = cuts[reply.id]
                yield replace(reply, warnings=(*cut, *reply.warnings)) if cut else reply

    @torch.inference_mode()
    def _answer(self, batch: list[Request]) -> list[Reply]:
        rows: dict[Hashable, int] = {}
        clips: list[Clip] = []
        priors: list[Sequence[FacePriors | None]] = []
        places: dict[str, list[int]] = {}
        for request in batch:
            for key, clip, known in self._looked_at(request):
                if key not in rows:
                    rows[key] = len(clips)
                    clips.append(clip)
                    priors.append(known)
                places.setdefault(request.id, []).append(rows[key])
        seen = self.core.look(clips, priors if self.core.reads_clips else None)
        numbers = {r.id: self._numbers(seen, places[r.id], r.dataset) for r in batch}
        replies: list[Reply] = []
        for group in alike(batch, _manner):
            if not group[0].words:
                replies += [_without_words(r, numbers[r.id], self._remarks(r)) for r in group]
                continue
            middle = [places[r.id][len(places[r.id]) // 2] for r in group]
            features = self.core.look_again(seen, middle, [_instruction(r) for r in group])
            replies += self._replies(group, features, numbers)
        return replies

    def _looked_at(self, request: Request) -> Iterator[_Looked]:
        """What the model looks at for a request: the whole clip, or each of its frames."""
        if self.core.reads_clips:
            key = (*map(picture_key, request.images), *map(id, request.priors))
            yield key, request.images, request.priors or [None] * len(request.images)
            return
        for image in request.images:
            yield picture_key(image), [image], [None]

    def _replies(
        self,
        group: Sequence[Request],
        features: Mapping[str, torch.Tensor],
        numbers: Mapping[str, Numbers],
    ) -> list[Reply]:
        """Answers to requests that are alike, from what the model sees of each."""
        if group[0].options:
            return self._scored(group, features, numbers)
        return self._written(group, features, numbers)

    def _numbers(self, seen: Seen, rows: Sequence[int], dataset: str | None) -> Numbers:
        expression, units = self.core.read([group[list(rows)].mean(0) for group in seen.scores])
        if dataset is not None and dataset in seen.labels:
            logits = seen.labels[dataset][list(rows)].mean(0)
            expression = read_expression(logits, self.core.model.config.label_heads[dataset], {})
        return expression, units

    def _scored(
        self,
        group: Sequence[Request],
        features: Mapping[str, torch.Tensor],
        numbers: Mapping[str, Numbers],
    ) -> list[Reply]:
        texts = [self._question(request) for request in group]
        scores = self.core.option_scores(texts=texts, options=group[0].options, **features)
        return [
            Reply(
                r.id,
                numbers=numbers_answer(numbers[r.id]),
                option_scores=row,
                warnings=self._remarks(r),
            )
            for r, row in zip(group, scores, strict=True)
        ]

    def _written(
        self,
        group: Sequence[Request],
        features: Mapping[str, torch.Tensor],
        numbers: Mapping[str, Numbers],
    ) -> list[Reply]:
        guides = [self._guide(r.prompt, numbers[r.id]) for r in group]
        starts = ["" if g is None else answer_start(g.task, g.label, g.present) for g in guides]
        texts = [begun(self._question(r), s) for r, s in zip(group, starts, strict=True)]
        seen, mask, longest = features["features"], features.get("frame_mask"), group[0].max_tokens
        written = self.core.write(seen, texts, max_new_tokens=longest, frame_mask=mask)
        held = [_held(*one) for one in zip(guides, starts, written, strict=True)]
        for drafts in DRAFTS:
            again = [
                row
                for row, guide in enumerate(guides)
                if held[row][2] and guide is not None and guide.task == "analysis"
            ]
            if not again:
                break
            tried = self.core.write(
                seen[again],
                [texts[row] for row in again],
                max_new_tokens=min(longest, MAX_NEW_TOKENS),
                drafts=drafts,
                frame_mask=None if mask is None else mask[again],
            )
            for place, row in enumerate(again):
                own = tried[place * drafts : (place + 1) * drafts]
                found = (_held(guides[row], starts[row], words) for words in own)
                held[row] = next((one for one in found if not one[2]), held[row])
        replies = []
        for request, (text, status, warnings) in zip(group, held, strict=True):
            said = replace(numbers_answer(numbers[request.id]), status=status)
            warnings = (*self._remarks(request), *warnings)
            replies.append(Reply(request.id, text=text, numbers=said, warnings=warnings))
        return replies

    def _question(self, request: Request) -> str:
        frames, priors = len(request.images), request.priors or None
        return self.core.ask(*words_of(request), frames=frames, priors=priors)

    def _remarks(self, request: Request) -> tuple[str, ...]:
        """Warnings about how the request was read."""
        count = len(request.images)
        if count == 1 or self.core.reads_clips:
            return ()
        about = f"numbers are averaged over {count} frames"
        return (f"{about}; the words are about the one in the middle",)

    def _fits(self, request: Request) -> bool:
        """Whether prompt and answer fit into the positions that the model was made for."""
        length = self._length(self._question(request)) + request.max_tokens
        return length <= self.core.model.config.text_config.max_position_embeddings

    def _length(self, text: str) -> int:
        """Tokens of a text."""
        return len(self.core.processor.tokenizer(text, add_special_tokens=False)["input_ids"])

    def _guide(self, prompt: str, numbers: Numbers) -> _Guide | None:
        task = task_of(prompt) if self.answers == "guided" else None
        if task is None:
            return None
        return _Guide(task, offered_expression(prompt, numbers[0]), present_units(numbers[1]))


@dataclass(frozen=True, slots=True)
class _Guide:
    """What the answer to one of mien's own prompts is held to: the task, and labels."""

    task: Task
    label: str
    present: Mapping[int, float | None]


def _held(guide: _Guide | None, start: str, words: str) -> tuple[str, Status, tuple[str, ...]]:
    """The whole text, whether it can be read, and warnings."""
    if guide is None:
        return words.strip(), "ok", ()
    text = start + words.strip() if start.endswith("\n") else (start + words).strip()
    return hold_to_numbers(guide.task, text, guide.label, guide.present)


def _in_own_way(request: Request) -> Request:
    """An analysis without the instructions that other models need."""
    if not request.analysis:
        return request
    return replace(request, system=None, schema=None, max_tokens=MAX_NEW_TOKENS)


def _manner(request: Request) -> Hashable:
    """Requests of one manner are answered together."""
    return (request.words, request.options, 0 if request.options else request.max_tokens)


def _without_words(request: Request, numbers: Numbers, remarks: tuple[str, ...]) -> Reply:
    return Reply(request.id, numbers=numbers_answer(numbers), warnings=remarks)


def _instruction(request: Request) -> str:
    """The words of the message that shows the clip."""
    prompt, history = words_of(request)
    return history[0][0] if history else prompt


def words_of(request: Request) -> tuple[str, list[tuple[str, str]]]:
    """The question and the turns before it, with the instructions before the first of them."""
    prompt, history = request.prompt, list(request.history)
    if request.system and history:
        history[0] = (f"{request.system}\n{history[0][0]}", history[0][1])
    elif request.system:
        prompt = f"{request.system}\n{prompt}"
    return prompt, history


def _fault(request: Request) -> str | None:
    """Why a request cannot be answered, or None."""
    if not request.images:
        return "the model needs a picture"
    if request.priors and len(request.priors) != len(request.images):
        return f"{len(request.images)} pictures but priors of {len(request.priors)}"
    try:
        for image in request.images:
            check_image(image)
    except ValueError as error:
        return str(error)
    if len(set(request.options)) < len(request.options) or "" in request.options:
        return "options are empty or stand twice"
    return None


def picture_key(image: NDArray[np.uint8]) -> str:
    """The same for the same pixels."""
    return f"{image.shape} {hashlib.sha256(np.ascontiguousarray(image).data).hexdigest()}"
