"""A suite of four faces and what is true about them, small enough to score by hand."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from mien.bench.suite import SourceSpec, Suite, TaskSpec
from mien.sample import Sample
from mien.schema import ActionUnit, Expression

KINDS = (
    *("expression", "au_detection", "expression_description", "au_description", "reasoning"),
    "valence_arousal",
)


def sample(name: str, label: str | None, **present: bool | None) -> Sample:
    """A face of a person of that name; ``au6=True`` says that AU6 is there."""
    units = tuple(ActionUnit(int(k.removeprefix("au")), present=v) for k, v in present.items())
    return Sample(
        id=name,
        dataset="hand",
        image=f"{name}.png",
        subject=name[0],
        split="fold 1" if name < "c" else "fold 2",
        expression=None if label is None else Expression(label, "basic7"),
        action_units=units,
        valence=0.5,
        arousal=-0.25,
    )


@pytest.fixture
def suite() -> Suite:
    """All six kinds of tasks over two classes that occur and two units."""
    return Suite(
        name="by-hand",
        version=3,
        title="By hand",
        source=SourceSpec("hand"),
        tasks=tuple(TaskSpec(kind=kind, prompt=f"Say the {kind}.") for kind in KINDS),
        label_set="basic7",
        units=(6, 12),
        shared_units=(12,),
        folds="split",
    )


@pytest.fixture
def samples() -> list[Sample]:
    """Two happy faces and two sad ones; AU6 of the last is unknown."""
    return [
        sample("a", "happiness", au6=True, au12=True),
        sample("b", "happiness", au6=False, au12=True),
        sample("c", "sadness", au6=False, au12=False),
        replace(sample("d", "sadness", au6=None, au12=False), arousal=0.75),
    ]


def picture(shade: int = 0) -> bytes:
    """A PNG file of 4 x 4 pixels of one colour."""
    buffer = io.BytesIO()
    Image.fromarray(np.full((4, 4, 3), shade, np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()
