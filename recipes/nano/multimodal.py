"""Stage 4: FEALLM on the frozen encoder learns numbers and words from instruction rows.

The training itself is `mien train recipes/nano/multimodal.yaml`; its start model is made here.
"""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import LlamaConfig, PreTrainedTokenizerFast

from mien.models import (
    FeallmConfig,
    FeallmForConditionalGeneration,
    FeallmImageProcessor,
    FeallmProcessor,
)
from mien.train.heads import save_heads
from mien.train.recipe import load_recipe
from mien.train.run import train

from .augment import MEAN, STD
from .encoder import SIZE, FaceEncoder, load_encoder
from .photographs import CLASSES, SINGLE_CLASSES
from .rendered import UNITS

HEADS = "teacher.safetensors"
TAPS = (5, 9, 21, 25)
"""Hidden states of MobileNet v1 that FEALLM reads: the last with 28, 14, 7 and 4 cells a side."""


def build_model(
    encoder: FaceEncoder, tokenizer: PreTrainedTokenizerFast
) -> FeallmForConditionalGeneration:
    """FEALLM around the trained encoder, with a fresh wide and shallow decoder."""
    vision = encoder.encoder
    text = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=384,
        intermediate_size=768,
        num_hidden_layers=2,
        num_attention_heads=6,
        num_key_value_heads=6,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    config = FeallmConfig(
        vision_config=vision.config,
        text_config=text,
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        image_size=SIZE,
        tap_levels=list(TAPS),
        hidden_size=128,
        crop_size=32,
        conv_channels=[16, 32, 64],
        lca_num_heads=4,
        mpp_num_heads=4,
        action_units=list(UNITS),
        expressions=list(CLASSES),
        face_scale=1.07,
        face_shift=[0.0, -0.055],
        face_align=True,
        mirror_average=True,
        label_heads={"fer2013": list(SINGLE_CLASSES)},
    )
    model = FeallmForConditionalGeneration(config)
    model.model.vision_tower.load_state_dict(vision.state_dict())
    model.model.label_heads["fer2013"].load_state_dict(encoder.single.state_dict())
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    return model


def build_processor(
    model: FeallmForConditionalGeneration, tokenizer: PreTrainedTokenizerFast
) -> FeallmProcessor:
    """The processor that makes of a face crop what `augment.plain` makes of a row of FERPlus."""
    image_processor = FeallmImageProcessor(
        size={"height": SIZE, "width": SIZE},
        do_grayscale=True,
        resample=2,  # bilinear
        image_mean=[MEAN] * 3,
        image_std=[STD] * 3,
    )
    return FeallmProcessor(
        image_processor, tokenizer, num_image_tokens=model.config.num_image_tokens
    )


def make_start(
    encoder_run: Path, tokenizer: PreTrainedTokenizerFast, folder: Path, *, seed: int
) -> Path:
    """Writes the model that training starts from, with its processor and its teachers.

    Args:
        encoder_run: folder of `encoder.train_encoder`.
        tokenizer: from `words.make_tokenizer`.
        folder: to write; in it, `HEADS` are the heads of the encoder.
        seed: of the fresh weights.
    """
    if not (folder / "processor_config.json").exists():
        torch.manual_seed(seed)
        network = load_encoder(encoder_run)
        model = build_model(network, tokenizer)
        model.save_pretrained(folder)
        save_heads(network, folder / HEADS, model.config)
        build_processor(model, tokenizer).save_pretrained(folder)
    return folder


def train_multimodal(
    start: Path, instructions: Path, heads: Path, out: Path, *, seed: int, bf16: bool
) -> Path:
    """`mien train` on nano's instruction rows; goes on where it was stopped.

    Args:
        start: of `make_start`.
        instructions: of `instructions.make`.
        heads: the teachers, of `make_start`.
        out: folder of the run.
        seed: of order, augmentation and wording.
        bf16: compute in bfloat16.

    Returns:
        Folder of the trained model.
    """
    recipe = load_recipe(
        Path(__file__).with_name("multimodal.yaml"),
        [
            f"start={start}",
            f"data.train.0.rows={instructions / 'ferplus' / 'train'}",
            f"data.train.1.rows={instructions / 'synth' / 'train'}",
            f"loss.heads={heads}",
            f"stages.0.precision={'bf16' if bf16 else 'float32'}",
            f"seed={seed}",
        ],
    )
    return train(recipe, out=out)
