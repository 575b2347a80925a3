"""Writes a set in another format, row by row."""

from __future__ import annotations

import base64
import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from mien import facs
from mien.columns import safe_text
from mien.data.build.settings import BuildError
from mien.data.build.shards import Folder
from mien.data.export import formats
from mien.data.export.media import Media, write_parts
from mien.media import MediaError
from mien.partfile import write_whole
from mien.untrusted import json_value

INFO = "dataset_info.json"
FORMATS = ("llava", "sharegpt", "ms-swift", "trl", "vlmevalkit", "openface-csv")
_ROWS: Mapping[str, Callable[[Mapping[str, Any], list[str]], dict[str, Any]]] = {
    "llava": formats.llava,
    "sharegpt": formats.sharegpt,
    "ms-swift": formats.ms_swift,
    "trl": formats.trl,
}


Lost = Callable[[str], None]
"""Takes why a picture or video cannot be read; the row is then left out."""


def _stop(why: str) -> None:
    raise MediaError(why)


def export(
    folder: Folder,
    to: str,
    out: Path,
    *,
    roots: Mapping[str, Path] | None = None,
    copy_images: bool = False,
    lost: Lost = _stop,
) -> int:
    """Writes a set in another format.

    Args:
        folder: the set.
        to: one of `FORMATS`.
        out: the file. Beside it stand ShareGPT's `dataset_info.json`, which keeps the entries of
            other sets, and what is copied.
        roots: folder of each source; by default those that the set was built from.
        copy_images: copy pictures to `images/` and videos to `videos/` beside the file, and name
            the copies.
        lost: see `Lost`; by default the first one ends the export.

    Returns:
        Number of rows.

    Raises:
        BuildError: if the format is unknown, or a row or a file beside does not fit it.
        MediaError: of `lost`.
        SinkError: if it cannot be written; nothing is then left of the file.
    """
    if to not in FORMATS:
        raise BuildError(f"unknown format {to!r}; mien writes {', '.join(FORMATS)}")
    info = _beside(out, folder) if to == "sharegpt" else b""
    media = Media({**folder.roots(), **(roots or {})}, out.parent if copy_images else None)
    if to == "vlmevalkit":
        parts = _tsv(folder, media, lost)
    elif to == "openface-csv":
        parts = _csv(folder)
    else:
        lines = _json(folder, to, media, lost)
        parts = _as_list(lines) if to in ("llava", "sharegpt") else (f"{line}\n" for line in lines)
    count = write_parts(out, (part.encode("utf-8", "surrogateescape") for part in parts))
    count -= {"vlmevalkit": 1, "openface-csv": 1, "llava": 1, "sharegpt": 1}.get(to, 0)
    if info:
        write_whole(out.with_name(INFO), info)
    return count


def _beside(out: Path, folder: Folder) -> bytes:
    """LLaMA-Factory's list of sets with ours in it, and all others as they are."""
    path = out.with_name(INFO)
    if out.name == INFO:
        raise BuildError(f"{out} is LLaMA-Factory's list of sets; give --out another name")
    try:
        known = json_value(path.read_bytes())
    except FileNotFoundError:
        known = {}
    except (OSError, ValueError) as error:
        raise BuildError(f"cannot add to {path}: {error}; mend it, or move it away") from error
    if not isinstance(known, dict):
        raise BuildError(f"cannot add to {path}: it is no JSON object; mend it, or move it away")
    other = known.get(out.stem)
    if other is not None and (not isinstance(other, dict) or other.get("file_name") != out.name):
        raise BuildError(f"{path} has another set named {out.stem!r}; give --out another name")
    videos = any(row["videos"] for row in folder.rows())
    entry = formats.dataset_info(out.stem, out.name, images=True, videos=videos)
    text = json.dumps({**known, **entry}, indent=1, ensure_ascii=False)
    return text.encode("utf-8", "surrogatepass") + b"\n"


def _json(folder: Folder, to: str, media: Media, lost: Lost) -> Iterator[str]:
    make = _ROWS[to]
    for row in folder.rows(pictures=media.copy_to is not None):
        try:
            images = [media.image(image) for image in row["images"]]
            videos = [media.video(video) for video in row["videos"]]
        except MediaError as error:
            lost(str(error))
            continue
        try:
            made = make({**row, "videos": videos}, images)
        except ValueError as error:
            raise BuildError(f"{error}; leave such sources out or choose another format") from None
        yield json.dumps(made, ensure_ascii=False)


def _as_list(lines: Iterator[str]) -> Iterator[str]:
    """A JSON list, a row a line; one part more than rows."""
    start = "[\n"
    for line in lines:
        yield start + line
        start = ",\n"
    yield "[]\n" if start == "[\n" else "\n]\n"


def _tsv(folder: Folder, media: Media, lost: Lost) -> Iterator[str]:
    yield _cells(formats.VLMEVALKIT, "\t")
    index = 0
    for row in folder.rows(pictures=True):
        if len(row["images"]) != 1:
            raise BuildError(
                f"row {row['id']!r} has {len(row['images'])} pictures; VLMEvalKit's table takes one"
            )
        try:
            picture = base64.b64encode(media.read(row["images"][0])).decode()
        except MediaError as error:
            lost(str(error))
            continue
        yield _cells(formats.vlmevalkit(row, index, picture), "\t")
        index += 1


def _csv(folder: Folder) -> Iterator[str]:
    """One line a sample, however many rows it has."""
    units = tuple(facs.ACTION_UNITS)
    yield _cells(formats.openface_columns(units), ",")
    last = None
    for row in folder.rows():
        key = (row["source"], row["sample"])
        if key != last:  # rows of a sample stand together
            yield _cells(map(safe_text, formats.openface(row, units)), ",")
        last = key


def _cells(cells: object, delimiter: str) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=delimiter, lineterminator="\n").writerow(cells)  # type: ignore[arg-type]
    return buffer.getvalue()
