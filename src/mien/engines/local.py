"""Engine for models of mien's own architecture, on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mien.engines.answers import answer_start, held_answer, present_units
from mien.engines.base import Answer
from mien.engines.local_model import (
    MAX_NEW_TOKENS,
    LocalModel,
    Numbers,
    Seen,
    begun,
    numbers_answer,
    question,
)
from mien.models.priors import FacePriors
from mien.schema import Face

__all__ = ["MAX_NEW_TOKENS", "LocalClipEngine", "LocalEngine", "question"]


class LocalEngine:
    """Answers with a model loaded by the Auto classes.

    Numbers are read from the likelihoods of short candidate answers in one forward pass. The text
    is then written behind the label line that the numbers make, so that words and numbers agree;
    what the model writes is read back, and where it names a unit that they call absent, or calls
    one a sign of the expression that is none (`mien.language.check_reasons`), the text is made from
    the numbers by `mien.language.describe` instead, with a warning.
    """

    def __init__(self, model: Any, processor: Any, *, name: str, device: torch.device):
        self._adopt(LocalModel(model, processor, name=name, device=device))

    @classmethod
    def from_folder(
        cls, folder: Path, *, name: str, device: torch.device, quantize: str | None = None
    ) -> LocalEngine:
        """Loads what `save_pretrained` wrote; a `LocalClipEngine` where the model reads clips.

        Raises:
            EngineError: if the folder holds no model of mien, or its files are damaged.
        """
        core = LocalModel.from_folder(folder, name=name, device=device, quantize=quantize)
        kind = LocalClipEngine if core.reads_clips else LocalEngine
        engine = kind.__new__(kind)
        engine._adopt(core)
        return engine

    def _adopt(self, core: LocalModel) -> None:
        self.core = core
        self.model, self.processor = core.model, core.processor
        self.name, self.crop_spec = core.name, core.crop_spec
        self.candidates, self.action_units = core.candidates, core.action_units

    @torch.inference_mode()
    def answer(
        self, crops: Sequence[NDArray[np.uint8]], *, numbers_only: bool = False
    ) -> list[Answer]:
        """See `mien.engines.Engine.answer`."""
        if not crops:
            return []
        return self._answers(
            self.core.look(crops), [self.core.question] * len(crops), numbers_only=numbers_only
        )

    def _answers(self, seen: Seen, questions: Sequence[str], *, numbers_only: bool) -> list[Answer]:
        """Numbers and words of all that was seen, each behind its question."""
        rows = range(len(questions))
        numbers = [self.core.read([group[i] for group in seen.scores]) for i in rows]
        if numbers_only:
            return [numbers_answer(pair) for pair in numbers]
        texts = self._write(seen, questions, numbers)
        return [
            held_answer(expression, units, text)
            for (expression, units), text in zip(numbers, texts, strict=True)
        ]

    @torch.inference_mode()
    def scores(self, crops: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.float32]]:
        """Uncalibrated log-likelihoods, per group of `candidates` (B, n_candidates)."""
        return self.core.look(crops).scores

    def _write(self, seen: Seen, questions: Sequence[str], numbers: Sequence[Numbers]) -> list[str]:
        """The label line of each face and what the model writes behind it."""
        lines = [
            answer_start("analysis", str(e.label), present_units(units)) for e, units in numbers
        ]
        written = self.core.write(
            texts=[begun(asked, line) for asked, line in zip(questions, lines, strict=True)],
            max_new_tokens=MAX_NEW_TOKENS,
            **seen.rows(range(len(questions))),
        )
        return [line + text.strip() for line, text in zip(lines, written, strict=True)]


class LocalClipEngine(LocalEngine):
    """A `LocalEngine` with a model that reads clips, and priors of each face (EMO-LLaMA)."""

    def _adopt(self, core: LocalModel) -> None:
        super()._adopt(core)
        self.clip_frames: int = core.model.config.clip_frames

    def face_priors(
        self, image: NDArray[np.uint8], faces: Sequence[Face]
    ) -> list[FacePriors | None]:
        """See `mien.engines.base.ReadsPriors.face_priors`."""
        assert self.core.faces is not None  # a model that reads clips has one
        return self.core.faces.read(faces)

    @torch.inference_mode()
    def answer_clips(
        self,
        clips: Sequence[Sequence[NDArray[np.uint8]]],
        priors: Sequence[Sequence[FacePriors | None]],
        *,
        numbers_only: bool = False,
    ) -> list[Answer]:
        """See `mien.engines.base.ClipEngine.answer_clips`."""
        if not clips:
            return []
        questions = [
            self.core.ask(frames=len(clip), priors=known)
            for clip, known in zip(clips, priors, strict=True)
        ]
        return self._answers(self.core.look(clips, priors), questions, numbers_only=numbers_only)
