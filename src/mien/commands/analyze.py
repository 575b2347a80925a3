"""`mien analyze`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from mien._version import __version__
from mien.analyzer import USUAL_CLIP_FRAMES, USUAL_SAMPLING, Analyzer, load
from mien.apex import apex_faces
from mien.commands.consent import agree_to_send
from mien.commands.progress import progress_bar
from mien.draw import overlay as draw_overlay
from mien.draw import save_overlay
from mien.draw.video import overlay_video, video_suffix
from mien.engines import EngineError, ModelOptions
from mien.engines.load import PICTURES, is_embedded
from mien.engines.track_clips import ClipFrames
from mien.faces import FinderError
from mien.looked import Looked
from mien.media import Sampling, expand_inputs
from mien.media.inputs import Input
from mien.quick_start import quick_start
from mien.report import ClipItem, ReportItem, ReportWriter, shrunk
from mien.schema import Analysis
from mien.sinks import Sink, SinkError, open_sink
from mien.table import render_table
from mien.terminal import Console, shown
from mien.weights import WeightsError

_LEFT_OUT = (
    "this CSV holds frames alone; with --out FILE.csv people and clips stand in FILE.people.csv, "
    "and --format jsonl holds all"
)

SUFFIXES = {".jsonl": "jsonl", ".csv": "csv", ".parquet": "parquet"}


def run_analyze(
    inputs: Sequence[str],
    *,
    format: str | None,
    out: Path | None,
    overlay: Path | None,
    report: Path | None,
    model: str | None,
    faces: str,
    numbers: bool,
    seed: int,
    options: ModelOptions,
    yes: bool = False,
    sampling: Mapping[str, Any] | None = None,
    clip_frames: ClipFrames = USUAL_CLIP_FRAMES,
) -> int:
    """Runs the command and returns its exit code; see `mien analyze --help` for the arguments."""
    errors = Console(stderr=True)
    format, problem = _format(format, out)
    if problem:
        errors.print(f"error: {problem}")
        return 2
    try:
        frames = Sampling(**sampling) if sampling else USUAL_SAMPLING
    except ValueError as error:
        errors.print(f"error: which frames of videos: {error}")
        return 2
    items = list(expand_inputs(inputs, videos=True))
    if lost := _replaced(items, overlay, [path for path in (out, report) if path is not None]):
        errors.print(f"error: {lost}", soft_wrap=True)
        return 2
    try:
        agree_to_send([model], options, yes=yes, errors=errors)
        with quick_start(is_embedded(model) and options.quantize is None):
            analyzer = load(model, faces=faces, clip_frames=clip_frames, options=options)
    except (EngineError, FinderError, WeightsError) as error:
        errors.print(f"error: {error}", soft_wrap=True)
        return 2
    _seed(seed)
    rows: list[Analysis] = []
    counts = {"inputs": 0, "unreadable": 0, "faces": 0, "failed": 0}
    try:
        with ExitStack() as stack:
            outputs = _Outputs(stack, format, out, overlay, report, analyzer)
            progress = stack.enter_context(progress_bar(errors))
            task = progress.add_task("faces", total=len(items))
            for looked in analyzer.stream(items, numbers=numbers, sampling=frames):
                outputs.write(looked)
                counts["faces"] += sum(row.kind == "face" for row in looked.rows)
                counts["failed"] += sum(row.status == "failed" for row in looked.rows)
                if looked.part == "frame":
                    when = f"{looked.rows[0].time:.0f} s"
                    progress.update(task, description=f"{Path(looked.source).name}, {when}")
                    continue
                rows.extend(looked.rows if format == "table" else ())
                counts["inputs"] += 1
                counts["unreadable"] += _unreadable(looked)
                for line in _remarks(looked):
                    progress.console.print(shown(line), soft_wrap=True)
                progress.update(task, description="faces")
                progress.advance(task)
            if outputs.sink is not None and outputs.sink.left_out:
                errors.print(_LEFT_OUT, soft_wrap=True)
    except (SinkError, EngineError) as error:
        errors.print(f"error: {error}", soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        errors.print(f"interrupted; {counts['inputs']} inputs are done and written")
        _show(rows, format, numbers)
        return 130
    _show(rows, format, numbers)
    if counts["inputs"] == counts["unreadable"]:
        errors.print("error: none of the inputs could be read")
        return 1
    if counts["failed"] and counts["failed"] >= counts["faces"]:
        errors.print(f"error: {model or PICTURES} answered for none of the faces")
        return 1
    return 0


def _replaced(items: Sequence[Input], overlay: Path | None, files: Sequence[Path]) -> str | None:
    """What is wrong where an output would take the place of an input."""
    real = {os.path.realpath(path): path for path in files}
    folder = None if overlay is None else os.path.realpath(overlay)
    for item in items:
        if not isinstance(item.origin, Path):
            continue
        place = os.path.realpath(item.origin)
        if folder is not None and os.path.dirname(place) == folder:  # noqa: PTH120
            return (
                f"--overlay {overlay}: {item.name} lies there, which a picture of the same name"
                " would replace; name another folder"
            )
        if place in real:
            return f"{real[place]} is one of the inputs, and would be replaced; name another"
    return None


def _unreadable(looked: Looked) -> bool:
    return any(row.status == "unreadable" for row in looked.rows)


def _remarks(looked: Looked) -> Iterator[str]:
    """What went wrong with an input, a line each; of a clip what was wrong with it as a whole."""
    for row in looked.rows:
        for warning in row.warnings:
            named = warning.startswith(row.source)
            whole = looked.part == "picture" or row.kind == "clip"
            if whole and (row.status != "ok" or (named and row.kind == "clip")):
                yield warning if named else f"{row.source}: {warning}"


def _format(format: str | None, out: Path | None) -> tuple[str, str | None]:
    """The output format, and what is wrong with the request if anything is."""
    if format is None:
        if out is None:
            return "table", None
        if out.suffix.lower() not in SUFFIXES:
            known = ", ".join(SUFFIXES)
            return "table", f"--out {out}: give --format, or a suffix of {known}"
        return SUFFIXES[out.suffix.lower()], None
    if format == "parquet" and out is None:
        return format, "--format parquet needs --out FILE"
    if format == "table" and out is not None:
        return format, f"a table goes to the screen; for {out} choose jsonl, csv or parquet"
    return format, None


class _Outputs:
    """Everything that a run writes, each opened before the first picture is looked at."""

    def __init__(
        self,
        stack: ExitStack,
        format: str,
        out: Path | None,
        overlay: Path | None,
        report: Path | None,
        analyzer: Analyzer,
    ):
        self.overlay, self.finder = overlay, analyzer.finder
        self.names: set[str] = set()
        self.numbers: dict[str, int] = {}
        if overlay is not None:
            try:
                overlay.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise SinkError(
                    f"{overlay}: cannot be made a folder ({error.strerror}); choose another"
                ) from error
        self.sink: Sink | None = None
        if format in ("jsonl", "csv", "parquet"):
            self.sink = stack.enter_context(
                open_sink(format, out, action_units=analyzer.responder.action_units)  # type: ignore[arg-type]
            )
        self.report: ReportWriter | None = None
        if report is not None:
            self.report = stack.enter_context(ReportWriter(report, meta={"mien": __version__}))

    def write(self, looked: Looked) -> None:
        """Writes one input to all of them."""
        for row in looked.rows:
            if self.sink is not None:
                self.sink.write(row)
        if looked.part == "clip":
            self._write_clip(looked)
        if looked.part != "picture":
            return
        landmarks = tuple(face.landmarks for face in looked.faces)
        if self.overlay is not None and looked.image is not None:
            picture = draw_overlay(looked.image, looked.rows, landmarks)
            save_overlay(self.overlay / self._name(looked.source), picture)
        if self.report is not None:
            self.report.add(ReportItem(looked.source, looked.image, tuple(looked.rows), landmarks))

    def _write_clip(self, looked: Looked) -> None:
        if looked.timeline is None or looked.origin is None:
            return
        readable = not _unreadable(looked)
        if self.overlay is not None and readable:
            suffix = video_suffix(looked.origin, name=looked.source)
            out = self.overlay / self._name(looked.source, suffix)
            overlay_video(looked.origin, looked.timeline, out, name=looked.source)
        if self.report is not None:
            tracks = [row for row in looked.rows if row.kind == "track"]
            seen = apex_faces(looked.origin, tracks, self.finder)
            # One frame each, made small at once: there may be hundreds of tracks.
            frames = {row.track or 0: shrunk(image, face) for row, image, face in seen}
            item = ClipItem(looked.source, looked.timeline, tuple(looked.rows), frames)
            self.report.add_clip(item)

    def _name(self, source: str, suffix: str = ".jpg") -> str:
        """File name of an overlay; inputs of the same name in different folders are numbered."""
        stem = Path(source).stem if source != "-" else "stdin"
        stem = "".join(c if c.isalnum() or c in "-_." else "_" for c in stem) or "picture"
        number = self.numbers.get(stem, 1)
        while (name := f"{stem}{f'-{number}' * (number > 1)}{suffix}") in self.names:
            number += 1
        self.names.add(name)
        self.numbers[stem] = number + 1
        return name


def _seed(seed: int) -> None:
    import torch

    torch.manual_seed(seed % 2**64)


def _show(rows: Sequence[Analysis], format: str, numbers: bool) -> None:
    """The table and, where the model wrote any, the texts."""
    if format != "table" or not rows:
        return
    console = Console()
    console.print(render_table(rows))
    for row in rows:
        if row.text and not numbers and row.kind != "clip":  # a clip has the words of its track
            number = "" if row.face is None else f" face {row.face}"
            number = number if row.kind == "face" else f" track {row.track}, {row.time:.2f} s"
            console.print(f"\n{shown(row.source)}{number}", style="bold", highlight=False)
            console.print(row.text, highlight=False)
