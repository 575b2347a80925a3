"""What mien's models share: an encoder's tokens in place of placeholders, and a language model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers import initialization as init
from transformers.cache_utils import Cache
from transformers.generation import GenerationMixin

from mien.models.configuration import FaceModelConfig
from mien.models.outputs import CACHE, FaceCausalLMOutput, FaceModelOutput

LORA_TARGETS = r".*language_model.*\.(q_proj|k_proj|v_proj|o_proj)"
"""PEFT's ``target_modules`` for the language model alone; bare names would reach the encoder."""


class FacePreTrainedModel(PreTrainedModel):
    """Flags and initialisation."""

    config: FaceModelConfig
    base_model_prefix = "model"
    main_input_name = "input_ids"
    input_modalities = ["image", "text"]  # noqa: RUF012
    supports_gradient_checkpointing = True
    _skip_keys_device_placement = [CACHE]  # noqa: RUF012
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


class FaceModel(FacePreTrainedModel):
    """A model without the language-model head.

    A subclass makes ``vision_tower``, ``language_model`` and what lies between them, and writes
    ``encode_images``, which turns ``pixel_values`` into tokens (P, ..., D_lm).

    Attributes:
        picture_inputs: names of inputs beside ``pixel_values`` that ``encode_images`` takes.
        frozen: names of the modules that the config keeps in eval mode and without gradients.
    """

    picture_inputs: ClassVar[tuple[str, ...]] = ()
    vision_tower: PreTrainedModel
    language_model: PreTrainedModel
    encode_images: Callable[..., Tensor]

    @property
    def frozen(self) -> tuple[str, ...]:
        return ("vision_tower",) if self.config.freeze_vision else ()

    def get_input_embeddings(self) -> nn.Module:
        return self.language_model.get_input_embeddings()

    def set_input_embeddings(self, value: nn.Module) -> None:
        self.language_model.set_input_embeddings(value)

    def train(self, mode: bool = True) -> Self:
        """Set the mode; a frozen vision encoder stays in eval, so its batch norm keeps still."""
        super().train(mode)
        for name in self.frozen:
            getattr(self, name).eval().requires_grad_(False)
        return self

    def real_tokens(self, image_features: Tensor, **pictures: Any) -> Tensor:
        """What ``encode_images`` gave, in the order of the placeholders, without padding.

        Args:
            image_features: (P, ..., D_lm).
            **pictures: the inputs beside it.

        Returns:
            (n, D_lm).
        """
        return image_features.flatten(0, -2)

    def get_placeholder_mask(self, input_ids: Tensor, image_features: Tensor) -> Tensor:
        """Find the ``<image>`` placeholders.

        Args:
            input_ids: (B, T).
            image_features: (n, D_lm).

        Returns:
            (B, T) bool.

        Raises:
            ValueError: if their number is not that of the image features.
        """
        mask = input_ids == self.config.image_token_id  # (B, T)
        needed = image_features.shape[:-1].numel()
        if not mask.is_meta and int(mask.sum()) != needed:
            raise ValueError(
                f"Image features and image tokens do not match, tokens: {int(mask.sum())}, "
                f"features: {needed}"
            )
        return mask

    def embed(
        self, input_ids: Tensor, *, image_features: Tensor | None = None, **pictures: Any
    ) -> tuple[Tensor, Tensor | None]:
        """Embed text and put image features in place of their placeholders.

        Args:
            input_ids: (B, T).
            image_features: what ``encode_images`` gave.
            **pictures: ``pixel_values`` instead, and the inputs beside it.

        Returns:
            (B, T, D_lm) embeddings and the image features, if any.
        """
        placeholders = input_ids == self.config.image_token_id
        embeds = self.get_input_embeddings()(input_ids.masked_fill(placeholders, 0))
        if image_features is None and pictures.get("pixel_values") is not None:
            image_features = self.encode_images(**pictures)
        if image_features is None:
            return embeds, None
        tokens = self.real_tokens(image_features, **pictures)  # (n, D_lm)
        mask = self.get_placeholder_mask(input_ids, tokens)
        tokens = tokens.to(embeds.device, embeds.dtype)
        return embeds.masked_scatter(mask.unsqueeze(-1), tokens), image_features

    def forward(
        self,
        input_ids: Tensor | None = None,
        pixel_values: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: Cache | None = None,
        cache: Cache | None = None,
        inputs_embeds: Tensor | None = None,
        image_features: Tensor | None = None,
        **kwargs: Any,
    ) -> FaceModelOutput:
        """Run the whole model.

        Args:
            input_ids: (B, T), each picture as its placeholders.
            pixel_values: the pictures of all rows in order; shapes as in ``encode_images``.
            attention_mask: (B, T), or a ready 4-D mask.
            position_ids: (B, T).
            past_key_values: the cache, by the name that it had before Transformers 5.24.
            cache: the same by its name since.
            inputs_embeds: (B, T, D_lm) instead of ``input_ids``.
            image_features: what ``encode_images`` gave, instead of ``pixel_values``.
            **kwargs: ``picture_inputs``, and what is for the language model.
        """
        kwargs.pop("return_dict", None)
        pictures = {name: kwargs.pop(name, None) for name in self.picture_inputs}
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError("give exactly one of input_ids and inputs_embeds")
        if inputs_embeds is None:
            assert input_ids is not None
            inputs_embeds, image_features = self.embed(
                input_ids, image_features=image_features, pixel_values=pixel_values, **pictures
            )
        outputs = self.language_model(
            attention_mask=attention_mask,
            position_ids=position_ids,
            inputs_embeds=inputs_embeds,
            **{CACHE: past_key_values if cache is None else cache},
            **kwargs,
        )
        return FaceModelOutput(
            last_hidden_state=outputs.last_hidden_state,
            **{CACHE: getattr(outputs, CACHE)},
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
            image_hidden_states=image_features,
        )


