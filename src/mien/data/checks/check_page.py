"""The report as one HTML page: the numbers of its tables, and texts to read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mien.page import Table, fill

_LENGTHS = ("fewest", "median", "mean", "p95", "most")


def report_page(report: Mapping[str, Any]) -> str:
    """A self-contained page with the tables of a report and texts to read."""
    checks, links = report["checks"], report["links"]
    units = sorted({au for found in links.values() for au in found["units"]}, key=_number)
    return fill(
        "instruction_data.html",
        title="Instruction data",
        report=report,
        checked=[(k.replace("_", " "), v) for k, v in checks.items() if isinstance(v, int)],
        refused=list(_refused(checks)),
        left_out=[
            (s, *pair) for s, counts in report["left_out"].items() for pair in counts.items()
        ],
        lengths=[(task, *map(found.get, _LENGTHS)) for task, found in report["lengths"].items()],
        units=[(name, *counts.values()) for name, counts in report["units"].items()],
        links=Table(
            ("", "rows", *units),
            [
                (
                    name,
                    found["rows"],
                    *(_share(found["units"].get(au, 0), found["rows"]) for au in units),
                )
                for name, found in links.items()
            ],
        ),
        examples=[_example(row) for rows in report["examples"].values() for row in rows],
    )


def _refused(checks: Mapping[str, Any]) -> Iterator[tuple[str, int, str, int]]:
    """Per rule: texts that it refused, their share, and those that were set aside for it."""
    texts = checks.get("texts") or 1
    for rule, count in checks["refused"].items():
        yield rule, count, f"{100 * count / texts:.2f} %", checks["set_aside"].get(rule, 0)


def _share(count: int, total: int) -> str:
    return f"{100 * count / total:.0f}" if count else "."


def _number(unit: str) -> int:
    return int(unit.removeprefix("AU"))


def _example(row: Mapping[str, Any]) -> dict[str, Any]:
    labels = row["labels"]
    units = [f"AU{u['au']}" for u in labels["action_units"] or () if u["present"]]
    known = labels["action_units"] is not None
    return {
        "id": row["id"],
        "turns": [
            (message["role"], "".join(part.get("text") or "" for part in message["content"]))
            for message in row["messages"]
        ],
        "labels": f"{labels['expression'] or 'no expression'}; present: "
        + (", ".join(units) if known else "not labelled"),
    }
