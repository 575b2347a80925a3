"""A model of mien's own architecture on this machine: what engine and responder share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import mien.models  # noqa: F401  registers the architectures with the Auto classes
from mien.engines.base import Answer, EngineError
from mien.engines.chat_template import check_file
from mien.engines.embedded import embedded_model
from mien.engines.face_reader import FaceReader
from mien.engines.history import Turns, question
from mien.engines.model_files import (
    BROKEN,
    check_folder,
    check_tokenizer,
    loaded_whole,
    loading_error,
)
from mien.engines.numbers import Candidates, read_expression, read_unit
from mien.engines.quantize import placed, quantized, quantized_as
from mien.engines.weights_hash import folder_hash
from mien.language import prompt_for
from mien.models.branches import PrefixTree, score_branches
from mien.models.emo_llama.clips import Clips
from mien.models.multimodal import FaceModelForConditionalGeneration
from mien.models.priors import FacePriors
from mien.models.quiet import no_progress_bar
from mien.schema import ActionUnit, Expression
from mien.weights import ROOT as WEIGHTS

MAX_NEW_TOKENS = 80
"""Answers are written to be shorter than this."""

Numbers = tuple[Expression, tuple[ActionUnit, ...]]
Clip = Sequence[NDArray[np.uint8]]


@dataclass(eq=False)
class Seen:
    """What the model makes of some pictures or clips, before any prompt is answered.

    Attributes:
        features: (B, ..., D) image features.
        scores: uncalibrated log-likelihoods, per group of candidates (B, n_candidates).
        frame_mask: of clips (B, F), 0 at padding; None where the model reads pictures alone.
        inputs: of clips, what else the features were made from, for other instructions.
        labels: dataset to logits (B, classes) of its own labels, where the model has such heads.
    """

    features: torch.Tensor
    scores: list[NDArray[np.float32]]
    frame_mask: torch.Tensor | None = None
    inputs: dict[str, torch.Tensor] = field(default_factory=dict)
    labels: dict[str, NDArray[np.float32]] = field(default_factory=dict)

    def rows(self, rows: Sequence[int]) -> dict[str, torch.Tensor]:
        """Features and mask of some of them, as `LocalModel.write` takes them."""
        picked = {"features": self.features[list(rows)]}
        if self.frame_mask is not None:
            picked["frame_mask"] = self.frame_mask[list(rows)]
        return picked


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
        self.model, self.processor = placed(model, device), processor
        self.name, self.device, self.folder = name, device, folder
        self.question = question(processor)
        config = model.config
        self.crop_spec = config.crop_spec
        self.candidates = Candidates(tuple(config.expressions), tuple(config.action_units))
        self.action_units = self.candidates.action_units
        self.tree = PrefixTree.from_candidates(self.candidates.token_ids(processor.tokenizer))
        self.reads_clips = config.model_type == "emo_llama"
        self.faces = FaceReader(config) if self.reads_clips else None

    @classmethod
    def from_folder(
        cls, folder: Path, *, name: str, device: torch.device, quantize: str | None = None
    ) -> LocalModel:
        """Loads what `save_pretrained` wrote.

        Args:
            folder: of the model.
            name: of the model, for rows and messages.
            device: where it is kept.
            quantize: "8bit" or "4bit" for its language model; see `engines.quantize`.

        Raises:
            EngineError: if the folder holds no model of mien, or its files are damaged.
        """
        from transformers import AutoModelForImageTextToText, AutoProcessor

        # Weights are stored in half precision; older CPUs are many times slower in it.
        dtype = torch.float32 if device.type == "cpu" else torch.bfloat16
        settings = quantized(quantize, device, dtype)
        embedded = folder.is_relative_to(WEIGHTS)  # checked by their hashes
        if not embedded:
            check_folder(folder, own=True)
            check_file(folder)
        try:
            with no_progress_bar():
                load = AutoModelForImageTextToText.from_pretrained
                if not embedded:
                    model = loaded_whole(load, folder, own=True, dtype=dtype, **settings)
                elif settings:
                    model = load(folder, dtype=dtype, **settings)
                else:
                    model = embedded_model(folder, dtype)
            processor = AutoProcessor.from_pretrained(folder)
            if not embedded:
                check_tokenizer(processor, model, folder)
        except EngineError:
            raise
        except BROKEN as error:
            raise loading_error(name, error) from error
        if not isinstance(model, FaceModelForConditionalGeneration):
            raise EngineError(f"model {name!r} is a {type(model).__name__}, which is not mien's")
        return cls(model, processor, name=name, device=device, folder=folder)

    def identity(self) -> Mapping[str, str]:
        """What decides its answers, as plain text; for `Responder.identity`."""
        import transformers

        return {
            "model": self.name,
            "weights": folder_hash(self.folder) if self.folder is not None else "in memory",
            "dtype": str(self.model.dtype).removeprefix("torch."),
            **({"quantized": how} if (how := quantized_as(self.model)) else {}),
            "decoding": "greedy",
            "transformers": transformers.__version__,
            "torch": torch.__version__,
        }

    def look(
        self,
        clips: Sequence[NDArray[np.uint8] | Clip],
        priors: Sequence[Sequence[FacePriors | None]] | None = None,
    ) -> Seen:
        """Features and the log-likelihoods of all candidates, a row a picture or clip.

        With `mirror_average` the numbers are the mean over the pictures and their mirror images,
        but not where priors are given: landmarks have no mirror image without a table of which
        point mirrors which, and one view with priors would be weighed against one without.

        Args:
            clips: pictures, (S, S, 3) each; or clips of them, where the model `reads_clips`.
            priors: per clip, what is known of the face in each of its frames.

        Raises:
            ValueError: if a clip is given to a model that reads pictures alone.
        """
        frames = [[clip] if isinstance(clip, np.ndarray) else list(clip) for clip in clips]
        counts, words = [len(clip) for clip in frames], prompt_for("analysis")
        pictures = self._pictures(frames, priors, words)
        pixel_values = pictures.pop("pixel_values").to(self.model.dtype)  # (B, ..., 3, S, S)
        known = [None] * len(frames) if priors is None else priors
        texts = [self.ask(frames=n, priors=p) for n, p in zip(counts, known, strict=True)]
        prompts = self.prompts(texts)
        if self.model.config.mirror_average and priors is None:
            pixel_values = torch.cat((pixel_values, pixel_values.flip(-1)))
            prompts = {name: tensor.repeat(2, 1) for name, tensor in prompts.items()}
            pictures = {name: tensor.repeat(2, 1) for name, tensor in pictures.items()}
        mask = pictures.get("frame_mask")
        labels: dict[str, torch.Tensor] = {}
        if self.faces is not None:
            pictures["vision_tokens"] = self._vision(pixel_values, mask)
            pictures = self.faces.with_own_embedding(pictures, priors)
            features = self.model.encode_images(**pictures)  # (B or 2B, F, T, D)
        else:
            levels = self.model.model.vision_levels(pixel_values)
            features = self.model.encode_images(pixel_values, levels=levels, **pictures)
            labels = self.model.model.dataset_labels(levels)  # (B or 2B, classes) each
        scores = score_branches(
            self.model, self.tree, image_features=features, **_given(mask), **prompts
        )
        count = len(frames)
        return Seen(
            features[:count],
            [_over_views(group, count) for group in scores],
            None if mask is None else mask[:count],
            {name: tensor[:count] for name, tensor in pictures.items()} if self.reads_clips else {},
            {name: _over_views(logits, count) for name, logits in labels.items()},
        )

    def look_again(
        self, seen: Seen, rows: Sequence[int], instructions: Sequence[str]
    ) -> dict[str, torch.Tensor]:
        """Features of clips before other instructions, as `write` takes them.

        A model that reads clips reads them with the question in mind; what its encoder saw is used
        again. Features of other models are the same before any question.

        Args:
            seen: of `look`.
            rows: which of its clips.
            instructions: the user's words to each of them.
        """
        if not self.reads_clips or all(words == prompt_for("analysis") for words in instructions):
            return seen.rows(rows)
        inputs = {
            name: tensor[list(rows)]
            for name, tensor in seen.inputs.items()
            if not name.startswith("qformer_")
        }
        read: dict[str, torch.Tensor] = self.processor.instruction_inputs(instructions)
        inputs.update({name: tensor.to(self.device) for name, tensor in read.items()})
        return {"features": self.model.encode_images(**inputs), "frame_mask": inputs["frame_mask"]}

    def ask(
        self,
        prompt: str | None = None,
        history: Turns = (),
        *,
        frames: int = 1,
        priors: Sequence[FacePriors | None] | None = None,
    ) -> str:
        """As `question`, about a clip of so many frames with what is known of its face."""
        text = question(self.processor, prompt, history)
        if not self.reads_clips:
            return text
        known = [None] * frames if priors is None else list(priors)
        (place,) = self.processor.replacements([range(frames)], [known])
        one = self.processor.image_token * self.processor.num_image_tokens
        return text.replace(one, place, 1)

    def _pictures(
        self,
        clips: Sequence[Clip],
        priors: Sequence[Sequence[FacePriors | None]] | None,
        instruction: str,
    ) -> dict[str, torch.Tensor]:
        """What ``encode_images`` takes of clips before one instruction."""
        if self.reads_clips:
            inputs = self.processor(
                videos=clips,
                priors=priors,
                instructions=[instruction] * len(clips),
                return_tensors="pt",
            )
        else:
            if any(len(clip) != 1 for clip in clips):
                raise ValueError(f"{self.name} reads pictures, not clips; give one frame each")
            inputs = self.processor.picture_inputs([clip[0] for clip in clips], instruction)
        return dict(inputs.to(self.device))

    def _vision(self, pixel_values: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """(B, F, V, C) tokens of the vision encoder of (B, F, 3, S, S) clips."""
        count, frames = pixel_values.shape[:2]
        real = Clips(count, frames, None if mask is None else mask.bool())
        return real.padded(self.model.model.vision_tokens(real.real(pixel_values)))

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
        self,
        features: torch.Tensor,
        texts: Sequence[str],
        *,
        max_new_tokens: int,
        drafts: int = 1,
        frame_mask: torch.Tensor | None = None,
    ) -> list[str]:
        """What the model writes behind each text: the likeliest word each time, or by beam search.

        Args:
            features: (B, ..., D), a row a text.
            texts: made by `ask`, perhaps with the start of an answer.
            max_new_tokens: longest answer.
            drafts: how many different ones of each text, by as many beams.
            frame_mask: of clips, (B, F).

        Returns:
            B * drafts of them, those of a text one behind the other, the likeliest first.
        """
        inputs = self.prompts(texts)
        out = self.model.generate(
            **inputs,
            **_given(frame_mask),
            image_features=features,
            max_new_tokens=max_new_tokens,
            do_sample=False,
            num_beams=drafts,
            num_return_sequences=drafts,
            early_stopping=drafts > 1,  # once there are so many, better ones are not waited for
            pad_token_id=self.processor.tokenizer.pad_token_id,
        )
        written: list[str] = self.processor.tokenizer.batch_decode(
            out[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True
        )
        return written

    def option_scores(
        self,
        features: torch.Tensor,
        texts: Sequence[str],
        options: Sequence[str],
        *,
        frame_mask: torch.Tensor | None = None,
    ) -> list[dict[str, float]]:
        """Sum of the log-probabilities of each option's tokens behind each text.

        Options are tokenised alone, as they are when the model writes them behind the prompt.

        Args:
            features: (B, ..., D), a row a text.
            texts: made by `ask`.
            options: the answers to score.
            frame_mask: of clips, (B, F).

        Raises:
            ValueError: if an option is empty or stands twice.
        """
        tokenizer = self.processor.tokenizer
        ids = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in options]
        tree = PrefixTree.from_candidates([ids])
        (scores,) = score_branches(
            self.model,
            tree,
            image_features=features,
            **_given(frame_mask),
            **self.prompts(texts),
        )
        return [dict(zip(options, row, strict=True)) for row in scores.float().tolist()]


def numbers_answer(numbers: Numbers) -> Answer:
    """Numbers as an answer without words."""
    return Answer(expression=numbers[0], action_units=numbers[1])


def _over_views(scores: torch.Tensor, count: int) -> NDArray[np.float32]:
    """(B, ...) means over the views of each face, of (views * B, ...)."""
    mean: NDArray[np.float32] = scores.float().unflatten(0, (-1, count)).mean(0).cpu().numpy()
    return mean


def _given(frame_mask: torch.Tensor | None) -> dict[str, torch.Tensor]:
    """The mask as an input of the model; FEALLM takes none."""
    return {} if frame_mask is None else {"frame_mask": frame_mask}
