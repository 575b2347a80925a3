"""A conversation about the faces of one picture."""

from __future__ import annotations

import json
import os
import random
import unicodedata
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from mien.chat.hold import Origin, Said, from_numbers, held_words, known_of, whose
from mien.engines import Answer, EngineError, ModelOptions, Request, Responder, load_responder
from mien.engines.analysis import ask_analysis
from mien.engines.answers import task_of
from mien.engines.load import EMBEDDED
from mien.faces import Finder, can_be_whole, crop_face, make_finder
from mien.language import label_line
from mien.language.questions import Question, read_question
from mien.language.words import load
from mien.media import MediaError
from mien.media.memory import pictures, taken
from mien.model_options import USUAL
from mien.partfile import SinkError, write_whole
from mien.schema import Face

if TYPE_CHECKING:
    from mien.models.priors import FacePriors

Words = Literal["auto", "model", "numbers"]

MAX_QUESTION = 1000
"""Longest question in characters; the rest is cut off, with a warning."""
MAX_HISTORY = 12_000
"""Most characters of earlier turns that a model is given; models on this machine are given as many
turns of them as fit into their context."""
MAX_TOKENS = 200


class ChatError(ValueError):
    """There is nothing to talk about; the message says why, and the remedy."""


class NoFaceError(ChatError):
    """No face was found in the picture."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A question and its answer.

    Attributes:
        question: as it was asked, without control characters.
        text: the answer; None where the model gave none, and then a warning says why.
        warnings: what a user should know about it.
        origin: "model" where these are the model's words; "numbers" where the text was made from
            the numbers; "fixed" where no face can tell what was asked.
        face: number of the face.
    """

    question: str
    text: str | None
    warnings: tuple[str, ...] = ()
    origin: Origin = "model"
    face: int = 0


