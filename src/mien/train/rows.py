"""Instruction rows by number, in flat memory, with their pictures."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.data.build.settings import BuildError
from mien.data.build.shards import MANIFEST, Folder
from mien.data.pictures import open_frames, open_path
from mien.media import MediaError, read_picture
from mien.sample import Sample
from mien.train.mapped import (
    CACHE_FOLDER,
    CHARACTERS,
    PICTURES,
    RowsError,
    kept_beside,
    mapped_table,
)

__all__ = ["InstructionRows", "RowsError", "fingerprint"]

_END = 1 << 20


class InstructionRows:
    """Rows of `mien data build`: `rows[i]` is a dictionary as in `mien.data.build.instruction_row`.

    Rows and pictures inside of them stay in a file that is mapped into memory; pictures elsewhere
    are opened when they are asked for.

    Args:
        place: folder of a set, folder of Parquet or JSON-lines files, or one such file.
        root: folder of the pictures: of one source, or with a folder for each source. By default
            where the set was built from.
        cache: folder of the mapped file; `.mien/rows` beside the rows by default, or in the user's
            cache folder where the rows are read-only.

    Raises:
        RowsError: if there are no rows, or they are damaged.
        mien.partfile.SinkError: if the mapped file cannot be written.
    """

    def __init__(
        self, place: Path | str, *, root: Path | str | None = None, cache: Path | None = None
    ) -> None:
        self.place = Path(place)
        self.root = None if root is None else Path(root)
        self._files, self._roots = _files(self.place)
        self._cache = kept_beside(self.place, CACHE_FOLDER) if cache is None else cache
        self._open()

    def _open(self) -> None:
        self._table = mapped_table(self._files, self._cache)
        self._starts = np.cumsum([0, *(len(c) for c in self._table.column("id").chunks)])

    def __getstate__(self) -> dict[str, Any]:
        """Without the mapped memory, which every process opens itself."""
        return {k: v for k, v in self.__dict__.items() if k not in ("_table", "_starts")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._open()

    def __len__(self) -> int:
        return len(self._table)

    def __getitem__(self, index: int) -> dict[str, Any]:
        if not 0 <= index < len(self):
            raise IndexError(f"row {index} of {len(self)} in {self.place}")
        chunk = int(np.searchsorted(self._starts, index, side="right")) - 1
        at = index - int(self._starts[chunk])
        names = [n for n in self._table.column_names if not n.startswith("_")]
        return {name: self._table.column(name).chunk(chunk)[at].as_py() for name in names}

    @property
    def characters(self) -> NDArray[np.int32]:
        """(N,) characters of each row's messages."""
        return self._table.column(CHARACTERS).to_numpy()

    @property
    def pictures(self) -> NDArray[np.int32]:
        """(N,) pictures and videos of each row."""
        return self._table.column(PICTURES).to_numpy()

    def faces(self) -> NDArray[np.int32]:
        """(N,) number of each row's face or clip; rows about the same one share it."""
        import pyarrow.compute as pc

        sample = pc.coalesce(self._table.column("sample"), self._table.column("id"))
        source = pc.fill_null(self._table.column("source"), "")
        names = pc.binary_join_element_wise(source, sample, "\n").dictionary_encode()
        return names.combine_chunks().indices.to_numpy().astype(np.int32)

    def tasks(self) -> list[str]:
        """The task of every row."""
        names: list[str] = self._table.column("task").to_pylist()
        return names

    def labels(self, indices: NDArray[np.integer]) -> Iterator[dict[str, Any] | None]:
        """The labels of some rows, in rising order of the rows, without anything else of them."""
        column = self._table.column("labels")
        wanted = np.sort(np.asarray(indices))
        ends = np.searchsorted(wanted, self._starts)
        for number, chunk in enumerate(column.chunks):
            places = wanted[ends[number] : ends[number + 1]] - self._starts[number]
            yield from chunk.take(places).to_pylist()

    def open_pictures(self, row: dict[str, Any], clip_frames: int) -> list[NDArray[np.uint8]]:
        """The picture of a row, or the frames of its clip.

        Args:
            row: one of these rows.
            clip_frames: most frames of a video.

        Returns:
            (H, W, 3) uint8 RGB each.

        Raises:
            RowsError: if it has none, or one cannot be read; names file and row.
        """
        images, videos = self.shown(row)
        if len(videos) > 1 or (images and videos):
            raise RowsError(
                f"{self.name_of(row)}: shows {len(images)} pictures and {len(videos)} "
                "videos; a row is about one picture or one clip"
            )
        try:
            if videos:
                path, root = self.locate(videos[0])
                clip = Sample(id=row["id"], dataset=row["dataset"] or "rows", video=path)
                return open_frames(clip, root, clip_frames)
            return [self._picture(image) for image in images]
        except MediaError as error:
            raise RowsError(
                f"{self.name_of(row)}: {error}. Is the `root` of this source right? "
                "`mien data check` lists missing files"
            ) from error

    def name_of(self, row: dict[str, Any]) -> str:
        """A row with its place, for messages."""
        return f"{self.place}, row {row['id']!r}"

    def shown(self, row: dict[str, Any]) -> tuple[list[Any], list[Any]]:
        """Images and videos of a row.

        Raises:
            RowsError: if it has neither.
        """
        images, videos = row["images"] or [], row["videos"] or []
        if not images and not videos:
            raise RowsError(f"{self.name_of(row)}: has no picture; leave such rows out")
        return images, videos

    def _picture(self, image: Any) -> NDArray[np.uint8]:
        if isinstance(image, dict) and image.get("bytes") is not None:
            return read_picture(image["bytes"], name=image.get("path") or "embedded picture")
        path, root = self.locate(image["path"] if isinstance(image, dict) else image)
        return open_path(path, root)

    def locate(self, name: str) -> tuple[str, Path]:
        """Where a picture of a row is: its path within a folder (or file), and that folder."""
        source, _, rest = name.partition("/")
        if self.root is not None:
            return (name if (self.root / source).is_dir() else rest or name), self.root
        if source in self._roots:
            return rest, self._roots[source]
        raise RowsError(
            f"{self.place}: where the pictures of source {source!r} are is not known; give the "
            "`root` of these rows"
        )


