"""Replies of teachers, kept on disk so that nothing is paid for twice.

A file of JSON lines that only grows. Each reply is on disk before it is used: a run that is killed
loses at most the requests that are under way.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mien.data.build.settings import BuildError
from mien.partfile import sink_error
from mien.untrusted import json_value

REPLIES = "replies.jsonl"


def request_key(
    *,
    prompt: str,
    system: str | None,
    schema: Mapping[str, Any] | None,
    images: Iterable[NDArray[np.uint8]],
    identity: Mapping[str, str],
    max_tokens: int,
    attempt: int,
) -> str:
    """Hash of everything that decides a reply: words, pictures, model and settings.

    Args:
        prompt, system, schema, max_tokens: of the request.
        images: (H, W, 3) uint8 each.
        identity: of the responder.
        attempt: 0 for the first; the same question asked again is another request.
    """
    digest = hashlib.sha256()
    words = [prompt, system, schema, dict(identity), max_tokens, attempt]
    digest.update(json.dumps(words, sort_keys=True).encode())
    for image in images:
        digest.update(repr(image.shape).encode())
        digest.update(np.ascontiguousarray(image).tobytes())
    return digest.hexdigest()


class Replies:
    """Replies by key; memory holds their places in the file, not their text.

    Args:
        path: the file; made with the first reply. The end of a line that was cut off by a kill
            is taken away.

    Raises:
        BuildError: if the file is damaged elsewhere.
        SinkError: if it cannot be opened for writing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._places: dict[bytes, int] = {}
        self.prompt_tokens = self.completion_tokens = 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a+b")
            self._index()
        except OSError as error:
            raise sink_error(path, error) from error

    def __len__(self) -> int:
        return len(self._places)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def get(self, key: str) -> str | None:
        """The text of the reply to a request, or None where it was not answered yet."""
        place = self._places.get(bytes.fromhex(key))
        if place is None:
            return None
        self._file.seek(place)
        text: str = json.loads(self._file.readline())["text"]
        return text

    def add(self, key: str, text: str, *, id: str, usage: Mapping[str, int]) -> None:
        """Keeps a reply; it is on disk when this returns.

        Raises:
            SinkError: if it cannot be written; nothing of it is then left.
        """
        row = {"key": key, "id": id, "text": text, "usage": dict(usage)}
        data = json.dumps(row, ensure_ascii=True).encode() + b"\n"
        place = self._file.seek(0, os.SEEK_END)
        try:
            self._file.write(data)
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            self._cut(place)
            raise sink_error(self.path, error) from error
        self._note(key, place, usage)

    def _cut(self, place: int) -> None:
        # a buffered writer would try the same bytes again when closed
        raw = self._file.raw
        raw.truncate(place)
        self._file = self.path.open("a+b")

    def _note(self, key: str, place: int, usage: Mapping[str, int]) -> None:
        self._places[bytes.fromhex(key)] = place
        self.prompt_tokens += usage.get("prompt_tokens", 0)
        self.completion_tokens += usage.get("completion_tokens", 0)

    def _index(self) -> None:
        self._file.seek(0)
        place = 0
        for line in self._file:
            if not line.endswith(b"\n"):
                break
            try:
                row = json_value(line)
                self._note(row["key"], place, row["usage"])
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise BuildError(
                    f"{self.path}, byte {place}: no reply ({error}); move the file away to ask "
                    "everything again"
                ) from error
            place += len(line)
        self._file.truncate(place)
