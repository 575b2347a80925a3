"""Cached clips and stills to batches: what varies from visit to visit, targets, and words."""

from __future__ import annotations

import json
import random
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from mien.language import prompt_for
from mien.models import EmoLlamaProcessor
from mien.models.emo_llama.attribute_sentence import attribute_sentence
from mien.models.priors.face_priors import Attribute, FacePriors
from recipes.nano.words import present_units, turns

from .fer2013_faces import CLASSES
from .looked import Looked
from .splice import Frames, Splicer

Item = tuple[str, tuple[int, ...], bool]
"""A whole batch: name of the set, its rows, and whether it trains."""


class Plan(torch.utils.data.Dataset[Item]):
    """Batches drawn beforehand, so that a resumed run sees the same ones.

    Args:
        batches: in order.
    """

    def __init__(self, batches: list[Item]):
        self.batches = batches

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, i: int) -> Item:
        return self.batches[i]


def training_plan(
    sets: dict[str, tuple[Looked, int, int]], *, seed: int, limit: int | None = None
) -> Plan:
    """Batches of several sets, mixed evenly over the run.

    Args:
        sets: name to the set, how often it is gone over, and the size of its batches.
        seed: of the order.
        limit: most batches of the whole.
    """
    rng = np.random.default_rng(seed)
    placed: list[tuple[float, Item]] = []
    for name, (looked, visits, size) in sets.items():
        rows = np.concatenate([rng.permutation(len(looked)) for _ in range(visits)])
        parts = [rows[i : i + size] for i in range(0, len(rows) - size + 1, size)]
        for number, part in enumerate(parts):
            item = (name, tuple(int(r) for r in part), True)
            placed.append(((number + rng.random()) / len(parts), item))
    ordered = [item for _, item in sorted(placed, key=lambda pair: pair[0])]
    if limit is not None and limit < len(ordered):
        ordered = [ordered[i] for i in np.linspace(0, len(ordered) - 1, limit).astype(int)]
    return Plan(ordered)


def scoring_plan(name: str, looked: Looked, *, size: int) -> Plan:
    """All clips of a set in order."""
    rows = range(len(looked))
    return Plan([(name, tuple(rows[i : i + size]), False) for i in range(0, len(rows), size)])


