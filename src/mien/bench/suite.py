"""A suite: which faces, which questions, which scores. Read from a small TOML file and checked."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from importlib import resources
from pathlib import Path
from typing import Any, Literal, get_args

from mien import facs
from mien.faces import FINDERS
from mien.untrusted import TextError, toml_value

Kind = Literal[
    "expression",
    "au_detection",
    "expression_description",
    "au_description",
    "reasoning",
    "valence_arousal",
]
Read = Literal["whole", "first"]
Folds = Literal["", "split", "bp4d", "disfa"]
FACES = (*FINDERS, "box")

EXPRESSION_FIGURES = ("war", "uar", "macro_f1")
UNIT_FIGURES = ("au_macro_f1", "au_micro_f1", "au_accuracy", "au_shared_f1")
TEXT_FIGURES = ("rouge_l", "bleu", "words")
REASON_FIGURES = (
    *("rationale_precision", "rationale_recall", "rationale_f1"),
    *("hallucination", "fabricating", "expression_match", "consistency"),
)
FIGURES: Mapping[str, tuple[str, ...]] = {
    "expression": EXPRESSION_FIGURES,
    "au_detection": UNIT_FIGURES,
    "expression_description": (*EXPRESSION_FIGURES, *TEXT_FIGURES, "rege"),
    "au_description": (*UNIT_FIGURES, *TEXT_FIGURES, "rege"),
    "reasoning": (*EXPRESSION_FIGURES, *TEXT_FIGURES, *REASON_FIGURES),
    "valence_arousal": ("ccc_valence", "ccc_arousal", "rmse_valence", "rmse_arousal"),
}
"""What each kind of task is scored by; `parse_rate` stands in all of them."""

ASKS_EXPRESSION: tuple[str, ...] = ("expression", "expression_description", "reasoning")
ASKS_UNITS: tuple[str, ...] = ("au_detection", "au_description")


class SuiteError(ValueError):
    """A suite does not exist or is not well-formed; the message names the file and the field."""


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """One question about every face.

    Attributes:
        kind: what is asked, which decides how the answer is scored.
        prompt: the words, as they are sent.
        name: unique in the suite; the kind where there is one task of it.
        system: instructions before it, or None.
        max_tokens: longest answer, in tokens of the model.
        read: "whole" reads labels from the whole answer, "first" from its first line or sentence.
        metrics: figures for the headline, out of `FIGURES`.
        own_prompt: attribute that holds a sample's own question, which is asked instead of
            `prompt` where there is one.
    """

    kind: Kind
    prompt: str
    name: str = ""
    system: str | None = None
    max_tokens: int = 256
    read: Read = "whole"
    metrics: tuple[str, ...] = ()
    own_prompt: str | None = None

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise SuiteError(f"kind is {self.kind!r}, not one of {', '.join(get_args(Kind))}")
        if not self.name:
            object.__setattr__(self, "name", self.kind)
        if not self.prompt.strip():
            raise SuiteError(f"the prompt of task {self.name!r} is empty")
        if self.max_tokens < 1:
            raise SuiteError(f"max_tokens of task {self.name!r} is {self.max_tokens}, below 1")
        if self.read not in get_args(Read):
            raise SuiteError(f"read of task {self.name!r} is {self.read!r}, not whole or first")
        known = (*FIGURES[self.kind], "parse_rate")
        for metric in self.metrics:
            if metric not in known:
                raise SuiteError(
                    f"metric {metric!r} of task {self.name!r} is not one of {', '.join(known)}"
                )

    def prompt_hash(self, options: tuple[str, ...] = ()) -> str:
        """SHA-256 of what decides the question: kind, prompt, system, length and options."""
        words = [self.kind, self.prompt, self.own_prompt, self.system]
        return _hash([*words, self.max_tokens, list(options)])

    def question(self, attributes: Mapping[str, str | float]) -> str:
        """The words for one sample."""
        own = attributes.get(self.own_prompt) if self.own_prompt else None
        return own if isinstance(own, str) and own.strip() else self.prompt


@dataclass(frozen=True, slots=True)
class SourceSpec:
    """Where the faces come from.

    Attributes:
        reader: name of a reader of `mien.data.readers`, or "feabench-synth", which is built in.
        split: the split that is read, or None for all.
        options: further options of the reader.
        folds: values of the reader's option `fold` that are read one after the other, each with
            its own split; the samples then carry "fold 1" and so on as their split.
    """

    reader: str
    split: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    folds: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Suite:
    """A benchmark.

    Attributes:
        name, version, title: of the suite; a change that changes a score raises the version.
        about: what it measures and how it differs from a publication, in some sentences.
        paper: the publication that it follows, or None.
        licensed: whether the pictures may not be shown or sent on; False for rendered faces.
        source: where the faces come from.
        tasks: what is asked about each.
        label_set: key of `facs.LABEL_SETS`; a face with another label is not part of the suite.
        units: action units that are scored, in order.
        shared_units: those of them that the model of the paper was trained on, whose mean stands
            beside the full one; empty where this says nothing.
        threshold: intensity from which on a graded unit counts as present; None takes the
            dataset's own word for it.
        folds: where the folds are known from: "split" (the samples' split), "bp4d" and "disfa" (the
            published lists of people); "" where there are none.
        faces: "mediapipe" finds each face, "whole" takes each picture as one face, "box" takes the
            dataset's box, and the whole picture where it has none.
        frames: pictures of a clip that are shown.
        groups: attributes by which results are split.
        published: rows of publications, each with "model", "source" and figures in percent.
    """

    name: str
    version: int
    title: str
    source: SourceSpec
    tasks: tuple[TaskSpec, ...]
    about: str = ""
    paper: str | None = None
    licensed: bool = True
    label_set: str = "basic7"
    units: tuple[int, ...] = ()
    shared_units: tuple[int, ...] = ()
    threshold: float | None = None
    folds: Folds = ""
    faces: str = "mediapipe"
    frames: int = 1
    groups: tuple[str, ...] = ()
    published: tuple[Mapping[str, Any], ...] = ()

    def __post_init__(self) -> None:
        if not re.fullmatch(r"\w[\w.-]{0,99}", self.name):  # names the folder of its answers
            raise SuiteError(
                f"name is {self.name[:120]!r}; use letters, digits, points, _ and -, 100 at most"
            )
        if self.label_set not in facs.LABEL_SETS:
            known = ", ".join(facs.LABEL_SETS)
            raise SuiteError(f"label_set is {self.label_set!r}, not one of {known}")
        for unit in (*self.units, *self.shared_units):
            if unit not in facs.ACTION_UNITS:
                raise SuiteError(f"unit {unit!r} is none that facs.py defines")
        if len(set(self.units)) != len(self.units):
            raise SuiteError(f"units repeat: {list(self.units)}")
        if extra := set(self.shared_units) - set(self.units):
            raise SuiteError(f"shared_units {sorted(extra)} are not among the units")
        if self.faces not in FACES:
            raise SuiteError(f"faces is {self.faces!r}, not one of {', '.join(FACES)}")
        if self.frames < 1:
            raise SuiteError(f"frames is {self.frames}, below 1")
        if self.folds not in get_args(Folds):
            raise SuiteError(f"folds is {self.folds!r}, not one of {', '.join(get_args(Folds))}")
        if self.threshold is not None and not 0 < self.threshold <= 5:
            raise SuiteError(f"threshold is {self.threshold}, outside (0, 5]")
        if not self.tasks:
            raise SuiteError("there are no tasks")
        names = [task.name for task in self.tasks]
        if len(set(names)) != len(names):
            raise SuiteError(f"tasks need different names: {', '.join(names)}")
        if not self.units and any(task.kind in ASKS_UNITS for task in self.tasks):
            raise SuiteError("units are missing, but a task asks for them")

    def options_of(self, task: TaskSpec, scoring: str) -> tuple[str, ...]:
        """The answers that are scored by likelihood; empty where words are asked for."""
        if scoring == "likelihood" and task.kind == "expression":
            return facs.LABEL_SETS[self.label_set]
        return ()

    def prompt_hashes(self, scoring: str = "text") -> dict[str, str]:
        """Task to the hash of its question."""
        return {t.name: t.prompt_hash(self.options_of(t, scoring)) for t in self.tasks}

    def hash(self) -> str:
        """SHA-256 of all that decides questions and scores; titles and remarks are left out."""
        words = ("title", "about", "paper", "published", "licensed")
        return _hash({k: v for k, v in self.to_dict().items() if k not in words})

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return json.loads(json.dumps(asdict(self)))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Suite:
        """Reads what `to_dict` wrote, or the content of a suite file.

        Raises:
            SuiteError: on a missing, unknown or wrong field.
        """
        data = dict(data)
        try:
            source = _made(SourceSpec, data.pop("source"), "source")
            tasks = tuple(_made(TaskSpec, task, "tasks") for task in data.pop("tasks"))
        except KeyError as error:
            raise SuiteError(f"the field {error} is missing") from None
        return _made(cls, {**data, "source": source, "tasks": tasks}, "the suite")


def list_suites() -> tuple[str, ...]:
    """Names of the suites that come with mien."""
    folder = resources.files("mien.bench").joinpath("suites")
    names = (entry.name for entry in folder.iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml")))


def load_suite(name: str) -> Suite:
    """A suite by name, or from a file.

    Args:
        name: one of `list_suites`, or the path of a .toml file.

    Raises:
        SuiteError: if there is none, or it is not well-formed.
    """
    if name.endswith(".toml"):
        try:
            text = Path(name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise SuiteError(f"{name}: cannot be read ({error})") from None
        return _load(text, name)
    if name not in list_suites():
        known = ", ".join(list_suites())
        raise SuiteError(
            f"there is no suite {name!r}; there are {known}, and a path of your own .toml file"
        )
    file = resources.files("mien.bench").joinpath("suites", f"{name}.toml")
    return _load(file.read_text(encoding="utf-8"), f"{name}.toml")


def _load(text: str, where: str) -> Suite:
    try:
        return Suite.from_dict(toml_value(text, where))
    except TextError as error:
        raise SuiteError(str(error)) from None
    except SuiteError as error:
        raise SuiteError(f"{where}: {error}") from None


def _made(cls: Any, data: Any, where: str) -> Any:
    if not isinstance(data, Mapping):
        raise SuiteError(f"{where} is {data!r}, not a table")
    known = [f.name for f in fields(cls)]
    if unknown := sorted(set(data) - set(known)):
        raise SuiteError(f"{where} has no field {', '.join(unknown)}; it has {', '.join(known)}")
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in data.items()}
    try:
        return cls(**values)
    except TypeError as error:
        raise SuiteError(f"{where}: {str(error).removeprefix(cls.__name__ + '.')}") from None


def _hash(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
