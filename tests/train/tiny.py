"""Tiny models and rows for the tests of training: no network, no files but those they write."""

from __future__ import annotations

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    CLIPVisionConfig,
    InstructBlipQFormerConfig,
    LlamaConfig,
    PreTrainedTokenizerFast,
    Qwen2Config,
)

from mien.models import (
    EmoLlamaConfig,
    EmoLlamaForConditionalGeneration,
    FeallmConfig,
    FeallmForConditionalGeneration,
    FeallmImageProcessor,
    FeallmProcessor,
)

WORDS = (
    "what is the expression ? Happiness Sadness Neutral AU12 : A B C D E absent . raised lips face"
)
SPECIAL = ["<pad>", "<unk>", "<s>", "</s>", "<image>", "<user>", "<assistant>"]
VOCABULARY = SPECIAL + WORDS.split()
VIT = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 4,
    "num_attention_heads": 2,
    "image_size": 32,
    "patch_size": 8,
}
TEXT = {
    "vocab_size": len(VOCABULARY),
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "pad_token_id": 0,
    "bos_token_id": 2,
    "eos_token_id": 3,
    "attention_dropout": 0.1,
}
SHARED = {
    "image_token_id": SPECIAL.index("<image>"),
    "image_size": 32,
    "hidden_size": 16,
    "action_units": [12],
    "expressions": ["happiness", "sadness", "neutral"],
}
EMBEDDING = {"face_embedding_source": "made up", "face_embedding_size": 8}


def tiny_feallm(text: str = "llama", seed: int = 0, **changes) -> FeallmForConditionalGeneration:
    """FEALLM of tiny CLIP and a tiny Llama or Qwen."""
    torch.manual_seed(seed)
    config = FeallmConfig(
        vision_config=CLIPVisionConfig(**VIT),
        text_config=LlamaConfig(**TEXT) if text == "llama" else Qwen2Config(**TEXT),
        conv_channels=[4, 8],
        crop_size=16,
        lca_num_heads=2,
        mpp_num_heads=2,
        **{**SHARED, **changes},
    )
    return FeallmForConditionalGeneration(config).eval()


def tiny_emo_llama(seed: int = 0, **changes) -> EmoLlamaForConditionalGeneration:
    """EMO-LLaMA of tiny CLIP, Q-Former and Llama."""
    torch.manual_seed(seed)
    qformer = InstructBlipQFormerConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=32,
    )
    config = EmoLlamaConfig(
        vision_config=CLIPVisionConfig(**VIT),
        text_config=LlamaConfig(**TEXT),
        qformer_config=qformer,
        num_query_tokens=4,
        landmark_layout="ibug68",
        landmark_dim=2,
        blendshapes=["jawOpen"],
        num_clue_tokens=3,
        clue_heads=2,
        **{**SHARED, **EMBEDDING, **changes},
    )
    return EmoLlamaForConditionalGeneration(config).eval()


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    core = Tokenizer(models.WordLevel({w: i for i, w in enumerate(VOCABULARY)}, unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token="<pad>",
        unk_token="<unk>",
        bos_token="<s>",
        eos_token="</s>",
        extra_special_tokens=["<image>", "<user>", "<assistant>"],
        padding_side="left",
    )


def tiny_processor(model: FeallmForConditionalGeneration) -> FeallmProcessor:
    return FeallmProcessor(
        image_processor=FeallmImageProcessor(size=model.config.image_size, native_size=24),
        tokenizer=tiny_tokenizer(),
        num_image_tokens=model.config.num_image_tokens,
    )


def text_batch(model, count: int = 2, length: int = 6, seed: int = 0) -> dict[str, torch.Tensor]:
    """Random pictures with random conversations, all text supervised."""
    generator = torch.Generator().manual_seed(seed)
    size, pictures = model.config.image_size, model.config.num_image_tokens
    words = torch.randint(7, len(VOCABULARY), (count, length), generator=generator)
    image = torch.full((count, pictures), model.config.image_token_id)
    ids = torch.cat((image, words), 1)
    return {
        "pixel_values": torch.randn(count, 3, size, size, generator=generator),
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "labels": torch.cat((torch.full_like(image, -100), words), 1),
    }
