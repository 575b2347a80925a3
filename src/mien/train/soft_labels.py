"""What a teacher says of each face, from a Parquet file."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.train.mapped import RowsError


class SoftLabels:
    """Probabilities of expressions and units by sample.

    The file has a column `sample` (and `source`, where names repeat between sources), one
    `expression_NAME` for each expression of the model, and one such as `AU12_p` for each unit; the
    columns of expressions may be missing altogether, and so may those of units. Empty cells are
    unknown.

    Args:
        path: the Parquet file.
        expressions: names in the model's order.
        units: FACS numbers in the model's order.

    Raises:
        RowsError: if the file cannot be read or lacks a column.
    """

    def __init__(self, path: Path, expressions: Sequence[str], units: Sequence[int]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            table = pq.read_table(path)
        except (OSError, pa.ArrowException) as error:
            raise RowsError(f"{path}: cannot be read as Parquet ({error})") from error
        names = set(table.column_names)
        if "sample" not in names:
            raise RowsError(f"{path}: has no column 'sample', by which faces are known")
        soft = [f"expression_{name}" for name in expressions]
        presence = [f"AU{au:02d}_p" for au in units]
        for columns in (soft, presence):
            missing = [name for name in columns if name not in names]
            if 0 < len(missing) < len(columns):
                raise RowsError(
                    f"{path}: has no column {missing[0]!r}; give all of the model's "
                    f"({', '.join(columns)}) or none"
                )

        def numbers(columns: Sequence[str]) -> NDArray[np.float32]:
            if not set(columns) <= names:
                return np.full((len(table), len(columns)), np.nan, np.float32)
            cells = [table.column(c).to_numpy(zero_copy_only=False) for c in columns]
            return np.stack([np.asarray(c, np.float32) for c in cells], 1)

        self.expression, self.presence = numbers(soft), numbers(presence)
        samples = table.column("sample").to_pylist()
        self._sourced = "source" in names
        sources = table.column("source").to_pylist() if self._sourced else [""] * len(samples)
        keys = np.array(
            [_key(s, name) for s, name in zip(sources, samples, strict=True)], np.uint64
        )
        self._order = np.argsort(keys, kind="stable")
        self._keys = keys[self._order]
        if len(np.unique(keys)) < len(keys):
            raise RowsError(f"{path}: a sample stands twice; add a column 'source' or leave one")

    def of(self, source: str, sample: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Probabilities (E,) and (U,) of a face, NaN where the teacher says nothing."""
        key = np.uint64(_key(source if self._sourced else "", sample))
        at = int(np.searchsorted(self._keys, key))
        if at == len(self._keys) or self._keys[at] != key:
            unknown = np.full(self.expression.shape[1], np.nan, np.float32)
            return unknown, np.full(self.presence.shape[1], np.nan, np.float32)
        row = self._order[at]
        return self.expression[row], self.presence[row]


def _key(source: str, sample: str) -> int:
    digest = hashlib.blake2b(f"{source}\n{sample}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")
