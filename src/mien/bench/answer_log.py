"""The answers of one model on one suite: a line of JSON each, on disk as soon as it is there.

The first line is the header: what decides the answers. Whoever goes on must have the same header:
answers to other questions, about other data or by another model may not be mixed. A run that
was killed in the middle of a line loses that line alone.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Literal, Self

from mien.partfile import sink_error
from mien.untrusted import TextError, json_object

ANSWERS_FILE = "answers.jsonl"
STORE_VERSION = 1

AnswerStatus = Literal["ok", "failed", "no_face", "unreadable"]


class StoreError(RuntimeError):
    """Answers cannot be read or may not be mixed; the message names the file and the remedy."""


@dataclass(frozen=True, slots=True)
class Record:
    """One answer as it came.

    Attributes:
        id: of the item.
        status: "ok" wherever the model answered; "failed" where it did not; "no_face" and
            "unreadable" where it could not be asked.
        text: the raw words.
        error: why it failed or could not be asked.
        expression: class to probability, where the model gives numbers.
        units: FACS number as text to [probability, intensity], null where it gives none.
        option_scores: option to log-likelihood, where they were asked for.
        seconds, usage, warnings: as in `mien.engines.request.Reply`.
    """

    id: str
    status: AnswerStatus
    text: str | None = None
    error: str | None = None
    expression: Mapping[str, float] | None = None
    units: Mapping[str, list[float | None]] | None = None
    option_scores: Mapping[str, float] | None = None
    seconds: float | None = None
    usage: Mapping[str, int] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def to_json(self) -> str:
        """One line; what is empty is left out."""
        row = {k: v for k, v in asdict(self).items() if v not in (None, {}, ())}
        return json.dumps(row, ensure_ascii=False, allow_nan=False)


class AnswerStore:
    """The answers of one run, to be used in a ``with`` block; safe to append to from threads.

    Args:
        folder: where `answers.jsonl` stands; made if it is missing.
        header: what decides the answers, as plain JSON.

    Raises:
        StoreError: if there are answers with another header, or another run writes there.
        mien.partfile.SinkError: if the folder cannot be written to.
    """

    def __init__(self, folder: Path, header: Mapping[str, Any]) -> None:
        self.path = folder / ANSWERS_FILE
        self.statuses: dict[str, AnswerStatus] = {}
        self._lock = threading.Lock()
        self._header = json.loads(json.dumps({"version": STORE_VERSION, **header}))
        self._file: BinaryIO | None = None

    def __enter__(self) -> Self:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("ab", buffering=0)
        except OSError as error:
            raise sink_error(self.path, error) from error
        try:
            _claim(self._file, self.path)
            end = self._resume()
            self._file.truncate(end)
            if end == 0:
                self._write(_line(self._header))
        except BaseException:
            self._file.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._file is not None
        try:
            os.fsync(self._file.fileno())
        finally:
            self._file.close()

    def append(self, record: Record) -> None:
        """Writes one answer.

        Raises:
            mien.partfile.SinkError: if it cannot be written; earlier answers stay.
        """
        with self._lock:
            self._write(record.to_json().encode() + b"\n")
            self.statuses[record.id] = record.status

    def answered(self, item_id: str, *, keep_failed: bool = False) -> bool:
        """Whether an item need not be asked again.

        Args:
            item_id: of the item.
            keep_failed: count a failed answer, or a picture that could not be read, as an answer.
        """
        status = self.statuses.get(item_id)
        return status is not None and (status not in ("failed", "unreadable") or keep_failed)

    def _resume(self) -> int:
        """Reads what is there; the number of bytes that are whole lines."""
        end = 0
        with self.path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if not line.endswith(b"\n"):
                    break  # cut off when the run was killed
                row = _row(line, self.path, number)
                if number == 1:
                    check_header(row, self._header, self.path)
                else:
                    self.statuses[row["id"]] = row["status"]
                end += len(line)
        return end

    def _write(self, data: bytes) -> None:
        assert self._file is not None, "use the store in a with block"
        start = self._file.seek(0, os.SEEK_END)
        try:
            view = memoryview(data)
            while view:
                view = view[self._file.write(view) :]
        except OSError as error:
            self._file.truncate(start)  # half a line would be lost anyway
            raise sink_error(self.path, error) from error


def read_header(folder: Path) -> dict[str, Any]:
    """The header of a folder's answers.

    Raises:
        StoreError: if there is none.
    """
    path = folder / ANSWERS_FILE
    try:
        with path.open("rb") as file:
            line = file.readline()
    except OSError as error:
        raise StoreError(
            f"{path}: cannot be read ({error.strerror}); give a folder that `mien bench` wrote"
        ) from error
    if not line.endswith(b"\n"):
        raise StoreError(f"{path}: holds no answers; run `mien bench` again")
    header = _row(line, path, 1)
    if header.get("version") != STORE_VERSION:
        raise StoreError(
            f"{path}: its first line is no header of version {STORE_VERSION}, which this mien "
            "reads; run the suite again into another --out"
        )
    return header


def read_records(folder: Path) -> Iterator[Record]:
    """The answers of a folder, in the order in which they came; a later one for an id counts.

    Raises:
        StoreError: if a line in the middle cannot be read.
    """
    path = folder / ANSWERS_FILE
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if number == 1 or not line.endswith(b"\n"):
                continue
            row = _row(line, path, number)
            row["warnings"] = tuple(row.get("warnings", ()))
            try:
                yield Record(**row)
            except TypeError as error:
                raise StoreError(f"{path}, line {number}: no answer of mien ({error})") from None


def check_header(found: Mapping[str, Any], wanted: Mapping[str, Any], path: Path) -> None:
    """Refuses to mix answers.

    Raises:
        StoreError: if the headers differ; it says where, from what to what.
    """
    differences = list(_differences(found, wanted))
    if differences:
        listed = "; ".join(differences[:4])
        more = f" and {len(differences) - 4} more" if len(differences) > 4 else ""
        raise StoreError(
            f"{path} holds answers that may not be mixed with this run's: {listed}{more}."
            " Write elsewhere with --out, or begin anew with --restart (the old file is kept)"
        )


def set_aside(folder: Path) -> Path | None:
    """Renames the answers of a folder, so that a run begins anew and nothing is lost."""
    path = folder / ANSWERS_FILE
    if not path.exists():
        return None
    number = 1
    while (aside := folder / f"answers.{number}.jsonl").exists():
        number += 1
    path.rename(aside)
    return aside


def _differences(found: Any, wanted: Any, name: str = "") -> Iterator[str]:
    if isinstance(found, Mapping) and isinstance(wanted, Mapping):
        for key in sorted({*found, *wanted}):
            inner = f"{name} {key}".strip()
            yield from _differences(found.get(key), wanted.get(key), inner)
    elif found != wanted:
        yield f"{name} was {_short(found)}, now {_short(wanted)}"


def _short(value: Any) -> str:
    text = "unset" if value is None else str(value)
    return text if len(text) <= 48 else f"{text[:12]}..."


def _row(line: bytes, path: Path, number: int) -> dict[str, Any]:
    try:
        row = json_object(line)
    except TextError:
        row = None
    if row is None or (number > 1 and not {"id", "status"} <= set(row)):
        raise StoreError(
            f"{path}, line {number}: damaged; remove that line, or begin anew with --restart"
        )
    return row


def _line(header: Mapping[str, Any]) -> bytes:
    return json.dumps(header, ensure_ascii=False, sort_keys=True).encode() + b"\n"


def _claim(file: BinaryIO, path: Path) -> None:
    """Keeps a second run from writing to the same file; where the system cannot lock, it may."""
    try:
        import fcntl
    except ImportError:
        return
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise StoreError(
            f"{path}: another run is writing there; wait for it, or use another --out"
        ) from None
