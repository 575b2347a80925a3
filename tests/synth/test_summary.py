"""What is said of a set: counts that add up, captions, the sheet."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from mien.sample import Sample
from mien.schema import ActionUnit, Expression
from mien.synth.measure import MEASURED_UNITS
from mien.synth.produce import Picture
from mien.synth.sheet import CELL, COLUMNS, GAP, caption, sheet
from mien.synth.summary import STATES, Summary, render_summary, states


def sample(number: int, *units: ActionUnit, label: str | None = None, **attributes) -> Sample:
    return Sample(
        id=str(number),
        dataset="d",
        image="x.webp",
        subject=f"p{number % 2}",
        expression=Expression(label, "basic8") if label else None,
        action_units=units,
        attributes={"yaw": -3.0, **attributes},
    )


@pytest.fixture
def samples() -> list[Sample]:
    return [
        sample(
            0,
            ActionUnit(4, True, intensity=4.0),
            ActionUnit(7, True, intensity=3.1, side="left"),
            ActionUnit(12, None, intensity=3.0),
            ActionUnit(25, None, intensity=1.0),
            label="anger",
            hidden_units="12",
            age=34.0,
            gender="female",
            skin_tone=0.99,
        ),
        sample(1, ActionUnit(4, True, intensity=2.0), ActionUnit(7, False, intensity=0.0), yaw=15),
        sample(2, ActionUnit(4, False, intensity=0.0), age=39.9, skin_tone=1.0),
    ]


def test_states(samples: list[Sample]) -> None:
    assert states(samples[0]) == {4: "present", 7: "present", 12: "hidden", 25: "trace"}
    assert states(samples[2]) == {4: "absent"}


def test_counts(samples: list[Sample]) -> None:
    found = Summary.of(iter(samples)).to_dict()
    assert (found["pictures"], found["people"]) == (3, 2)
    four = {"name": "brow lowerer", "present": 2, "trace": 0, "hidden": 0, "absent": 1}
    assert found["action_units"]["4"] == four
    assert found["expressions"] == {"anger": 1, "none": 2}
    assert found["groups"]["age"] == {"30-39": 2, "unknown": 1}
    assert found["groups"]["skin_tone"] == {"0.8-1.0": 2, "unknown": 1}
    assert found["groups"]["gender"] == {"female": 1, "unknown": 2}
    assert found["yaw"] == {"-15 to 0": 2, "15 to 30": 1}
    counts = np.array(found["together"]["counts"])
    at = found["together"]["units"].index
    assert (counts == counts.T).all()
    assert counts[at(4), at(7)] == 1
    assert counts[at(4), at(4)] == 2
    assert counts.sum() == 2 + 1 + 2


def test_counts_of_rendered_faces_add_up(pictures: list[Picture]) -> None:
    summary = Summary.of(picture.sample for picture in pictures)
    for counts in summary.units.values():
        assert sum(counts[state] for state in STATES) == len(pictures)
    for groups in (summary.expressions, summary.yaw, *summary.groups.values()):
        assert sum(groups.values()) == len(pictures)
    present = [summary.units[au]["present"] for au in MEASURED_UNITS]
    assert np.diag(summary.together).tolist() == present


def test_tables_fit_a_terminal(samples: list[Sample]) -> None:
    console = Console(file=io.StringIO(), width=80)
    console.print(render_summary(Summary.of(samples * 500)))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "brow lowerer" in text
    assert "1,000" in text
    assert "\N{HORIZONTAL ELLIPSIS}" not in text


def test_captions(samples: list[Sample]) -> None:
    assert caption(samples[0]) == "anger: 4D L7C"
    assert caption(samples[1]) == "4B"
    assert caption(samples[2]) == "no unit"


@pytest.mark.parametrize(("count", "rows", "columns"), [(1, 1, 1), (8, 1, 8), (11, 2, 8)])
def test_sheet(pictures: list[Picture], count: int, rows: int, columns: int) -> None:
    data = sheet((picture.sample, picture.data) for picture in pictures[:count])
    image = Image.open(io.BytesIO(data))
    assert image.width == columns * (CELL + GAP) + GAP
    assert image.height > rows * CELL
    assert columns <= COLUMNS
    first = Image.open(io.BytesIO(pictures[0].data)).convert("RGB").resize((CELL, CELL), 3)
    shown = image.crop((GAP, GAP, GAP + CELL, GAP + CELL))
    assert np.abs(np.asarray(shown, int) - np.asarray(first, int))[: CELL // 2].mean() < 8
