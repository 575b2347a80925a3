"""Files that appear whole or not at all, and errors that say why nothing could be written."""

from __future__ import annotations

import contextlib
import errno
import io
import os
from pathlib import Path
from typing import BinaryIO, Protocol, TextIO

from mien.quiet import own


class SinkError(OSError):
    """Results cannot be written; the message names the path and the remedy."""


def sink_error(path: Path | str, error: OSError) -> SinkError:
    """The same error in words that say what to do; keeps its errno."""
    remedies = {
        errno.ENOSPC: "the disk is full; free some space or write elsewhere",
        errno.EDQUOT: "your disk quota is used up; free some space or write elsewhere",
        errno.EACCES: "permission denied; choose a folder that you may write to",
        errno.EPERM: "permission denied; choose a folder that you may write to",
        errno.EROFS: "the file system is read-only; choose another folder",
        errno.ENOENT: "its folder does not exist; create it first",
        errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
    }
    why = remedies.get(error.errno or 0, f"{error.strerror or error}; choose another place")
    made = SinkError(f"cannot write {path}: {why}")
    made.errno = error.errno
    return made


class Target(Protocol):
    """What text sinks and the report write to."""

    def open(self) -> None: ...
    def append(self, data: bytes) -> None: ...
    def close(self, *, keep: bool) -> None: ...


class StandardOutput:
    """Standard output as a target; every row is flushed, so that pipes see it at once.

    A reader that goes away (``| head``) raises BrokenPipeError, which is left to the caller.
    """

    def open(self) -> None:
        self._stream().flush()

    def append(self, data: bytes) -> None:
        stream = self._stream()
        buffer = getattr(stream, "buffer", None)
        if buffer is None:  # a replaced stdout, as in notebooks, takes text only
            stream.write(data.decode())
        else:
            buffer.write(data)
        stream.flush()

    def close(self, *, keep: bool) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._stream().flush()

    def _stream(self) -> TextIO:
        stream = own(1)
        if stream is None:
            raise SinkError("standard output is closed; write to a file with --out")
        return stream


class PartFile:
    """A file that is written beside its target and renamed over it when closed.

    What one `append` writes is on disk wholly or not at all: a write that was cut, by a full
    disk or an interruption, is taken back.
    """

    def __init__(self, path: Path | str) -> None:
        """Checks that the place can be written to; writes nothing yet.

        Raises:
            SinkError: if the folder is missing or closed, or the target is a folder.
        """
        self.path = Path(path)
        target = Path(os.path.realpath(self.path))
        if target.is_dir():
            raise SinkError(f"cannot write {self.path}: it is a folder; give the name of a file")
        if not target.parent.is_dir():
            raise SinkError(
                f"cannot write {self.path}: there is no folder {self.path.parent}; create it first"
            )
        # Devices and pipes (/dev/null, /dev/fd/3) are written to directly: a rename replaces them.
        self.direct = target.exists() and not target.is_file()
        place = target if self.direct else target.parent
        if not os.access(place, os.W_OK):
            raise sink_error(self.path, PermissionError(errno.EACCES, "Permission denied"))
        self.target = self.path if self.direct else target
        self.part = self.target if self.direct else target.with_name(target.name + ".part")
        self._file: BinaryIO | None = None
        self._whole = 0  # bytes that belong to complete appends

    def open(self) -> None:
        """Opens the part file; a left-over one of an earlier run is overwritten."""
        try:
            self._file = io.FileIO(self.part, "w")
        except OSError as error:
            raise sink_error(self.path, error) from error
        self._whole = 0

    def append(self, data: bytes) -> None:
        """Writes bytes at the end."""
        file = self._opened()
        try:
            _write_all(file, data)
        except BrokenPipeError:
            raise
        except OSError as error:
            if not self.direct:
                file.truncate(self._whole)
                file.seek(self._whole)
            raise sink_error(self.path, error) from error
        self._whole += len(data)

    def patch(self, offset: int, data: bytes) -> None:
        """Overwrites bytes that were written earlier; does nothing on a pipe."""
        file = self._opened()
        if self.direct:
            return
        try:
            file.seek(offset)
            _write_all(file, data)
            file.seek(0, os.SEEK_END)
        except OSError as error:
            raise sink_error(self.path, error) from error

    def tell(self) -> int:
        """Number of bytes written so far."""
        return self._whole

    def close(self, *, keep: bool) -> None:
        """Renames the file over its target.

        Args:
            keep: False where nothing was finished; the file is then removed and an older target is
                left as it was.
        """
        if self._file is None:
            return
        file, self._file = self._file, None
        try:
            with file:
                if self.direct:
                    return
                file.truncate(self._whole)
                if keep:
                    os.fsync(file.fileno())
            if keep:
                self.part.replace(self.target)
        except OSError as error:
            raise sink_error(self.path, error) from error
        finally:
            if not self.direct:  # also when Ctrl-C comes while the disk is waited for
                with contextlib.suppress(OSError):
                    self.part.unlink()

    def _opened(self) -> BinaryIO:
        if self._file is None:
            raise ValueError(f"{self.path} is not open; write inside a with block")
        return self._file


def write_whole(path: Path, data: bytes) -> None:
    """Writes a file that appears whole or not at all.

    Raises:
        SinkError: if it cannot be written.
    """
    file = PartFile(path)
    whole = False
    try:
        file.open()
        file.append(data)
        whole = True
    finally:
        file.close(keep=whole)


def _write_all(file: BinaryIO, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]
