"""FEALLM: frozen vision encoder, local clues, multi-perspective projector, language model."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    GenerationMixin,
    PreTrainedModel,
)
from transformers import initialization as init
from transformers.cache_utils import Cache
from transformers.modeling_outputs import BaseModelOutputWithPooling

from mien.models.feallm.configuration import FeallmConfig
from mien.models.feallm.levels import MultiLevelFeature, to_map
from mien.models.feallm.local_clue_aggregator import LocalClueAggregator
from mien.models.feallm.multi_perspective_projector import MultiPerspectiveProjector
from mien.models.feallm.outputs import FeallmCausalLMOutput, FeallmModelOutput


class FeallmPreTrainedModel(PreTrainedModel):
    config: FeallmConfig
    config_class = FeallmConfig
    base_model_prefix = "model"
    main_input_name = "input_ids"
    input_modalities = ["image", "text"]  # noqa: RUF012
    supports_gradient_checkpointing = True
    _skip_keys_device_placement = ["past_key_values"]  # noqa: RUF012
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True
    _supports_attention_backend = True

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """Initialise mien's own modules; the encoder and the language model do theirs."""
        std = self.config.initializer_range
        if isinstance(module, nn.Linear) and module is getattr(self, "lm_head", None):
            init.normal_(module.weight, mean=0.0, std=std)
        elif isinstance(module, nn.Linear):
            init.xavier_uniform_(module.weight)
            if module.bias is not None:
                init.zeros_(module.bias)
        elif isinstance(module, nn.Conv2d):
            init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            init.normal_(module.weight, mean=0.0, std=std)
        elif isinstance(module, nn.LayerNorm | nn.GroupNorm):
            init.ones_(module.weight)
            init.zeros_(module.bias)


