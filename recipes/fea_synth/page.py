"""The statistics of FEA-Synth as a page of the documentation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mien.data.checks.report import Report

FULL_ROWS = 20_000


def page(report: Report, *, faces: int) -> str:
    """A page with the tables of a report, in Markdown."""
    small = report.rows < FULL_ROWS
    note = (
        f"**These figures are of a small run of {faces:,} faces; the full set has "
        f"{FULL_ROWS:,} rows.**\n"
        if small
        else ""
    )
    words = report.vocabulary
    checks = report.checks
    aside = sum(checks["set_aside"].values())
    units = sorted(report.units, key=lambda name: int(name[2:]))
    links = [
        (
            name,
            found["rows"],
            *(_percent(found["units"].get(unit, 0), found["rows"]) for unit in units),
        )
        for name, found in report.links.items()
    ]
    lengths = [
        (task, report.tasks[task], *(found[k] for k in ("fewest", "median", "mean", "p95", "most")))
        for task, found in report.lengths.items()
    ]
    parts = [
        "# FEA-Synth: instruction data that may be shared",
        "",
        "Rendered faces with exact action units and expressions, and label-true text about them:",
        "the tasks of FEALLM and EMO-LLaMA without any licensed picture. Nobody is shown in it.",
        "",
        "    python -m recipes.fea_synth --out runs/fea-synth --page docs/fea_synth.md",
        "",
        "renders 6,000 faces (`mien synth`, split train, 256 px, Anny) and builds 20,000 rows as",
        "Parquet with the pictures inside. A stopped run goes on. By hand it is",
        "",
        "    mien synth --out faces --count 6000",
        "    mien data build --source synth=faces --per-sample 4 --count 20000 --format parquet \\",
        "        --embed-images --check-share 1 --out fea-synth",
        "",
        "Split `test` of `mien synth`, and FEABench-Synth, share no person, skin, light or",
        "combination of three units and more with it. `mien data leaks` compares pictures.",
        "",
        note,
        f"{report.rows:,} rows about {report.samples:,} faces of {report.subjects:,} people;",
        f"{report.turns:,} answers with {words['words']:,} words, {words['different']:,} different",
        f"ones. All {checks['read_back']:,} texts were read back; {aside:,} were set aside.",
        "",
        "## Tasks, and words an answer",
        "",
        *_table(("task", "rows", "fewest", "median", "mean", "p95", "most"), lengths),
        "## Expressions",
        "",
        *_table(("expression", "rows"), report.expressions.items()),
        "A face whose units make up no whole prototype has no expression label; it gets the tasks",
        "of action units alone.",
        "",
        "## Action units (rows)",
        "",
        *_table(
            ("unit", "present", "absent", "not labelled"),
            [(unit, *report.units[unit].values()) for unit in units],
        ),
        "A unit that is hidden, or too weak to be seen, is not labelled.",
        "",
        "## From expression to action units",
        "",
        "Per cent of the rows of an expression in which each unit is labelled as present.",
        "",
        *_table(("expression", "rows", *units), links),
    ]
    return "\n".join(parts).replace("\n\n\n", "\n\n").rstrip() + "\n"


def _table(head: Sequence[object], rows: Iterable[Sequence[object]]) -> list[str]:
    lines = ["| " + " | ".join(map(str, head)) + " |"]
    lines.append("|---|" + "---:|" * (len(head) - 1))
    lines += ["| " + " | ".join(map(_cell, row)) + " |" for row in rows]
    return [*lines, ""]


def _cell(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def _percent(count: int, total: int) -> str:
    return f"{100 * count / total:.0f}" if count else "."
