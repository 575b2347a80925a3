"""FEALLM: frozen vision encoder, local clues, multi-perspective projector, language model."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from transformers import AutoModel, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutputWithPooling

from mien.models.feallm.configuration import FeallmConfig
from mien.models.feallm.levels import MultiLevelFeature
from mien.models.feallm.local_clue_aggregator import LocalClueAggregator
from mien.models.feallm.multi_perspective_projector import MultiPerspectiveProjector
from mien.models.multimodal import FaceModel, FaceModelForConditionalGeneration
from mien.models.parts import load_text, load_vision
from mien.models.vision import to_map


class FeallmModel(FaceModel):
    """FEALLM without the language-model head."""

    config: FeallmConfig
    config_class = FeallmConfig

    def __init__(self, config: FeallmConfig) -> None:
        super().__init__(config)
        self.vision_tower = AutoModel.from_config(config.vision_config)
        self.multi_level_feature = MultiLevelFeature(config)
        self.local_clue_aggregator: LocalClueAggregator | None = None
        if config.use_local_in_projector or config.use_local_token:
            self.local_clue_aggregator = LocalClueAggregator(config)
        self.multi_perspective_projector = MultiPerspectiveProjector(config)
        self.language_model = AutoModel.from_config(config.text_config)
        self.label_heads = nn.ModuleDict(
            {
                name: nn.Linear(config.levels[-1].channels, len(classes))
                for name, classes in config.label_heads.items()
            }
        ).requires_grad_(False)
        self.post_init()
        self.train(self.training)

    def vision_levels(self, pixel_values: Tensor) -> tuple[Tensor, ...]:
        """Run the vision encoder.

        Args:
            pixel_values: (P, 3, S, S).

        Returns:
            The tapped levels as maps (P, C_l, H_l, W_l), F_L last. They may be cached while the
            encoder is frozen.
        """
        frozen = torch.no_grad() if self.config.freeze_vision else contextlib.nullcontext()
        with frozen:
            outputs = self.vision_tower(
                pixel_values=pixel_values.to(self.vision_tower.dtype),
                output_hidden_states=True,
                return_dict=True,
            )
        taps = [outputs.hidden_states[tap] for tap in self.config.tap_levels]
        return tuple(
            to_map(hidden, shape) for hidden, shape in zip(taps, self.config.levels, strict=True)
        )

    def dataset_labels(self, levels: Sequence[Tensor]) -> dict[str, Tensor]:
        """What the label heads say of faces.

        Args:
            levels: what ``vision_levels`` gave for P pictures.

        Returns:
            Dataset to logits (P, classes of that dataset).
        """
        dtype = next(self.multi_perspective_projector.parameters()).dtype
        whole = levels[-1].mean((2, 3)).to(dtype)  # (P, C)
        return {name: head(whole) for name, head in self.label_heads.items()}

    def local_crops(self, pixel_values: Tensor) -> Tensor | None:
        """The regions that the Local Clue Aggregator looks at, (P, R, 3, S, S); None without it."""
        if self.local_clue_aggregator is None:
            return None
        dtype = next(self.multi_perspective_projector.parameters()).dtype
        crops: Tensor = self.local_clue_aggregator.crops(pixel_values.to(dtype))
        return crops

    def encode_images(
        self,
        pixel_values: Tensor | None = None,
        *,
        levels: Sequence[Tensor] | None = None,
        crops: Tensor | None = None,
    ) -> Tensor:
        """Turn pictures into tokens of the language model.

        Args:
            pixel_values: (P, 3, S, S); not needed where all else is given.
            levels: what ``vision_levels`` gave for these pictures, to save the encoder's run.
            crops: what ``local_crops`` gave for these pictures.

        Returns:
            (P, N + 1, D_lm): N visual tokens, then F_local. Pass them on as ``image_features=``.
        """
        if levels is None:
            if pixel_values is None:
                raise ValueError("give pixel_values, or levels and crops")
            levels = self.vision_levels(pixel_values)
        dtype = next(self.multi_perspective_projector.parameters()).dtype
        deep, shallow = self.multi_level_feature([level.to(dtype) for level in levels])
        clues, token = None, None
        if self.local_clue_aggregator is not None:
            pixels = None if pixel_values is None else pixel_values.to(dtype)
            crops = None if crops is None else crops.to(dtype)
            clues, token = self.local_clue_aggregator(pixels, crops=crops)
        tokens = self.multi_perspective_projector(deep, shallow, clues)  # (P, N, D_lm)
        return tokens if token is None else torch.cat((tokens, token), dim=1)  # (P, N + 1, D_lm)

    def get_image_features(self, pixel_values: Tensor, **kwargs: Any) -> BaseModelOutputWithPooling:
        """Transformers' name for ``encode_images``; the tokens are the ``pooler_output``."""
        levels = self.vision_levels(pixel_values)
        features = self.encode_images(pixel_values, levels=levels)
        return BaseModelOutputWithPooling(last_hidden_state=levels[-1], pooler_output=features)


class FeallmForConditionalGeneration(FaceModelForConditionalGeneration):
    """FEALLM with its language-model head: the class to train and to generate with."""

    config: FeallmConfig
    config_class = FeallmConfig
    model: FeallmModel
    own_modules: ClassVar[tuple[str, ...]] = (
        "multi_level_feature",
        "local_clue_aggregator",
        "multi_perspective_projector",
    )

    def __init__(self, config: FeallmConfig) -> None:
        super().__init__(config)
        self.model = FeallmModel(config)
        text = config.text_config
        self.lm_head = nn.Linear(text.hidden_size, text.vocab_size, bias=False)
        self.post_init()

    @classmethod
    def from_parts(
        cls, vision: str | PreTrainedModel, text: str | PreTrainedModel, **config: Any
    ) -> FeallmForConditionalGeneration:
        """Compose FEALLM from a trained vision encoder and a trained language model.

        Args:
            vision: name, folder or model of the encoder (CLIP and SigLIP: their vision half).
            text: name, folder or model of the decoder.
            **config: fields of ``FeallmConfig``, ``image_token_id`` above all.

        Returns:
            The model, with mien's own modules fresh, in the language model's dtype.
        """
        encoder, language_model = load_vision(vision), load_text(text)
        settings = FeallmConfig(
            vision_config=encoder.config, text_config=language_model.config, **config
        )
        return cls.assemble(settings, text=language_model, parts={"vision_tower": encoder})

    def get_image_features(self, pixel_values: Tensor, **kwargs: Any) -> BaseModelOutputWithPooling:
        """Transformers' name for ``encode_images``; the tokens are the ``pooler_output``."""
        return self.model.get_image_features(pixel_values, **kwargs)
