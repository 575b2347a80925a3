"""A quick start leaves out what it says, changes no number, and leaves all else as it was."""

import builtins
import json
import subprocess
import sys
from pathlib import Path

import pytest

import mien
from mien.quick_start import loaded_on_use, quick_start

PICTURE = Path(__file__).parents[1] / "examples" / "astronaut.jpg"

FRESH = """
import json, sys
from mien.quick_start import quick_start
with quick_start():
    from mien.analyzer import load
    analyzer = load("mien/nano")
rows = analyzer.analyze(sys.argv[1], numbers=True)
heavy = "torch._dynamo", "torch.distributed.tensor", "sympy", "cv2", "matplotlib.figure"
loaded = [name for name in heavy if name in sys.modules]

import torch, torch._dynamo
from torch.distributed.tensor import DTensor
from matplotlib import pyplot
twice = torch.compile(lambda x: 2 * x, backend="eager")(torch.ones(1))
rows += analyzer.analyze(sys.argv[1])
figure = type(pyplot.figure()).__name__
later = [torch._dynamo.__spec__ is not None, twice.item(), figure]
print(json.dumps([loaded, later, [row.to_dict() for row in rows]]))
"""


@pytest.mark.slow
def test_a_fresh_process_gives_the_same_numbers_and_loads_the_rest_on_use():
    pytest.importorskip("matplotlib")
    ran = subprocess.run(
        [sys.executable, "-c", FRESH, str(PICTURE)], capture_output=True, text=True, timeout=300
    )
    assert ran.returncode == 0, ran.stderr
    loaded, later, (numbers, words) = json.loads(ran.stdout)
    assert loaded == []
    assert later == [True, 2.0, "Figure"]
    [expected] = mien.analyze(PICTURE, numbers=True)
    assert numbers["expression"]["scores"] == expected.expression.scores
    assert words["text"] == mien.analyze(PICTURE)[0].text


def test_a_module_is_loaded_when_it_is_first_used(tmp_path, monkeypatch):
    (tmp_path / "slow_part.py").write_text(
        "import builtins\nbuiltins.slow_part_ran = True\nx = 3\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    try:
        with loaded_on_use("slow_part"):
            import slow_part
        assert not hasattr(builtins, "slow_part_ran")
        assert slow_part.x == 3
        assert builtins.slow_part_ran
    finally:
        sys.modules.pop("slow_part", None)
        vars(builtins).pop("slow_part_ran", None)


def test_not_wanted_changes_nothing():
    import transformers.utils

    before = transformers.utils.is_torch_distributed_available
    with quick_start(False):
        assert transformers.utils.is_torch_distributed_available is before
