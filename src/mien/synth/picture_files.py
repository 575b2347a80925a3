"""Where rendered pictures are kept: Parquet files, or a folder of pictures with JSON lines.

Both are written shard by shard. A shard appears whole, by one rename, or not at all, so that a run
that was stopped in any way goes on with the first shard that is missing.
"""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol

from mien.partfile import PartFile, sink_error
from mien.sample import Sample
from mien.synth.dataset_settings import Settings
from mien.synth.picture_row import LABEL_COLUMNS, row_of, sample_of, schema
from mien.synth.produce import Picture

SAMPLES = "samples.jsonl"
_GROUP_ROWS = 100
_GROUP_BYTES = 32 * 2**20
"""A row group is written at either, so that memory does not grow with the pictures."""


class Store(Protocol):
    """A set of pictures on disk."""

    def is_whole(self, shard: int) -> bool:
        """Whether a shard is there with all its pictures."""

    def write(self, shard: int, pictures: Iterable[Picture]) -> None:
        """Writes one shard.

        Raises:
            SinkError: if it cannot be written; nothing of the shard is then left.
        """

    def close(self) -> None:
        """Brings what spans shards up to date."""

    def samples(self) -> Iterator[Sample]:
        """The labels of all whole shards, in order."""

    def pictures(self) -> Iterator[tuple[Sample, bytes]]:
        """Labels and encoded pictures of all whole shards, in order."""


def open_store(folder: Path, settings: Settings) -> Store:
    """The store of some settings in a folder that exists."""
    kind = ParquetStore if settings.format == "parquet" else FolderStore
    return kind(folder, settings)


class ParquetStore:
    """Files `synth-train-00000.parquet`; the name tells Hugging Face's datasets the split."""

    def __init__(self, folder: Path, settings: Settings):
        self.folder, self.settings = folder, settings
        self._sizes = [len(numbers) for numbers in settings.shards()]

    def path(self, shard: int) -> Path:
        """File of a shard."""
        return self.folder / f"synth-{self.settings.split}-{shard:05d}.parquet"

    def is_whole(self, shard: int) -> bool:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            return pq.read_metadata(self.path(shard)).num_rows == self._sizes[shard]
        except (OSError, pa.ArrowInvalid):
            return False

    def write(self, shard: int, pictures: Iterable[Picture]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        target = self.path(shard)
        part = target.with_name(target.name + ".part")
        try:
            with pq.ParquetWriter(str(part), schema(), compression="zstd") as writer:
                for rows in _groups(map(row_of, pictures)):
                    writer.write_table(pa.Table.from_pylist(rows, schema=schema()))
            _to_disk(part)
            part.replace(target)
        except OSError as error:
            raise sink_error(target, error) from error
        finally:
            part.unlink(missing_ok=True)

    def close(self) -> None:
        """Nothing spans the files."""

    def samples(self) -> Iterator[Sample]:
        for row in self._rows(list(LABEL_COLUMNS)):
            yield sample_of(row)

    def pictures(self) -> Iterator[tuple[Sample, bytes]]:
        for row in self._rows([*LABEL_COLUMNS, "image.bytes"]):
            yield sample_of(row), row["image"]["bytes"]

    def _rows(self, columns: list[str]) -> Iterator[dict[str, Any]]:
        import pyarrow.parquet as pq

        for shard in filter(self.is_whole, range(len(self._sizes))):
            with pq.ParquetFile(self.path(shard)) as file:
                for batch in file.iter_batches(_GROUP_ROWS, columns=columns):
                    yield from batch.to_pylist()


def _groups(rows: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    group: list[dict[str, Any]] = []
    size = 0
    for row in rows:
        group.append(row)
        size += len(row["image"]["bytes"])
        if len(group) >= _GROUP_ROWS or size >= _GROUP_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group


class FolderStore:
    """Pictures `images/00000/000000.webp`, and their labels in `samples.jsonl`.

    Each folder of pictures has the labels of its own; those of the whole set are put together from
    them when the store is closed.
    """

    def __init__(self, folder: Path, settings: Settings):
        self.folder, self.settings = folder, settings
        self._sizes = [len(numbers) for numbers in settings.shards()]

    def path(self, shard: int) -> Path:
        """Folder of a shard."""
        return self.folder / "images" / f"{shard:05d}"

    def is_whole(self, shard: int) -> bool:
        try:
            with (self.path(shard) / SAMPLES).open("rb") as lines:
                return sum(1 for _ in lines) == self._sizes[shard]
        except FileNotFoundError:
            return False

    def write(self, shard: int, pictures: Iterable[Picture]) -> None:
        target = self.path(shard)
        part = target.with_name(target.name + ".part")
        try:
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True)
            with (part / SAMPLES).open("wb") as lines:
                for picture in pictures:
                    name = Path(picture.sample.image or "").name
                    (part / name).write_bytes(picture.data)
                    lines.write((picture.sample.to_json() + "\n").encode())
                lines.flush()
                os.fsync(lines.fileno())
            if target.exists():  # the last shard of a set that has grown
                shutil.rmtree(target)
            part.rename(target)
        except OSError as error:
            raise sink_error(target, error) from error
        finally:
            shutil.rmtree(part, ignore_errors=True)

    def close(self) -> None:
        file = PartFile(self.folder / SAMPLES)
        file.open()
        whole = 0
        try:
            for shard in self._whole():
                file.append((self.path(shard) / SAMPLES).read_bytes())
                whole += 1
        except BaseException:
            file.close(keep=False)
            raise
        file.close(keep=whole > 0)

    def samples(self) -> Iterator[Sample]:
        for shard in self._whole():
            with (self.path(shard) / SAMPLES).open(encoding="utf-8") as lines:
                yield from map(Sample.from_json, lines)

    def pictures(self) -> Iterator[tuple[Sample, bytes]]:
        for sample in self.samples():
            yield sample, (self.folder / (sample.image or "")).read_bytes()

    def _whole(self) -> Iterator[int]:
        return filter(self.is_whole, range(len(self._sizes)))


def _to_disk(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def take(pictures: Iterator[Picture], numbers: range) -> Iterator[Picture]:
    """The next pictures of a stream, which must be those of some numbers."""
    for number, picture in zip(numbers, itertools.islice(pictures, len(numbers)), strict=True):
        if picture.index != number:
            raise ValueError(f"picture {picture.index} came where {number} was due")
        yield picture
