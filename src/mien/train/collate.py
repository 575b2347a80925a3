"""Items to a batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from mien.models.emo_llama.prior_inputs import PriorFormat
from mien.train.augment import augment
from mien.train.chat_tokens import IGNORED, Talk, TalkEncoder
from mien.train.empty_batches import NO_FACE, nothing
from mien.train.items import Item
from mien.train.rows import RowsError
from mien.train.seeding import draw

CLIP_MODELS = ("emo_llama",)
"""Model types that read clips; a picture is a clip of one frame to them."""


class Collator:
    """Makes of items what `Objective.forward` takes.

    Faces whose text is in the batch come first. All tensors but those of the text have a row for
    each face; text is padded on the right.

    Args:
        processor: of the model.
        config: of the model.
        seed: of the augmentation.
        text_share: share of the batch's faces that carry text; one face at least, but for 0.
        max_length: most tokens of a conversation; None for no limit.
        too_long: "error" stops at a longer one, "drop" leaves its text out, and its face too where
            all faces carry text.

    Raises:
        RowsError: if processor and model do not belong together.
    """

    def __init__(
        self,
        processor: Any,
        config: Any,
        *,
        seed: int = 0,
        text_share: float = 1.0,
        max_length: int | None = None,
        too_long: Literal["error", "drop"] = "error",
    ) -> None:
        check_fit(processor, config)
        self.processor, self.config, self.seed = processor, config, seed
        self.text_share, self.max_length, self.too_long = text_share, max_length, too_long
        self.talks = TalkEncoder(processor)
        self.clips = config.model_type in CLIP_MODELS

    def __call__(self, items: Sequence[Item | None]) -> dict[str, Any]:
        """The batch.

        Returns:
            ``pixel_values`` (B, 3, S, S), or of clips (B, F, 3, S, S) with ``frame_mask`` (B, F)
            and the priors as `EmoLlamaProcessor` makes them; or the cached features instead;
            ``expression_targets`` (B, E) and ``unit_targets`` (B, U); with a teacher
            ``soft_expression`` (B, E) and ``soft_presence`` (B, U); and of the first T faces
            ``input_ids``, ``attention_mask`` and ``labels`` (T, L), for clips with
            ``qformer_input_ids`` and ``qformer_attention_mask``; and ``ids``, the names of the
            rows, which are for messages. Where no item is left, what `left_out.nothing` gives.

        Raises:
            RowsError: if a conversation is too long, or a clip is handed to a model that reads
                pictures.
        """
        found = [item for item in items if item is not None]
        if not found:
            return nothing(NO_FACE)
        count = max(int(len(items) * self.text_share), self.text_share > 0)
        faces, talks = self._with_text(found, min(count, len(found)))
        if not faces:
            return nothing(
                f"all conversations of a batch are longer than max_length {self.max_length}; "
                "raise it"
            )
        batch: dict[str, Any] = {
            "ids": [item.name for item in faces],
            "expression_targets": torch.from_numpy(np.stack([i.expression for i in faces])),
            "unit_targets": torch.from_numpy(np.stack([i.units for i in faces])),
        }
        if faces[0].cached:
            batch.update(_joined([item.cached for item in faces]))
        else:
            batch.update(self._pictures(faces))
        if self.clips:
            batch.update(self._priors(faces, batch["frame_mask"].shape[1]))
        if all(item.soft is not None for item in faces):
            soft = [item.soft for item in faces if item.soft is not None]
            batch["soft_expression"] = torch.from_numpy(np.stack([e for e, _ in soft]))
            batch["soft_presence"] = torch.from_numpy(np.stack([u for _, u in soft]))
        if talks:
            batch.update(self._text(talks))
            if self.clips:
                asked = [item.turns[0][0].strip() for item in faces[: len(talks)]]
                batch.update(self.processor.instruction_inputs(asked))
        return batch

    def _with_text(self, items: list[Item], count: int) -> tuple[list[Item], list[Talk]]:
        """Items, those with text first, and their conversations."""
        told: list[tuple[Item, Talk]] = []
        silent: list[Item] = []
        for place, item in enumerate(items):
            talk = self.talk(item) if place < count else None
            if talk is not None:
                told.append((item, talk))
            elif place >= count or self.text_share < 1:
                silent.append(item)
        return [item for item, _ in told] + silent, [talk for _, talk in told]

    def talk(self, item: Item) -> Talk | None:
        """An item's conversation in tokens; None where it is too long and such ones are dropped.

        Raises:
            RowsError: if it is too long, or nothing in it is learned.
        """
        talk = self.talks(
            item.turns,
            given=item.given,
            frames=self._frames(item),
            priors=item.priors,
            name=item.name,
        )
        length = len(talk.ids)
        if self.max_length is None or length <= self.max_length:
            return talk
        if self.too_long == "drop":
            return None
        shown = self.processor.num_image_tokens * self._frames(item)
        raise RowsError(
            f"{item.name}: is {length} tokens long ({shown} of them the picture), more than "
            f"max_length {self.max_length}; raise it, or set too_long to drop, with --change where "
            "the run has begun"
        )

    def _frames(self, item: Item) -> int:
        if item.cached:
            tokens = item.cached.get("vision_tokens")
            return 1 if tokens is None else len(tokens)
        if len(item.frames) > 1 and not self.clips:
            raise RowsError(
                f"{item.name}: is a clip of {len(item.frames)} frames, but {self.config.model_type}"
                " reads pictures; train an emo_llama on clips, or leave them out"
            )
        return len(item.frames)

    def _pictures(self, items: Sequence[Item]) -> dict[str, Tensor]:
        counts = [self._frames(item) for item in items]
        flat = [(item, frame) for item in items for frame in item.frames]
        pixels = torch.empty(len(flat), 3, self.config.image_size, self.config.image_size)
        still = [k for k, (item, _) in enumerate(flat) if item.strength == 0]
        moved = [k for k, (item, _) in enumerate(flat) if item.strength > 0]
        if still:
            pixels[still] = plain_pixels(self.processor, [flat[k][1] for k in still])
        if moved:
            pixels[moved] = augmented_pixels(
                self.processor,
                self.config,
                [flat[k][1] for k in moved],
                [int(draw(self.seed, flat[k][0].n, "augment")) for k in moved],
                torch.tensor([flat[k][0].strength for k in moved]),
                # Priors are of the face as it is, not of its mirror image.
                mirror=all(item.priors is None for item in items),
            )
        if not self.clips:
            return {"pixel_values": pixels}
        mask = torch.arange(max(counts)) < torch.tensor(counts)[:, None]  # (B, F)
        padded = pixels.new_zeros(*mask.shape, *pixels.shape[1:])
        padded[mask] = pixels
        return {"pixel_values": padded, "frame_mask": mask.long()}

    def _priors(self, items: Sequence[Item], frames: int) -> dict[str, Tensor]:
        if all(item.priors is None for item in items):
            return {}
        shape = PriorFormat(
            face_embedding_size=self.processor.face_embedding_size,
            landmark_layout=self.processor.landmark_layout,
            landmark_dim=self.processor.landmark_dim,
            blendshapes=tuple(self.processor.blendshapes),
        )
        arrays = shape.arrays([item.priors or [] for item in items], frames=frames)
        return {name: torch.from_numpy(values) for name, values in arrays.items()}

    def _text(self, talks: Sequence[Talk]) -> dict[str, Tensor]:
        length = max(len(talk.ids) for talk in talks)
        pad = self.processor.tokenizer.pad_token_id
        ids = torch.full((len(talks), length), 0 if pad is None else pad)
        mask = torch.zeros_like(ids)
        labels = torch.full_like(ids, IGNORED)
        for row, talk in enumerate(talks):
            ids[row, : len(talk.ids)] = torch.tensor(talk.ids)
            mask[row, : len(talk.ids)] = 1
            labels[row, : len(talk.ids)] = torch.tensor(talk.labels)
        return {"input_ids": ids, "attention_mask": mask, "labels": labels}


def check_fit(processor: Any, config: Any) -> None:
    """Refuses a processor that was made for another model.

    Raises:
        RowsError: if the placeholders that it writes are not those that the model takes.
    """
    if processor.image_token_id != config.image_token_id:
        raise RowsError(
            f"the processor writes token {processor.image_token_id} ({processor.image_token!r}) "
            f"for a picture, the model reads token {config.image_token_id}: the tokenizer is not "
            "the model's; take both from one folder"
        )
    if processor.num_image_tokens != config.num_image_tokens:
        raise RowsError(
            f"the processor writes {processor.num_image_tokens} placeholders for a picture, the "
            f"model reads {config.num_image_tokens}; take both from one folder"
        )


def plain_pixels(processor: Any, crops: Sequence[Any]) -> Tensor:
    """(R, 3, S, S) of face crops, as they are looked at in use."""
    made: Tensor = processor.image_processor(list(crops), return_tensors="pt")["pixel_values"]
    return made


def augmented_pixels(
    processor: Any,
    config: Any,
    crops: Sequence[Any],
    seeds: Sequence[int],
    strength: Tensor,
    *,
    mirror: bool = True,
) -> Tensor:
    """(R, 3, S, S) of face crops, each changed by chance of its own.

    Args:
        processor: of the model; its image processor says grey or colour, mean and deviation.
        config: of the model.
        crops: (S', S', 3) uint8 each, of one size or of several.
        seeds: of each crop.
        strength: (R,) in (0, 1].
        mirror: whether half of them are mirrored.
    """
    prepare = processor.image_processor
    pictures = [Image.fromarray(crop) for crop in crops]
    if getattr(prepare, "do_grayscale", False):
        pictures = [picture.convert("L") for picture in pictures]
    # Faces that were found are cut at this size; those that are given come in any.
    side = (config.crop_spec.size, config.crop_spec.size)
    pictures = [p if p.size == side else p.resize(side, prepare.resample) for p in pictures]
    images = torch.from_numpy(np.stack([np.asarray(picture) for picture in pictures]))
    chance = [torch.Generator().manual_seed(seed % 2**63) for seed in seeds]
    return augment(
        images,
        config.image_size,
        chance,
        strength,
        mirror=mirror,
        mean=prepare.image_mean,
        std=prepare.image_std,
    )


def _joined(cached: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Cached features of a batch; clips are filled up to the longest."""
    batch: dict[str, Any] = {}
    for name in cached[0]:
        parts = [one[name] for one in cached]
        if name == "vision_levels":
            batch[name] = tuple(torch.stack(level) for level in zip(*parts, strict=True))
        elif name == "vision_tokens":
            counts = torch.tensor([len(part) for part in parts])
            mask = torch.arange(int(counts.max())) < counts[:, None]
            batch[name] = torch.nn.utils.rnn.pad_sequence(parts, batch_first=True)
            batch["frame_mask"] = mask.long()
        else:
            batch[name] = torch.stack(parts)
    return batch
