"""Tiny random models of the families that docs/models.md names, saved as folders."""

from collections.abc import Callable
from pathlib import Path

import torch
from transformers import (
    BlipImageProcessorPil,
    Gemma3Config,
    Gemma3ForConditionalGeneration,
    Gemma3ImageProcessorPil,
    Gemma3Processor,
    InstructBlipConfig,
    InstructBlipForConditionalGeneration,
    InstructBlipProcessor,
    PaliGemmaConfig,
    PaliGemmaForConditionalGeneration,
    PaliGemmaProcessor,
    Qwen2VLImageProcessorPil,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
    SiglipImageProcessorPil,
    SmolVLMConfig,
    SmolVLMForConditionalGeneration,
    SmolVLMImageProcessorPil,
)

from tests.engines.tiny_chat import TEMPLATE, save_llava, save_qwen, text_settings, tiny_tokenizer

VISION = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": 32,
    "patch_size": 8,
}
SIDES = {"height": 32, "width": 32}


def save_smolvlm(folder: Path) -> None:
    """As the hub has it: its processor file asks for a video part that needs torchvision."""
    marks = ["<fake_token_around_image>", "<global-img>", "<row_1_col_1>", "<end_of_utterance>"]
    tokenizer = _tokenizer("<image>", marks)
    _save(
        SmolVLMForConditionalGeneration,
        SmolVLMConfig(
            vision_config=VISION,
            text_config={**_text(tokenizer), "model_type": "llama"},
            image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
            scale_factor=2,
        ),
        folder,
    )
    pictures = SmolVLMImageProcessorPil(
        size={"longest_edge": 64}, max_image_size={"longest_edge": 32}
    )
    pictures.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "processor_config.json").write_text(
        '{"image_seq_len": 4, "processor_class": "SmolVLMProcessor"}'
    )


def save_qwen3(folder: Path) -> None:
    marks = ("<|image_pad|>", "<|video_pad|>", "<|vision_start|>", "<|vision_end|>")
    picture = "<|vision_start|><|image_pad|><|vision_end|>"
    tokenizer = tiny_tokenizer(TEMPLATE.replace("PICTURE", picture))
    image, video, start, end = (tokenizer.convert_tokens_to_ids(mark) for mark in marks)
    rope = {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 10000.0}
    _save(
        Qwen3VLForConditionalGeneration,
        Qwen3VLConfig(
            text_config={**_text(tokenizer), "head_dim": 8, "rope_parameters": rope},
            vision_config={
                "depth": 2,
                "hidden_size": 16,
                "intermediate_size": 32,
                "num_heads": 2,
                "patch_size": 4,
                "out_hidden_size": 32,
                "num_position_embeddings": 64,
                "deepstack_visual_indexes": [0],
            },
            image_token_id=image,
            video_token_id=video,
            vision_start_token_id=start,
            vision_end_token_id=end,
        ),
        folder,
    )
    Qwen2VLImageProcessorPil(
        patch_size=4, merge_size=2, temporal_patch_size=2, min_pixels=64, max_pixels=1024
    ).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def save_gemma3(folder: Path) -> None:
    marks = {"image_token": "<picture>", "boi_token": "<start>", "eoi_token": "<end>"}
    tokenizer = _tokenizer("<start>", [])
    tokenizer.add_special_tokens({"additional_special_tokens": list(marks.values())})
    for name, mark in marks.items():
        setattr(tokenizer, name, mark)
        tokenizer.init_kwargs[name] = mark
        setattr(tokenizer, f"{name}_id", tokenizer.convert_tokens_to_ids(mark))
    _save(
        Gemma3ForConditionalGeneration,
        Gemma3Config(
            text_config={**_text(tokenizer), "head_dim": 8, "sliding_window": 64},
            vision_config={**VISION, "vision_use_head": False},
            mm_tokens_per_image=4,
            image_token_index=tokenizer.convert_tokens_to_ids("<picture>"),
            boi_token_index=tokenizer.convert_tokens_to_ids("<start>"),
            eoi_token_index=tokenizer.convert_tokens_to_ids("<end>"),
        ),
        folder,
    )
    Gemma3Processor(
        Gemma3ImageProcessorPil(size=SIDES),
        tokenizer,
        chat_template=tokenizer.chat_template,
        image_seq_length=4,
    ).save_pretrained(folder)


def save_instructblip(folder: Path) -> None:
    """Without a chat template, and with a tokenizer of its own for the Q-Former."""
    tokenizer, reader = _tokenizer(None, []), _tokenizer(None, [])
    _save(
        InstructBlipForConditionalGeneration,
        InstructBlipConfig(
            vision_config=VISION,
            qformer_config={
                **{k: v for k, v in VISION.items() if "size" not in k},
                "vocab_size": len(reader),
                "hidden_size": 16,
                "intermediate_size": 32,
                "max_position_embeddings": 40,
            },
            text_config={**_text(tokenizer), "model_type": "llama"},
            num_query_tokens=4,
            image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        ),
        folder,
    )
    InstructBlipProcessor(
        BlipImageProcessorPil(size=SIDES), tokenizer, reader, num_query_tokens=4
    ).save_pretrained(folder)


def save_paligemma(folder: Path) -> None:
    """Without a chat template; its processor adds 1,152 tokens for places and outlines."""
    tokenizer = _tokenizer(None, [])
    pictures = SiglipImageProcessorPil(size=SIDES)
    pictures.image_seq_length = 16
    processor = PaliGemmaProcessor(pictures, tokenizer)
    _save(
        PaliGemmaForConditionalGeneration,
        PaliGemmaConfig(
            vision_config={**VISION, "model_type": "siglip_vision_model", "vision_use_head": False},
            text_config={**_text(tokenizer), "model_type": "gemma", "head_dim": 8},
            projection_dim=32,
            image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        ),
        folder,
    )
    processor.save_pretrained(folder)


CONVERSING: dict[str, Callable[[Path], None]] = {
    "llava": save_llava,
    "qwen2.5-vl": save_qwen,
    "qwen3-vl": save_qwen3,
    "smolvlm": save_smolvlm,
    "gemma3": save_gemma3,
}
"""Families with a chat template."""

PLAIN: dict[str, Callable[[Path], None]] = {
    "instructblip": save_instructblip,
    "paligemma": save_paligemma,
}
"""Families without one."""


def _tokenizer(picture: str | None, marks: list[str]):
    tokenizer = tiny_tokenizer(TEMPLATE.replace("PICTURE", picture or ""))
    if picture is None:
        tokenizer.chat_template = None
    if marks:
        tokenizer.add_special_tokens({"additional_special_tokens": marks})
    return tokenizer


def _text(tokenizer) -> dict:
    return {**text_settings(len(tokenizer)), "num_key_value_heads": 2}


def _save(kind, config, folder: Path) -> None:
    torch.manual_seed(0)
    model = kind(config)
    for weight in model.parameters():
        if weight.dim() > 1:  # as they begin, some are zero and let no picture by
            torch.nn.init.normal_(weight, std=0.2)
    model.save_pretrained(folder)
