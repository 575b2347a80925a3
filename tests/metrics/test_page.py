"""The page on metrics names what there is, and its example runs."""

import re
from pathlib import Path

from mien import metrics
from mien.metrics import classification, rege

PAGE = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")


def test_every_name_in_the_tables_exists():
    rows = [line for line in PAGE.splitlines() if line.startswith("| ")]
    groups = re.findall(
        r"\((`[\w.]+`(?:, `[\w.]+`)*)\)", "\n".join(r.split(" | ")[0] for r in rows)
    )
    names = [name.strip("`") for group in groups for name in group.split(", ")]
    assert len(names) > 30
    for name in names:
        owner, _, attribute = name.rpartition(".")
        assert hasattr(getattr(metrics, owner) if owner else metrics, attribute), name
    assert hasattr(classification.Confusion, "parsed_only")
    assert "unscored" in rege.Rege.__annotations__


def test_every_metric_stands_on_the_page():
    types = {name for name in metrics.__all__ if name[0].isupper()} - {"Resampler"}
    helpers = {
        "confusion",
        "count_units",
        "fit_temperature",
        "negative_log_likelihood",
        "mean_over_units",
        "unit_intensity",
        "agreement",
        "average_precision",
        "summarize_rationales",
        "fold_mean_f1",
        "majority_baseline",
    }
    missing = [n for n in metrics.__all__ if n not in types | helpers and f"{n}`" not in PAGE]
    assert not missing


def test_the_example_runs(capsys):
    code = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert code is not None
    exec(code[1], {})
    assert capsys.readouterr().out.startswith("Estimate(value=0.75, ")
