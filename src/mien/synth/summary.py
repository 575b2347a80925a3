"""What a set of rendered faces holds, in numbers: units, expressions, groups, views."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from rich import box
from rich.console import Group
from rich.table import Table

from mien import facs
from mien.sample import Sample
from mien.schema import ActionUnit
from mien.synth.measure import MEASURED_UNITS

State = Literal["present", "trace", "hidden", "absent"]
STATES: tuple[State, ...] = ("present", "trace", "hidden", "absent")
GROUPS = ("face_model", "gender", "ancestry", "age", "skin_tone", "hair", "occluder", "origin")
YAW_STEP = 15
NONE = "none"


def states(sample: Sample) -> dict[int, State]:
    """What each unit of a rendered face is.

    A unit is hidden where the picture does not show its place, and a trace where it is seen but
    weaker than B; `present` is None for both.
    """
    hidden = set(str(sample.attributes.get("hidden_units", "")).split())
    return {unit.au: _state(unit, str(unit.au) in hidden) for unit in sample.action_units or ()}


def _state(unit: ActionUnit, hidden: bool) -> State:
    if hidden:
        return "hidden"
    if unit.present is None:
        return "trace"
    return "present" if unit.present else "absent"


@dataclass
class Summary:
    """Counts over a set.

    Attributes:
        pictures: in the set.
        people: different people.
        units: FACS number to the count of each state.
        together: (U, U) how often two units are present together, in the order of
            `MEASURED_UNITS`; the diagonal is how often one is.
        expressions: name to count; "none" is no expression in particular.
        groups: attribute to its values and their counts.
        yaw: lower bound in degrees to count.
    """

    pictures: int = 0
    people: int = 0
    units: dict[int, Counter[State]] = field(
        default_factory=lambda: {au: Counter() for au in MEASURED_UNITS}
    )
    together: NDArray[np.int64] = field(
        default_factory=lambda: np.zeros((len(MEASURED_UNITS),) * 2, np.int64)
    )
    expressions: Counter[str] = field(default_factory=Counter)
    groups: dict[str, Counter[str]] = field(
        default_factory=lambda: {name: Counter() for name in GROUPS}
    )
    yaw: Counter[int] = field(default_factory=Counter)

    @classmethod
    def of(cls, samples: Iterable[Sample]) -> Summary:
        """Counts a set."""
        summary = cls()
        people = set()
        for sample in samples:
            summary._add(sample)
            people.add(sample.subject)
        summary.people = len(people)
        return summary

    def _add(self, sample: Sample) -> None:
        self.pictures += 1
        found = states(sample)
        for au, state in found.items():
            self.units[au][state] += 1
        present = [i for i, au in enumerate(MEASURED_UNITS) if found.get(au) == "present"]
        self.together[np.ix_(present, present)] += 1
        self.expressions[str(sample.expression.label) if sample.expression else NONE] += 1
        for name in GROUPS:
            self.groups[name][_group(name, sample.attributes.get(name))] += 1
        yaw = float(sample.attributes.get("yaw", 0.0))
        self.yaw[int(np.floor(yaw / YAW_STEP)) * YAW_STEP] += 1

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        units = {
            str(au): {"name": facs.au_info(au).name, **{state: counts[state] for state in STATES}}
            for au, counts in self.units.items()
        }
        return {
            "pictures": self.pictures,
            "people": self.people,
            "action_units": units,
            "together": {
                "units": list(MEASURED_UNITS),
                "counts": self.together.tolist(),
            },
            "expressions": _ordered(self.expressions),
            "groups": {name: _ordered(counts) for name, counts in self.groups.items()},
            "yaw": {f"{low} to {low + YAW_STEP}": n for low, n in sorted(self.yaw.items())},
        }


def _group(name: str, value: str | float | None) -> str:
    """The group that a value belongs to: decades of age, fifths of skin tones."""
    if value is None:
        return "unknown"
    if name == "age":
        decade = int(float(value) // 10 * 10)
        return f"{decade}-{decade + 9}"
    if name == "skin_tone":
        fifth = min(int(float(value) * 5), 4)
        return f"{fifth / 5:.1f}-{(fifth + 1) / 5:.1f}"
    return str(value)


def _ordered(counts: Mapping[str, int]) -> dict[str, int]:
    """By name; words for "not known" come last."""
    return {
        name: counts[name] for name in sorted(counts, key=lambda n: (n in (NONE, "unknown"), n))
    }


def render_summary(summary: Summary) -> Group:
    """The summary as tables for a terminal."""
    return Group(_unit_table(summary), _together_table(summary), _group_table(summary))


def _unit_table(summary: Summary) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("AU", justify="right")
    table.add_column("name")
    for state in STATES:
        table.add_column(state, justify="right")
    for au, counts in summary.units.items():
        table.add_row(str(au), facs.au_info(au).name, *(f"{counts[state]:,}" for state in STATES))
    return table


def _together_table(summary: Summary) -> Table:
    title = "Per cent of the faces with a row's unit that show a column's too"
    table = Table(box=None, padding=(0, 0, 0, 1), pad_edge=False, title=title, title_justify="left")
    table.add_column("AU", justify="right")
    for au in MEASURED_UNITS:
        table.add_column(str(au), justify="right", no_wrap=True)
    for i, au in enumerate(MEASURED_UNITS):
        total = int(summary.together[i, i])
        cells = [
            "." if i == j or not total else f"{100 * int(count) / total:.0f}"
            for j, count in enumerate(summary.together[i])
        ]
        table.add_row(str(au), *cells)
    return table


def _group_table(summary: Summary) -> Table:
    table = Table(box=box.SIMPLE, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    whole = summary.to_dict()
    for name, counts in {
        "expressions": whole["expressions"],
        **whole["groups"],
        "yaw": whole["yaw"],
    }.items():
        words = ", ".join(f"{value} {count:,}" for value, count in counts.items())
        table.add_row(name.replace("_", " "), words)
    return table
