"""How `mien analyze` goes through half an hour of video: speed, memory, and the reading ahead.

`python benchmarks/video_long.py --out benchmarks/video_long.json`

The video is made here: a clip that `mien synth sequence` renders, whose face comes and goes, played
again and again on changing grounds (`--clip` takes another one to repeat). Then the command runs
as a user runs it, with rows as JSON lines, in a process of its own that is watched from outside:

* peak and growth of its memory, growth as the difference of the medians of the third and the last
  quarter of the time in which rows are written;
* frames and seconds, from the rows and the clock, start of the program included;
* the most frames that ever waited, from a run over the first minute in which the queue is watched.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import queue
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

SIZE = (320, 240)
GROUNDS = ((70, 90, 80), (180, 165, 140), (60, 60, 110), (120, 60, 60))


def rendered(folder: Path, *, seconds: float) -> Path:
    """A clip of a face, from `mien synth sequence`."""
    command = [sys.executable, "-m", "mien", "synth", "sequence", "--out", str(folder)]
    command += ["--count", "1", "--size", "208", "--fps", "10", "--seconds", str(seconds)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    return next(path for path in sorted(folder.rglob("*.mp4")))


def pictures(clip: Path) -> list[NDArray[np.uint8]]:
    """The frames of a short clip, none larger than the video that is made."""
    with av.open(str(clip)) as container:
        return [
            frame.reformat(width=208, height=208, format="rgb24").to_ndarray()
            for frame in container.decode(video=0)
        ]


def make_video(path: Path, clip: Path, *, seconds: float, rate: int) -> None:
    """The clip again and again, each time at another place; the ground changes every minute."""
    frames = pictures(clip)
    width, height = SIZE
    with av.open(str(path), "w") as container:
        codec = "libx264" if "libx264" in av.codecs_available else "mpeg4"
        stream = container.add_stream(
            codec, rate=rate, options={"preset": "ultrafast"} if codec == "libx264" else {}
        )
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(round(seconds * rate)):
            picture = np.empty((height, width, 3), np.uint8)
            picture[:] = GROUNDS[int(number / rate / 60) % len(GROUNDS)]
            face = frames[number % len(frames)]
            left = round((width - 208) * (0.5 - 0.5 * np.cos(2 * np.pi * number / rate / 12)))
            picture[16 : 16 + 208, left : left + 208] = face
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def resident_mb(process: int) -> float:
    """Memory of a process, as far as it is in use."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def watched(video: Path, rows: Path, *, fps: float, model: str | None) -> dict[str, float]:
    """One run of the command, looked at from outside twice a second."""
    command = [sys.executable, "-m", "mien", "analyze", str(video), "--out", str(rows)]
    command += ["--fps", str(fps), "--device", "cpu"]
    command += ["--model", model] if model else []
    start = time.perf_counter()
    looks: list[tuple[float, float]] = []
    with tempfile.TemporaryFile() as told:
        process = subprocess.Popen(command, stdout=told, stderr=told)
        while process.poll() is None:
            try:
                looks.append((time.perf_counter() - start, resident_mb(process.pid)))
            except (OSError, IndexError):
                break  # it has just ended
            time.sleep(0.5)
        code = process.wait()
        seconds = time.perf_counter() - start
        told.seek(0)
        if code != 0:
            raise SystemExit(f"mien analyze ended with {code}: {told.read().decode()[-2000:]}")
    third = [mb for at, mb in looks if 0.5 * seconds <= at < 0.75 * seconds]
    last = [mb for at, mb in looks if at >= 0.75 * seconds]
    found: dict[str, Any] = counted(rows)
    return {
        **found,
        "seconds": seconds,
        "frames_per_second": found["frames"] / seconds,
        "times_real_time": found["video_seconds"] / seconds,
        "peak_memory_mb": max(mb for _, mb in looks),
        "growth_over_second_half_mb": statistics.median(last) - statistics.median(third),
    }


def counted(rows: Path) -> dict[str, Any]:
    """What the rows hold, read one by one."""
    frames: set[int] = set()
    faces = tracks = 0
    end, models = 0.0, set()
    for row in _lines(rows):
        if row["kind"] == "face":
            frames.add(row["frame"])
            faces += row["status"] == "ok"
        elif row["kind"] == "track":
            tracks += 1
            models.add(row["model"])
        else:
            end = row["end"]
    return {
        "frames": len(frames),
        "faces": faces,
        "tracks": tracks,
        "tracks_answered_by": sorted(models),
        "video_seconds": end,
    }


def _lines(rows: Path) -> Iterator[dict[str, Any]]:
    with rows.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def most_waiting(video: Path, *, fps: float, seconds: float) -> int:
    """The most frames that ever waited between reading and looking, over the first seconds."""
    import mien
    from mien.media import Sampling

    most = 0
    put = queue.Queue.put

    def watched_put(self: queue.Queue[Any], item: Any, *args: Any, **options: Any) -> None:
        nonlocal most
        put(self, item, *args, **options)
        most = max(most, self.qsize())

    queue.Queue.put = watched_put  # type: ignore[method-assign]
    try:
        analyzer = mien.load(device="cpu")
        for _ in analyzer.stream(video, numbers=True, sampling=Sampling(rate=fps, end=seconds)):
            pass
    finally:
        queue.Queue.put = put  # type: ignore[method-assign]
    return most


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="JSON file to write")
    parser.add_argument("--clip", type=Path, help="clip to repeat instead of a rendered one")
    parser.add_argument("--minutes", type=float, default=30, help="length of the video")
    parser.add_argument("--rate", type=int, default=10, help="its frames a second")
    parser.add_argument("--fps", type=float, default=2, help="frames looked at each second")
    parser.add_argument("--model", help="as for mien analyze")
    options = parser.parse_args()
    result: dict[str, Any] = {
        "machine": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores",
        "threads": os.environ.get("OMP_NUM_THREADS", "all"),
        "load_at_start": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "versions": {name: metadata.version(name) for name in ("mien", "torch", "av")},
        "picture_size": list(SIZE),
        "video_frames_per_second": options.rate,
        "looked_at_per_second": options.fps,
    }
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        clip = options.clip or rendered(place / "clips", seconds=4)
        video = place / "long.mp4"
        make_video(video, clip, seconds=60 * options.minutes, rate=options.rate)
        result["analyze"] = watched(
            video, place / "rows.jsonl", fps=options.fps, model=options.model
        )
        waiting = most_waiting(video, fps=options.fps, seconds=min(60.0, 60 * options.minutes))
        result["most_frames_waiting"] = waiting
    result["load_at_end"] = round(os.getloadavg()[0], 2)
    result = json.loads(json.dumps(result), parse_float=lambda v: round(float(v), 2))
    print(json.dumps(result, indent=1))
    if options.out:
        options.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
