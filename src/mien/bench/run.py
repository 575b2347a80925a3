"""Asks one model the questions of a suite and keeps every answer."""

from __future__ import annotations

import contextlib
import json
import platform
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mien._version import __version__
from mien.bench.answer_log import AnswerStore, Record
from mien.bench.sample_faces import NoFaceError, find_faces
from mien.bench.source import SAMPLES_FILE, Chosen, Picture, Source
from mien.bench.suite import Suite, TaskSpec
from mien.bench.task_labels import tasks_for
from mien.engines import EngineError
from mien.engines.request import Reply, Request, Responder
from mien.faces import Finder, crop_face
from mien.partfile import write_whole
from mien.sample import Sample
from mien.schema import Face

if TYPE_CHECKING:
    from mien.models.priors import FacePriors

RUN_FILE = "run.json"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended.

    Attributes:
        folder: where its answers are.
        items: questions of the run, asked now or before.
        statuses: status to count over those items; "missing" are those not asked yet.
        error: why the run stopped early; None where it came to its end.
        why_failed: the most frequent reason of answers that failed now; None if none did.
    """

    folder: Path
    items: int
    statuses: Counter[str]
    error: str | None = None
    why_failed: str | None = None

    @property
    def complete(self) -> bool:
        """Whether every question was asked and none failed."""
        return self.error is None and not self.statuses["missing"] and not self.statuses["failed"]


def item_id(sample: Sample, task: TaskSpec) -> str:
    """Name of one question about one sample."""
    return f"{sample.id}#{task.name}"


def model_slug(model: str) -> str:
    """A model's name as the name of a folder."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", model).strip("-.")[:100] or "model"


def header_of(
    suite: Suite, chosen: Chosen, responder: Responder, *, scoring: str
) -> dict[str, Any]:
    """What decides a run's answers."""
    spec = responder.crop_spec
    return {
        "suite": {"name": suite.name, "version": suite.version, "hash": suite.hash()},
        "prompts": suite.prompt_hashes(scoring),
        "data": chosen.fingerprint,
        "model": responder.name,
        "identity": dict(responder.identity()),
        "scoring": scoring,
        "crop": {"size": spec.size, "scale": spec.scale, "shift": spec.shift, "align": spec.align},
    }


def run_model(
    suite: Suite,
    source: Source,
    chosen: Chosen,
    responder: Responder,
    finder: Finder | None,
    folder: Path,
    *,
    scoring: str = "text",
    keep_failed: bool = False,
    limit: int | None = None,
    advance: Callable[[int], None] = lambda count: None,
) -> Outcome:
    """Asks all questions that have no answer yet.

    Args:
        suite: what is asked.
        source: opens the pictures.
        chosen: the samples.
        responder: who answers.
        finder: who finds the faces; None takes the dataset's boxes.
        folder: where `answers.jsonl`, `samples.jsonl` and `run.json` go.
        scoring: "text", or "likelihood" to score the expressions as options.
        keep_failed: leave failed answers as they are, instead of asking again.
        limit: as given to `choose`, for the report.
        advance: called with the number of questions that are done.

    Raises:
        StoreError: if the folder holds answers that may not be mixed with these.
        mien.partfile.SinkError: if an answer cannot be written.
    """
    responder.expect(item_ids(suite, chosen))
    with AnswerStore(folder, header_of(suite, chosen, responder, scoring=scoring)) as store:
        _write_samples(folder, chosen)
        write_run(folder, suite, chosen, responder, limit=limit)
        asked = _Asked(suite, source, finder, responder, store, scoring, keep_failed, advance)
        error = None
        try:
            for reply in responder.respond(asked.requests(chosen)):
                asked.take(reply)
        except EngineError as problem:
            error = str(problem)
        statuses = Counter(store.statuses.get(i, "missing") for i in item_ids(suite, chosen))
    reasons = asked.failures.most_common(1)
    why = reasons[0][0] if reasons else None
    return Outcome(folder, sum(statuses.values()), statuses, error, why)


