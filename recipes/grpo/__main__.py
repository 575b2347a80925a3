"""GRPO with TRL: a vision-language model learns from rewards of the answers that it writes.

python -m recipes.grpo --model MODEL --rows FOLDER --output_dir FOLDER [--max_steps 500 ...]

MODEL is a FEALLM or any other model of Hugging Face for pictures and text; FOLDER is what `mien
data build` wrote. Every field of TRL's GRPOConfig is an option, too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from datasets import Dataset
from peft import LoraConfig
from PIL import Image
from transformers import AutoConfig, AutoModelForImageTextToText, HfArgumentParser
from trl import GRPOConfig, GRPOTrainer

import mien.models  # noqa: F401  (registers FEALLM with the Auto classes)
from mien.data.build.instruction_row import turns_of
from mien.engines.load import EMBEDDED, OWN_TYPES
from mien.engines.pictures import SURROUNDED
from mien.engines.pil_processor import load_processor
from mien.faces import CropSpec
from mien.models.multimodal import LORA_TARGETS
from mien.rewards import REWARDS, checkable, columns_of
from mien.train.faces import CACHE_FOLDER, FaceCrops
from mien.train.mapped import kept_beside
from mien.train.rows import InstructionRows
from mien.train.start_model import load_start

CARRIED = {
    "input_ids", "attention_mask", "pixel_values", "image_grid_thw", "pixel_attention_mask",
    "spatial_shapes", "image_sizes", "token_type_ids", "mm_token_type_ids", "image_position_ids",
}  # fmt: skip
"""Inputs that TRL 1.16 hands on to the model when it learns; others it drops without a word."""


@dataclass
class Options:
    """What is learned, and from what."""

    model: str = field(metadata={"help": "folder, name on the Hub, or mien/nano"})
    rows: Path = field(metadata={"help": "folder or file of `mien data build`"})
    root: Path | None = field(default=None, metadata={"help": "folder of the pictures"})
    faces: Literal["find", "given"] = field(
        default="find", metadata={"help": "find the face, or take pictures as face crops"}
    )
    lora_rank: int = field(default=64, metadata={"help": "of the adapters on the decoder"})
    lora_targets: str = field(
        default=LORA_TARGETS, metadata={"help": "regular expression: layers with adapters"}
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the recipe; a run that was stopped goes on from its last checkpoint."""
    parser = HfArgumentParser([Options, GRPOConfig], description=__doc__)
    options, config = parser.parse_args_into_dataclasses(arguments)
    config.disable_dropout = True
    trainer = setup(options, config)
    trainer.train(resume_from_checkpoint=any(Path(config.output_dir).glob("checkpoint-*")))
    trainer.save_model(config.output_dir)
    print(f"adapters are in {config.output_dir}; `mien merge` folds them into a FEALLM")


def setup(options: Options, config: GRPOConfig) -> GRPOTrainer:
    """Model, questions and rewards, put into TRL's trainer."""
    model, processor, own = load(options.model, bf16=bool(config.bf16))
    spec = model.config.crop_spec if own else SURROUNDED
    dataset = questions(options.rows, options.root, spec, faces=options.faces)
    check_inputs(processor, dataset)
    image = getattr(model.config, "image_token_id", None)
    if image is not None:  # there is no picture behind one in an answer
        config.generation_kwargs = {"suppress_tokens": [image], **(config.generation_kwargs or {})}
    trainer = GRPOTrainer(
        model=model,
        reward_funcs=list(REWARDS),
        args=config,
        train_dataset=dataset,
        processing_class=processor,
        peft_config=LoraConfig(
            r=options.lora_rank,
            lora_alpha=2 * options.lora_rank,
            target_modules=options.lora_targets,
            modules_to_save=list(model.own_modules) if own else None,
        ),
    )
    for module in trainer.model.modules():  # or the model would differ from itself by chance
        if isinstance(getattr(module, "attention_dropout", None), float):
            module.attention_dropout = 0.0
    for parameter in trainer.model.parameters():
        if parameter.requires_grad:  # small steps are lost in half precision
            parameter.data = parameter.data.float()
    return trainer


def load(name: str, *, bf16: bool) -> tuple[Any, Any, bool]:
    """A model, its processor, and whether it is one of mien's."""
    precision = "bf16" if bf16 else "float32"
    if name in EMBEDDED or AutoConfig.from_pretrained(name).model_type in OWN_TYPES:
        return *load_start(name, precision=precision), True
    model = AutoModelForImageTextToText.from_pretrained(
        name, dtype="bfloat16" if bf16 else "float32"
    )
    return model, load_processor(name, model.config), False


def questions(place: Path, root: Path | None, spec: CropSpec, *, faces: str = "find") -> Dataset:
    """The first question of every row that a reward can check, with its face.

    Left out are clips, tasks without a reward, rows whose labels do not say what the task asks for,
    and pictures in which no face is found.

    Returns:
        Columns `prompt`, `image` (opened when a row is read) and those of `columns_of`.
    """
    rows = InstructionRows(place, root=root)
    crops = FaceCrops(spec, faces=faces, folder=kept_beside(place, CACHE_FOLDER))

    def face(row: dict[str, Any]) -> Any:
        return crops(rows.open_pictures(row, clip_frames=1)[0])

    asked = []
    for number in range(len(rows)):
        row = rows[number]
        columns = columns_of(row)
        picture = len(row["images"] or ()) == 1 and not row["videos"]
        if picture and checkable(columns) and (faces == "given" or face(row) is not None):
            prompt = [{"role": "user", "content": turns_of(row)[0][0]}]
            asked.append({"row": number, "prompt": prompt, **columns})
    if not asked:
        raise SystemExit(f"{place}: no row has a face, a task and labels that a reward can check")
    print(f"{len(asked):,} of {len(rows):,} rows can be checked")
    return Dataset.from_list(asked).with_transform(_shown(lambda number: face(rows[number])))


def _shown(face: Callable[[int], Any]) -> Callable[[dict[str, list[Any]]], dict[str, list[Any]]]:
    def transform(batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
        return {**batch, "image": [Image.fromarray(face(number)) for number in batch["row"]]}

    return transform


def check_inputs(processor: Any, dataset: Dataset) -> None:
    """Refuses a model that would learn without some of what it read when it answered."""
    content = [
        {"type": "image", "image": dataset[0]["image"]},
        {"type": "text", "text": dataset[0]["prompt"][0]["content"]},
    ]
    inputs = processor.apply_chat_template(
        [[{"role": "user", "content": content}]],
        add_generation_prompt=True, tokenize=True, return_dict=True,
    )  # fmt: skip
    if lost := sorted(set(inputs) - CARRIED):
        raise SystemExit(
            f"TRL does not hand on {', '.join(lost)}, which this model reads; it cannot be trained "
            "by GRPOTrainer (docs/grpo.md)"
        )


if __name__ == "__main__":
    main()
