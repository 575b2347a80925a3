"""EMO-LLaMA's processor: pictures, clips, priors and conversations to model inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase
from transformers.image_processing_utils import BatchFeature
from transformers.image_utils import make_flat_list_of_images
from transformers.processing_utils import MultiModalData, ProcessorMixin

from mien.models.chat import CHAT_TEMPLATE, answer_mask, render
from mien.models.emo_llama.attribute_sentence import attribute_sentence
from mien.models.emo_llama.configuration import EmoLlamaConfig
from mien.models.emo_llama.conversation import Shown, shown_in
from mien.models.emo_llama.prior_inputs import PriorFormat
from mien.models.priors.face_priors import FacePriors

ClipPriors = FacePriors | Sequence[FacePriors | None] | None


class EmoLlamaProcessor(ProcessorMixin):
    """Image processor and tokenizers in one; a picture is a clip of one frame.

    Each ``<image>`` of the text stands for a picture or a clip and becomes ``num_image_tokens``
    placeholders a frame, and behind them the sentence of attributes where that is switched on.

    Args:
        image_processor: a ``FeallmImageProcessor``.
        tokenizer: any tokenizer that knows ``image_token`` as one token. Set its
            ``padding_side`` to ``"left"`` for batched generation.
        qformer_tokenizer: reads the instruction for the Q-Former (BERT's for InstructBLIP's).
        num_image_tokens: placeholders a frame, ``EmoLlamaConfig.num_image_tokens``.
        image_token: the placeholder.
        max_instruction_length: tokens of an instruction that the Q-Former takes at most.
        face_embedding_size, landmark_layout, landmark_dim, blendshapes: as in ``EmoLlamaConfig``.
        use_attributes: put age, gender and race, where priors have them, into the prompt as a
            sentence; off by default.
        attribute_threshold: least confidence of an attribute that is named.
        chat_template: Jinja template; ``CHAT_TEMPLATE`` by default.
    """

    tokenizer: PreTrainedTokenizerBase
    qformer_tokenizer: PreTrainedTokenizerBase

    def __init__(
        self,
        image_processor: Any = None,
        tokenizer: PreTrainedTokenizerBase | None = None,
        qformer_tokenizer: PreTrainedTokenizerBase | None = None,
        num_image_tokens: int = 1,
        image_token: str = "<image>",
        max_instruction_length: int = 512,
        face_embedding_size: int = 256,
        landmark_layout: str = "mediapipe478",
        landmark_dim: int = 3,
        blendshapes: Sequence[str] = (),
        use_attributes: bool = False,
        attribute_threshold: float = 0.5,
        chat_template: str | None = None,
        **kwargs: Any,
    ) -> None:
        if tokenizer is None or qformer_tokenizer is None:
            raise ValueError("EmoLlamaProcessor needs a tokenizer and a qformer_tokenizer")
        self.num_image_tokens = num_image_tokens
        self.image_token = image_token
        self.image_token_id = tokenizer.convert_tokens_to_ids(image_token)
        if self.image_token_id in (None, tokenizer.unk_token_id):
            raise ValueError(f"the tokenizer does not know the image token {image_token!r}")
        self.max_instruction_length = max_instruction_length
        self.face_embedding_size = face_embedding_size
        self.landmark_layout, self.landmark_dim = landmark_layout, landmark_dim
        self.blendshapes = list(blendshapes)
        self.use_attributes, self.attribute_threshold = use_attributes, attribute_threshold
        super().__init__(
            image_processor,
            tokenizer,
            qformer_tokenizer,
            chat_template=chat_template or CHAT_TEMPLATE,
        )

    @classmethod
    def for_model(
        cls,
        config: EmoLlamaConfig,
        image_processor: Any,
        tokenizer: PreTrainedTokenizerBase,
        qformer_tokenizer: PreTrainedTokenizerBase | None = None,
        **kwargs: Any,
    ) -> EmoLlamaProcessor:
        """The processor that fits a model.

        Args:
            config: the model's.
            image_processor: a ``FeallmImageProcessor``.
            tokenizer: the language model's.
            qformer_tokenizer: the Q-Former's; the language model's by default, for a Q-Former with
                its vocabulary.
            **kwargs: other arguments of the class.
        """
        return cls(
            image_processor,
            tokenizer,
            qformer_tokenizer or tokenizer,
            num_image_tokens=config.num_image_tokens,
            max_instruction_length=config.qformer_config.max_position_embeddings,
            face_embedding_size=config.embedding_size,
            landmark_layout=config.landmark_layout,
            landmark_dim=config.landmark_dim,
            blendshapes=config.blendshapes,
            **kwargs,
        )

    @property
    def model_input_names(self) -> list[str]:
        """Names of what this makes."""
        qformer = ["qformer_input_ids", "qformer_attention_mask"]
        priors = ["face_embedding", "landmarks", "pose", "blendshapes"]
        return [
            *self.tokenizer.model_input_names,
            *("pixel_values", "frame_mask"),
            *qformer,
            *priors,
        ]

    def __call__(
        self,
        images: Any = None,
        text: str | Sequence[str] | None = None,
        videos: Sequence[Any] | None = None,
        *,
        priors: Sequence[ClipPriors] | None = None,
        instructions: Sequence[str] | None = None,
        return_tensors: str | None = None,
        images_kwargs: dict[str, Any] | None = None,
        text_kwargs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> BatchFeature:
        """Make model inputs.

        Args:
            images: pictures (PIL or uint8 (H, W, 3)), one for each ``<image>`` of the text.
            text: one text or several, with an ``<image>`` for each picture or clip.
            videos: clips instead of pictures: lists of pictures, or uint8 (F, H, W, 3). Where a
                batch has both, hand over the pictures as clips of one frame.
            priors: for each picture or clip, what is known of its face, for a clip frame by frame.
            instructions: for each picture or clip, what the Q-Former reads; by default the whole
                text that it stands in. Text with an answer in it needs this, or the answer would
                be told; `apply_chat_template` takes the user's words.
            return_tensors: ``"pt"``, ``"np"`` or ``None``.
            images_kwargs: for the image processor.
            text_kwargs: for the tokenizer, and so all other keyword arguments.
        """
        if images is not None and videos is not None:
            raise ValueError("give images or videos; a picture may be a clip of one frame")
        texts = [text] if isinstance(text, str) else list(text or [])
        if images is not None:
            pictures: Any = make_flat_list_of_images(images)
            clips = [[picture] for picture in pictures]
        else:
            clips = [list(clip) for clip in videos or []]
        marks = sum(row.count(self.image_token) for row in texts)
        if texts and marks != len(clips):
            raise ValueError(
                f"the text has {marks} {self.image_token} but there are {len(clips)} pictures or "
                "clips"
            )
        known = self._known(priors, clips)
        data: dict[str, Any] = {}
        if texts:
            written = self._write_out(texts, self.replacements(clips, known))
            data.update(self.tokenizer(written, **{**(text_kwargs or {}), **kwargs}))
        if clips:
            data.update(self._frames(clips, images_kwargs or {}))
            if instructions is None:
                instructions = [
                    self._bare(row) for row in texts for _ in range(row.count(self.image_token))
                ]
            data.update(self._instructions(instructions, len(clips)))
            if priors is not None:
                shape = PriorFormat(
                    face_embedding_size=self.face_embedding_size,
                    landmark_layout=self.landmark_layout,
                    landmark_dim=self.landmark_dim,
                    blendshapes=tuple(self.blendshapes),
                )
                data.update(shape.arrays(known, frames=data["pixel_values"].shape[1]))
        return BatchFeature(data, tensor_type=return_tensors)

    def picture_inputs(self, pictures: Sequence[Any], instruction: str) -> BatchFeature:
        """What ``encode_images`` takes of pictures before one instruction, as tensors."""
        inputs = self(
            images=list(pictures),
            instructions=[instruction] * len(pictures),
            return_tensors="pt",
        )
        return inputs

    def instruction_inputs(self, instructions: Sequence[str]) -> BatchFeature:
        """What the Q-Former reads of an instruction for each picture or clip, as tensors."""
        read = self._instructions(instructions, len(instructions))
        return BatchFeature(read, tensor_type="pt")

    def apply_chat_template(  # type: ignore[override]
        self,
        conversation: Any,
        chat_template: str | None = None,
        *,
        tokenize: bool = False,
        return_dict: bool = False,
        return_assistant_tokens_mask: bool = False,
        return_tensors: str | None = None,
        processor_kwargs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> Any:
        """Render conversations and, if asked, make model inputs of them.

        Contents of type ``image`` have a picture, those of type ``video`` a list of frames, under
        the same key; both may have ``priors``. The Q-Former reads the words of the message that
        shows the picture or clip.

        Args:
            conversation: a list of messages, or a list of such lists.
            chat_template: instead of the processor's.
            tokenize: make model inputs; else the text is returned.
            return_dict: return all inputs, not ``input_ids`` alone.
            return_assistant_tokens_mask: add ``assistant_masks``, 1 at the answers' tokens.
            return_tensors: as in ``__call__``.
            processor_kwargs: for ``__call__``, such as ``padding``.
            **kwargs: for the template, such as ``add_generation_prompt``.
        """
        single = isinstance(conversation[0], dict)
        conversations = [conversation] if single else list(conversation)
        texts, spans = render(self, conversations, chat_template, **kwargs)
        if not tokenize:
            return texts[0] if single else texts
        shown = [clip for messages in conversations for clip in shown_in(messages, self)]
        options: dict[str, Any] = {"return_tensors": None, **(processor_kwargs or {})}
        bos = self.tokenizer.bos_token  # which the template may have written already
        options.setdefault("add_special_tokens", not (bos and texts[0].startswith(bos)))
        inputs = self(
            text=texts,
            videos=[clip.frames for clip in shown] or None,
            priors=[clip.priors for clip in shown] if any(c.has_priors for c in shown) else None,
            instructions=[clip.instruction for clip in shown],
            **{**options, "return_tensors": None, "return_offsets_mapping": True},
        )
        offsets = inputs.pop("offset_mapping")
        if return_assistant_tokens_mask:
            inputs["assistant_masks"] = self._masks(texts, spans, offsets, shown)
        inputs.convert_to_tensors(
            tensor_type=options["return_tensors"] if return_tensors is None else return_tensors
        )
        return inputs if return_dict else inputs["input_ids"]

    def replacements(
        self, clips: Sequence[Sequence[Any]], known: Sequence[Sequence[FacePriors | None]]
    ) -> list[str]:
        """What stands in the text for each picture or clip."""
        texts = []
        for clip, frames in zip(clips, known, strict=True):
            text = self.image_token * (self.num_image_tokens * len(clip))
            if self.use_attributes:
                sentence = attribute_sentence(frames, threshold=self.attribute_threshold)
                text += sentence + " " if sentence else ""
            texts.append(text)
        return texts

    def _write_out(self, texts: Sequence[str], replacements: Sequence[str]) -> list[str]:
        rest = iter(replacements)
        written = []
        for text in texts:
            first, *others = text.split(self.image_token)
            written.append(first + "".join(next(rest) + other for other in others))
        return written

    def _known(
        self, priors: Sequence[ClipPriors] | None, clips: Sequence[Sequence[Any]]
    ) -> list[list[FacePriors | None]]:
        """Priors as a list for each clip's frames."""
        if priors is None:
            return [[None] * len(clip) for clip in clips]
        if len(priors) != len(clips):
            raise ValueError(f"{len(priors)} priors for {len(clips)} pictures or clips")
        known: list[list[FacePriors | None]] = []
        for number, (clip, given) in enumerate(zip(clips, priors, strict=True)):
            frames = [given] * len(clip) if given is None else given
            frames = [frames] if isinstance(frames, FacePriors) else list(frames)
            if len(frames) != len(clip):
                raise ValueError(
                    f"clip {number} has {len(clip)} frames but priors of {len(frames)}"
                )
            known.append(frames)
        return known

    def _frames(self, clips: Sequence[Sequence[Any]], options: dict[str, Any]) -> dict[str, Any]:
        """``pixel_values`` (P, F, 3, S, S) and ``frame_mask`` (P, F)."""
        counts = [len(clip) for clip in clips]
        if not all(counts):
            raise ValueError(f"clip {counts.index(0)} has no frame")
        flat = [frame for clip in clips for frame in clip]
        pixels: NDArray[np.float32] = self.image_processor(
            flat, **{**options, "return_tensors": "np"}
        )["pixel_values"]
        mask = np.arange(max(counts)) < np.array(counts)[:, None]  # (P, F)
        padded = np.zeros((*mask.shape, *pixels.shape[1:]), dtype=pixels.dtype)
        padded[mask] = pixels
        return {"pixel_values": padded, "frame_mask": mask.astype(np.int64)}

    def _instructions(self, instructions: Sequence[str], clips: int) -> dict[str, Any]:
        """What the Q-Former reads, (P, L); nothing where there is nothing to read."""
        if not any(instructions):
            return {}
        if len(instructions) != clips:
            raise ValueError(f"{len(instructions)} instructions for {clips} pictures or clips")
        # Padding on the left would shift positions, which this Q-Former counts from the first.
        tokens = self.qformer_tokenizer(
            list(instructions),
            padding=True,
            padding_side="right",
            truncation=True,
            max_length=self.max_instruction_length,
        )
        return {
            "qformer_input_ids": np.array(tokens["input_ids"], dtype=np.int64),
            "qformer_attention_mask": np.array(tokens["attention_mask"], dtype=np.int64),
        }

    def _bare(self, text: str) -> str:
        """Text without placeholders and the tokenizer's special tokens."""
        for token in {self.image_token, *self.tokenizer.all_special_tokens}:
            text = text.replace(token, " ")
        return " ".join(text.split())

    def _masks(
        self, texts: Sequence[str], spans: Any, offsets: Any, shown: Sequence[Shown]
    ) -> list[list[int]]:
        """``assistant_masks`` of a batch."""
        clips = [clip.frames for clip in shown]
        known = self._known([clip.priors for clip in shown], clips)
        added = [len(text) - len(self.image_token) for text in self.replacements(clips, known)]
        masks, start = [], 0
        for text, answers, places in zip(texts, spans, offsets, strict=True):
            stop = start + text.count(self.image_token)
            masks.append(
                answer_mask(
                    text,
                    answers,
                    places,
                    image_token=self.image_token,
                    added=added[start:stop],
                )
            )
            start = stop
        return masks

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