class FaceModelForConditionalGeneration(FacePreTrainedModel, GenerationMixin):
    """A model with its language-model head: what to train and to generate with.

    Attributes:
        own_modules: names, within ``model``, of mien's own trained modules, which PEFT is given as
            ``modules_to_save``.
    """

    _tied_weights_keys = {  # noqa: RUF012
        "lm_head.weight": "model.language_model.embed_tokens.weight"
    }
    own_modules: ClassVar[tuple[str, ...]] = ()
    model: FaceModel

    @classmethod
    def assemble(
        cls,
        config: FaceModelConfig,
        *,
        text: PreTrainedModel,
        parts: dict[str, nn.Module],
    ) -> Self:
        """Compose a model from trained parts, without ever making them fresh.

        Args:
            config: of the whole.
            text: language model with its head.
            parts: trained modules by their names in ``model``, ``vision_tower`` among them.

        Returns:
            The model in eval mode, with all other modules fresh, in the language model's dtype.
        """
        head = text.get_output_embeddings()
        if head is None:
            raise ValueError(f"{type(text).__name__} has no language-model head")
        with torch.device("meta"):
            model = cls(config)
        for name, module in list(model.model.named_children()):
            if name not in parts and name != "language_model":
                module.to_empty(device=text.device).apply(model._init_weights).to(text.dtype)
        for name, module in parts.items():
            setattr(model.model, name, module.to(device=text.device))
        # Not moved, since it may be quantised.
        model.model.language_model = text.base_model  # type: ignore[assignment]
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

    def encode_images(self, *args: Any, **kwargs: Any) -> Tensor:
        """Turn pictures into tokens of the language model, as the model within does."""
        return self.model.encode_images(*args, **kwargs)

    def forward(
        self,
        input_ids: Tensor | None = None,
        pixel_values: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: Cache | None = None,
        cache: Cache | None = None,
        inputs_embeds: Tensor | None = None,
        image_features: Tensor | None = None,
        labels: Tensor | None = None,
        logits_to_keep: int | Tensor = 0,
        **kwargs: Any,
    ) -> FaceCausalLMOutput:
        """Run the model to logits, and to the loss if there are labels.

        Args:
            input_ids: (B, T), each picture as its placeholders.
            pixel_values: the pictures of all rows in order; shapes as in ``encode_images``.
            attention_mask: (B, T), or a ready 4-D mask.
            position_ids: (B, T).
            past_key_values: the cache, by the name that it had before Transformers 5.24.
            cache: the same by its name since.
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
            cache=cache,
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
        return FaceCausalLMOutput(
            loss=loss,
            logits=logits,
            **{CACHE: getattr(outputs, CACHE)},
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
            image_hidden_states=outputs.image_hidden_states,
        )

    def prepare_inputs_for_generation(  # type: ignore[override]
        self,
        input_ids: Any,
        pixel_values: Tensor | None = None,
        image_features: Tensor | None = None,
        is_first_iteration: bool | None = False,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """Hand the picture to the prefill alone: later steps have it in the cache."""
        inputs = super().prepare_inputs_for_generation(  # type: ignore[misc]
            input_ids, is_first_iteration=is_first_iteration, **kwargs
        )
        if is_first_iteration or not kwargs.get("use_cache", True):
            inputs["pixel_values"], inputs["image_features"] = pixel_values, image_features
        return inputs
