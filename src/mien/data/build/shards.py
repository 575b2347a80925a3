"""Files of a set, each whole or not there, and the list of those that are finished."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mien.data.build.instruction_row import turns_of
from mien.data.build.settings import BuildError, BuildSettings, differences
from mien.data.roots import ROOTS, read_roots
from mien.partfile import sink_error, write_whole
from mien.untrusted import TextError, json_object, read_json

MANIFEST = "build.json"
DATA = "data"
SET_ASIDE = "set_aside"
WRITTEN = ("README.md", "NOTICE", "report.html", "report.json", "set_aside.jsonl", ROOTS)
"""Files beside the shards that a build replaces."""
_AGAIN = "run the same `mien data build` again, which makes it anew"


@dataclass(frozen=True)
class Shard:
    """One finished file.

    Attributes:
        name: of the file in `data/`; it begins with the split of its rows.
        rows: in it.
        sha256: of its bytes.
        stats: counts of the checks: texts asked for, kept, refused by rule, set aside, tokens.
        size: in bytes; None where an older mien did not write it down.
    """

    name: str
    rows: int
    sha256: str
    stats: Mapping[str, Any] = field(default_factory=dict)
    size: int | None = None

    @property
    def split(self) -> str:
        """Which all its rows are published in."""
        return self.name.rpartition("-")[0]


class Folder:
    """A set on disk: settings, finished shards, rows.

    Args:
        path: the folder; made by `begin`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.shards: list[Shard] = []
        self.settings: dict[str, Any] = {}
        self.left_out: dict[str, dict[str, int]] = {}
        self.complete = False
        self._damaged: set[str] = set()

    @classmethod
    def open(cls, path: Path) -> Folder:
        """A set that a build has begun.

        Raises:
            BuildError: if there is none, or it is damaged.
        """
        folder = cls(path)
        if not folder._load():
            raise BuildError(f"{path} holds no {MANIFEST}; `mien data build` makes such a folder")
        return folder

    def begin(
        self, settings: BuildSettings, left_out: Mapping[str, Mapping[str, int]] | None = None
    ) -> None:
        """Makes the folder, or goes on with one that has the same settings.

        Args:
            settings: of the build.
            left_out: per source, why samples are not in the set, and how many.

        Raises:
            BuildError: if it was begun with other settings, or holds something else.
            SinkError: if it cannot be written.
        """
        here = settings.to_dict()
        begun = self._load()
        if begun:
            changed = differences(self.settings, here)
            if changed and self.shards:
                raise BuildError(
                    f"{self.path} was begun with other settings: {'; '.join(changed)}. Use the "
                    "same ones to go on, or choose another --out"
                )
        else:
            self._refuse_foreign()
        try:
            (self.path / DATA).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise sink_error(self.path, error) from error
        self._damaged = {shard.name for shard in self.shards if not self._whole(shard)}
        left = {source: dict(counts) for source, counts in (left_out or {}).items()}
        if not begun or (self.settings, self.left_out) != (here, left):
            self.settings, self.left_out = here, left
            self.save()

    def _refuse_foreign(self) -> None:
        """Keeps what others wrote from being replaced."""
        for name in (*WRITTEN, DATA, SET_ASIDE):
            path = self.path / name
            if any(path.iterdir()) if path.is_dir() else path.exists():
                holds = "holds files" if path.is_dir() else "is there"
                raise BuildError(
                    f"{path} {holds} but no {MANIFEST} is beside it, so that mien did not write "
                    "it; choose another --out"
                )

    def _whole(self, shard: Shard) -> bool:
        """Whether a shard is as it was written, to the last byte."""
        try:
            with self.file(shard.name).open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest() == shard.sha256
        except OSError:
            return False

    def _load(self) -> bool:
        path = self.path / MANIFEST
        try:
            data = read_json(path)
            self.settings = data["settings"]
            self.shards = [Shard(**entry) for entry in data["shards"]]
            self.complete = data["complete"]
            self.left_out = data.get("left_out", {})
        except FileNotFoundError:
            return False
        except OSError as error:
            raise BuildError(f"cannot read {path}: {error.strerror}") from error
        except (ValueError, KeyError, TypeError) as error:
            raise BuildError(
                f"{path} is no list of shards of this mien ({error}); choose another --out"
            ) from error
        return True

    def save(self, *, complete: bool = False) -> None:
        """Writes the list of finished shards."""
        self.complete = complete
        data = {
            "settings": self.settings,
            "left_out": self.left_out,
            "complete": complete,
            "rows": sum(shard.rows for shard in self.shards),
            "shards": [asdict(shard) for shard in self.shards],
        }
        write_whole(self.path / MANIFEST, (json.dumps(data, indent=1) + "\n").encode())

    def file(self, name: str) -> Path:
        """Path of a shard."""
        return self.path / DATA / name

    def finished(self, number: int, split: str) -> bool:
        """Whether nothing is left to do for a shard of this split.

        It was there and whole when the run began. What nobody answered is asked again, and broken
        pictures are read again: they may have been mended.
        """
        if number >= len(self.shards) or self._open_texts(number):
            return False
        name = self.shards[number].name
        return name == self._name(number, split) and name not in self._damaged

    def _open_texts(self, number: int) -> int:
        """Texts of a shard that were set aside because no answer came or a picture is broken."""
        aside = self.shards[number].stats.get("set_aside", {})
        return sum(aside.get(rule, 0) for rule in ("no_answer", "unreadable"))

    def _name(self, number: int, split: str) -> str:
        return f"{split}-{number:05d}.{self.settings['format']}"

    def add(
        self,
        number: int,
        data: bytes,
        *,
        split: str,
        rows: int,
        stats: Mapping[str, Any],
        aside: bytes,
    ) -> None:
        """Writes the next shard, then what was set aside, then the list.

        Raises:
            SinkError: if it cannot be written; the shard is then not there.
        """
        name = self._name(number, split)
        place = self.path / SET_ASIDE
        if aside:
            try:
                place.mkdir(exist_ok=True)
            except OSError as error:
                raise sink_error(place, error) from error
            write_whole(place / f"{number:05d}.jsonl", aside)
        else:  # the shard may be one that is made again
            (place / f"{number:05d}.jsonl").unlink(missing_ok=True)
        write_whole(self.file(name), data)
        shard = Shard(name, rows, hashlib.sha256(data).hexdigest(), stats, len(data))
        self._damaged.discard(name)
        replaced = self.shards[number : number + 1]
        self.shards[number:] = [shard, *self.shards[number + 1 :]]
        self.save()
        for old in replaced:
            if old.name != name:  # an older mien named shards after the option --split
                self.file(old.name).unlink(missing_ok=True)

    def rows(self, *, pictures: bool = False) -> Iterator[dict[str, Any]]:
        """All rows of the finished shards, in order, a few in memory at a time.

        Args:
            pictures: whether embedded pictures are read too.

        Raises:
            BuildError: if a shard is missing or damaged.
        """
        for shard in self.shards:
            yield from self.rows_of(shard, pictures=pictures)

    def rows_of(self, shard: Shard, *, pictures: bool = False) -> Iterator[dict[str, Any]]:
        """The rows of one shard; see `rows`."""
        path = self.checked(shard)
        read = _parquet_rows if path.suffix == ".parquet" else _json_rows
        try:
            yield from read(path, pictures)
        except (OSError, ValueError) as error:
            raise BuildError(f"{path} is damaged ({error}); {_AGAIN}") from error

    def checked(self, shard: Shard) -> Path:
        """Path of a shard that is there and as large as it was written.

        Raises:
            BuildError: if it is not.
        """
        path = self.file(shard.name)
        try:
            size = path.stat().st_size
        except FileNotFoundError as error:
            raise BuildError(f"{path} is missing; {_AGAIN}") from error
        except OSError as error:
            raise BuildError(f"cannot read {path}: {error.strerror}") from error
        if shard.size is not None and size != shard.size:
            raise BuildError(
                f"{path} is damaged: it has {size:,} bytes, not {shard.size:,}; {_AGAIN}"
            )
        return path

    def answers(self) -> Iterator[tuple[dict[str, Any], list[str]]]:
        """Rows with their answers."""
        for row in self.rows():
            yield row, [answer for _, answer in turns_of(row)]

    def set_aside(self) -> Iterator[dict[str, Any]]:
        """What was set aside, in order."""
        for number in range(len(self.shards)):
            path = self.path / SET_ASIDE / f"{number:05d}.jsonl"
            if path.is_file():
                yield from _json_rows(path, False)

    def roots(self) -> dict[str, Path]:
        """Folders of the sources; empty where they are not known, see `read_roots`."""
        return read_roots(self.path)