class Collator:
    """Makes the batch of an `Item`.

    In training a clip may run backwards, lose some frames, show moments of another clip of the same
    person (`splice`), or be one frame alone, whose own units are learned.

    Args:
        sets: by name.
        processor: of the model.
        seed: of what varies.
        attributes: tell age, gender and race of the face model's people in the prompt.
        text_share: share of a batch that carries text.
        spliced: share of the clips that another one is cut into.
        single: share of the batches of clips that are single frames.
    """

    def __init__(
        self,
        sets: dict[str, Looked],
        processor: EmoLlamaProcessor,
        *,
        seed: int,
        attributes: bool = False,
        text_share: float = 0.25,
        spliced: float = 0.0,
        single: float = 0.0,
    ):
        self.sets, self.processor, self.attributes = sets, processor, attributes
        self.seed, self.text_share = seed, text_share
        self.spliced, self.single = spliced, single
        self.words = prompt_for("analysis")
        self.splicers = {
            name: Splicer(looked)
            for name, looked in sets.items()
            if spliced and looked.found.shape[1] > 1
        }

    def __call__(self, items: list[Item]) -> dict[str, Any]:
        ((name, rows, train),) = items
        looked, rng = self.sets[name], random.Random(f"{self.seed} {name} {rows} {train}")
        stills = looked.found.shape[1] == 1
        single = train and not stills and rng.random() < self.single
        frames = [self._frames(looked.found[row], row, rng, train) for row in rows]
        known, units = looked.labels[list(rows)], looked.units[list(rows)]
        if single:
            frames = [[rng.choice(f)] for f in frames]
            known, units = np.full_like(known, -1), looked.frame_units[*np.array(frames)[:, 0].T]
        elif train and name in self.splicers:
            for i, row in enumerate(rows):
                if rng.random() < self.spliced:
                    cut = self.splicers[name](row, frames[i], rng)
                    frames[i], known[i], units[i] = cut.frames, cut.label, cut.units
        clips = self._clips(looked, frames)
        counts = [len(f) for f in frames]
        sentences = [self._sentence(looked, row) for row in rows]
        labels = torch.from_numpy(known)
        targets = F.one_hot(labels.clamp(min=0), len(CLASSES)).float() * (labels >= 0)[:, None]
        batch: dict[str, Any] = {
            "clips": clips | self._read([self.words] * len(rows)),
            "prefix": self._prefix(counts, sentences),
            "labels": targets,
            "units": torch.from_numpy(units),
        }
        if train:
            smooth = targets.sum(-1, keepdim=True) / len(CLASSES)
            batch["labels"] = 0.9 * targets + 0.1 * smooth
            if stills:  # clips are what nano does not read
                batch["soft_expression"] = torch.from_numpy(looked.expression[list(rows), 0])
                batch["soft_levels"] = torch.from_numpy(looked.levels[list(rows), 0])
            count = 0 if single else int(len(rows) * self.text_share)
            if count:
                batch |= self._texts(known[:count], units, counts, sentences, rng)
        return batch

    def _frames(self, found: Any, row: int, rng: random.Random, train: bool) -> Frames:
        there: list[int] = np.flatnonzero(found).tolist()
        if not there:
            there = [0]  # zeros: a clip without a face still gets an answer
        if train and len(there) > 4:
            lost = rng.sample(range(len(there)), rng.randint(0, 2))
            there = [frame for i, frame in enumerate(there) if i not in lost]
        if train and rng.random() < 0.5:
            there = there[::-1]
        return [(row, frame) for frame in there]

    def _clips(self, looked: Looked, frames: list[Frames]) -> dict[str, Tensor]:
        """Features and priors of the frames, padded."""
        longest = max(len(f) for f in frames)
        mask = torch.tensor([[int(i < len(f)) for i in range(longest)] for f in frames])
        filled = [f + [f[0]] * (longest - len(f)) for f in frames]
        row, index = np.array(filled).transpose(2, 0, 1)  # each (B, F)
        tokens = torch.from_numpy(looked.tokens[row, index].astype(np.float32))  # (B, F, V, C)
        none = torch.from_numpy(looked.found[row, index])[..., None]
        return {
            "vision_tokens": tokens,
            "frame_mask": mask,
            "face_embedding": tokens.mean(2).masked_fill(~none, torch.nan),
            "landmarks": torch.from_numpy(looked.landmarks[row, index].astype(np.float32)),
            "pose": torch.from_numpy(looked.pose[row, index]),
            "blendshapes": torch.from_numpy(looked.blendshapes[row, index].astype(np.float32)),
        }

    def _read(self, instructions: list[str]) -> dict[str, Tensor]:
        read: Any = self.processor.instruction_inputs(instructions)
        return dict(read)

    def _sentence(self, looked: Looked, row: int) -> str:
        if not self.attributes:
            return ""
        known = attributes_of(json.loads(str(looked.attributes[row])))
        sentence = attribute_sentence([FacePriors(attributes=known)], threshold=0.0)
        return sentence + " " if sentence else ""

    def _start(self, count: int, sentence: str, asked: str) -> str:
        processor = self.processor
        picture = processor.image_token * (processor.num_image_tokens * count)
        return f"{processor.tokenizer.bos_token}<user>{picture}{sentence}{asked}<assistant>"

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self.processor.tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def _prefix(self, counts: list[int], sentences: list[str]) -> dict[str, Tensor]:
        ids = [
            self._ids(self._start(n, sentence, self.words))
            for n, sentence in zip(counts, sentences, strict=True)
        ]
        return self._padded(ids)

    def _padded(self, ids: list[list[int]]) -> dict[str, Tensor]:
        """Left-padded ids and mask."""
        length, pad = max(map(len, ids)), self.processor.tokenizer.pad_token_id
        return {
            "input_ids": torch.tensor([[pad] * (length - len(i)) + i for i in ids]),
            "attention_mask": torch.tensor([[0] * (length - len(i)) + [1] * len(i) for i in ids]),
        }

    def _texts(
        self,
        known: NDArray[np.int64],
        units: NDArray[np.float32],
        counts: list[int],
        sentences: list[str],
        rng: random.Random,
    ) -> dict[str, Any]:
        """Conversations about the first clips, labels on what the model is to write."""
        sequences, targets, asked_first = [], [], []
        end = self.processor.tokenizer.eos_token_id
        for label, shown, count, sentence in zip(known, units, counts, sentences, strict=False):
            expression = CLASSES[label] if label >= 0 else None
            talk, skip = turns(expression, present_units(shown), rng)
            ids: list[int] = []
            labels: list[int] = []
            for number, (asked, answer) in enumerate(talk):
                cut = skip if number == 0 else 0
                start = (
                    self._start(count, sentence, asked)
                    if number == 0
                    else (f"<user>{asked}<assistant>")
                )
                given = self._ids(start + answer[:cut])
                learned = [*self._ids(answer[cut:]), end]
                ids += given + learned
                labels += [-100] * len(given) + learned
            sequences.append(ids)
            targets.append(labels)
            asked_first.append(talk[0][0])
        text = self._padded(sequences)
        length = text["input_ids"].shape[1]
        text["labels"] = torch.tensor([[-100] * (length - len(t)) + t for t in targets])
        return {"text": text, "text_question": self._read(asked_first)}


def attributes_of(known: dict[str, Any]) -> dict[str, Attribute]:
    """A face model's attributes of a person as priors: age in tens, gender, strongest ancestry."""
    found = {}
    if "age" in known:
        decade = int(float(known["age"])) // 10 * 10
        found["age"] = Attribute(f"{decade}-{decade + 9}", 1.0)
    if "gender" in known:
        found["gender"] = Attribute(str(known["gender"]), 1.0)
    if "ancestry" in known:
        found["race"] = Attribute(str(known["ancestry"]), 1.0)
    return found