class _Asked:
    """The questions of one run on their way to the responder and back."""

    def __init__(
        self,
        suite: Suite,
        source: Source,
        finder: Finder | None,
        responder: Responder,
        store: AnswerStore,
        scoring: str,
        keep_failed: bool,
        advance: Callable[[int], None],
    ) -> None:
        self.suite, self.source, self.finder, self.store = suite, source, finder, store
        self.spec, self.scoring, self.keep_failed = responder.crop_spec, scoring, keep_failed
        self.advance = advance
        self.face_priors = responder.face_priors
        self.pending: set[str] = set()
        self.failures: Counter[str] = Counter()

    def requests(self, chosen: Chosen) -> Iterator[Request]:
        """The questions without an answer, all about one face in a row.

        They share one tuple of crops, by which a responder knows that it saw the face already.
        """
        for sample in chosen.samples:
            tasks = tasks_for(sample, self.suite)
            left = [t for t in tasks if not self._answered(item_id(sample, t))]
            self.advance(len(tasks) - len(left))
            if not left:
                continue
            try:
                pictures = self.source.pictures(sample, self.suite.frames)
                found = find_faces(sample, pictures, self.finder)
                crops = tuple(crop_face(picture, face, self.spec) for picture, face in found)
            except NoFaceError as error:
                self._cannot_ask(sample, left, Record("", "no_face", error=str(error)))
                continue
            except (OSError, ValueError) as error:
                self._cannot_ask(sample, left, Record("", "unreadable", error=_one_line(error)))
                continue
            priors = self._priors(found)
            for task in left:
                self.pending.add(item_id(sample, task))
                yield Request(
                    id=item_id(sample, task),
                    images=crops,
                    priors=priors,
                    prompt=task.question(sample.attributes),
                    system=task.system,
                    options=self.suite.options_of(task, self.scoring),
                    max_tokens=task.max_tokens,
                    dataset=self.suite.source.reader,
                )

    def _priors(self, found: list[tuple[Picture, Face]]) -> tuple[FacePriors | None, ...]:
        """What the finder knows of the faces, for a model that wants to know."""
        return tuple(self.face_priors(picture, [face])[0] for picture, face in found)

    def take(self, reply: Reply) -> None:
        """Keeps a reply.

        Raises:
            EngineError: if nobody asked for it, or it came before.
        """
        if reply.id not in self.pending:
            raise EngineError(f"the model sent an answer that nobody asked for: {reply.id!r}")
        self.pending.remove(reply.id)
        self.store.append(record_of(reply))
        if reply.status == "failed" and reply.error:
            self.failures[reply.error] += 1
        self.advance(1)

    def _answered(self, item: str) -> bool:
        return self.store.answered(item, keep_failed=self.keep_failed)

    def _cannot_ask(self, sample: Sample, tasks: list[TaskSpec], why: Record) -> None:
        for task in tasks:
            self.store.append(Record(item_id(sample, task), why.status, error=why.error))
        self.advance(len(tasks))


def record_of(reply: Reply) -> Record:
    """A reply as it is kept; numbers are rounded to six decimals."""
    expression = units = None
    if reply.numbers is not None:
        if reply.numbers.expression is not None and reply.numbers.expression.scores is not None:
            scores = reply.numbers.expression.scores
            expression = {name: round(value, 6) for name, value in scores.items()}
        if reply.numbers.action_units is not None:
            units = {
                str(u.au): [_rounded(u.probability), _rounded(u.intensity)]
                for u in reply.numbers.action_units
                if u.side == "both"
            }
    options = reply.option_scores
    return Record(
        reply.id,
        reply.status,
        text=reply.text,
        error=reply.error,
        expression=expression,
        units=units,
        option_scores=None if options is None else {k: round(v, 6) for k, v in options.items()},
        seconds=_rounded(reply.seconds),
        usage=dict(reply.usage),
        warnings=tuple(reply.warnings),
    )


def write_run(
    folder: Path, suite: Suite, chosen: Chosen, responder: Responder, *, limit: int | None
) -> None:
    """Writes `run.json`: the suite, and what a report says beside the header."""
    data = {
        "suite": suite.to_dict(),
        "settings": dict(responder.settings()),
        "versions": versions(),
        "data": {"samples": chosen.total, "limit": limit, "left_out": chosen.left_out},
    }
    text = json.dumps(data, ensure_ascii=False, indent=1)
    write_whole(folder / RUN_FILE, text.encode() + b"\n")


def versions() -> dict[str, str]:
    """Versions of what finds and cuts faces; the responder's identity has those of its model."""
    found = {
        "mien": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
    }
    for package in ("numpy", "pillow", "mediapipe"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found


def _write_samples(folder: Path, chosen: Chosen) -> None:
    lines = "".join(sample.to_json() + "\n" for sample in chosen.samples)
    write_whole(folder / SAMPLES_FILE, lines.encode())


def item_ids(suite: Suite, chosen: Chosen) -> Iterator[str]:
    """Names of all questions of a run, in order."""
    for sample in chosen.samples:
        for task in tasks_for(sample, suite):
            yield item_id(sample, task)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
