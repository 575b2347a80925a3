"""Engine for models of mien's own architecture, on this machine."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers.utils import logging as hf_logging

import mien.models  # registers the architectures with the Auto classes
from mien.engines.base import Answer, EngineError
from mien.engines.numbers import Candidates, read_expression, read_unit
from mien.faces import CropSpec
from mien.language import check_reasons, describe, label_line, parse, prompt_for
from mien.models.branches import PrefixTree, score_branches
from mien.schema import ActionUnit, Expression

MAX_NEW_TOKENS = 80
"""Answers are written to be shorter than this."""


class LocalEngine:
    """Answers with a model loaded by the Auto classes.

    Numbers are read from the likelihoods of short candidate answers in one forward pass. The text
    is then written behind the label line that the numbers make, so that words and numbers agree;
    what the model writes is read back, and where it names a unit that they call absent, or calls
    one a sign of the expression that is none (`mien.language.check_reasons`), the text is made from
    the numbers by `mien.language.describe` instead, with a warning.
    """

    def __init__(self, model: Any, processor: Any, *, name: str, device: torch.device):
        self.model, self.processor = model.eval().to(device), processor
        self.name, self.device = name, device
        self.question = question(processor)
        config = model.config
        self.crop_spec = CropSpec(
            size=config.native_size or config.image_size,
            scale=config.face_scale,
            shift=-config.face_shift[1],  # CropSpec counts upwards
            align=config.face_align,
        )
        self.candidates = Candidates(tuple(config.expressions), tuple(config.action_units))
        self.action_units = self.candidates.action_units
        self.tree = PrefixTree.from_candidates(self.candidates.token_ids(processor.tokenizer))

    @classmethod
    def from_folder(cls, folder: Path, *, name: str, device: torch.device) -> LocalEngine:
        """Loads what `save_pretrained` wrote.

        Raises:
            EngineError: if the folder holds no model of mien, or its files are damaged.
        """
        from safetensors import SafetensorError
        from transformers import AutoModelForImageTextToText, AutoProcessor

        # Weights are stored in half precision; older CPUs are many times slower in it.
        dtype = torch.float32 if device.type == "cpu" else torch.bfloat16
        try:
            with _no_progress_bar():
                model = AutoModelForImageTextToText.from_pretrained(folder, dtype=dtype)
            processor = AutoProcessor.from_pretrained(folder)
        except (OSError, ValueError, RuntimeError, SafetensorError) as error:
            raise EngineError(f"model {name!r} could not be loaded: {error}") from error
        if not isinstance(model, mien.models.FeallmForConditionalGeneration):
            raise EngineError(f"model {name!r} is a {type(model).__name__}, which is not mien's")
        return cls(model, processor, name=name, device=device)

    @torch.inference_mode()
    def answer(
        self, crops: Sequence[NDArray[np.uint8]], *, numbers_only: bool = False
    ) -> list[Answer]:
        """See `mien.engines.Engine.answer`."""
        if not crops:
            return []
        features, scores = self._look(crops)
        numbers = self._read(scores)
        if numbers_only:
            return [Answer(expression=e, action_units=units) for e, units in numbers]
        texts = self._write(features, numbers)
        return [
            _checked(expression, units, text)
            for (expression, units), text in zip(numbers, texts, strict=True)
        ]

    @torch.inference_mode()
    def scores(self, crops: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.float32]]:
        """Uncalibrated log-likelihoods, per group of `candidates` (B, n_candidates)."""
        return self._look(crops)[1]

    def _look(
        self, crops: Sequence[NDArray[np.uint8]]
    ) -> tuple[torch.Tensor, list[NDArray[np.float32]]]:
        """Image features (B, N + 1, D), and the log-likelihoods of all candidates behind them."""
        inputs, count = self._prompts([""] * len(crops)), len(crops)
        pixels = self.processor.image_processor(list(crops), return_tensors="pt")["pixel_values"]
        pixel_values = pixels.to(self.device, self.model.dtype)  # (B, 3, S, S)
        if self.model.config.mirror_average:
            pixel_values = torch.cat((pixel_values, pixel_values.flip(-1)))
            inputs = {name: tensor.repeat(2, 1) for name, tensor in inputs.items()}
        features = self.model.encode_images(pixel_values)  # (B or 2B, N + 1, D)
        scores = score_branches(self.model, self.tree, image_features=features, **inputs)
        views = (group.float().unflatten(0, (-1, count)).mean(0) for group in scores)
        return features[:count], [group.cpu().numpy() for group in views]

    def _prompts(self, answer_starts: Sequence[str]) -> dict[str, torch.Tensor]:
        """Token ids and mask (B, L) of the question and the start of its answer, left-padded."""
        inputs = self.processor.tokenizer(
            [self.question + start for start in answer_starts],
            add_special_tokens=False,  # the chat template has them
            return_token_type_ids=False,
            return_tensors="pt",
            padding=True,
            padding_side="left",
        )
        return dict(inputs.to(self.device))

    def _read(
        self, scores: list[NDArray[np.float32]]
    ) -> list[tuple[Expression, tuple[ActionUnit, ...]]]:
        calibration = self.model.config.calibration
        rows = []
        for i in range(len(scores[0])):
            expression = read_expression(scores[0][i], self.candidates.expressions, calibration)
            units = tuple(
                read_unit(group[i], au, calibration)
                for au, group in zip(self.action_units, scores[1:], strict=True)
            )
            rows.append((expression, units))
        return rows

    def _write(
        self,
        features: torch.Tensor,
        numbers: Sequence[tuple[Expression, tuple[ActionUnit, ...]]],
    ) -> list[str]:
        """The label line of each face and what the model writes behind it."""
        lines = [label_line(e.label, _present(units)) + "\n" for e, units in numbers]
        inputs = self._prompts(lines)
        out = self.model.generate(
            **inputs,
            image_features=features,
            max_new_tokens=MAX_NEW_TOKENS,
            do_sample=False,
            pad_token_id=self.processor.tokenizer.pad_token_id,
        )
        written = self.processor.tokenizer.batch_decode(
            out[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True
        )
        return [line + text.strip() for line, text in zip(lines, written, strict=True)]


def question(processor: Any) -> str:
    """Picture and question up to the answer, the picture as its placeholders."""
    content = [{"type": "image"}, {"type": "text", "text": prompt_for("analysis")}]
    text = processor.apply_chat_template(
        [{"role": "user", "content": content}], add_generation_prompt=True
    )
    return text.replace(processor.image_token, processor.image_token * processor.num_image_tokens)


@contextmanager
def _no_progress_bar() -> Iterator[None]:
    """Keeps Transformers' bar for loading weights off the screen."""
    shown = hf_logging.is_progress_bar_enabled()
    hf_logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            hf_logging.enable_progress_bar()


def _present(units: Sequence[ActionUnit]) -> dict[int, float | None]:
    return {u.au: u.intensity for u in units if u.present}


def _checked(expression: Expression, units: tuple[ActionUnit, ...], text: str) -> Answer:
    """An answer with warnings where its words and its numbers part."""
    parsed = parse(text)
    if parsed.status != "ok":
        return Answer(
            status="unparsed",
            expression=expression,
            action_units=units,
            text=text,
            warnings=(f"the text could not be parsed: {parsed.reason}",),
        )
    warnings = []
    faults = check_reasons(text, expression.label, _present(units))
    if faults:
        text = describe(
            "analysis", expression=expression.label, units=_present(units), rng=random.Random(0)
        )
        warnings.append(
            f"the model's words were not true to its numbers ({'; '.join(faults)});"
            " the text was written from the numbers instead"
        )
    elif parsed.expression != expression.label:
        warnings.append(f"the text says {parsed.expression}, the numbers {expression.label}")
    return Answer(expression=expression, action_units=units, text=text, warnings=tuple(warnings))
