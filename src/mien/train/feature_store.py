"""Rows of numbers on disk: appended to, found by a key, mapped into memory to be read."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mien.partfile import sink_error, write_whole

KEY_BYTES = 16
_ABOUT, _KEYS = "about.json", "keys.bin"


class Store:
    """Tensors of one shape and type each, in one file a name; row r belongs to the r-th key.

    Rows are appended and never changed. Keys are written behind their rows, so that after a kill
    or a full disk everything up to the last key is whole; the rest is cut off when writing goes on.

    Args:
        folder: made if need be.
        about: what the rows are; a folder with another text is refused.
        shapes: shape of a row, by name.
        dtypes: type, by name.

    Raises:
        ValueError: if the folder holds something else.
        mien.partfile.SinkError: if it cannot be written.
    """

    def __init__(
        self,
        folder: Path,
        *,
        about: Mapping[str, Any],
        shapes: Mapping[str, Sequence[int]],
        dtypes: Mapping[str, torch.dtype],
    ) -> None:
        self.folder = folder
        self.shapes = {name: tuple(shape) for name, shape in shapes.items()}
        self.dtypes = dict(dtypes)
        text = json.dumps(dict(about), indent=1, sort_keys=True) + "\n"
        place = folder / _ABOUT
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise sink_error(folder, error) from error
        if not place.is_file():
            write_whole(place, text.encode())
        elif place.read_text(encoding="utf-8") != text:
            raise ValueError(f"{place}: describes other features; delete the folder {folder}")
        self._mapped: dict[str, Tensor] = {}
        self.load_keys()

    def load_keys(self) -> None:
        """Reads which rows are there; needed again where another process may have written."""
        path = self.folder / _KEYS
        data = path.read_bytes() if path.is_file() else b""
        self._count = len(data) // KEY_BYTES
        # A key that stands twice was cut off from its neighbours once: the later one counts.
        self.places = {data[i * KEY_BYTES : (i + 1) * KEY_BYTES]: i for i in range(self._count)}

    def __len__(self) -> int:
        return self._count

    def __getstate__(self) -> dict[str, Any]:
        """Without the mapped memory, which every process opens itself."""
        return {**self.__dict__, "_mapped": {}}

    @property
    def row_bytes(self) -> int:
        """Bytes of a row over all names."""
        return sum(self._size(name) for name in self.shapes) + KEY_BYTES

    def append(self, keys: Sequence[bytes], rows: Mapping[str, Tensor]) -> None:
        """Writes rows (N, ...) behind those that are there.

        Raises:
            mien.partfile.SinkError: if the disk is full; what was there before stays whole.
        """
        start = len(self)
        for name, values in rows.items():
            data: Any = values.to(self.dtypes[name]).contiguous().view(torch.uint8).numpy()
            self._write(self._file(name), start * self._size(name), memoryview(data).cast("B"))
        self._write(self.folder / _KEYS, start * KEY_BYTES, b"".join(keys))
        self.places.update({key: start + i for i, key in enumerate(keys)})
        self._count += len(keys)
        self._mapped = {}

    def row(self, place: int) -> dict[str, Tensor]:
        """One row as views into the mapped files; nothing is copied."""
        if not self._mapped:
            self._mapped = {name: self._map(name) for name in self.shapes}
        return {name: values[place] for name, values in self._mapped.items()}

    def _map(self, name: str) -> Tensor:
        shape = (len(self), *self.shapes[name])
        path, wanted = self._file(name), len(self) * self._size(name)
        if not path.is_file() or path.stat().st_size < wanted:
            raise ValueError(f"{path}: shorter than its keys say; delete the folder {self.folder}")
        flat = torch.from_file(
            str(path), shared=False, size=math.prod(shape), dtype=self.dtypes[name]
        )
        return flat.view(shape)

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.bin"

    def _size(self, name: str) -> int:
        return math.prod(self.shapes[name]) * self.dtypes[name].itemsize

    def _write(self, path: Path, at: int, data: bytes | memoryview) -> None:
        try:
            with path.open("r+b" if path.exists() else "w+b", buffering=0) as file:
                file.truncate(at)
                file.seek(at)
                rest = memoryview(data)
                while rest:
                    rest = rest[file.write(rest) :]
        except OSError as error:
            raise sink_error(path, error) from error
