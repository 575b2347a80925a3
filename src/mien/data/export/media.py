"""Pictures and videos of a set, as an export names them: where they are, or copies beside it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from mien.data.build.embed import checked_picture, encoded_path, suffix_of
from mien.data.build.settings import BuildError
from mien.data.inside import located
from mien.data.pictures import folder_of, open_frames, split_reference
from mien.media import MediaError
from mien.partfile import PartFile, sink_error
from mien.sample import Sample

_CHUNK = 1 << 20


class Media:
    """Pictures and videos of a set, by their paths in its rows.

    Copies are named after what is in them, so that those of several exports can lie in one folder.

    Args:
        roots: folder of each source.
        copy_to: folder that copies are written to; None leaves all where it is.
    """

    def __init__(self, roots: Mapping[str, Path], copy_to: Path | None) -> None:
        self.roots, self.copy_to = roots, copy_to
        # the rows of a sample stand together, and show the same
        self._copied = lru_cache(maxsize=64)(self._copy_of)

    def read(self, image: str | Mapping[str, Any]) -> bytes:
        """The encoded picture.

        Raises:
            BuildError: if the folder of its source is not known.
            MediaError: if it cannot be read.
        """
        if not isinstance(image, str) and image.get("bytes"):
            return checked_picture(bytes(image["bytes"]), str(image.get("path")))
        path, root = self._place(image if isinstance(image, str) else image["path"])
        return encoded_path(path, root)

    def image(self, image: str | Mapping[str, Any]) -> str:
        """Path of a picture for an export: that of the row, or of a copy below `copy_to`.

        Raises:
            BuildError: if the picture is inside of another file and is not to be copied.
            MediaError: if it is to be copied and cannot be read.
            SinkError: if the copy cannot be written.
        """
        name: str = image if isinstance(image, str) else image["path"]
        if self.copy_to is None:
            if split_reference(name)[1] is not None or "#part=" in name:
                raise BuildError(
                    f"picture {name!r} is inside of another file, where no trainer finds it; add "
                    "--copy-images"
                )
            return name
        if isinstance(image, str):
            return self._copied(image, False)
        return self._write(name, self.read(image))

    def video(self, name: str) -> str:
        """Path of a video for an export, as `image` gives that of a picture."""
        return name if self.copy_to is None else self._copied(name, True)

    def _copy_of(self, name: str, video: bool) -> str:
        if not video:
            return self._write(name, self.read(name))
        path, root = self._place(name)
        digest = hashlib.blake2b(digest_size=16)
        file = located(path, folder_of(root))
        next(iter(open_frames(Sample(name, "row", video=path), root, 1)))  # a video, not any file
        for chunk in _chunks(file):
            digest.update(chunk)
        target = f"videos/{name.split('/')[0]}/{digest.hexdigest()}{Path(path).suffix.lower()}"
        return self._save(target, _chunks(file))

    def _write(self, name: str, data: bytes) -> str:
        digest = hashlib.blake2b(data, digest_size=16).hexdigest()
        return self._save(f"images/{name.split('/')[0]}/{digest}{suffix_of(data)}", [data])

    def _save(self, target: str, parts: Iterable[bytes]) -> str:
        assert self.copy_to is not None
        place = self.copy_to / target
        if not place.exists():
            try:
                place.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise sink_error(place, error) from error
            write_parts(place, parts)
        return target

    def _place(self, name: str) -> tuple[str, Path]:
        """Path within a source, and the source's folder."""
        source, _, path = name.partition("/")
        if source not in self.roots:
            raise BuildError(
                f"the folder of source {source!r} is not known; give it as --source {source}=DIR"
            )
        return path, self.roots[source]


def write_parts(out: Path, parts: Iterable[bytes]) -> int:
    """Writes the parts of a file, which appears whole or not at all; gives their number.

    Raises:
        SinkError: if it cannot be written.
    """
    file = PartFile(out)
    file.open()
    count, whole = 0, False
    try:
        for part in parts:
            file.append(part)
            count += 1
        whole = True
    finally:
        file.close(keep=whole)
    return count


def _chunks(file: Path) -> Iterator[bytes]:
    try:
        with file.open("rb") as opened:
            while chunk := opened.read(_CHUNK):
                yield chunk
    except OSError as error:
        why = error.strerror or str(error)
        raise MediaError(f"{file}: {why}. Copy the dataset again") from error
