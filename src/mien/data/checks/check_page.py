"""The report as one HTML page without anything from elsewhere."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from string import Template
from typing import Any


def report_page(report: Mapping[str, Any]) -> str:
    """A self-contained page with the tables of a report and texts to read."""
    template = resources.files("mien.data.checks").joinpath("page.html").read_text("utf-8")
    checks = report["checks"]
    body = [
        _tables(
            ("Tasks", report["tasks"]),
            ("Sources", report["sources"]),
            ("Splits", report["splits"]),
            ("Written by", report["writers"]),
            ("Licences", report["licences"]),
            ("Expressions", report["expressions"]),
        ),
        "<h2>Checks</h2>",
        table(("", "texts"), [(k.replace("_", " "), v) for k, v in checks.items() if _whole(v)]),
        _rates(checks),
        _left_out(report["left_out"]),
        "<h2>Lengths (words an answer)</h2>",
        _lengths(report["lengths"]),
        f"<h2>Words</h2><p>{report['vocabulary']['different']:,} different ones among "
        f"{report['vocabulary']['words']:,}. The most frequent: "
        f"{escape(', '.join(report['vocabulary']['most_frequent']))}.</p>",
        "<h2>Action units (rows)</h2>",
        table(
            ("", "present", "absent", "not labelled"),
            [(name, *counts.values()) for name, counts in report["units"].items()],
        ),
        "<h2>From expression to action units (per cent of the rows with both labels)</h2>",
        _links(report["links"]),
        "<h2>Texts to read</h2>",
        *(_example(row) for rows in report["examples"].values() for row in rows),
        "<h2>Set aside</h2>" if report["set_aside"] else "",
        *(_aside(row) for row in report["set_aside"]),
    ]
    head = (
        f"{report['rows']:,} rows about {report['samples']:,} faces or clips of "
        f"{report['subjects']:,} known people; {report['turns']:,} answers; "
        f"{report['pseudo']:,} rows with labels of another model"
    )
    return Template(template).substitute(head=head, body="\n".join(body))


def escape(value: object) -> str:
    """Text that HTML shows as it is."""
    return html.escape(str(value))


def table(head: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    """A table; whole numbers are set with separators."""
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    lines = ("<tr>" + "".join(f"<td>{_cell(c)}</td>" for c in row) + "</tr>" for row in rows)
    return f"<table><tr>{top}</tr>{''.join(lines)}</table>"


def _cell(value: object) -> str:
    return f"{value:,}" if _whole(value) else escape(value)


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _tables(*named: tuple[str, Mapping[str, int]]) -> str:
    parts = [
        f"<section><h2>{title}</h2>{table(('', 'rows'), counts.items())}</section>"
        for title, counts in named
    ]
    return f'<div class="side">{"".join(parts)}</div>'


def _rates(checks: Mapping[str, Any]) -> str:
    texts = checks.get("texts") or 1
    rows = [
        (rule, count, f"{100 * count / texts:.2f} %", checks["set_aside"].get(rule, 0))
        for rule, count in checks["refused"].items()
    ]
    if not rows:
        return "<p>No text was refused.</p>"
    return table(("rule", "texts refused at least once", "of all", "set aside for it"), rows)


def _left_out(left_out: Mapping[str, Mapping[str, int]]) -> str:
    rows = [(source, *pair) for source, counts in left_out.items() for pair in counts.items()]
    return "<h2>Left out</h2>" + table(("source", "why", "samples"), rows) if rows else ""


def _lengths(lengths: Mapping[str, Mapping[str, float]]) -> str:
    names = ("fewest", "median", "mean", "p95", "most")
    rows = [(task, *(found[name] for name in names)) for task, found in lengths.items()]
    return table(("", *names), rows)


def _links(links: Mapping[str, Mapping[str, Any]]) -> str:
    units = sorted({au for found in links.values() for au in found["units"]}, key=_number)
    rows = [
        (name, found["rows"], *(_share(found["units"].get(au, 0), found["rows"]) for au in units))
        for name, found in links.items()
    ]
    if not rows:
        return "<p>No row has both labels.</p>"
    return table(("", "rows", *units), rows)


def _share(count: int, total: int) -> str:
    return f"{100 * count / total:.0f}" if count else "."


def _number(unit: str) -> int:
    return int(unit.removeprefix("AU"))


def _example(row: Mapping[str, Any]) -> str:
    lines = []
    for message in row["messages"]:
        text = "".join(part.get("text") or "" for part in message["content"])
        lines.append(f'<p class="{escape(message["role"])}">{escape(text)}</p>')
    units = [u["au"] for u in row["labels"]["action_units"] or () if u["present"]]
    labels = f"{row['labels']['expression'] or 'no expression'}; present: " + (
        ", ".join(f"AU{au}" for au in units)
        if units or row["labels"]["action_units"] is not None
        else "not labelled"
    )
    return f"<article><h3>{escape(row['id'])}</h3>{''.join(lines)}<small>{labels}</small></article>"


def _aside(row: Mapping[str, Any]) -> str:
    return (
        f"<article><h3>{escape(row['id'])}</h3><p><b>{escape(row['rule'])}</b>: "
        f"{escape(row['reason'])}</p><p class='assistant'>{escape(row['text'])}</p></article>"
    )
