"""Reads raw answers: labels out of texts, and their overlap with a reference.

Reading takes most of the time of scoring, so identical texts are read once, and many texts are read
by several processes. This module imports language and metrics alone, so that these start quickly.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mien.language import parse
from mien.language.mentions import UnreadableError
from mien.language.visible import visible
from mien.metrics import emola_rouge_l, rouge_l
from mien.metrics.bleu import bleu_sums
from mien.metrics.text import words

MANY = 4000
"""Texts from which on several processes read them."""
_CHUNK = 1000
_FIRST = re.compile(r"\s*(.+?(?:[.!?](?=\s|$)|\n|\Z))", re.DOTALL)
_NUMBER = r"[-+\u2212]?\d*\.?\d+"
_VALENCE = re.compile(rf"valence\W{{1,12}}?(?:is\s+)?({_NUMBER})(?!\s*(?:%|/))", re.IGNORECASE)
_AROUSAL = re.compile(rf"arousal\W{{1,12}}?(?:is\s+)?({_NUMBER})(?!\s*(?:%|/))", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Reading:
    """What one text says.

    Attributes:
        expression: canonical name; None where it names none, or cannot be read.
        units: units that it affirms; None where it says nothing about units, or cannot be read.
        reason: why it cannot be read; None where it can.
    """

    expression: str | None = None
    units: frozenset[int] | None = None
    reason: str | None = None


class Pair(NamedTuple):
    """A text and how it is read.

    Attributes:
        text: of the answer; empty where there is none.
        first: read labels from its first sentence or line alone.
        reference: what its wording is compared with; None where it is not.
        emola: whether the ROUGE-L of REGE is wanted too, which takes its time.
        kind: what was asked, as in `mien.bench.suite.TaskSpec`.
    """

    text: str
    first: bool
    reference: str | None
    emola: bool = False
    kind: str | None = None


class Overlap(NamedTuple):
    """How a text and its reference overlap.

    Attributes:
        rouge: see `rouge_l`.
        emola: see `emola_rouge_l`; NaN where that rule has no score or it is not wanted.
        bleu: (10,) counts of `bleu_sums`.
        length: words of the answer.
    """

    rouge: float
    emola: float
    bleu: NDArray[np.float64]
    length: int


def read_text(text: str, *, kind: str | None = None, first: bool = False) -> Reading:
    """Labels of one text, by the rules of `mien.language.parse`.

    Args:
        text: as the model wrote it.
        kind: what was asked.
        first: read the first sentence or line of the answer alone.
    """
    if first:
        try:
            text = visible(text)
        except UnreadableError as error:
            return Reading(reason=str(error))
        match = _FIRST.match(text)
        text = match[1] if match else text
    parsed = parse(text, kind)
    if parsed.status != "ok":
        return Reading(reason=parsed.reason or "unparsed")
    says = bool(parsed.units or parsed.absent)
    return Reading(parsed.expression, frozenset(parsed.units) if says else None)


def read_valence_arousal(text: str) -> tuple[float, float] | None:
    """Valence and arousal in [-1, 1], where the text states each once or always alike.

    Returns:
        None where one is missing, out of range, or stated in two ways.
    """
    try:
        text = visible(text)
    except UnreadableError:
        return None
    found = []
    for pattern in (_VALENCE, _AROUSAL):
        values = {float(v.replace("\u2212", "-")) for v in pattern.findall(text)}
        if len(values) != 1 or not all(-1 <= v <= 1 for v in values):
            return None
        found.append(values.pop())
    return found[0], found[1]


def overlap(text: str, reference: str, *, emola: bool = False) -> Overlap:
    """Overlap of one answer with its reference; an empty answer overlaps in nothing.

    Thoughts are no part of an answer, and an answer that never leaves them is empty.
    """
    try:
        text = visible(text)
    except UnreadableError:
        text = ""
    return Overlap(
        rouge_l(text, reference),
        emola_rouge_l(text, reference) if emola else math.nan,
        bleu_sums([text], [reference])[0],
        len(words(text)),
    )


def read_all(
    pairs: Sequence[Pair], *, processes: int | None = None
) -> tuple[list[Reading], list[Overlap | None]]:
    """Reads many texts.

    Args:
        pairs: texts with their references.
        processes: how many read at a time; None takes the cores, and one where there are few texts.

    Returns:
        For each pair its labels, and its overlap where it has a reference.
    """
    distinct = list(dict.fromkeys(pairs))
    if processes is None:
        processes = cores() if len(distinct) >= MANY else 1
    chunks = [distinct[i : i + _CHUNK] for i in range(0, len(distinct), _CHUNK)]
    if processes > 1 and len(chunks) > 1:
        # spawned, since a fork of a process with threads (of torch, of an endpoint) may hang
        with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
            done = list(pool.map(_read_chunk, chunks))
    else:
        done = [_read_chunk(chunk) for chunk in chunks]
    found = dict(zip(distinct, (one for chunk in done for one in chunk), strict=True))
    readings, overlaps = [], []
    for pair in pairs:
        reading, overlapping = found[pair]
        readings.append(reading)
        overlaps.append(overlapping)
    return readings, overlaps


def cores() -> int:
    """Cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        return os.cpu_count() or 1


def _read_chunk(pairs: Iterable[Pair]) -> list[tuple[Reading, Overlap | None]]:
    labels: dict[tuple[str, bool, str | None], Reading] = {}
    rows = []
    for text, first, reference, emola, kind in pairs:
        key = (text, first, kind)
        if key not in labels:
            labels[key] = read_text(text, kind=kind, first=first)
        compared = None if reference is None else overlap(text, reference, emola=emola)
        rows.append((labels[key], compared))
    return rows
