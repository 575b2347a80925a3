"""The assignment problem: pairs of least total cost."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_FORBIDDEN = 1e6


def assign(cost: NDArray[np.floating]) -> list[tuple[int, int]]:
    """Pairs rows with columns so that as many as can be are paired, at the least total cost.

    Kuhn's Hungarian method with potentials, in O(n^3).

    Args:
        cost: (rows, columns), below 1000 each; infinite where a pair is forbidden.

    Returns:
        (row, column) pairs by rising row.
    """
    rows, columns = cost.shape
    if not rows or not columns:
        return []
    if rows > columns:
        return sorted((row, column) for column, row in assign(cost.T))
    price = np.where(np.isfinite(cost), cost, _FORBIDDEN).astype(float)
    row_potential, column_potential = np.zeros(rows + 1), np.zeros(columns + 1)
    owner = np.zeros(columns + 1, int)  # the row of each column, counted from 1; 0 is none
    for row in range(1, rows + 1):
        owner[0], column = row, 0
        least = np.full(columns + 1, np.inf)
        came_from = np.zeros(columns + 1, int)
        done = np.zeros(columns + 1, bool)
        while owner[column]:
            done[column] = True
            here = owner[column]
            slack = price[here - 1] - row_potential[here] - column_potential[1:]
            better = ~done[1:] & (slack < least[1:])
            least[1:][better], came_from[1:][better] = slack[better], column
            following = int(np.where(done, np.inf, least)[1:].argmin()) + 1
            delta = least[following]
            row_potential[owner[done]] += delta
            column_potential[done] -= delta
            least[~done] -= delta
            column = following
        while column:
            owner[column] = owner[came_from[column]]
            column = came_from[column]
    pairs = ((int(owner[c]) - 1, c - 1) for c in range(1, columns + 1) if owner[c])
    return sorted((r, c) for r, c in pairs if np.isfinite(cost[r, c]))
