"""FEALLM's processor: pictures and conversations to model inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from transformers import PreTrainedTokenizerBase
from transformers.image_processing_utils import BatchFeature
from transformers.processing_utils import MultiModalData, ProcessingKwargs, ProcessorMixin

from mien.models.chat import CHAT_TEMPLATE, answer_mask, render


class FeallmProcessorKwargs(ProcessingKwargs, total=False):
    _defaults = {  # type: ignore[misc]  # noqa: RUF012
        "text_kwargs": {
            "padding": False,
            "return_mm_token_type_ids": False,
            "return_text_replacement_offsets": False,
        },
    }


class FeallmProcessor(ProcessorMixin):
    """Image processor and tokenizer in one; each ``<image>`` becomes N + 1 placeholders.

    Args:
        image_processor: a ``FeallmImageProcessor``.
        tokenizer: any tokenizer that knows ``image_token`` as one token. Set its
            ``padding_side`` to ``"left"`` for batched generation.
        num_image_tokens: placeholders per picture, ``FeallmConfig.num_image_tokens``.
        image_token: the placeholder.
        chat_template: Jinja template; ``CHAT_TEMPLATE`` by default.
    """

    valid_processor_kwargs = FeallmProcessorKwargs

    def __init__(
        self,
        image_processor: Any = None,
        tokenizer: PreTrainedTokenizerBase | None = None,
        num_image_tokens: int = 1,
        image_token: str = "<image>",
        chat_template: str | None = None,
        **kwargs: Any,
    ) -> None:
        if tokenizer is None:
            raise ValueError("FeallmProcessor needs a tokenizer")
        self.num_image_tokens = num_image_tokens
        self.image_token = image_token
        self.image_token_id = tokenizer.convert_tokens_to_ids(image_token)
        if self.image_token_id in (None, tokenizer.unk_token_id):
            raise ValueError(f"the tokenizer does not know the image token {image_token!r}")
        super().__init__(image_processor, tokenizer, chat_template=chat_template or CHAT_TEMPLATE)

    def replace_image_token(self, image_inputs: dict[str, Any], image_idx: int, **_: Any) -> str:
        """The placeholders that stand for one picture."""
        return self.image_token * self.num_image_tokens

    def picture_inputs(self, pictures: Sequence[Any], instruction: str) -> BatchFeature:
        """What ``encode_images`` takes of pictures, as tensors; no instruction takes part."""
        return self.image_processor(list(pictures), return_tensors="pt")

    def apply_chat_template(  # type: ignore[override]
        self, conversation: Any, chat_template: str | None = None, **kwargs: Any
    ) -> Any:
        """As in Transformers, with ``assistant_masks`` that hold in every version.

        Before 5.23 the answer's place was sought without regard to the added placeholders and to
        left padding, which gave empty labels without a word.
        """
        masked = kwargs.pop("return_assistant_tokens_mask", False)
        if not (masked and kwargs.get("tokenize") and kwargs.get("return_dict")):
            return super().apply_chat_template(conversation, chat_template, **kwargs)
        options = {**(kwargs.pop("processor_kwargs", None) or {}), "return_offsets_mapping": True}
        inputs: Any = super().apply_chat_template(
            conversation, chat_template, processor_kwargs=options, **kwargs
        )
        batch = [conversation] if isinstance(conversation[0], dict) else conversation
        texts, spans = render(self, batch, chat_template)
        longer = len(self.image_token) * (self.num_image_tokens - 1)
        masks = [
            answer_mask(
                text,
                answers,
                offsets,
                image_token=self.image_token,
                added=[longer] * text.count(self.image_token),
            )
            for text, answers, offsets in zip(
                texts, spans, inputs.pop("offset_mapping"), strict=True
            )
        ]
        inputs["assistant_masks"] = masks
        return inputs.convert_to_tensors(tensor_type=kwargs.get("return_tensors"))

    def _get_num_multimodal_tokens(
        self, image_sizes: list[list[int]] | None = None, **kwargs: Any
    ) -> MultiModalData:
        """Placeholders per picture, which serving engines ask for."""
        if image_sizes is None:
            return MultiModalData()
        count = len(image_sizes)
        return MultiModalData(
            num_image_tokens=[self.num_image_tokens] * count, num_image_patches=[1] * count
        )
