"""Any prompt about a face, answered by a model of mien's own, with its numbers beside the words."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
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
from mien.engines.history import fitted
from mien.engines.local_model import (
    LocalModel,
    Numbers,
    Seen,
    begun,
    numbers_answer,
    question,
)
from mien.engines.numbers import read_expression
from mien.engines.quantize import quantized_as
from mien.engines.request import Reply, Request
from mien.faces.base import check_image

Answers = Literal["guided", "free"]


class LocalResponder:
    """Answers prompts in words, with the numbers of each picture.

    Pictures that stand in a batch more than once, as when several tasks ask about one face, are
    looked at once. The expression is the one that `Request.dataset` would label, where the model
    has a head for it. Of a clip, the log-likelihoods are averaged over the frames, and the words
    are about the frame in the middle.

    Args:
        core: the model.
        answers: "guided": the answer to one of mien's own prompts begins with the labels that the
            numbers make, as in `LocalEngine`, and is held to them; other prompts are answered
            freely. "free": nothing is forced or changed.
        batch_size: requests at a time.
    """

    def __init__(
        self, core: LocalModel, *, answers: Answers = "guided", batch_size: int = 16
    ) -> None:
        if answers not in get_args(Answers):
            raise EngineError(f"answers is {answers!r}; use {' or '.join(get_args(Answers))}")
        if batch_size < 1:
            raise EngineError(f"batch_size is {batch_size}; it must be at least 1")
        self.core, self.answers, self.batch_size = core, answers, batch_size
        self.name, self.crop_spec = core.name, core.crop_spec

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
        """Loads what `save_pretrained` wrote; a `LocalClipResponder` where it reads clips.

        Raises:
            EngineError: if the folder holds no model of mien, or its files are damaged.
        """
        from mien.engines.local_clip_responder import LocalClipResponder

        core = LocalModel.from_folder(folder, name=name, device=device, quantize=quantize)
        kind = LocalClipResponder if core.reads_clips else LocalResponder
        return kind(core, answers=answers, batch_size=batch_size)

    def identity(self) -> Mapping[str, str]:
        """See `Responder.identity`."""
        return {**self.core.identity(), "answers": self.answers}

    def settings(self) -> Mapping[str, str]:
        """See `Responder.settings`."""
        return {"device": str(self.core.device), "batch size": str(self.batch_size)}

    def close(self) -> None:
        """Frees the model's memory on an accelerator."""
        if self.core.device.type == "cuda" and not quantized_as(self.core.model):
            self.core.model.to("cpu")
            torch.cuda.empty_cache()

    def respond(self, requests: Iterable[Request]) -> Iterator[Reply]:
        """See `Responder.respond`."""
        for batch in batches(requests, self.batch_size):
            good, cuts = list[Request](), dict[str, tuple[str, ...]]()
            for request in batch:
                fault = _fault(request)
                if fault is None:
                    fitting, cuts[request.id] = fitted(request, self._fits)
                    good.append(fitting)
                else:
                    yield Reply(request.id, "failed", error=fault)
            for reply in self._answer(good) if good else ():
                cut = cuts[reply.id]
                yield replace(reply, warnings=(*cut, *reply.warnings)) if cut else reply

    @torch.inference_mode()
    def _answer(self, batch: list[Request]) -> list[Reply]:
        rows: dict[str, int] = {}
        pictures: list[NDArray[np.uint8]] = []
        frames: dict[str, list[int]] = {}
        for request in batch:
            for image in request.images:
                key = picture_key(image)
                if key not in rows:
                    rows[key] = len(pictures)
                    pictures.append(image)
                frames.setdefault(request.id, []).append(rows[key])
        seen = self.core.look(pictures)
        numbers = {r.id: self._numbers(seen, frames[r.id], r.dataset) for r in batch}
        middle = {r.id: frames[r.id][len(frames[r.id]) // 2] for r in batch}
        replies: list[Reply] = []
        for group in alike(batch, lambda r: (r.options, 0 if r.options else r.max_tokens)):
            replies += self._replies(group, seen.rows([middle[r.id] for r in group]), numbers)
        return replies

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

    def _numbers(self, seen: Seen, frames: Sequence[int], dataset: str | None = None) -> Numbers:
        expression, units = self.core.read([g[list(frames)].mean(0) for g in seen.scores])
        if dataset is not None and dataset in seen.labels:
            logits = seen.labels[dataset][list(frames)].mean(0)
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
        starts = [self._start(r.prompt, numbers[r.id]) for r in group]
        written = self.core.write(
            texts=[begun(self._question(r), s) for r, s in zip(group, starts, strict=True)],
            max_new_tokens=group[0].max_tokens,
            **features,
        )
        replies = []
        for request, start, words in zip(group, starts, written, strict=True):
            text, warnings = self._held(request.prompt, start, words, numbers[request.id])
            replies.append(
                Reply(
                    request.id,
                    text=text,
                    numbers=numbers_answer(numbers[request.id]),
                    warnings=(*self._remarks(request), *warnings),
                )
            )
        return replies

    def _question(self, request: Request) -> str:
        return question(self.core.processor, *words_of(request))

    def _remarks(self, request: Request) -> tuple[str, ...]:
        """Warnings about how the request was read."""
        count = len(request.images)
        if count == 1:
            return ()
        about = f"numbers are averaged over {count} frames"
        return (f"{about}; the words are about the one in the middle",)

    def _fits(self, request: Request) -> bool:
        """Whether prompt and answer fit into the positions that the model was made for."""
        ids = self.core.processor.tokenizer(self._question(request), add_special_tokens=False)
        length = len(ids["input_ids"]) + request.max_tokens
        return length <= self.core.model.config.text_config.max_position_embeddings

    def _start(self, prompt: str, numbers: Numbers) -> str:
        task = task_of(prompt) if self.answers == "guided" else None
        if task is None:
            return ""
        label = offered_expression(prompt, numbers[0])
        return answer_start(task, label, present_units(numbers[1]))

    def _held(
        self, prompt: str, start: str, words: str, numbers: Numbers
    ) -> tuple[str, tuple[str, ...]]:
        task = task_of(prompt) if self.answers == "guided" else None
        if task is None:
            return words.strip(), ()
        text = start + words.strip() if start.endswith("\n") else (start + words).strip()
        present = present_units(numbers[1])
        label = offered_expression(prompt, numbers[0])
        text, _, warnings = hold_to_numbers(task, text, label, present)
        return text, warnings


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