def _json_rows(path: Path, pictures: bool) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                yield json_object(line, f"{path}, line {number}", remedy=_AGAIN)
            except TextError as error:
                raise BuildError(str(error)) from None


def _parquet_rows(path: Path, pictures: bool) -> Iterator[dict[str, Any]]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        names = file.schema_arrow.names
        embedded = str(file.schema_arrow.field("images").type.value_type) != "string"
        columns = names
        if embedded and not pictures:
            columns = [name for name in names if name != "images"] + ["images.list.element.path"]
        for batch in file.iter_batches(64 if pictures else 1000, columns=columns):
            for row in batch.to_pylist():
                if embedded and not pictures:
                    row["images"] = [image["path"] for image in row["images"]]
                yield row


@contextlib.contextmanager
def own(folder: Path) -> Iterator[None]:
    """The folder, made if need be, and no other run's meanwhile.

    Raises:
        BuildError: if another run writes to it.
        SinkError: if it cannot be made.
    """
    import fcntl

    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise sink_error(folder, error) from error
    try:
        if not os.access(folder, os.W_OK):
            raise sink_error(folder, PermissionError(errno.EACCES, "Permission denied"))
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BuildError(f"another run is writing to {folder}; wait for it to end") from error
        yield
    finally:
        os.close(handle)
