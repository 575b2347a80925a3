"""A model of mien's own architecture on this machine: what engine and responder share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers.utils import logging as hf_logging

import mien.models  # noqa: F401  registers the architectures with the Auto classes
from mien.engines.base import Answer, EngineError
from mien.engines.history import Turns, messages
from mien.engines.numbers import Candidates, read_expression, read_unit
from mien.engines.weights_hash import folder_hash
from mien.language import prompt_for
from mien.models.branches import PrefixTree, score_branches
from mien.models.multimodal import FaceModelForConditionalGeneration
from mien.schema import ActionUnit, Expression

MAX_NEW_TOKENS = 80
"""Answers are written to be shorter than this."""

Numbers = tuple[Expression, tuple[ActionUnit, ...]]


@dataclass(eq=False)
class Seen:
    """What the model makes of some pictures, before any prompt is answered.

    Attributes:
        features: (B, ..., D) image features.
        scores: uncalibrated log-likelihoods, per group of candidates (B, n_candidates).
    """

    features: torch.Tensor
    scores: list[NDArray[np.float32]]


class LocalModel:
    """Model, processor and candidates.

    Numbers are read from the likelihoods of short candidate answers in one forward pass behind the
    canonical prompt of the analysis; words are written behind any prompt, from the same features.
    """

    def __init__(
        self,
        model: Any,
        processor: Any,
        *,
        name: str,
        device: torch.device,
        folder: Path | None = None,
    ):
        self.model, self.processor = model.eval().to(device), processor
        self.name, self.device, self.folder = name, device, folder
        self.question = question(processor)
        config = model.config
        self.crop_spec = config.crop_spec
        self.candidates = Candidates(tuple(config.expressions), tuple(config.action_units))
        self.action_units = self.candidates.action_units
        self.tree = PrefixTree.from_candidates(self.candidates.token_ids(processor.tokenizer))

    @classmethod
    def from_folder(cls, folder: Path, *, name: str, device: torch.device) -> LocalModel:
        """Loads what `save_pretrained` wrote.

        Raises:
            EngineError: if the folder holds no model of mien, or its files are damaged.
        """
        from safetensors import SafetensorError
        from transformers import AutoModelForImageTextToText, AutoProcessor

        # Weights are stored in half precision; older CPUs are many times slower in it.
        dtype = torch.float32 if device.type == "cpu" else torch.bfloat16
        try:
            with no_progress_bar():
                model = AutoModelForImageTextToText.from_pretrained(folder, dtype=dtype)
            processor = AutoProcessor.from_pretrained(folder)
        except (OSError, ValueError, RuntimeError, SafetensorError) as error:
            raise EngineError(f"model {name!r} could not be loaded: {error}") from error
        if not isinstance(model, FaceModelForConditionalGeneration):
            raise EngineError(f"model {name!r} is a {type(model).__name__}, which is not mien's")
        return cls(model, processor, name=name, device=device, folder=folder)

    def identity(self) -> Mapping[str, str]:
        """See `Responder.identity`."""
        import transformers

        return {
            "model": self.name,
            "weights": folder_hash(self.folder) if self.folder is not None else "in memory",
            "dtype": str(self.model.dtype).removeprefix("torch."),
            "decoding": "greedy",
            "transformers": transformers.__version__,
            "torch": torch.__version__,
        }

    def look(self, crops: Sequence[NDArray[np.uint8]]) -> Seen:
        """Features and the log-likelihoods of all candidates, a row a picture."""
        inputs, count = self.prompts([self.question] * len(crops)), len(crops)
        pictures = self.processor.picture_inputs(crops, prompt_for("analysis")).to(self.device)
        pixel_values = pictures.pop("pixel_values").to(self.model.dtype)  # (B, ..., 3, S, S)
        if self.model.config.mirror_average:
            pixel_values = torch.cat((pixel_values, pixel_values.flip(-1)))
            inputs = {name: tensor.repeat(2, 1) for name, tensor in inputs.items()}
            pictures = {name: tensor.repeat(2, 1) for name, tensor in pictures.items()}
        features = self.model.encode_images(pixel_values, **pictures)  # (B or 2B, ..., D)
        scores = score_branches(self.model, self.tree, image_features=features, **inputs)
        views = (group.float().unflatten(0, (-1, count)).mean(0) for group in scores)
        return Seen(features[:count], [group.cpu().numpy() for group in views])

    def read(self, scores: Sequence[NDArray[np.float32]]) -> Numbers:
        """Calibrated numbers of one face.

        Args:
            scores: per group of candidates (n_candidates,).
        """
        calibration = self.model.config.calibration
        expression = read_expression(scores[0], self.candidates.expressions, calibration)
        units = tuple(
            read_unit(group, au, calibration)
            for au, group in zip(self.action_units, scores[1:], strict=True)
        )
        return expression, units

    def prompts(self, texts: Sequence[str]) -> dict[str, torch.Tensor]:
        """Token ids and mask (B, L) of texts that `question` made, left-padded."""
        inputs = self.processor.tokenizer(
            list(texts),
            add_special_tokens=False,  # the chat template has them
            return_token_type_ids=False,
            return_tensors="pt",
            padding=True,
            padding_side="left",
        )
        return dict(inputs.to(self.device))

    def write(
        self, features: torch.Tensor, texts: Sequence[str], *, max_new_tokens: int
    ) -> list[str]:
        """What the model writes behind each text.

        Args:
            features: (B, ..., D), a row a text.
            texts: made by `question`, perhaps with the start of an answer.
            max_new_tokens: longest answer.
        """
        inputs = self.prompts(texts)
        out = self.model.generate(
            **inputs,
            image_features=features,
            max_new_tokens=max_new_tokens,
            do_sample=False,
            pad_token_id=self.processor.tokenizer.pad_token_id,
        )
        written: list[str] = self.processor.tokenizer.batch_decode(
            out[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True
        )
        return written

    def option_scores(
        self, features: torch.Tensor, texts: Sequence[str], options: Sequence[str]
    ) -> list[dict[str, float]]:
        """Sum of the log-probabilities of each option's tokens behind each text.

        Options are tokenised alone, as they are when the model writes them behind the prompt.

        Args:
            features: (B, ..., D), a row a text.
            texts: made by `question`.
            options: the answers to score.

        Raises:
            ValueError: if an option is empty or stands twice.
        """
        tokenizer = self.processor.tokenizer
        ids = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in options]
        tree = PrefixTree.from_candidates([ids])
        (scores,) = score_branches(self.model, tree, image_features=features, **self.prompts(texts))
        return [dict(zip(options, row, strict=True)) for row in scores.float().tolist()]


def numbers_answer(numbers: Numbers) -> Answer:
    """Numbers as an answer without words."""
    return Answer(expression=numbers[0], action_units=numbers[1])


def question(processor: Any, prompt: str | None = None, history: Turns = ()) -> str:
    """Picture, earlier turns and prompt up to the answer, the picture as its placeholders.

    Args:
        processor: of the model.
        prompt: the words of the user; by default the canonical prompt of the analysis.
        history: earlier turns as (question, answer), the oldest first.
    """
    words = prompt_for("analysis") if prompt is None else prompt
    # A placeholder among the words of a talk would be taken for a second picture.
    mark = processor.image_token
    plain = [(asked.replace(mark, ""), said.replace(mark, "")) for asked, said in history]
    text: str = processor.apply_chat_template(
        messages(words.replace(mark, ""), plain, images=1), add_generation_prompt=True
    )
    return text.replace(mark, mark * processor.num_image_tokens)


@contextmanager
def no_progress_bar() -> Iterator[None]:
    """Keeps Transformers' bar for loading weights off the screen."""
    shown = hf_logging.is_progress_bar_enabled()
    hf_logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            hf_logging.enable_progress_bar()
