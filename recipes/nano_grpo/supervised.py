"""The control: the same prompts with their own answers, learned as in supervised training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mien.language import prompt_for

from .faces import Item


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


class Supervised(nn.Module):
    """A model with the loss of its answers, in the form of `GrpoObjective`."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Without the head, which is the embedding and may not be saved twice."""
        state = super().state_dict(*args, **kwargs)
        return {k: v for k, v in state.items() if not k.endswith("lm_head.weight")}

    def forward(self, **batch: Tensor) -> dict[str, Any]:
        """The mean loss over all tokens of the answers."""
        return {"loss": self.model(**batch).loss, "figures": {}}
