"""A suite of four rendered-by-hand faces, and a responder that says what it is told to say."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from mien.bench.run import Outcome, run_model
from mien.bench.source import Chosen, Source, choose
from mien.bench.suite import SourceSpec, Suite, TaskSpec
from mien.engines.request import Reply, Request, Responder
from mien.faces import CropSpec, WholeFinder
from mien.sample import Sample
from mien.schema import ActionUnit, Expression

UNITS = (4, 6, 12)


def units(**present: bool | None) -> tuple[ActionUnit, ...]:
    """`units(au12=True, au4=None)`; a unit that is not given is absent."""
    return tuple(ActionUnit(u, present.get(f"au{u}", False)) for u in UNITS)


def sample(name: str, expression: str | None, subject: str | None = None, **present) -> Sample:
    label = None if expression is None else Expression(expression, "basic7")
    return Sample(
        id=name,
        dataset="mini",
        image=f"{name}.png",
        subject=subject,
        expression=label,
        action_units=units(**present),
        attributes={"gender": "female" if name in "ac" else "male", "age": 30.0},
    )


SAMPLES = (
    sample("a", "happiness", "s1", au6=True, au12=True),
    sample("b", "happiness", "s1", au12=True, au4=None),
    sample("c", "anger", "s2", au4=True),
    sample("d", "neutral", "s3"),
)

SUITE = Suite(
    name="mini",
    version=1,
    title="Four faces",
    licensed=False,
    source=SourceSpec("csv"),
    units=UNITS,
    shared_units=(6, 12),
    faces="whole",
    groups=("gender", "age"),
    tasks=(
        TaskSpec("expression", "What is the expression of this face?", max_tokens=16),
        TaskSpec("au_detection", "Which action units are present in this face?", max_tokens=32),
        TaskSpec("reasoning", "Why?", max_tokens=64),
    ),
)


def source(samples: Iterable[Sample] = SAMPLES, *, broken: str = "") -> Source:
    kept = list(samples)

    def pictures(one: Sample, count: int) -> list[np.ndarray]:
        if one.id == broken:
            raise OSError(f"{one.image}: no such file")
        rng = np.random.default_rng(ord(one.id[0]))
        return [rng.integers(0, 255, (40, 40, 3), np.uint8)]

    return Source(lambda: iter(kept), pictures)


class Scripted(Responder):
    """Answers from a table of item id to text; None fails, and so does what is not in it."""

    crop_spec = CropSpec(size=24)

    def __init__(
        self,
        answers: Mapping[str, str | None],
        *,
        name: str = "scripted",
        weights: str = "1",
        make: Callable[[Request, str], Reply] = lambda request, text: Reply(request.id, text=text),
    ) -> None:
        self.answers, self.name, self.weights, self.make = answers, name, weights, make
        self.asked: list[str] = []
        self.prompts: list[str] = []

    def identity(self) -> Mapping[str, str]:
        return {"model": self.name, "weights": self.weights}

    def settings(self) -> Mapping[str, str]:
        return {"device": "none"}

    def respond(self, requests: Iterable[Request]) -> Iterator[Reply]:
        for request in requests:
            self.asked.append(request.id)
            self.prompts.append(request.prompt)
            text = self.answers.get(request.id)
            if text is None:
                yield Reply(request.id, "failed", error="hung up")
            else:
                yield self.make(request, text)


TRUE_ANSWERS = {
    "a#expression": "Happiness.",
    "b#expression": "Happiness.",
    "c#expression": "Anger.",
    "d#expression": "Neutral.",
    "a#au_detection": "AU6 (C), AU12 (D).",
    "b#au_detection": "AU12.",
    "c#au_detection": "AU4.",
    "d#au_detection": "No action units.",
    "a#reasoning": "Happiness. The raised cheeks (AU6) and lip corners (AU12) fit it.",
    "b#reasoning": "Happiness. The lip corners (AU12) fit it.",
    "c#reasoning": "Anger. The lowered brows (AU4) speak for it.",
    "d#reasoning": "Neutral. Nothing moves.",
}


def run(
    folder: Path,
    answers: Mapping[str, str | None] = TRUE_ANSWERS,
    *,
    suite: Suite = SUITE,
    samples: Iterable[Sample] = SAMPLES,
    limit: int | None = None,
    responder: Scripted | None = None,
    broken: str = "",
    finder=None,
    **options,
) -> tuple[Outcome, Scripted]:
    faces = source(samples, broken=broken)
    chosen: Chosen = choose(suite, faces, limit)
    responder = responder or Scripted(answers)
    outcome = run_model(
        suite, faces, chosen, responder, finder or WholeFinder(), folder, limit=limit, **options
    )
    return outcome, responder
