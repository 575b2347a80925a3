"""The files of a folder of clips: what was asked for, the clips, and a table of frames for each.

    settings.json           what the clips are made with
    clips/000000.mp4        a clip
    frames/000000.parquet   its frames, a row each; its own row of clips.jsonl is in the metadata
    clips.jsonl             a `Sample` for each clip

The table is written after the clip, so a clip whose table is there is done. `clips.jsonl` is made
from the tables, and can be made again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mien.partfile import sink_error, write_whole
from mien.sample import Sample
from mien.synth.dataset_settings import SettingsError
from mien.untrusted import read_json_object

if TYPE_CHECKING:
    import pyarrow as pa

CODECS: Mapping[str, Mapping[str, str]] = {
    "libx264": {"crf": "17", "preset": "medium"},
    "mpeg4": {"qmin": "2", "qmax": "4"},
}
"""Codec to its options, the best first."""
_ROW = b"mien.sample"


class ClipFolder:
    """A folder of clips.

    Args:
        path: the folder; made by `prepare`.
    """

    def __init__(self, path: Path):
        self.path = path
        self.clips, self.frames = path / "clips", path / "frames"

    def prepare(self, settings: Mapping[str, Any]) -> None:
        """Makes the folder, or checks that what is in it was made with the same settings.

        Raises:
            SettingsError: if it was made with others, or is in use for something else.
            SinkError: if it cannot be written.
        """
        file = self.path / "settings.json"
        try:
            found = read_json_object(file)
        except FileNotFoundError:
            self._begin(settings)
            return
        except (ValueError, OSError) as error:
            raise SettingsError(f"{file} cannot be read ({error}); choose another folder") from None
        wanted = json.loads(json.dumps(settings))
        if found != wanted:
            names = [n for n in {**wanted, **found} if found.get(n) != wanted.get(n)]
            words = "; ".join(f"{n} was {found.get(n)}, not {wanted.get(n)}" for n in names)
            raise SettingsError(
                f"{self.path} holds clips that were made otherwise: {words}. "
                "Choose another folder, or give the same settings to go on"
            )

    def _begin(self, settings: Mapping[str, Any]) -> None:
        if any(self.frames.glob("*.parquet")) or any(self.clips.glob("*.mp4")):
            raise SettingsError(
                f"{self.path} holds clips but no settings.json; choose another folder"
            )
        try:
            self.clips.mkdir(parents=True, exist_ok=True)
            self.frames.mkdir(exist_ok=True)
        except OSError as error:
            raise sink_error(self.path, error) from error
        text = json.dumps(settings, indent=2, ensure_ascii=False) + "\n"
        write_whole(self.path / "settings.json", text.encode())

    def clip(self, number: int) -> Path:
        """Where a clip is."""
        return self.clips / f"{number:06d}.mp4"

    def table(self, number: int) -> Path:
        """Where its frames are."""
        return self.frames / f"{number:06d}.parquet"

    def done(self) -> list[int]:
        """Numbers of the clips that are there, in order."""
        tables = {int(p.stem) for p in self.frames.glob("*.parquet") if p.stem.isdecimal()}
        return sorted(n for n in tables if self.clip(n).exists())

    def write_table(self, number: int, columns: Mapping[str, Sequence[Any]], row: Sample) -> None:
        """Writes the frames of a clip, and with them its row.

        Raises:
            SinkError: if it cannot be written.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pa.table({name: _typed(name, values) for name, values in columns.items()})
        table = table.replace_schema_metadata({_ROW: row.to_json().encode()})
        path = self.table(number)
        part = path.with_name(path.name + ".part")
        try:
            pq.write_table(table, part, compression="zstd")
            part.replace(path)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise sink_error(path, error) from error

    def rows(self) -> Iterator[Sample]:
        """The clips that are there, from their tables."""
        import pyarrow.parquet as pq

        for number in self.done():
            metadata = pq.read_schema(self.table(number)).metadata or {}
            if _ROW in metadata:
                yield Sample.from_json(metadata[_ROW].decode())

    def write_list(self) -> None:
        """Writes `clips.jsonl`.

        Raises:
            SinkError: if it cannot be written.
        """
        text = "".join(row.to_json() + "\n" for row in self.rows())
        write_whole(self.path / "clips.jsonl", text.encode())


def _typed(name: str, values: Sequence[Any]) -> pa.Array:
    import pyarrow as pa

    if name in ("clip", "phase", "blink"):
        kind = pa.bool_() if name == "blink" else pa.string()
    elif name == "frame":
        kind = pa.int32()
    else:
        kind = {"_c": pa.int8(), "_v": pa.bool_()}.get(name[-2:], pa.float32())
    return pa.array(values, kind)


def codec() -> str:
    """The best codec of `CODECS` that PyAV has here."""
    import av

    return next((name for name in CODECS if name in av.codecs_available), "mpeg4")


def write_clip(
    path: Path, frames: Iterator[NDArray[np.uint8]], *, fps: float, size: int, codec: str
) -> None:
    """Writes a clip as the frames come; nothing is left of one that is cut short.

    Args:
        path: of the MP4.
        frames: (size, size, 3) uint8 each.
        fps: frames a second.
        size: side in pixels, even.
        codec: key of `CODECS`.

    Raises:
        SinkError: if it cannot be written.
    """
    import av

    part = path.with_name(path.name + ".part")
    stream: Any  # PyAV's types do not tell a video codec from others
    try:
        with av.open(os.fspath(part), "w", format="mp4") as container:
            container.metadata["comment"] = "Rendered by mien; this person does not exist."
            rate = Fraction(fps).limit_denominator(1001)
            stream = container.add_stream(codec, rate=rate, options=dict(CODECS[codec]))
            stream.width = stream.height = size
            stream.pix_fmt = "yuv420p"
            stream.codec_context.thread_count = 1  # the bytes depend on it
            for image in frames:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
            container.mux(stream.encode(None))
        part.replace(path)
    except OSError as error:
        raise sink_error(path, error) from error
    finally:
        part.unlink(missing_ok=True)


def read_clip(path: Path) -> Iterator[NDArray[np.uint8]]:
    """(H, W, 3) uint8 of each frame of a clip."""
    import av

    with av.open(os.fspath(path)) as container:
        for frame in container.decode(video=0):
            image: Any = frame.to_ndarray(format="rgb24")
            yield image
