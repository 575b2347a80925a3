"""Short clips of rendered faces that show an expression: onset, apex, offset, labelled by frame.

A clip is made by one worker, frame after frame, so memory does not grow with length or number.
Killed runs go on clip by clip, and what comes out does not depend on how often they stopped.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from multiprocessing import connection, get_context, parent_process
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien._version import __version__
from mien.sample import Sample
from mien.schema import ActionUnit
from mien.synth.clip_files import ClipFolder, write_clip
from mien.synth.courses import SHORTEST
from mien.synth.draw_scene import draw_scene
from mien.synth.face_models import Loader, fingerprint, load
from mien.synth.facemodel import FaceModel
from mien.synth.motion import Motion, draw_motion
from mien.synth.scene import Split
from mien.synth.studio import Shot, Studio, to_sample

DATASET = "mien-synth-clips"


class SequenceError(RuntimeError):
    """Clips cannot be made; the message says why."""


class _Stopped(Exception):  # noqa: N818 - nothing went wrong
    """The run is to end."""


@dataclass(frozen=True)
class ClipSettings:
    """What decides the clips.

    Attributes:
        seed: of the set.
        split: which population the scenes are drawn from.
        size: side in pixels, even.
        fps: frames a second.
        seconds: length of each clip.
        codec: key of `clip_files.CODECS`.
    """

    seed: int
    split: Split
    size: int
    fps: float
    seconds: float
    codec: str

    def __post_init__(self) -> None:
        # x264 reads beyond smaller frames, and what it finds there differs from run to run
        if self.size % 2 or self.size < 64:
            raise ValueError(f"size is {self.size}; a clip needs an even number from 64 on")
        if not 5 <= self.fps <= 120:
            raise ValueError(f"fps is {self.fps:g}, not between 5 and 120")
        if not SHORTEST <= self.seconds <= 600:
            raise ValueError(f"seconds is {self.seconds:g}, not between {SHORTEST:g} and 600")


def recorded(settings: ClipSettings, model: FaceModel) -> dict[str, Any]:
    """Settings as they are kept with the clips; how many there are is not among them."""
    return {
        "mien": __version__,
        "model": model.name,
        "mesh": fingerprint(model),
        **asdict(settings),
    }


def make_clips(
    folder: ClipFolder, model: Loader, settings: ClipSettings, *, count: int, processes: int = 1
) -> Generator[int, None, None]:
    """Makes the clips that a folder does not have yet, and in the end its list of clips.

    The list is written also when the run ends early.

    Args:
        folder: a folder that was prepared with these settings (`recorded`).
        model: loads the face model.
        settings: of the clips.
        count: how many clips there are to be.
        processes: how many work side by side.

    Yields:
        The number of each clip that was made, as it is done.

    Raises:
        SinkError: if a file cannot be written.
        SequenceError: if a worker dies.
    """
    there = set(folder.done())
    missing = [number for number in range(count) if number not in there]
    try:
        if missing:
            yield from _made(folder, model, settings, missing, min(processes, len(missing)))
    finally:
        folder.write_list()


def make_clip(
    studio: Studio,
    folder: ClipFolder,
    settings: ClipSettings,
    number: int,
    *,
    stopped: Callable[[], bool] = lambda: False,
) -> None:
    """Makes one clip, its table and its row."""
    scene = draw_scene(number, seed=settings.seed, split=settings.split, model=studio.model)
    motion = draw_motion(scene, fps=settings.fps, seconds=settings.seconds)
    columns: dict[str, list[Any]] = {}
    at, peak = motion.peak, []

    def images() -> Iterator[NDArray[np.uint8]]:
        for k in range(len(motion)):
            if stopped():
                raise _Stopped
            shot = studio(motion.frame(k))
            for name, value in frame_cells(shot, motion, k).items():
                columns.setdefault(name, []).append(value)
            if k == at:
                peak.append(shot)
            yield shot.image

    path = folder.clip(number)
    write_clip(path, images(), fps=settings.fps, size=settings.size, codec=settings.codec)
    name = path.relative_to(folder.path).as_posix()
    folder.write_table(number, columns, clip_row(peak[0], motion, name, studio.model.licence))


def frame_cells(shot: Shot, motion: Motion, number: int) -> dict[str, Any]:
    """A frame as a row of the table, column to value.

    Units have the columns of `mien analyze`'s CSV: `AU12_r` is the intensity of the stronger side,
    `AU12_c` whether it is present (null where that cannot be told), and beyond them `AU12_v`
    whether it can be seen, `AU12_r_left` and `AU12_r_right`.
    """
    scene = shot.scene
    cells: dict[str, Any] = {
        "clip": f"{scene.index:06d}",
        "frame": number,
        "timestamp": float(motion.times[number]),
        "phase": motion.phase(number),
        "blink": motion.blinking(number),
    }
    for unit in shot.units:
        name = f"AU{unit.au:02d}"
        cells |= {
            f"{name}_r": unit.intensity,
            f"{name}_c": None if unit.present is None else int(unit.present),
            f"{name}_v": unit.visible,
            f"{name}_r_left": unit.left,
            f"{name}_r_right": unit.right,
        }
    cells |= {f"pose_{k}": getattr(scene.pose, k) for k in ("yaw", "pitch", "roll")}
    cells |= {"gaze_yaw": scene.eyes.yaw, "gaze_pitch": scene.eyes.pitch}
    cells["inside"] = shot.inside  # share of the face's box that the picture holds
    return cells | dict(zip(("box_x0", "box_y0", "box_x1", "box_y1"), shot.box, strict=True))


def clip_row(peak: Shot, motion: Motion, path: str, licence: str) -> Sample:
    """The row of a clip: expression, and units as they are at its peak.

    Args:
        peak: the frame `Motion.peak`.
        motion: of the clip.
        path: of the clip, relative to its folder.
        licence: of the face model.
    """
    scene = motion.scene
    name = f"{scene.model}-{scene.split}-{scene.seed}-{scene.index:06d}"
    row = to_sample(peak, name=name, image=path, dataset=DATASET, licence=licence)
    timing = motion.timing
    moments: dict[str, int | None] = {"peak_frame": motion.peak}
    if timing is not None:
        for moment in ("onset", "apex", "offset", "end"):
            moments[f"{moment}_frame"] = motion.frame_at(getattr(timing, moment))
    blinks = [
        [k for k in range(len(motion)) if blink.start <= motion.times[k] < blink.end]
        for blink in motion.blinks
    ]
    attributes: dict[str, str | float] = {
        **row.attributes,
        "fps": motion.fps,
        "frame_count": len(motion),
        **{key: value for key, value in moments.items() if value is not None},
        "cut": timing.cut if timing is not None else "none",
        "blinks": " ".join(f"{frames[0]}-{frames[-1]}" for frames in blinks if frames),
    }
    eyes = next(unit for unit in peak.units if unit.au == 43)
    blinked = ActionUnit(45, present=bool(motion.blinks) if eyes.visible else None)
    units = (*(row.action_units or ()), blinked)
    return replace(row, image=None, video=path, attributes=attributes, action_units=units)


# ------------------------------------------------------------------------------------------ workers

_ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
"""The processes share the cores already, and sums must not depend on how many threads there are."""


def _made(
    folder: ClipFolder,
    model: Loader,
    settings: ClipSettings,
    missing: Iterable[int],
    processes: int,
) -> Iterator[int]:
    context = get_context("spawn")  # a forked OpenGL does not work
    stop = context.Event()
    pool = ProcessPoolExecutor(
        processes, context, initializer=_begin_work, initargs=(folder, model, settings, stop)
    )
    waiting = iter(missing)
    running: set[Future[int]] = set()
    try:
        with _for_workers():  # they are started by the first tasks
            for number in waiting:
                running.add(pool.submit(_work, number))
                if len(running) >= 2 * processes:
                    break
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()
                for number in waiting:
                    running.add(pool.submit(_work, number))
                    break
    except BrokenProcessPool as error:
        raise SequenceError(
            "a worker process died, perhaps for lack of memory; give fewer --processes. "
            "What is done is kept, and the same command goes on"
        ) from error
    finally:
        stop.set()  # workers look at it before each frame
        pool.shutdown(cancel_futures=True)


@contextmanager
def _for_workers() -> Iterator[None]:
    """Processes that are started inside do not see Ctrl-C, and work in one thread each."""
    before = {name: os.environ.get(name) for name in _ONE_THREAD}
    os.environ.update(_ONE_THREAD)
    main = threading.current_thread() is threading.main_thread()
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN) if main else None
    try:
        yield
    finally:
        if main:
            signal.signal(signal.SIGINT, handler)
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


_worker: dict[str, Any] = {}
"""What a worker process keeps from clip to clip."""


def _begin_work(folder: ClipFolder, model: Loader, settings: ClipSettings, stop: Any) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _worker.update(folder=folder, model=model, settings=settings, stop=stop)


def _end_with_parent() -> None:
    """A worker of a killed run must not wait for tasks for ever."""
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _work(number: int) -> int:
    folder, settings = _worker["folder"], _worker["settings"]
    if "studio" not in _worker:  # here, and not at the start, so that errors reach the caller
        _worker["studio"] = Studio(load(_worker["model"]), settings.size)
    make_clip(_worker["studio"], folder, settings, number, stopped=_worker["stop"].is_set)
    return number
