"""Turns conversations into token ids, with labels on what the model is to write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mien.models.chat import answer_mask, render
from mien.models.priors import FacePriors
from mien.train.rows import RowsError

IGNORED = -100
"""Label of a token that is not learned."""


@dataclass(frozen=True, slots=True)
class Talk:
    """A conversation as numbers.

    Attributes:
        ids: token ids, pictures as their placeholders.
        labels: the same at what is to be written, `IGNORED` elsewhere.
    """

    ids: list[int]
    labels: list[int]


class TalkEncoder:
    """Makes what the processor's `apply_chat_template` makes, without opening a picture.

    Args:
        processor: of one of mien's models, with a fast tokenizer.

    Raises:
        RowsError: if the tokenizer cannot tell where its tokens stand, or takes the placeholder
            apart.
    """

    def __init__(self, processor: Any) -> None:
        self.processor, self.tokenizer = processor, processor.tokenizer
        name = getattr(self.tokenizer, "name_or_path", "") or type(self.tokenizer).__name__
        if not self.tokenizer.is_fast:
            raise RowsError(
                f"tokenizer {name}: cannot tell where its tokens stand; take the fast one "
                "(tokenizer.json)"
            )
        mark = processor.image_token
        ids = self.tokenizer(mark, add_special_tokens=False)["input_ids"]
        if ids != [processor.image_token_id]:
            raise RowsError(
                f"tokenizer {name}: {mark!r} is not one token but {ids}; add it to the tokenizer "
                "as a special token, as `mien init` does"
            )

    def __call__(
        self,
        turns: Sequence[tuple[str, str]],
        *,
        given: int = 0,
        frames: int = 1,
        priors: Sequence[FacePriors | None] | None = None,
        name: str = "row",
    ) -> Talk:
        """Encode one conversation about one picture or clip.

        Args:
            turns: questions and answers.
            given: first characters of the first answer that are not learned.
            frames: of the clip; 1 for a picture.
            priors: of each frame; their attributes may stand in the prompt.
            name: of the row, for messages.

        Raises:
            RowsError: if nothing in it is to be learned, or the placeholders do not fit.
        """
        mark = self.processor.image_token
        messages = []
        for number, (question, answer) in enumerate(turns):
            picture = [{"type": "image"}] if number == 0 else []
            words = [{"type": "text", "text": question.replace(mark, "")}]
            messages.append({"role": "user", "content": picture + words})
            said = [{"type": "text", "text": answer.replace(mark, "")}]
            messages.append({"role": "assistant", "content": said})
        (text,), (spans,) = render(self.processor, [messages], None)
        place = self._place(frames, priors)
        written = text.replace(mark, place, 1)
        bos = self.tokenizer.bos_token
        inputs = self.tokenizer(
            written,
            add_special_tokens=not (bos and text.startswith(bos)),
            return_offsets_mapping=True,
        )
        ids = list(inputs["input_ids"])
        answers = [
            (start + given if i == 0 else start, end) for i, (start, end) in enumerate(spans)
        ]
        mask = answer_mask(
            text,
            answers,
            inputs["offset_mapping"],
            image_token=mark,
            added=[len(place) - len(mark)],
        )
        wanted = self.processor.num_image_tokens * frames
        if ids.count(self.processor.image_token_id) != wanted:
            raise RowsError(
                f"{name}: {ids.count(self.processor.image_token_id)} placeholders of the picture "
                f"came out of the tokenizer instead of {wanted}; tokenizer and processor do not "
                "belong together"
            )
        if not any(mask) or not any(answer.strip() for _, answer in turns):
            raise RowsError(
                f"{name}: nothing in it is to be learned: its answer is empty, or the chat "
                "template marks no answer between {% generation %} and {% endgeneration %}"
            )
        labels = [token if learned else IGNORED for token, learned in zip(ids, mask, strict=True)]
        return Talk(ids, labels)

    def _place(self, frames: int, priors: Sequence[FacePriors | None] | None) -> str:
        """What stands for the picture or clip."""
        if priors is not None and getattr(self.processor, "use_attributes", False):
            (text,) = self.processor.replacements([range(frames)], [list(priors)])
            return str(text)
        return str(self.processor.image_token) * self.processor.num_image_tokens * frames


def example(tokenizer: Any, batch: dict[str, Any], row: int = 0) -> str:
    """One conversation of a batch as text, runs of placeholders shortened, learned parts in [[ ]].

    For the start of a run: what is seen here is what is learned.
    """
    ids = batch["input_ids"][row].tolist()
    learned = (batch["labels"][row] != IGNORED).tolist()
    real = batch["attention_mask"][row].bool().tolist()
    parts: list[str] = []
    start = 0
    while start < len(ids):
        end = start
        while end < len(ids) and (learned[end], real[end]) == (learned[start], real[start]):
            end += 1
        if real[start]:
            text = _shortened(tokenizer, ids[start:end])
            parts.append(f"[[{text}]]" if learned[start] else text)
        start = end
    return "".join(parts)


def _shortened(tokenizer: Any, ids: list[int]) -> str:
    """Text of some tokens, one that is repeated written once with its count."""
    texts: list[str] = []
    start = 0
    while start < len(ids):
        end = start
        while end < len(ids) and ids[end] == ids[start]:
            end += 1
        if end - start > 3:
            texts.append(f"{tokenizer.decode(ids[start : start + 1])} x {end - start} ")
            start = end
        else:
            plain = start
            while plain < len(ids) and ids[plain : plain + 4] != [ids[plain]] * 4:
                plain += 1
            texts.append(tokenizer.decode(ids[start:plain]))
            start = plain
    return "".join(texts)