class FeallmModel(FeallmPreTrainedModel):
    """FEALLM without the language-model head."""

    def __init__(self, config: FeallmConfig) -> None:
        super().__init__(config)
        self.vision_tower = AutoModel.from_config(config.vision_config)
        self.multi_level_feature = MultiLevelFeature(config)
        self.local_clue_aggregator: LocalClueAggregator | None = None
        if config.use_local_in_projector or config.use_local_token:
            self.local_clue_aggregator = LocalClueAggregator(config)
        self.multi_perspective_projector = MultiPerspectiveProjector(config)
        self.language_model = AutoModel.from_config(config.text_config)
        self.post_init()
        self.train(self.training)

    def get_input_embeddings(self) -> nn.Module:
        return self.language_model.get_input_embeddings()

    def set_input_embeddings(self, value: nn.Module) -> None:
        self.language_model.set_input_embeddings(value)

    def train(self, mode: bool = True) -> FeallmModel:
        """Set the mode; a frozen vision encoder stays in eval, so its batch norm keeps still."""
        super().train(mode)
        if self.config.freeze_vision:
            self.vision_tower.eval().requires_grad_(False)
        return self

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

    def encode_images(
        self, pixel_values: Tensor, *, levels: Sequence[Tensor] | None = None
    ) -> Tensor:
        """Turn pictures into tokens of the language model.

        Args:
            pixel_values: (P, 3, S, S).
            levels: what ``vision_levels`` gave for these pictures, to save the encoder's run.

        Returns:
            (P, N + 1, D_lm): N visual tokens, then F_local. Pass them on as ``image_features=``.
        """
        if levels is None:
            levels = self.vision_levels(pixel_values)
        dtype = next(self.multi_perspective_projector.parameters()).dtype
        deep, shallow = self.multi_level_feature([level.to(dtype) for level in levels])
        clues, token = None, None
        if self.local_clue_aggregator is not None:
            clues, token = self.local_clue_aggregator(pixel_values.to(dtype))
        tokens = self.multi_perspective_projector(deep, shallow, clues)  # (P, N, D_lm)
        return tokens if token is None else torch.cat((tokens, token), dim=1)  # (P, N + 1, D_lm)

    def get_image_features(self, pixel_values: Tensor, **kwargs: Any) -> BaseModelOutputWithPooling:
        """Transformers' name for ``encode_images``; the tokens are the ``pooler_output``."""
        levels = self.vision_levels(pixel_values)
        features = self.encode_images(pixel_values, levels=levels)
        return BaseModelOutputWithPooling(last_hidden_state=levels[-1], pooler_output=features)

    def get_placeholder_mask(self, input_ids: Tensor, image_features: Tensor) -> Tensor:
        """Find the ``<image>`` placeholders.

        Args:
            input_ids: (B, T).
            image_features: (P, N + 1, D_lm).

        Returns:
            (B, T) bool.

        Raises:
            ValueError: if their number is not that of the image features.
        """
        mask = input_ids == self.config.image_token_id  # (B, T)
        needed = image_features.shape[0] * image_features.shape[1]
        if not mask.is_meta and int(mask.sum()) != needed:
            raise ValueError(
                f"Image features and image tokens do not match, tokens: {int(mask.sum())}, "
                f"features: {needed}"
            )
        return mask

    def embed(
        self,
        input_ids: Tensor,
        *,
        pixel_values: Tensor | None = None,
        image_features: Tensor | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Embed text and put image features in place of their placeholders.

        Returns:
            (B, T, D_lm) embeddings and the image features (P, N + 1, D_lm), if any.
        """
        placeholders = input_ids == self.config.image_token_id
        embeds = self.get_input_embeddings()(input_ids.masked_fill(placeholders, 0))
        if image_features is None and pixel_values is not None:
            image_features = self.encode_images(pixel_values)
        if image_features is None:
            return embeds, None
        mask = self.get_placeholder_mask(input_ids, image_features)
        features = image_features.to(embeds.device, embeds.dtype)
        return embeds.masked_scatter(mask.unsqueeze(-1), features), image_features

    def forward(
        self,
        input_ids: Tensor | None = None,
        pixel_values: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: Tensor | None = None,
        image_features: Tensor | None = None,
        **kwargs: Any,
    ) -> FeallmModelOutput:
        """Run the whole model.

        Args:
            input_ids: (B, T), each picture as N + 1 placeholders.
            pixel_values: (P, 3, S, S), the pictures of all rows in order.
            attention_mask: (B, T), or a ready 4-D mask.
            position_ids: (B, T).
            past_key_values: the cache.
            inputs_embeds: (B, T, D_lm) instead of ``input_ids``.
            image_features: what ``encode_images`` gave, instead of ``pixel_values``.
            **kwargs: for the language model.
        """
        kwargs.pop("return_dict", None)
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError("give exactly one of input_ids and inputs_embeds")
        if inputs_embeds is None:
            assert input_ids is not None
            inputs_embeds, image_features = self.embed(
                input_ids, pixel_values=pixel_values, image_features=image_features
            )
        outputs = self.language_model(
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            inputs_embeds=inputs_embeds,
            **kwargs,
        )
        return FeallmModelOutput(
            last_hidden_state=outputs.last_hidden_state,
            past_key_values=outputs.past_key_values,
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
            image_hidden_states=image_features,
        )


class FeallmForConditionalGeneration(FeallmPreTrainedModel, GenerationMixin):
    """FEALLM with its language-model head: the class to train and to generate with."""

    _tied_weights_keys = {  # noqa: RUF012
        "lm_head.weight": "model.language_model.embed_tokens.weight"
    }

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
        if isinstance(vision, str):
            found = AutoConfig.from_pretrained(vision)
            vision = AutoModel.from_pretrained(
                vision, config=getattr(found, "vision_config", found), dtype="auto"
            )
        if isinstance(text, str):
            text = AutoModelForCausalLM.from_pretrained(text, dtype="auto")
        assert isinstance(vision, PreTrainedModel)
        assert isinstance(text, PreTrainedModel)
        head = text.get_output_embeddings()
        if head is None:
            raise ValueError(f"{type(text).__name__} has no language-model head")
        settings = FeallmConfig(vision_config=vision.config, text_config=text.config, **config)
        with torch.device("meta"):
            model = cls(settings)
        own = (
            model.model.multi_level_feature,
            model.model.local_clue_aggregator,
            model.model.multi_perspective_projector,
        )
        for module in filter(None, own):
            module.to_empty(device=text.device).apply(model._init_weights).to(text.dtype)
        model.model.vision_tower = vision.to(device=text.device)  # type: ignore[call-arg]
        model.model.language_model = text.base_model
        model.lm_head = head
        model.tie_weights()
        model.generation_config = text.generation_config
        model.eval()
        return model

    def get_input_embeddings(self) -> nn.Module:
        return self.model.get_input_embeddings()

    def set_input_embeddings(self, value: nn.Module) -> None:
        self.model.set_input_embeddings(value)

    def get_output_embeddings(self) -> nn.Module:
        return self.lm_head

    def set_output_embeddings(self, new_embeddings: nn.Module) -> None:
        self.lm_head = new_embeddings

    def encode_images(
        self, pixel_values: Tensor, *, levels: Sequence[Tensor] | None = None
    ) -> Tensor:
        """See ``FeallmModel.encode_images``."""
        return self.model.encode_images(pixel_values, levels=levels)

    def get_image_features(self, pixel_values: Tensor, **kwargs: Any) -> BaseModelOutputWithPooling:
        """See ``FeallmModel.get_image_features``."""
        return self.model.get_image_features(pixel_values, **kwargs)

    def forward(
        self,
        input_ids: Tensor | None = None,
        pixel_values: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: Tensor | None = None,
        image_features: Tensor | None = None,
        labels: Tensor | None = None,
        logits_to_keep: int | Tensor = 0,
        **kwargs: Any,
    ) -> FeallmCausalLMOutput:
        """Run the model to logits, and to the loss if there are labels.

        Args:
            input_ids: (B, T), each picture as N + 1 placeholders.
            pixel_values: (P, 3, S, S), the pictures of all rows in order.
            attention_mask: (B, T), or a ready 4-D mask.
            position_ids: (B, T).
            past_key_values: the cache.
            inputs_embeds: (B, T, D_lm) instead of ``input_ids``.
            image_features: what ``encode_images`` gave, instead of ``pixel_values``.
            labels: (B, T), -100 where nothing is to be learned; shifted inside.
            logits_to_keep: logits of the last so many positions, or of these positions; 0: all.
            **kwargs: for the language model and the loss.
        """
        outputs = self.model(
            input_ids=input_ids,
            pixel_values=pixel_values,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            inputs_embeds=inputs_embeds,
            image_features=image_features,
            **kwargs,
        )
        keep = slice(-logits_to_keep, None) if isinstance(logits_to_keep, int) else logits_to_keep
        logits = self.lm_head(outputs.last_hidden_state[:, keep])  # (B, T or K, V)
        loss = None
        if labels is not None:
            loss = self.loss_function(
                logits=logits,
                labels=labels,
                vocab_size=self.config.text_config.vocab_size,
                **kwargs,
            )
        return FeallmCausalLMOutput(
            loss=loss,
            logits=logits,
            past_key_values=outputs.past_key_values,
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
            image_hidden_states=outputs.image_hidden_states,
        )

    def prepare_inputs_for_generation(  # type: ignore[override]
        self,
        input_ids: Any,
        past_key_values: Cache | None = None,
        pixel_values: Tensor | None = None,
        image_features: Tensor | None = None,
        is_first_iteration: bool | None = False,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """Hand the picture to the prefill alone: later steps have it in the cache."""
        inputs = super().prepare_inputs_for_generation(  # type: ignore[misc]
            input_ids,
            past_key_values=past_key_values,
            is_first_iteration=is_first_iteration,
            **kwargs,
        )
        if is_first_iteration or not kwargs.get("use_cache", True):
            inputs["pixel_values"], inputs["image_features"] = pixel_values, image_features
        return inputs
