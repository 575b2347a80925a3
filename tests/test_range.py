"""The ends of the ranges of releases that `make test-range` runs."""

from __future__ import annotations

import tomllib

import pytest
from packaging.requirements import Requirement

from tests.range import ROOT, lowest, newest

PROJECT = """
[project]
name = "mien"
dependencies = ["torch>=2.13,<2.14"]
[project.optional-dependencies]
train = ["peft>=0.18,<0.22"]
grpo = ["mien[train]", "trl>=1.16,<1.17"]
dev = ["pytest>=8"]
"""


def test_lowest_is_the_lower_end_of_the_project_and_its_extras_for_users() -> None:
    assert lowest(PROJECT) == ["torch==2.13", "peft==0.18", "trl==1.16"]


@pytest.mark.parametrize("other", ["peft", "peft>=0.18", "peft<0.22", "peft==0.18"])
def test_a_range_has_two_ends(other: str) -> None:
    with pytest.raises(ValueError, match=other):
        lowest(PROJECT.replace("peft>=0.18,<0.22", other))


def test_every_range_of_the_project_holds_the_release_that_make_test_runs() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    constraints = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    pinned = dict(line.split("==") for line in constraints.lower().replace("_", "-").splitlines())
    extras = project["optional-dependencies"]
    ranges = [*project["dependencies"], *(one for name in extras for one in extras[name])]
    for one in map(Requirement, ranges):
        if one.name != "mien":
            assert one.specifier.contains(pinned[one.name.lower()]), one


def test_newest_holds_torch_alone() -> None:
    assert newest("numpy==2.4\ntorch==2.13.0\ntorchao==1\n") == ["torch==2.13.0"]
