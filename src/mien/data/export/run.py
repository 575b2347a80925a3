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
from mien.data.build.embed import encoded_path, suffix_of
from mien.data.build.settings import BuildError
from mien.data.build.shards import Folder
from mien.data.build.tasks import content_hash
from mien.data.export import formats
from mien.data.pictures import split_reference
from mien.partfile import PartFile, sink_error, write_whole

FORMATS = ("llava", "sharegpt", "ms-swift", "trl", "vlmevalkit", "openface-csv")
_ROWS: Mapping[str, Callable[[Mapping[str, Any], list[str]], dict[str, Any]]] = {
    "llava": formats.llava,
    "sharegpt": formats.sharegpt,
    "ms-swift": formats.ms_swift,
    "trl": formats.trl,
}


class Pictures:
    """Pictures of a set, by their paths in its rows.

    Args:
        roots: folder of each source.
        copy_to: folder that they are written to; None leaves them where they are.
    """

    def __init__(self, roots: Mapping[str, Path], copy_to: Path | None) -> None:
        self.roots, self.copy_to = roots, copy_to

    def read(self, image: str | Mapping[str, Any]) -> bytes:
        """The encoded picture.

        Raises:
            BuildError: if the folder of its source is not known.
            MediaError: if it cannot be read.
        """
        if not isinstance(image, str) and image.get("bytes"):
            return bytes(image["bytes"])
        name: str = image if isinstance(image, str) else image["path"]
        source, _, path = name.partition("/")
        if source not in self.roots:
            raise BuildError(
                f"the folder of source {source!r} is not known; give it as --source {source}=DIR"
            )
        return encoded_path(path, self.roots[source])

    def path(self, image: str | Mapping[str, Any]) -> str:
        """Path for an export: that of the row, or of a copy below `copy_to`.

        Raises:
            BuildError: if the picture is inside of another file and is not to be copied.
        """
        name = image if isinstance(image, str) else image["path"]
        inside = split_reference(name)[1] is not None or "#part=" in name
        if self.copy_to is None:
            if inside:
                raise BuildError(
                    f"picture {name!r} is inside of another file, where no trainer finds it; add "
                    "--copy-images"
                )
            return str(name)
        data = self.read(image)
        target = Path("images") / name.split("/")[0] / f"{content_hash(name):016x}{suffix_of(data)}"
        place = self.copy_to / target
        if not place.exists():
            try:
                place.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise sink_error(place, error) from error
            write_whole(place, data)
        return target.as_posix()


def export(
    folder: Folder,
    to: str,
    out: Path,
    *,
    roots: Mapping[str, Path] | None = None,
    copy_images: bool = False,
) -> int:
    """Writes a set in another format.

    Args:
        folder: the set.
        to: one of `FORMATS`.
        out: the file. `dataset_info.json` of ShareGPT and copied pictures stand beside it.
        roots: folder of each source; by default those that the set was built from.
        copy_images: write the pictures to `images/` beside the file, and name those.

    Returns:
        Number of rows.

    Raises:
        BuildError: if the format is unknown, or a row does not fit it.
        SinkError: if it cannot be written; nothing is then left of the file.
    """
    if to not in FORMATS:
        raise BuildError(f"unknown format {to!r}; mien writes {', '.join(FORMATS)}")
    pictures = Pictures({**folder.roots(), **(roots or {})}, out.parent if copy_images else None)
    if to == "vlmevalkit":
        count = _write(out, _tsv(folder, pictures))
    elif to == "openface-csv":
        count = _write(out, _csv(folder))
    else:
        lines = _json(folder, to, pictures)
        listed = to in ("llava", "sharegpt")
        count = _write(out, _as_list(lines) if listed else (line + "\n" for line in lines))
    count -= {"vlmevalkit": 1, "openface-csv": 1, "llava": 1, "sharegpt": 1}.get(to, 0)
    if to == "sharegpt":
        entry = formats.dataset_info(out.stem, out.name, images=True, videos=_has_videos(folder))
        info = json.dumps(entry, indent=1) + "\n"
        write_whole(out.with_name("dataset_info.json"), info.encode())
    return count


def _write(out: Path, parts: Iterator[str]) -> int:
    """Writes the parts of a file, and returns how many there were."""
    file = PartFile(out)
    file.open()
    count, whole = 0, False
    try:
        for part in parts:
            file.append(part.encode("utf-8", "surrogateescape"))
            count += 1
        whole = True
    finally:
        file.close(keep=whole)
    return count


def _json(folder: Folder, to: str, pictures: Pictures) -> Iterator[str]:
    make = _ROWS[to]
    for row in folder.rows(pictures=pictures.copy_to is not None):
        images = [pictures.path(image) for image in row["images"]]
        try:
            made = make(row, images)
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


def _tsv(folder: Folder, pictures: Pictures) -> Iterator[str]:
    yield _cells(formats.VLMEVALKIT, "\t")
    for index, row in enumerate(folder.rows(pictures=True)):
        if len(row["images"]) != 1:
            raise BuildError(
                f"row {row['id']!r} has {len(row['images'])} pictures; VLMEvalKit's table takes one"
            )
        picture = base64.b64encode(pictures.read(row["images"][0])).decode()
        yield _cells(formats.vlmevalkit(row, index, picture), "\t")


def _csv(folder: Folder) -> Iterator[str]:
    """One line a sample, however many rows it has."""
    units = tuple(facs.ACTION_UNITS)
    yield _cells(formats.openface_columns(units), ",")
    last = None
    for row in folder.rows():
        key = (row["source"], row["sample"])
        if key != last:  # rows of a sample stand together
            yield _cells(formats.openface(row, units), ",")
        last = key


def _cells(cells: object, delimiter: str) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=delimiter, lineterminator="\n").writerow(cells)  # type: ignore[arg-type]
    return buffer.getvalue()


def _has_videos(folder: Folder) -> bool:
    return any(row["videos"] for row in folder.rows())
