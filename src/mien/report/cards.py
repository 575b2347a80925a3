"""The pieces of HTML that show one face. Every text from outside is escaped here."""

from __future__ import annotations

import html
from collections.abc import Sequence

from mien import facs
from mien.draw import colour_of
from mien.notation import (
    STATUS_WORDS,
    UNKNOWN,
    expression_words,
    face_number,
    percent,
)
from mien.schema import ActionUnit, Analysis, Expression
from mien.terminal import shown


def escape(text: object) -> str:
    """Text that is safe in an element and in a quoted attribute."""
    return html.escape(shown(text, lines=True), quote=True)


def face_card(row: Analysis, index: int, *, picture: str = "") -> str:
    """Everything that is known of one face.

    Args:
        row: the face.
        index: its place among the faces of its picture.
        picture: an element that shows the face enlarged, if there is one.
    """
    if row.status in ("no_face", "unreadable"):
        return note(STATUS_WORDS[row.status].capitalize(), row.warnings)
    name = "Track" if row.kind == "track" else "Clip" if row.kind == "clip" else "Face"
    parts = [
        f'<section class="face" style="--face: {colour_of(row)}">',
        f"<h3>{name} {face_number(row, index)}"
        f'<span class="lead">{escape(expression_words(row))}</span></h3>',
    ]
    if row.status != "ok":
        parts.append(note(STATUS_WORDS[row.status].capitalize(), row.warnings))
    elif row.warnings:
        parts.append(note("", row.warnings))
    if row.text:
        parts.append(f'<p class="text">{escape(row.text)}</p>')
    if picture:
        parts.append(f'<div class="close">{picture}</div>')
    parts.append(expression_bars(row.expression))
    parts.append(unit_table(row.action_units))
    parts.append(_facts(row))
    parts.append("</section>")
    return "\n".join(parts)


def note(words: str, warnings: Sequence[str]) -> str:
    """A remark that stands out."""
    text = ": ".join(filter(None, (escape(words), "; ".join(map(escape, warnings)))))
    return f'<p class="note">{text}</p>'


def expression_bars(expression: Expression | None) -> str:
    """A bar for every class, the likeliest first."""
    if expression is None:
        return '<p class="soft">Expression: not known.</p>'
    if expression.scores is None:
        return '<p class="soft">The model gives no scores for the classes.</p>'
    rows = []
    for name, score in sorted(expression.scores.items(), key=lambda item: -item[1]):
        top = ' class="top"' if name == expression.label else ""
        rows.append(
            f'<tr{top}><th scope="row">{escape(name)}</th><td>{_bar(score)}</td>'
            f'<td class="num">{percent(score)}</td></tr>'
        )
    caption = f"Expression ({escape(expression.label_set)})"
    return f'<table class="bars"><caption>{caption}</caption>{"".join(rows)}</table>'


def unit_table(units: Sequence[ActionUnit] | None) -> str:
    """The action units, by region of the face."""
    if not units:
        return '<p class="soft">Action units: not known.</p>'
    head = (
        "<thead><tr>"
        '<th scope="col">unit</th><th scope="col">name</th>'
        '<th scope="col" class="mark">present</th>'
        '<th scope="col" colspan="2">probability</th><th scope="col" colspan="2">intensity</th>'
        "</tr></thead>"
    )
    groups = []
    for region in facs.REGIONS:
        inside = [u for u in units if facs.au_info(u.au).region == region]
        if inside:
            rows = "".join(_unit_row(u) for u in sorted(inside, key=lambda u: (u.au, u.side)))
            groups.append(
                f'<tbody><tr><th scope="rowgroup" colspan="7" class="region">{region}</th></tr>'
                f"{rows}</tbody>"
            )
    return f'<table class="units"><caption>Action units</caption>{head}{"".join(groups)}</table>'


def _unit_row(unit: ActionUnit) -> str:
    side = "" if unit.side == "both" else f" ({unit.side})"
    kind = {True: "on", False: "off", None: ""}[unit.present]
    mark = {
        True: '<span class="yes" role="img" aria-label="present">&#9679;</span>',
        False: '<span class="no" role="img" aria-label="absent">&#9675;</span>',
        None: f'<span aria-label="not known">{UNKNOWN}</span>',
    }[unit.present]
    probability = UNKNOWN if unit.probability is None else f"{unit.probability:.2f}"
    strength = None if unit.intensity is None else unit.intensity / 5
    return (
        f'<tr class="{kind}"><th scope="row">AU{unit.au}</th><td>{escape(unit.name)}{side}</td>'
        f'<td class="mark">{mark}</td>'
        f'<td>{_bar(unit.probability)}</td><td class="num">{probability}</td>'
        f'<td>{_bar(strength, "strong")}</td><td class="num">{_intensity(unit.intensity)}</td></tr>'
    )


def _intensity(value: float | None) -> str:
    if value is None:
        return UNKNOWN
    letter = facs.intensity_letter(value)
    return f"{value:.1f} {letter}" if letter else f"{value:.1f}"


def _bar(share: float | None, kind: str = "") -> str:
    """A bar; none at all where the value is unknown, since an empty bar would read as zero."""
    if share is None:
        return ""
    inner = f'<span class="{kind}" style="width: {100 * share:.1f}%"></span>'
    return f'<span class="bar" aria-hidden="true">{inner}</span>'


def _facts(row: Analysis) -> str:
    pose = UNKNOWN
    if row.pose is not None:
        pose = f"yaw {row.pose.yaw:.0f}°, pitch {row.pose.pitch:.0f}°, roll {row.pose.roll:.0f}°"
    facts = [
        f"Head pose: {pose}.",
        f"Detection: {UNKNOWN if row.detection is None else f'{row.detection:.2f}'}.",
    ]
    if row.valence is not None or row.arousal is not None:
        facts.append(f"Valence {_signed(row.valence)}, arousal {_signed(row.arousal)} (-1 to 1).")
    if row.model:
        facts.append(f"Model: {escape(row.model)}.")
    return f'<p class="soft">{" ".join(facts)}</p>'


def _signed(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:+.2f}"
