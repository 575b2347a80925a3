"""The curves of a run, drawn from its `log.csv`."""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path


def draw_curves(log: Path, out: Path) -> None:
    """Draws every logged number over the epochs: losses on the left, scores on the right.

    Args:
        log: the `log.csv` that `mien.train.fit` writes.
        out: PNG file to write.
    """
    try:
        import matplotlib
    except ImportError as error:
        raise ImportError("curves need matplotlib: pip install 'mien[train]'") from error
    matplotlib.use("Agg")
    from matplotlib import pyplot

    series: dict[str, list[tuple[float, float]]] = defaultdict(list)
    with log.open(newline="") as file:
        for row in csv.DictReader(file):
            series[row["name"]].append((float(row["epoch"]), float(row["value"])))
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 4))
    for name, points in series.items():
        if any(k in name for k in ("runtime", "per_second", "flos", "learning_rate", "grad_norm")):
            continue
        axis = left if "loss" in name else right
        axis.plot(*zip(*points, strict=True), label=name, linewidth=1.2)
    for axis, title in ((left, "loss"), (right, "score")):
        axis.set_xlabel("epoch")
        axis.set_title(title)
        axis.grid(alpha=0.3)
        if axis.lines:
            axis.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(out, dpi=110)
    pyplot.close(figure)