class Chat:
    """Answers questions about a face, true to the numbers that were read from it.

    What no face can tell (who it is, age, gender, a cause, thoughts, health, honesty) is answered
    so, whatever the model. Every other answer of the model is read back: where it departs from the
    numbers, or claims what no face can tell, a text made from the numbers takes its place, with a
    warning. The same picture, model, questions and seed give the same talk, as far as the model
    answers the same each time.

    Args:
        image: path, encoded bytes, open binary file, NumPy array of (H, W, 3) in RGB, torch tensor
            or picture of Pillow.
        model: any form that `mien.engines.load.FORMS` lists.
        face: number of the face, from 0.
        faces: "mediapipe", or "whole" for a picture that is one face crop.
        options: how the model is run.
        **changes: fields of `mien.engines.ModelOptions` instead, such as `device="cpu"`.
        words: who writes the answers: "model"; "numbers", the model being asked only with mien's
            own prompts; or "auto", which is "numbers" for `mien/nano`, which does not follow free
            questions, and "model" for all others.
        seed: for the wording of the texts that are made from the numbers.
        bgr: an array or tensor holds blue first, as OpenCV's do.
        responder, finder: used instead of those that `model` and `faces` name.

    Raises:
        NoFaceError: if there is no face.
        ChatError: if there is no such face, or `words` is unknown.
        MediaError: if the picture cannot be read.
        EngineError: if the model cannot be had or does not answer.
    """

    def __init__(
        self,
        image: Any,
        *,
        model: str = "mien/nano",
        face: int = 0,
        faces: str = "mediapipe",
        words: Words = "auto",
        seed: int = 0,
        bgr: bool = False,
        responder: Responder | None = None,
        finder: Finder | None = None,
        options: ModelOptions = USUAL,
        **changes: Any,
    ) -> None:
        if words not in get_args(Words):
            raise ChatError(f"words is {words!r}; use {', '.join(get_args(Words))}")
        self._process = os.getpid()
        (one,) = taken([image], bgr=bgr)
        (picture,) = pictures([one])
        self.source = picture.source if isinstance(image, str | Path) else "picture"
        if picture.image is None:
            raise MediaError(picture.error)
        self.image = picture.image
        self.faces: list[Face] = (finder or make_finder(faces)).find(self.image)
        if not self.faces:
            crop = can_be_whole(*self.image.shape[:2])
            remedy = "; for a picture that is one face crop use --faces whole"
            raise NoFaceError(f"{self.source}: no face was found" + (remedy if crop else ""))
        self._check(face)
        self.responder = responder or load_responder(model, options=options, **changes)
        self.seed = seed
        self.words: Words = words
        if words == "auto":
            plain = self.responder.name in EMBEDDED
            self.words = "numbers" if plain else "model"
        self._crops: dict[int, NDArray[np.uint8]] = {}
        self._priors: dict[int, tuple[FacePriors | None, ...]] = {}
        self._numbers: dict[int, Answer] = {}
        self._turns: list[Turn] = []
        self._count = 0
        self.face = face
        self.choose(face)

    @property
    def numbers(self) -> Answer:
        """What was read from the chosen face, which every answer is held to."""
        return self._numbers[self.face]

    @property
    def turns(self) -> tuple[Turn, ...]:
        """The talk so far, about all faces."""
        return tuple(self._turns)

    @property
    def sends_to(self) -> str | None:
        """The host that faces are sent to; None where they stay on this machine."""
        return self.responder.sends_to

    def choose(self, face: int) -> None:
        """Goes on with another face; the talk about it, if there was one, goes on too.

        Raises:
            ChatError: if there is no such face.
            EngineError: if the model does not answer.
        """
        self._check(face)
        if face not in self._numbers:
            crop = crop_face(self.image, self.faces[face], self.responder.crop_spec)
            known = tuple(self.responder.face_priors(self.image, [self.faces[face]]))
            self._numbers[face] = self._read(crop, known)
            self._crops[face], self._priors[face] = crop, known
        self.face = face

    def reset(self) -> None:
        """Forgets the talk."""
        self._turns.clear()
        self._count = 0

    def ask(self, text: str) -> Turn:
        """Answers a question.

        Raises:
            ValueError: if the question is empty.
            EngineError: if the model can answer nothing at all, such as for a refused key.
        """
        if os.getpid() != self._process:
            raise EngineError("this talk was begun before the process was forked; begin one here")
        question, warnings = _cleaned(text)
        read = read_question(question)
        rng = random.Random(f"{self.seed} {self._count}")
        told = self.words == "numbers" and task_of(question) is None
        # what another expression would need is known better than any small model can say it
        fixed = told or read.kind in ("beyond", "contrast")
        if fixed:
            turn = self._turn(question, from_numbers(read, known_of(self.numbers), rng), warnings)
        else:
            turn = self._from_model(question, read, rng, warnings)
        self._count += 1
        self._turns.append(turn)
        return turn

    def save(self, path: str | Path) -> None:
        """Writes the talk as JSON lines, a turn a line.

        Raises:
            SinkError: if it cannot be written, or the picture stands there.
        """
        if os.path.realpath(path) == os.path.realpath(self.source):
            raise SinkError(f"cannot write {path}: it is the picture; name another file")
        rows = []
        for turn in self._turns:
            known = known_of(self._numbers[turn.face])
            row = {
                "source": self.source,
                "model": self.responder.name,
                "box": list(self.faces[turn.face].box),
                "labels": label_line(known.expression, known.present),
                **asdict(turn),
            }
            rows.append(json.dumps(row, ensure_ascii=False) + "\n")
        write_whole(Path(path), "".join(rows).encode())

    def close(self) -> None:
        """Frees the model."""
        self.responder.close()

    def _check(self, face: int) -> None:
        if not 0 <= face < len(self.faces):
            count = len(self.faces)
            known = "there is only face 0" if count == 1 else f"faces are 0 to {count - 1}"
            raise ChatError(f"{self.source}: there is no face {face}; {known}")

    def _read(self, crop: NDArray[np.uint8], priors: tuple[FacePriors | None, ...]) -> Answer:
        """The numbers of a face."""
        words = not self.responder.gives_numbers  # the others say in words what they know
        (answer,) = ask_analysis(self.responder, [[crop]], ids=["0"], priors=[priors], words=words)
        if answer.status == "failed":
            raise EngineError(
                f"{self.responder.name} gave no numbers: {'; '.join(answer.warnings)}"
            )
        return answer

    def _turn(self, question: str, said: Said, warnings: Sequence[str]) -> Turn:
        return Turn(question, said.text, (*warnings, *said.warnings), said.origin, self.face)

    def _from_model(
        self, question: str, read: Question, rng: random.Random, warnings: Sequence[str]
    ) -> Turn:
        known = known_of(self.numbers)
        request = Request(
            f"{self._count + 1}",
            (self._crops[self.face],),
            question,
            system=None
            if self.responder.gives_numbers
            else _system(label_line(known.expression, known.present)),
            history=self._history(),
            max_tokens=MAX_TOKENS,
            priors=self._priors[self.face],
        )
        (said,) = self.responder.respond([request])
        notes = (*warnings, *said.warnings)
        if said.status == "failed" or said.text is None:
            return Turn(question, None, (*notes, said.error or "no answer"), "model", self.face)
        text = printable(said.text).strip()
        asked = [turn.question for turn in self._turns] + [question]
        words = whose(held_words(text, read, known, asked, rng), said.warnings)
        return self._turn(question, words, notes)

    def _history(self) -> tuple[tuple[str, str], ...]:
        """The latest answered turns about this face that stay within `MAX_HISTORY`."""
        kept: list[tuple[str, str]] = []
        size = 0
        for turn in reversed(self._turns):
            if turn.face != self.face or turn.text is None:
                continue
            size += len(turn.question) + len(turn.text)
            if size > MAX_HISTORY:
                break
            kept.insert(0, (turn.question, turn.text))
        return tuple(kept)


def printable(text: str) -> str:
    """Text without control characters, which could rewrite a terminal; line ends stay."""
    return "".join(c for c in text if c == "\n" or unicodedata.category(c)[0] != "C")


def _cleaned(text: str) -> tuple[str, tuple[str, ...]]:
    """A question on one line, and a warning where it was cut.

    Raises:
        ValueError: if nothing is left.
    """
    spaced = "".join(" " if c in "\t\r\n\v\f" else c for c in text[: 10 * MAX_QUESTION])
    line = " ".join(printable(spaced).split())
    if not line:
        raise ValueError("the question is empty; ask something about the face")
    if len(line) <= MAX_QUESTION:
        return line, ()
    return line[:MAX_QUESTION], (f"the question was cut after {MAX_QUESTION} characters",)


def _system(labels: str) -> str:
    text: str = load("dialogue.json")["talk"]["system"]
    return text.format(labels=labels or "nothing.")
