"""The instruction text that nano learns, and the tokenizer made from it."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from mien.facs import ACTION_UNITS, EXPRESSIONS
from mien.language import Task, conversation, describe, label_line, prompt_for
from mien.train.random_labels import invented_labels as invent

from .photographs import CLASSES
from .rendered import UNITS

Turn = tuple[str, str]
Present = Mapping[int, float | None]

TASK_SHARES: dict[Task, float] = {
    "analysis": 0.5,
    "expression": 0.06,
    "expression_description": 0.08,
    "au_detection": 0.06,
    "au_description": 0.08,
    "reasoning": 0.1,
    "conversation": 0.12,
}
INVENTED = 0.4
"""Share of analyses whose labels are drawn instead of read: the label line stands in the prompt
there, so the text must follow it whatever the picture, as it must when nano's own numbers are
wrong."""


def present_units(intensities: NDArray[np.float32]) -> dict[int, float | None] | None:
    """Units of one face whose intensity rounds to A or more; None where nothing is known.

    A unit that cannot be seen, or of which a pseudo-label is unsure, is not spoken of.
    """
    if np.isnan(intensities).all():
        return None
    levels = np.floor(np.nan_to_num(intensities) + 0.5)
    return {au: float(n) for au, n in zip(UNITS, levels, strict=True) if n >= 1}


def invented_labels(rng: random.Random) -> tuple[str, dict[int, float | None]]:
    """Labels among those that nano knows, which may or may not make sense together."""
    return invent(rng, UNITS, CLASSES)


WITHOUT_EXPRESSION: tuple[Task, ...] = ("au_detection", "au_description")


def turns(
    expression: str | None, units: Present | None, rng: random.Random
) -> tuple[list[Turn], int]:
    """One conversation about a face.

    Args:
        expression: None where it is unknown; then the face teaches units only.
        units: present units; None where they are unknown.
        rng: chooses task and wording.

    Returns:
        Pairs of question and answer, and how many first characters of the first answer are given
        instead of learned (the label line of an invented analysis).
    """
    task = rng.choices(list(TASK_SHARES), list(TASK_SHARES.values()))[0]
    if expression is None and units is None:
        task = "analysis"  # of invented labels: nothing is known of the face
    elif expression is None and task not in (*WITHOUT_EXPRESSION, "analysis"):
        task = rng.choice(WITHOUT_EXPRESSION)
    if task == "analysis":
        given = rng.random() < INVENTED or units is None or expression is None
        if given:
            expression, units = invented_labels(rng)
        text = describe(task, expression=expression, units=units, rng=rng)
        skip = len(label_line(expression, units)) + 1 if given else 0
        return [(prompt_for(task), text)], skip
    if task == "conversation":
        return conversation(expression=expression, units=units, rng=rng), 0
    if units is None and task != "expression":
        task = "expression_description"
    text = describe(task, expression=expression, units=units, rng=rng)
    return [(prompt_for(task, rng), text)], 0


def corpus(seed: int, count: int) -> Iterator[str]:
    """Text for the tokenizer: conversations over invented labels, and every name once."""
    rng = random.Random(seed)
    for _ in range(count):
        expression, units = invented_labels(rng)
        for question, answer in turns(expression, units, rng)[0]:
            yield question
            yield answer
    for au in ACTION_UNITS:
        for level in ("absent", "A", "B", "C", "D", "E"):
            yield from (f"AU{au} {level}", f" AU{au} ({level})", f"(AU{au})")
    for name in EXPRESSIONS:
        yield from [name, f" {name}", f"{name.capitalize()}."] * 20


def make_tokenizer(seed: int, *, size: int = 1600) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer in which a unit such as AU12 is one token."""
    tokenizer = Tokenizer(models.BPE())
    # A unit is one word to the merges, digits and all.
    pattern = r" ?AU\d+| ?[A-Za-z]+| ?\d+|\n| ?[^\sA-Za-z\d]+|\s+"
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=["<pad>", "<s>", "</s>", "<image>", "<user>", "<assistant>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus(seed, 20_000), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        extra_special_tokens=["<image>", "<user>", "<assistant>"],
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )
