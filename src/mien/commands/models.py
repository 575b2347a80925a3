"""`mien models`."""

from __future__ import annotations

import json
from typing import Any

from rich.table import Table

from mien.engines.load import EMBEDDED
from mien.terminal import Console, say
from mien.weights import WeightsError, installed, verify


def installed_models() -> list[dict[str, Any]]:
    """What ships with this installation: name, state, size in bytes, licence, data and figures."""
    rows = []
    for name, folder_name in EMBEDDED.items():
        row: dict[str, Any] = {"model": name}
        try:
            if not installed(folder_name):
                rows.append({**row, "state": "not in this installation"})
                continue
            folder = verify(folder_name)
        except WeightsError as error:
            rows.append({**row, "state": str(error)})
            continue
        about = json.loads((folder / "about.json").read_text())
        size = sum(f.stat().st_size for f in folder.iterdir() if f.is_file())
        rows.append({**row, "state": "ok", "bytes": size, "folder": str(folder), **about})
    return rows


def run_models(*, as_json: bool) -> None:
    """Prints the installed models."""
    rows = installed_models()
    if as_json:
        say(json.dumps(rows, indent=2))
        return
    table = Table(title="Models", show_lines=True)
    for column in ("model", "state", "size", "parameters", "licence", "trained on", "figures"):
        table.add_column(column)
    for row in rows:
        figures = row.get("headline", {})
        table.add_row(
            row["model"],
            row["state"],
            f"{row['bytes'] / 1e6:.1f} MB" if "bytes" in row else "-",
            f"{row['parameters'] / 1e6:.1f} M" if "parameters" in row else "-",
            row.get("licence", "-"),
            row.get("trained_on", "-"),
            "\n".join(f"{k}: {v:.3f}" for k, v in figures.items()) or "-",
        )
    Console().print(table)
