"""What a set is built with: everything that decides its bytes, kept beside it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from mien._version import __version__
from mien.data.build.tasks import DEFAULT_TASKS, check_tasks
from mien.data.checks.rules import CheckRules

Format = Literal["jsonl", "parquet"]


class BuildError(ValueError):
    """A set cannot be built; the message names the field or file and the remedy."""


@dataclass(frozen=True, slots=True)
class BuildSettings:
    """Settings of a build.

    Attributes:
        split: which split of the sources is taken; "all" takes every one.
        tasks: tasks that a sample may get, as far as its labels carry them.
        per_sample: most tasks a sample gets; None is all that it carries.
        count: rows in the set, evenly drawn; None is all.
        seed: another seed gives other tasks and other words.
        format: JSON lines or Parquet.
        embed_images: whether Parquet holds the pictures themselves.
        clip_frames: most frames that a clip is shown with.
        per_shard: rows a file.
        check_share: share of the texts from templates that are read back, in [0, 1]. They are true
            by construction; a teacher's texts are always checked.
        rules: what texts are held to.
        teacher: what decides a teacher's answers (`Responder.identity`); empty without one.
        retries: how often a refused answer is asked for again.
        against: sets whose people and pictures are left out.
        sources: name of each source to what it held: options, and a hash of names and labels.
        mien: version that built it.
    """

    split: str = "train"
    tasks: tuple[str, ...] = DEFAULT_TASKS
    per_sample: int | None = None
    count: int | None = None
    seed: int = 0
    format: Format = "jsonl"
    embed_images: bool = False
    clip_frames: int = 8
    per_shard: int = 5000
    check_share: float = 0.02
    rules: CheckRules = field(default_factory=CheckRules)
    teacher: Mapping[str, str] = field(default_factory=dict)
    retries: int = 2
    against: tuple[str, ...] = ()
    sources: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    mien: str = __version__

    def __post_init__(self) -> None:
        try:
            object.__setattr__(self, "tasks", check_tasks(self.tasks))
        except ValueError as error:
            raise BuildError(str(error)) from None
        if not self.tasks:
            raise BuildError("tasks is empty; name at least one")
        for name in ("per_sample", "count", "clip_frames", "per_shard"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise BuildError(f"{name} is {value}; it must be at least 1")
        if not 0 <= self.check_share <= 1:
            raise BuildError(f"check_share is {self.check_share}, outside [0, 1]")
        if self.retries < 0:
            raise BuildError(f"retries is {self.retries}; it must be 0 or more")
        if self.embed_images and self.format != "parquet":
            raise BuildError("embed_images needs format parquet; JSON lines hold no pictures")

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        data: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return data

    def fingerprint(self) -> str:
        """A hash of all settings."""
        text = json.dumps(self.to_dict(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def with_sources(self, sources: Mapping[str, Mapping[str, str]]) -> BuildSettings:
        """The same with what the sources held."""
        return replace(self, sources=sources)


def differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    """What differs between two sets of settings, in words.

    What an older mien did not write down is as it is by default.
    """
    there = {**BuildSettings().to_dict(), **there}
    return [
        f"{name} is {_words(there.get(name))} there and {_words(here.get(name))} here"
        for name in sorted({*there, *here})
        if there.get(name) != here.get(name)
    ]


def _words(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 160 else text[:157] + "..."
