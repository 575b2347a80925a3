"""What the tests of rendered faces share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mien.synth.produce import Maker, Picture, Plan
from mien.synth.renderer import RenderError
from tests.synth.made_up import MadeUpFace, OtherFace

SIZE = 64


def made_up_plan(**changes: object) -> Plan:
    """Small pictures of two made-up models by turns, five a shard."""
    values = {"models": (MadeUpFace, OtherFace), "seed": 3, "split": "train", "size": SIZE}
    return Plan(**{**values, "per_shard": 5, **changes})  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def maker() -> Iterator[Maker]:
    """Makes pictures in this process."""
    pytest.importorskip("moderngl")
    try:
        made = Maker(made_up_plan())
    except RenderError as error:
        pytest.skip(str(error))
    yield made
    made.close()


@pytest.fixture(scope="session")
def pictures(maker: Maker) -> list[Picture]:
    """The first dozen."""
    return [maker(index) for index in range(12)]
