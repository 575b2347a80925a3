"""EMO-LLaMA: LLaMA-VID's reading of pictures and videos, with what is known of the face."""

from __future__ import annotations

import contextlib
import copy
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from transformers import (
    AutoModel,
    InstructBlipForConditionalGeneration,
    InstructBlipQFormerModel,
    PreTrainedModel,
)
from transformers.cache_utils import Cache
from transformers.modeling_outputs import BaseModelOutputWithPooling

from mien.models.emo_llama.clips import Clips, checked_mask
from mien.models.emo_llama.configuration import EmoLlamaConfig
from mien.models.emo_llama.face_info_mining import GLOBAL, LOCAL, FaceInfoMining
from mien.models.emo_llama.frame_tokens import ContentTokens, ContextToken
from mien.models.multimodal import FaceModel, FaceModelForConditionalGeneration
from mien.models.outputs import FaceCausalLMOutput
from mien.models.parts import load_text, load_vision
from mien.models.vision import encoder_tokens

QFORMER_INPUTS = ("qformer_input_ids", "qformer_attention_mask")


class EmoLlamaModel(FaceModel):
    """EMO-LLaMA without the language-model head."""

    config: EmoLlamaConfig
    config_class = EmoLlamaConfig
    picture_inputs: ClassVar[tuple[str, ...]] = ("frame_mask", *QFORMER_INPUTS, *GLOBAL, *LOCAL)

    def __init__(self, config: EmoLlamaConfig) -> None:
        super().__init__(config)
        self.vision_tower = AutoModel.from_config(config.vision_config)
        self.qformer: InstructBlipQFormerModel | None = None
        self.qformer_queries: nn.Embedding | None = None
        self.context_token: ContextToken | None = None
        self.content_tokens: ContentTokens | None = None
        self.face_info_mining: FaceInfoMining | None = None
        shape = config.vision_shape  # also tells the Q-Former how wide its keys are
        if config.use_context:
            assert config.qformer_config.encoder_hidden_size == shape.channels
            self.qformer = InstructBlipQFormerModel._from_config(config.qformer_config)
            self.qformer_queries = nn.Embedding(
                config.num_query_tokens, config.qformer_config.hidden_size
            )
            self.context_token = ContextToken(config)
        if config.use_content:
            self.content_tokens = ContentTokens(config)
        if config.use_priors:
            self.face_info_mining = FaceInfoMining(config)
        self.language_model = AutoModel.from_config(config.text_config)
        self.post_init()
        self.train(self.training)

    @property
    def frozen(self) -> tuple[str, ...]:
        """Modules that the config keeps in eval mode and without gradients."""
        qformer = self.config.freeze_qformer and self.config.use_context
        return (*super().frozen, *(("qformer", "qformer_queries") if qformer else ()))

    def vision_tokens(self, pixel_values: Tensor) -> Tensor:
        """Run the vision encoder.

        Args:
            pixel_values: (R, 3, S, S).

        Returns:
            (R, V, C): class and register tokens, if any, then the patches. They may be cached while
            the encoder is frozen.
        """
        frozen = torch.no_grad() if self.config.freeze_vision else contextlib.nullcontext()
        with frozen:
            return encoder_tokens(
                self.vision_tower,
                pixel_values.to(self.vision_tower.dtype),
                layer=self.config.vision_layer,
            )

    def encode_images(
        self,
        pixel_values: Tensor | None = None,
        *,
        frame_mask: Tensor | None = None,
        qformer_input_ids: Tensor | None = None,
        qformer_attention_mask: Tensor | None = None,
        face_embedding: Tensor | None = None,
        landmarks: Tensor | None = None,
        pose: Tensor | None = None,
        blendshapes: Tensor | None = None,
        vision_tokens: Tensor | None = None,
    ) -> Tensor:
        """Turn pictures and clips into tokens of the language model.

        Args:
            pixel_values: (P, F, 3, S, S) clips, or (P, 3, S, S) pictures, which are clips of one
                frame.
            frame_mask: (P, F), 0 at padding; every frame is real by default.
            qformer_input_ids: (P, L) the instruction to each clip, in the Q-Former's vocabulary;
                without it the context token is that of no particular question.
            qformer_attention_mask: (P, L), 0 at padding.
            face_embedding: (P, F, E).
            landmarks: (P, F, points, 2 or 3) in the face's own frame.
            pose: (P, F, 3) yaw, pitch and roll in degrees.
            blendshapes: (P, F, names) in [0, 1].
            vision_tokens: (P, F, V, C), what ``vision_tokens`` gave for these frames, instead of
                ``pixel_values``.

        NaN in a prior means unknown, and so does a prior that is not given.

        Returns:
            (P, F, T, D_lm): context token, content tokens, clue tokens of each frame; zeros at
            padding. Pass them on as ``image_features=``, with the ``frame_mask``.
        """
        priors = {
            "face_embedding": face_embedding,
            "landmarks": landmarks,
            "pose": pose,
            "blendshapes": blendshapes,
        }
        given = pixel_values if vision_tokens is None else vision_tokens
        if given is None:
            raise ValueError("give pixel_values or vision_tokens")
        if vision_tokens is None and given.ndim == 4:
            given = given.unsqueeze(1)  # (P, 1, 3, S, S)
        clips = Clips(given.shape[0], given.shape[1], checked_mask(frame_mask, given))
        frames = clips.real(given)
        if vision_tokens is None:
            frames = self.vision_tokens(frames)  # (R, V, C)
        tokens = []
        patches = frames[:, self.config.vision_shape.prefix :]  # (R, N, C)
        if self.context_token is not None:
            ids = None if qformer_input_ids is None else clips.of_clip(qformer_input_ids)
            mask = None if qformer_attention_mask is None else clips.of_clip(qformer_attention_mask)
            dtype = self.context_token.key.weight.dtype
            queries = self._queries(frames, ids, mask)  # (R, Q, D_q)
            tokens.append(self.context_token(queries.to(dtype), patches.to(dtype)))
        if self.content_tokens is not None:
            dtype = self.content_tokens.norm.weight.dtype
            tokens.append(self.content_tokens(patches.to(dtype)))
        if self.face_info_mining is not None:
            dtype = self.face_info_mining.norm.weight.dtype
            known = self._drop({k: v for k, v in priors.items() if v is not None}, clips)
            real = {name: clips.real(values) for name, values in known.items()}
            tokens.append(self.face_info_mining(patches.to(dtype), real))
        return clips.padded(torch.cat(tokens, dim=1))  # (P, F, T, D_lm)

    def _queries(self, frames: Tensor, ids: Tensor | None, mask: Tensor | None) -> Tensor:
        """What the Q-Former's queries become before (R, V, C) frames and (R, L) instructions."""
        assert self.qformer is not None
        assert self.qformer_queries is not None
        weight = self.qformer_queries.weight
        queries = weight.expand(len(frames), -1, -1)  # (R, Q, D_q)
        if ids is not None:
            mask = torch.ones_like(ids) if mask is None else mask
            mask = torch.cat((mask.new_ones(queries.shape[:2]), mask), dim=1)  # (R, Q + L)
        outputs = self.qformer(
            input_ids=ids,
            attention_mask=mask,
            query_embeds=queries,
            encoder_hidden_states=frames.to(self.qformer.dtype),
        )
        return outputs.last_hidden_state[:, : len(weight)]  # (R, Q, D_q)

    def _drop(self, priors: dict[str, Tensor], clips: Clips) -> dict[str, Tensor]:
        """In training, some clips and frames lose what is known globally, or locally."""
        clip_rate, frame_rate = self.config.prior_dropout, self.config.prior_frame_dropout
        if not self.training or not (clip_rate or frame_rate):
            return priors
        kept = dict(priors)
        for kind in (GLOBAL, LOCAL):
            names = [name for name in kind if name in priors]
            if not names:
                continue
            device = priors[names[0]].device
            lost = torch.rand(clips.clips, 1, device=device) < clip_rate
            lost = lost | (torch.rand(clips.clips, clips.frames, device=device) < frame_rate)
            for name in names:
                values = priors[name]
                where = lost.reshape(*lost.shape, *(1,) * (values.ndim - 2))
                kept[name] = values.masked_fill(where, torch.nan)
        return kept

    def real_tokens(
        self, image_features: Tensor, frame_mask: Tensor | None = None, **pictures: Any
    ) -> Tensor:
        """(P, F, T, D_lm) to the (n, D_lm) tokens of the real frames."""
        if frame_mask is not None:
            image_features = image_features[frame_mask.bool()]
        return image_features.flatten(0, -2)

    def get_image_features(self, pixel_values: Tensor, **kwargs: Any) -> BaseModelOutputWithPooling:
        """Transformers' name for ``encode_images``; the tokens are the ``pooler_output``."""
        return BaseModelOutputWithPooling(pooler_output=self.encode_images(pixel_values, **kwargs))


