"""Writes integrations/lmms_eval from mien's suites: ``python integrations/write.py``.

Tests hold the two together; run it after a change of a suite's tasks, lengths or figures.
"""

from __future__ import annotations

from pathlib import Path

from mien.bench.harness.lmms_files import task_files
from mien.bench.suite import list_suites, load_suite

OWN_DATA = ("csv", "synth")
"""Suites of data that a user brings or renders; their tasks are written together with the data."""
FOLDER = Path(__file__).parent / "lmms_eval"


def files() -> dict[str, str]:
    """File name to content of the whole folder."""
    found: dict[str, str] = {}
    for name in list_suites():
        if name not in OWN_DATA:
            found |= task_files(load_suite(name))
    return found


def main() -> None:
    """Writes the files, and removes those of suites that are gone."""
    wanted = files()
    for path in FOLDER.glob("*.yaml"):
        if path.name not in wanted:
            path.unlink()
    for name, text in wanted.items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