def fingerprint(place: Path | str) -> str:
    """A short hash of rows: of each file's name and size and, of larger ones, both ends.

    A set of `mien data build` is known by the hashes of its files, which it keeps.

    Raises:
        RowsError: if there are no rows, or `mien data build` has not finished.
    """
    place, digest = Path(place), hashlib.blake2b(digest_size=8)
    if (place / MANIFEST).is_file():
        for shard in _built(place).shards:
            digest.update(f"{shard.name} {shard.sha256}\n".encode())
        return digest.hexdigest()
    for path in _files(place)[0]:
        size = path.stat().st_size
        digest.update(f"{path.name} {size}\n".encode())
        with path.open("rb") as file:
            digest.update(file.read(_END))
            file.seek(max(size - _END, file.tell()))
            digest.update(file.read())
    return digest.hexdigest()


def _files(place: Path) -> tuple[list[Path], dict[str, Path]]:
    """The files of rows, and the folders of their sources as far as they are known."""
    if place.is_file():
        return [place], {}
    if not place.is_dir():
        raise RowsError(f"{place}: no such file or folder; give the folder of `mien data build`")
    if (place / MANIFEST).is_file():
        folder = _built(place)
        try:
            return [folder.checked(shard) for shard in folder.shards], folder.roots()
        except BuildError as error:
            raise RowsError(str(error)) from error
    found = sorted(place.glob("*.parquet")) or sorted(place.glob("*.jsonl"))
    if not found:
        raise RowsError(f"{place}: holds no Parquet or JSON-lines files of rows")
    return found, {}


def _built(place: Path) -> Folder:
    """A set of `mien data build` that is finished."""
    try:
        folder = Folder.open(place)
    except BuildError as error:
        raise RowsError(str(error)) from error
    if not folder.complete:
        raise RowsError(f"{place}: `mien data build` has not finished; run the same command again")
    return folder
