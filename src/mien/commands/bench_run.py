"""`mien bench run` and `rescore`: asks, scores, reports."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mien.bench.answer_log import ANSWERS_FILE, StoreError, set_aside
from mien.bench.result import Result, write_result
from mien.bench.run import Outcome, item_ids, model_slug, run_model
from mien.bench.score.folder import Scored, read_folder, score_run
from mien.bench.source import Chosen, Source, SourceError, choose, open_source
from mien.bench.suite import Suite, SuiteError, load_suite
from mien.commands.bench_show import print_outcome, print_results
from mien.commands.consent import agree_to_send
from mien.commands.progress import progress_bar
from mien.engines import EngineError, ModelOptions, check_model
from mien.faces import Finder, FinderError, make_finder
from mien.partfile import SinkError
from mien.terminal import Console, say
from mien.weights import WeightsError

if TYPE_CHECKING:
    from mien.engines.request import Responder

REPORT_FILE = "report.html"


@dataclass(frozen=True, slots=True)
class Asked:
    """What the user asked for; see the help of `mien bench run`."""

    suite: str
    models: tuple[str, ...]
    data: Path | None
    out: Path
    limit: int | None
    answers: Literal["guided", "free"]
    scoring: str
    how: ModelOptions
    yes: bool
    restart: bool
    keep_failed: bool
    samples: int
    seed: int
    pictures: bool
    judge: str | None


def run_bench(options: Asked) -> int:
    """Runs the command and returns its exit code."""
    errors = Console(stderr=True)
    try:
        suite = load_suite(options.suite)
        if len(set(map(model_slug, options.models))) < len(options.models):
            raise SuiteError("two of the models have one name; give each once")
        source = open_source(suite, options.data)
        for model in options.models:  # a wrong name shows before the first model has worked
            check_model(model)
        asked = (*options.models, options.judge)
        agree_to_send(asked, options.how, yes=options.yes, errors=errors)
    except (SuiteError, SourceError, EngineError) as error:
        return _say(errors, error, 2)
    try:
        chosen = choose(suite, source, options.limit)
        outcomes = [
            _run_one(suite, source, chosen, model, options, errors) for model in options.models
        ]
        scored = [read_folder(outcome.folder) for outcome in outcomes]
        results = _score(scored, options.samples, options.seed)
        if options.judge is not None:
            _judge(scored, options, errors)
        report = options.out / suite.name / REPORT_FILE
        shown = source if options.pictures or not suite.licensed else None
        _report(report, results, scored, shown, options.samples, options.seed)
    except (SourceError, StoreError, SinkError, EngineError, FinderError, WeightsError) as error:
        return _say(errors, error, 1)
    except KeyboardInterrupt:
        errors.print("interrupted; the same command goes on from here", markup=False)
        return 130
    print_results(results)
    for outcome in outcomes:
        print_outcome(outcome, errors)
    say(f"report: {report}")
    return 0 if all(outcome.complete for outcome in outcomes) else 1


def run_rescore(folder: Path, *, data: Path | None, samples: int, seed: int, pictures: bool) -> int:
    """Runs the command and returns its exit code."""
    errors = Console(stderr=True)
    folders = [folder] if (folder / ANSWERS_FILE).is_file() else _runs_in(folder)
    if not folders:
        errors.print(f"error: {folder}: no answers of `mien bench` in it", markup=False)
        return 2
    try:
        scored = [read_folder(one) for one in folders]
        results = _score(scored, samples, seed)
        suite = scored[0].run.suite
        source = None
        if data is not None or suite.source.reader == "feabench-synth":
            source = open_source(suite, data)
        shown = source if pictures or not suite.licensed else None
        _report(folder / REPORT_FILE, results, scored, shown, samples, seed)
    except (StoreError, SuiteError, SourceError, SinkError) as error:
        return _say(errors, error, 1)
    print_results(results)
    say(f"report: {folder / REPORT_FILE}")
    return 0


def _run_one(
    suite: Suite, source: Source, chosen: Chosen, model: str, options: Asked, errors: Console
) -> Outcome:
    folder = options.out / suite.name / model_slug(model)
    if options.restart and (aside := set_aside(folder)) is not None:
        errors.print(f"earlier answers are kept in {aside}", markup=False)
    with _responder(model, options) as responder, _finder(suite.faces) as finder:
        total = sum(1 for _ in item_ids(suite, chosen))
        with progress_bar(errors) as bar:
            row = bar.add_task(f"{suite.name}, {model}", total=total)
            return run_model(
                suite,
                source,
                chosen,
                responder,
                finder,
                folder,
                scoring=options.scoring,
                keep_failed=options.keep_failed,
                limit=options.limit,
                advance=lambda count: bar.advance(row, count),
            )


@contextmanager
def _responder(model: str, options: Asked) -> Iterator[Responder]:
    from mien.engines.load import load_responder

    responder = load_responder(model, answers=options.answers, options=options.how)
    try:
        yield responder
    finally:
        responder.close()


@contextmanager
def _finder(faces: str) -> Iterator[Finder | None]:
    if faces == "box":
        yield None
        return
    finder = make_finder(faces)
    try:
        yield finder
    finally:
        finder.close()


def _score(scored: list[Scored], samples: int, seed: int) -> list[Result]:
    results = []
    for one in scored:
        result = score_run(one, samples=samples, seed=seed)
        write_result(result, one.run.folder)
        results.append(result)
    return results


def _report(
    path: Path,
    results: list[Result],
    scored: list[Scored],
    source: Source | None,
    samples: int,
    seed: int,
) -> None:
    from mien.bench.report import write_report

    write_report(path, results, scored, source, samples=samples, seed=seed)


def _judge(scored: list[Scored], options: Asked, errors: Console) -> None:
    from mien.bench.judge import judge_run

    assert options.judge is not None
    with _responder(options.judge, options) as responder, progress_bar(errors) as bar:
        row = bar.add_task(f"judge {options.judge}", total=None)
        found = [
            judge_run(one.run, responder, advance=lambda n: bar.advance(row, n)) for one in scored
        ]
    for one, judgement in zip(scored, found, strict=True):
        say(f"{one.run.header['model']}, judged by {options.judge}: {judgement.words()}")


def _runs_in(folder: Path) -> list[Path]:
    """Folders of models below the folder of a suite, by name."""
    if not folder.is_dir():
        return []
    return sorted(path.parent for path in folder.glob(f"*/{ANSWERS_FILE}"))


def _say(errors: Console, error: Exception, code: int) -> int:
    errors.print(f"error: {error}", markup=False, soft_wrap=True)
    return code
