"""The control: the same prompts with their own answers, learned as in supervised training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import Trainer, TrainingArguments
from transformers.trainer_utils import get_last_checkpoint

from mien.language import prompt_for
from mien.train.grpo_train import RepeatedBatches
from mien.train.loop import CsvLog

from .faces import Item, Prompts


class AnswerCollator:
    """Prompts with their first answers as token ids, labelled where the answer stands."""

    def __init__(self, processor: Any, answers: Sequence[str]) -> None:
        self.processor, self.answers = processor, answers

    def __call__(self, items: Sequence[Item]) -> dict[str, Tensor]:
        tokenizer = self.processor.tokenizer
        rows = []
        for asked, _ in items:
            given = tokenizer(asked.prompt, add_special_tokens=False)["input_ids"]
            answer = self.answers[asked.index]
            learned = tokenizer(answer, add_special_tokens=False)["input_ids"]
            rows.append((given, [*learned, tokenizer.eos_token_id]))
        length = max(len(given) + len(learned) for given, learned in rows)
        ids = torch.full((len(rows), length), tokenizer.pad_token_id)
        labels = torch.full_like(ids, -100)
        mask = torch.zeros_like(ids)
        for row, (given, learned) in enumerate(rows):
            end = len(given) + len(learned)
            ids[row, :end] = torch.tensor(given + learned)
            labels[row, len(given) : end] = torch.tensor(learned)
            mask[row, :end] = 1
        pictures = self.processor.picture_inputs(
            [crop for _, crop in items], prompt_for("analysis")
        )
        return {"input_ids": ids, "attention_mask": mask, "labels": labels, **pictures}


class _Supervised(Trainer):
    def _get_train_sampler(self, train_dataset: Any = None) -> RepeatedBatches:
        block = self.args.train_batch_size
        return RepeatedBatches(
            len(self.train_dataset), block=block, times=1, seed=int(self.args.seed)
        )


def train_supervised(model: Any, processor: Any, prompts: Prompts, args: TrainingArguments) -> None:
    """Trains in place, with the arguments of the GRPO run."""
    args.eval_strategy = "no"  # type: ignore[assignment]
    trainer = _Supervised(
        model=model,
        args=args,
        train_dataset=prompts,
        data_collator=AnswerCollator(processor, prompts.answers),
        callbacks=[CsvLog(Path(str(args.output_dir)) / "log.csv")],
    )
    trainer.train(resume_from_checkpoint=get_last_checkpoint(str(args.output_dir)))
