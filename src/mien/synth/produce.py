"""Pictures of a set as a stream, made by several processes, in order and in flat memory.

Each process holds the face models and one OpenGL context for each. Numbers go to them by turns over
a pipe apiece, a few batches ahead, and the results are collected in the same turns. A pipe ends
with the process at its other end, so that neither side outlives the other.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mien.sample import Sample
from mien.synth.draw_scene import draw_scene
from mien.synth.face_models import Loader, SourceError, load
from mien.synth.measure import Measured
from mien.synth.renderer import RenderError
from mien.synth.scene import Split
from mien.synth.studio import Studio, to_sample

ImageFormat = Literal["webp", "png", "jpg"]

DATASET = "mien-synth"
BATCH = 8
"""Pictures that a process makes before it hands them over."""
AHEAD = 2
"""Batches that each process has been asked for and has not been relieved of."""

_ENCODINGS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "webp": ("WEBP", {"quality": 90, "method": 4}),
    "png": ("PNG", {}),
    "jpg": ("JPEG", {"quality": 92, "subsampling": 0}),
}
_ENVIRONMENT = {
    # The processes share the cores already, and sums must not depend on how many threads there are.
    "LP_NUM_THREADS": "0",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}


class ProduceError(RuntimeError):
    """The pictures cannot be made; the message says why."""


@dataclass(frozen=True)
class Plan:
    """What every picture of a set has in common.

    Attributes:
        models: what loads the face models; the pictures take them by turns.
        seed: of the set.
        split: which population of people, skins, lights and combinations is drawn from.
        size: side of the pictures in pixels.
        image_format: how pictures are encoded.
        per_shard: pictures a shard.
    """

    models: tuple[Loader, ...]
    seed: int
    split: Split
    size: int
    image_format: ImageFormat = "webp"
    per_shard: int = 1000

    def path(self, index: int) -> str:
        """Path of a picture within its set."""
        return f"images/{index // self.per_shard:05d}/{index:06d}.{self.image_format}"


@dataclass(frozen=True)
class Picture:
    """One finished picture.

    Attributes:
        index: number in the set.
        sample: its labels.
        units: what is measured of each unit.
        data: the encoded picture.
        inside: share of the face's box that the picture holds.
    """

    index: int
    sample: Sample
    units: tuple[Measured, ...]
    data: bytes
    inside: float = 1.0


class Maker:
    """Makes the pictures of a plan in this process, one by one.

    Raises:
        SourceError: if a face model cannot be loaded.
        ImportError: if moderngl is not installed.
        RenderError: if nothing can be rendered on this machine.
    """

    def __init__(self, plan: Plan):
        self.plan = plan
        self.studios = [Studio(load(model), plan.size) for model in plan.models]

    def __call__(self, index: int) -> Picture:
        """The picture of a number; it depends on the plan and the number alone."""
        plan = self.plan
        studio = self.studios[index % len(self.studios)]
        model = studio.model
        scene = draw_scene(index, seed=plan.seed, split=plan.split, model=model)
        with studio.renderer.context:  # the one that was made last is current otherwise
            shot = studio(scene)
        sample = to_sample(
            shot,
            name=f"{model.name}-{plan.split}-{plan.seed}-{index:06d}",
            image=plan.path(index),
            dataset=DATASET,
            licence=model.licence,
        )
        data = encoded(shot.image, plan.image_format)
        return Picture(index, sample, tuple(shot.units), data, shot.inside)

    def close(self) -> None:
        """Frees the OpenGL contexts."""
        for studio in self.studios:
            studio.close()


def encoded(image: NDArray[np.uint8], image_format: ImageFormat) -> bytes:
    """A picture as the bytes of a file."""
    name, options = _ENCODINGS[image_format]
    data = io.BytesIO()
    Image.fromarray(image).save(data, name, **options)
    return data.getvalue()


def produce(
    plan: Plan, numbers: Iterable[int], *, processes: int
) -> Generator[Picture, None, None]:
    """The pictures of some numbers, in their order.

    Args:
        plan: what they have in common.
        numbers: of the pictures.
        processes: how many make them.

    Raises:
        ProduceError: if a process cannot render, or was stopped from outside.
    """
    if processes < 1:
        raise ValueError(f"processes is {processes}, not 1 or more")
    todo = _batches(numbers, BATCH)
    ahead = list(itertools.islice(todo, processes * AHEAD))
    asked: deque[_Worker] = deque()
    with contextlib.ExitStack() as stack:
        workers = _started(plan, min(processes, len(ahead)), stack)
        turns = itertools.cycle(workers)
        for batch in ahead:
            asked.append(next(turns))
            asked[-1].ask(batch)
        while asked:
            pictures = asked.popleft().collect()
            for batch in itertools.islice(todo, 1):
                asked.append(next(turns))
                asked[-1].ask(batch)
            yield from pictures


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _batches(numbers: Iterable[int], count: int) -> Iterator[list[int]]:
    left = iter(numbers)
    while batch := list(itertools.islice(left, count)):
        yield batch


class _Worker:
    """A process as seen from here."""

    def __init__(self, process: BaseProcess, pipe: Connection):
        self.process, self.pipe = process, pipe

    def ask(self, batch: list[int]) -> None:
        # one that has gone is found out, with its reason, when it is collected from
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.pipe.send(batch)

    def collect(self) -> list[Picture]:
        try:
            answer = self.pipe.recv()
        except (EOFError, ConnectionResetError) as error:
            self.process.join(5)
            code = self.process.exitcode
            why = "perhaps for lack of memory; try fewer --processes" if code == -9 else "see above"
            raise ProduceError(
                f"a rendering process stopped with exit code {code}, {why}"
            ) from error
        if isinstance(answer, str):
            raise ProduceError(answer)
        return answer

    def stop(self) -> None:
        self.pipe.close()
        self.process.terminate()  # it holds nothing that could be lost
        self.process.join()


def _started(plan: Plan, count: int, stack: contextlib.ExitStack) -> list[_Worker]:
    # not forked: locks and OpenGL of this process would come along in whatever state they are
    context = multiprocessing.get_context("spawn")
    workers = []
    resource_tracker.ensure_running()  # it would lift the block below
    with _environment(_ENVIRONMENT), _without_interrupts():
        for _ in range(count):
            here, there = context.Pipe()
            process = context.Process(target=_work, args=(there, plan), daemon=True)
            process.start()
            there.close()
            workers.append(_Worker(process, here))
            stack.callback(workers[-1].stop)
    return workers


@contextlib.contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Variables for processes that are started inside; a process takes them when it starts."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _without_interrupts() -> Iterator[None]:
    """Processes started inside never see Ctrl-C; this one sees it right after."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _work(pipe: Connection, plan: Plan) -> None:
    """A process: answers batches of numbers until the pipe ends."""
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        try:
            maker = Maker(plan)
        except (ImportError, RenderError, SourceError) as error:
            pipe.send(str(error))
            return
        while True:
            pipe.send([maker(number) for number in pipe.recv()])