class EmoLlamaForConditionalGeneration(FaceModelForConditionalGeneration):
    """EMO-LLaMA with its language-model head: the class to train and to generate with."""

    config: EmoLlamaConfig
    config_class = EmoLlamaConfig
    model: EmoLlamaModel
    own_modules: ClassVar[tuple[str, ...]] = ("context_token", "content_tokens", "face_info_mining")

    def __init__(self, config: EmoLlamaConfig) -> None:
        super().__init__(config)
        self.model = EmoLlamaModel(config)
        text = config.text_config
        self.lm_head = nn.Linear(text.hidden_size, text.vocab_size, bias=False)
        self.post_init()

    @classmethod
    def from_parts(
        cls,
        vision: str | PreTrainedModel,
        text: str | PreTrainedModel,
        qformer: InstructBlipQFormerModel | None = None,
        query_tokens: Tensor | None = None,
        **config: Any,
    ) -> EmoLlamaForConditionalGeneration:
        """Compose EMO-LLaMA from trained parts.

        Args:
            vision: name, folder or model of the encoder (CLIP and SigLIP: their vision half).
            text: name, folder or model of the decoder.
            qformer: a trained Q-Former; a fresh one, as ``qformer_config`` says, by default.
            query_tokens: (1, Q, D_q) its trained queries.
            **config: fields of ``EmoLlamaConfig``, ``image_token_id`` above all.

        Returns:
            The model, with mien's own modules fresh, in the language model's dtype.

        Raises:
            ValueError: if the Q-Former was made for another encoder.
        """
        encoder, language_model = load_vision(vision), load_text(text)
        if (qformer is None) != (query_tokens is None):
            raise ValueError("qformer and query_tokens go together: give both or neither")
        if query_tokens is not None and qformer is not None:
            config["qformer_config"] = copy.deepcopy(qformer.config)
            config["num_query_tokens"] = query_tokens.shape[1]
        needed = None if qformer is None else qformer.config.encoder_hidden_size
        settings = EmoLlamaConfig(
            vision_config=encoder.config, text_config=language_model.config, **config
        )
        parts: dict[str, nn.Module] = {"vision_tower": encoder}
        if needed is not None and needed != settings.vision_shape.channels:
            raise ValueError(
                f"the Q-Former reads tokens of width {needed}, but this encoder gives width "
                f"{settings.vision_shape.channels}; take the encoder it was trained on"
            )
        if settings.use_context and query_tokens is not None and qformer is not None:
            queries = nn.Embedding(*query_tokens.shape[1:])
            queries.weight = nn.Parameter(query_tokens.detach()[0].clone())
            parts.update(qformer=qformer, qformer_queries=queries)
        elif settings.use_context:
            dtype = language_model.dtype
            parts["qformer"] = InstructBlipQFormerModel._from_config(settings.qformer_config).to(
                dtype
            )
        return cls.assemble(settings, text=language_model, parts=parts)

    @classmethod
    def from_instructblip(
        cls, source: str | InstructBlipForConditionalGeneration, **config: Any
    ) -> EmoLlamaForConditionalGeneration:
        """Compose EMO-LLaMA from InstructBLIP, such as ``Salesforce/instructblip-vicuna-7b``.

        Its vision encoder, Q-Former with queries, and language model are taken over; its linear
        projection, for which LLaMA-VID has another way, is left behind.

        Args:
            source: name, folder or model, with a decoder-only language model.
            **config: fields of ``EmoLlamaConfig``.
        """
        if isinstance(source, str):
            source = InstructBlipForConditionalGeneration.from_pretrained(source, dtype="auto")
        if source.config.image_token_id is not None:
            config.setdefault("image_token_id", source.config.image_token_id)
        return cls.from_parts(
            source.vision_model,
            source.language_model,
            qformer=source.qformer,
            query_tokens=source.query_tokens,
            **config,
        )

    def forward(  # type: ignore[override]
        self,
        input_ids: Tensor | None = None,
        pixel_values: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: Cache | None = None,
        cache: Cache | None = None,
        inputs_embeds: Tensor | None = None,
        image_features: Tensor | None = None,
        frame_mask: Tensor | None = None,
        qformer_input_ids: Tensor | None = None,
        qformer_attention_mask: Tensor | None = None,
        face_embedding: Tensor | None = None,
        landmarks: Tensor | None = None,
        pose: Tensor | None = None,
        blendshapes: Tensor | None = None,
        labels: Tensor | None = None,
        logits_to_keep: int | Tensor = 0,
        **kwargs: Any,
    ) -> FaceCausalLMOutput:
        """Run the model to logits, and to the loss if there are labels.

        Pictures, instructions and priors are as in ``EmoLlamaModel.encode_images``, all else as in
        ``FaceModelForConditionalGeneration.forward``. A row of ``input_ids`` has
        ``config.num_image_tokens`` placeholders for each real frame of its clips.
        """
        return super().forward(
            input_ids=input_ids,
            pixel_values=pixel_values,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            cache=cache,
            inputs_embeds=inputs_embeds,
            image_features=image_features,
            labels=labels,
            logits_to_keep=logits_to_keep,
            frame_mask=frame_mask,
            qformer_input_ids=qformer_input_ids,
            qformer_attention_mask=qformer_attention_mask,
            face_embedding=face_embedding,
            landmarks=landmarks,
            pose=pose,
            blendshapes=blendshapes,
            **kwargs,
        )

    def get_image_features(self, pixel_values: Tensor, **kwargs: Any) -> BaseModelOutputWithPooling:
        """Transformers' name for ``encode_images``; the tokens are the ``pooler_output``."""
        return self.model.get_image_features(pixel_values, **kwargs)
