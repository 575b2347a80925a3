"""How fast mien goes through a video, and in how much memory, on this machine.

`python benchmarks/video.py --out benchmarks/video.json`

The clip is made here: the example picture and a second face of it move over a ground at 1280 x 720,
with a cut every ten seconds; `--clip` takes another one. Each run has a process of its own, so that
its peak memory is its own:

* stream: what `mien analyze` does: reading ahead, faces followed, answers in batches.
* one_by_one: each frame searched whole and each face asked alone, one after the other, as simple
  scripts and per-frame tools do; on the first `--baseline-seconds` of the clip only.
* overlay: the overlay video written, for the first `--baseline-seconds` as well.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from importlib import metadata
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image

EXAMPLE = Path(__file__).parents[1] / "examples" / "astronaut.jpg"
RATE = 25


def make_clip(path: Path, *, seconds: float, size: tuple[int, int] = (1280, 720)) -> None:
    """Two faces that move on their ways and cross, on a ground that changes every ten seconds."""
    width, height = size
    photo = Image.open(EXAMPLE).convert("RGB").crop((120, 30, 340, 300))
    photo = photo.resize((round(height * 0.5), round(height * 0.61)))
    other = photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT).convert("L").convert("RGB")
    grounds = [(70, 90, 80), (200, 180, 150), (60, 60, 110)]
    rng = np.random.default_rng(0)
    with av.open(str(path), "w") as container:
        codec = "libx264" if "libx264" in av.codecs_available else "mpeg4"
        options = {"preset": "ultrafast"} if codec == "libx264" else {}
        stream = container.add_stream(codec, rate=RATE, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        room = width - photo.width
        for i in range(round(seconds * RATE)):
            frame = Image.new("RGB", size, grounds[i // (10 * RATE) % len(grounds)])
            across = 0.5 - 0.5 * np.cos(2 * np.pi * i / (8 * RATE))
            frame.paste(other, (round(room * across), height // 4))
            frame.paste(photo, (round(room * (1 - across)), height // 6))
            pixels = np.asarray(frame).copy()
            pixels[::2, ::2] += rng.integers(0, 4, pixels[::2, ::2].shape, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))


def run_stream(clip: Path, fps: float, end: float | None) -> dict[str, float]:
    """The clip through the analyzer."""
    import mien
    from mien.media import Sampling

    analyzer = mien.load()
    start, frames, faces, looks = time.perf_counter(), 0, 0, []
    tracks: set[int | None] = set()
    for looked in analyzer.stream(clip, numbers=True, sampling=Sampling(rate=fps, end=end)):
        if looked.part == "frame":
            frames += 1
            faces += sum(row.status == "ok" for row in looked.rows)
            tracks |= {row.track for row in looked.rows}
            if frames % 100 == 0:
                looks.append(_resident_mb())
    seconds = time.perf_counter() - start
    drift = looks[-1] - looks[len(looks) // 2] if len(looks) > 3 else 0.0
    return {
        "frames": frames,
        "faces": faces,
        "tracks": len(tracks),
        "frames_per_second": frames / seconds,
        "growth_over_second_half_mb": drift,
    }


def run_one_by_one(clip: Path, fps: float, end: float | None) -> dict[str, float]:
    """The same frames, each searched whole and each face asked alone."""
    import mien
    from mien.engines.analysis import ask_analysis
    from mien.faces import crop_face
    from mien.media import read_frames

    analyzer = mien.load()
    start, frames, faces = time.perf_counter(), 0, 0
    for frame in read_frames(clip, rate=fps, end=end):
        frames += 1
        for face in analyzer.finder.find(frame.image):
            crop = crop_face(frame.image, face, analyzer.responder.crop_spec)
            ask_analysis(analyzer.responder, [[crop]], ids=[str(faces)], words=False)
            faces += 1
    seconds = time.perf_counter() - start
    return {"frames": frames, "faces": faces, "frames_per_second": frames / seconds}


def run_overlay(clip: Path, fps: float, end: float | None) -> dict[str, float]:
    """The overlay of a clip, without the looking."""
    from mien.draw.video import overlay_video
    from mien.media import read_frames
    from mien.schema import Analysis
    from mien.timeline import Timeline

    timeline, box = Timeline(clip.name), (300.0, 200.0, 500.0, 450.0)
    stamps = [f.time for f in read_frames(clip, every=5)]
    for stamp in stamps:
        timeline.add([Analysis(clip.name, frame=0, time=stamp, track=0, box=box)])
    start = time.perf_counter()
    out = clip.with_name("overlay.mp4")
    overlay_video(clip, timeline, out)
    seconds = time.perf_counter() - start
    times = [f.time for f in read_frames(out)]
    assert all(a < b for a, b in pairwise(times))
    return {"frames": len(times), "frames_per_second": len(times) / seconds}


RUNS = {"stream": run_stream, "one_by_one": run_one_by_one, "overlay": run_overlay}


def _resident_mb() -> float:
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def in_process(run: str, clip: Path, fps: float, end: float | None) -> dict[str, float]:
    """One run in a process of its own, with its peak memory."""
    command = [sys.executable, __file__, "--run", run, "--clip", str(clip), "--fps", str(fps)]
    if end is not None:
        command += ["--end", str(end)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="JSON file to write")
    parser.add_argument("--clip", type=Path, help="video to use instead of one that is made")
    parser.add_argument(
        "--seconds", type=float, default=1800, help="length of the clip that is made"
    )
    parser.add_argument("--fps", type=float, default=5, help="frames looked at each second")
    parser.add_argument("--baseline-seconds", type=float, default=60)
    parser.add_argument("--run", choices=RUNS, help=argparse.SUPPRESS)
    parser.add_argument("--end", type=float, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        found = RUNS[options.run](options.clip, options.fps, options.end)
        found["peak_memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps(found))
        return
    result: dict[str, Any] = {
        "machine": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "versions": {name: metadata.version(name) for name in ("mien", "torch", "av")},
    }
    with tempfile.TemporaryDirectory() as folder:
        clip, short = options.clip, Path(folder) / "short.mp4"
        if clip is None:
            clip = Path(folder) / "clip.mp4"
            make_clip(clip, seconds=options.seconds)
        brief = min(options.seconds, options.baseline_seconds)
        result["clip_seconds"] = options.seconds if options.clip is None else None
        result["stream"] = in_process("stream", clip, options.fps, None)
        result["stream_start"] = in_process("stream", clip, options.fps, brief)
        result["one_by_one"] = in_process("one_by_one", clip, options.fps, brief)
        make_clip(short, seconds=brief)
        result["overlay"] = in_process("overlay", short, options.fps, None)
    ratio = result["stream_start"]["frames_per_second"] / result["one_by_one"]["frames_per_second"]
    result["times_faster_than_one_by_one"] = ratio
    result = json.loads(json.dumps(result), parse_float=lambda v: round(float(v), 2))
    print(json.dumps(result, indent=1))
    if options.out:
        options.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
