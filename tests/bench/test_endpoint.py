"""A benchmark against a server on this machine that misbehaves on purpose."""

import base64
import io
import json
from collections import Counter

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from mien.cli import app
from tests.engines.bad_server import Answer, Seen, bad_server, said

SUITE = """
name = "tiny"
version = 1
title = "Tiny"
label_set = "basic7"
units = [12]
faces = "whole"
[source]
reader = "csv"
[[tasks]]
kind = "expression"
prompt = "What is the expression of this face?"
"""
GOOD = said("Happiness.")
FAULTS = {
    "good": [GOOD],
    "busy": [Answer(429, {}, {"Retry-After": "0"}), GOOD],
    "broken": [Answer(500, {}), Answer(503, b"<html>"), GOOD],
    "always_broken": [Answer(500, {})],
    "cut": [Answer(body=b'{"choices": [{"mess')],
    "no_choices": [Answer(body={"choices": []})],
    "empty": [said("")],
    "hangs": [Answer(delay=30.0)],
    "drips": [Answer(drip=True)],
    "resets": [Answer(reset=True), GOOD],
    "refuses": [said("I'm sorry, I cannot help with that.")],
    "wrong": [said("Anger.")],
}
KEY = "sk-very-secret"


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A dataset of one happy face per fault; its grey says which one it is."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setattr("openai._base_client.INITIAL_RETRY_DELAY", 0.0)
    (tmp_path / "data").mkdir()
    for grey, name in enumerate(FAULTS):
        pixels = np.full((32, 32, 3), 10 * grey, np.uint8)
        Image.fromarray(pixels).save(tmp_path / "data" / f"{name}.png")
    rows = "".join(f"{name}.png,happiness\n" for name in FAULTS)
    (tmp_path / "data" / "labels.csv").write_text("image,expression\n" + rows)
    (tmp_path / "tiny.toml").write_text(SUITE)
    return tmp_path


def fault_of(seen: Seen) -> str:
    """The face that a request is about."""
    parts = seen.body["messages"][-1]["content"]
    url = next(part["image_url"]["url"] for part in parts if part["type"] == "image_url")
    picture = Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).convert("L")
    return list(FAULTS)[round(float(np.asarray(picture).mean()) / 10)]


def run(url: str):
    args = ("bench", "tiny.toml", "--data", "data", "--out", "out", "--samples", "50")
    return CliRunner().invoke(
        app, [*args, "--model", f"openai:tiny@{url}", "--timeout", "1.5", "--concurrency", "12"]
    )


def records(place):
    """The last record of each face."""
    (path,) = place.glob("out/tiny/*/answers.jsonl")
    rows = [json.loads(line) for line in path.read_text().splitlines()[1:]]
    return {row["id"].partition(".")[0]: row for row in rows}


def test_every_fault_is_counted_and_nothing_is_lost(place):
    asked, well = Counter[str](), False

    def behave(seen: Seen) -> Answer:
        fault = fault_of(seen)
        asked[fault] += 1
        answers = [GOOD] if well else FAULTS[fault]
        return answers[min(asked[fault], len(answers)) - 1]

    failed = {"always_broken", "cut", "no_choices", "hangs", "drips"}
    right = {"good", "busy", "broken", "resets"}
    with bad_server(behave) as server:
        done = run(server.url)
        assert done.exit_code == 1, done.output
        assert f"of {len(FAULTS)} questions {len(failed)} no answer" in done.output
        assert "no answer within 1.5 s" in done.output  # two of five: the most frequent reason
        first = records(place)
        assert set(first) == set(FAULTS)
        assert {name for name, r in first.items() if r["status"] == "failed"} == failed
        assert all(first[name]["error"] for name in failed)
        assert first["empty"]["text"] == ""

        (result,) = place.glob("out/tiny/*/results.json")
        (task,) = json.loads(result.read_text())["tasks"]
        assert task["items"] == len(FAULTS)
        assert task["figures"]["war"]["value"] == pytest.approx(len(right) / len(FAULTS))
        # "wrong" is read as well; refusals, empty and missing answers are not
        parsed = (len(right) + 1) / len(FAULTS)
        assert task["figures"]["parse_rate"]["value"] == pytest.approx(parsed)

        asked.clear()
        well = True  # the server has come to itself: only what failed is asked again
        done = run(server.url)
    assert done.exit_code == 0, done.output
    assert asked == dict.fromkeys(failed, 1)
    last = records(place)
    assert all(last[name] == r for name, r in first.items() if name not in failed)
    written = b"".join(p.read_bytes() for p in place.rglob("out/**/*") if p.is_file())
    assert KEY.encode() not in written
    assert KEY not in done.output
