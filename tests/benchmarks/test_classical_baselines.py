"""The toolkits are stood in for by modules with the call shapes that they publish."""

import json
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from benchmarks.classical_baselines import TOOLKITS, Baseline, main

from mien.engines import EngineError, Request, load_responder

RED = np.zeros((6, 6, 3), np.uint8)
RED[..., 0] = 200


def module(monkeypatch, name, **names):
    made = ModuleType(name)
    for key, value in names.items():
        setattr(made, key, value)
    monkeypatch.setitem(sys.modules, name, made)
    return made


def test_py_feat(monkeypatch):
    seen = {}

    class Detectorv2:
        def __init__(self, device="cpu", identity_model="arcface"):
            seen.update(device=device, identity=identity_model)

        def detect(self, inputs, data_type="image", batch_size=1, progress_bar=True):
            seen.update(shape=tuple(inputs.shape), dtype=str(inputs.dtype), kind=data_type)
            nan = float("nan")
            emotions = {"Happy": 0.5, "Sad": 0.1, "Surprise": 0.1, "Fear": 0.1, "Disgust": 0.1}
            face = {"FaceRectX": 1.0, "FaceScore": 0.9, "frame": 0, "AU06": 0.7, "AU12": 0.2}
            face |= {**emotions, "Anger": 0.05, "Neutral": 0.05, "valence": 0.3}
            weaker = {**face, "FaceScore": 0.6, "AU06": 0.0}
            none = {**face, "FaceRectX": nan, "FaceScore": 0.0, "frame": 1}
            return pd.DataFrame([weaker, face, none])

    module(monkeypatch, "feat", Detectorv2=Detectorv2)
    first, second = TOOLKITS["py-feat"]().answer([RED, RED])
    assert seen == {
        "device": "cpu",
        "identity": None,
        "shape": (2, 3, 6, 6),
        "dtype": "torch.uint8",
        "kind": "tensor",
    }
    assert first.expression.label == "happiness"
    assert first.expression.scores["happiness"] == pytest.approx(0.5)
    six, twelve = first.action_units
    assert (six.au, six.present, six.probability, six.intensity) == (6, True, 0.7, None)
    assert (twelve.au, twelve.present) == (12, False)
    assert second.status == "failed"
    assert second.expression is None


def test_deepface(monkeypatch):
    seen = {"calls": []}

    def analyze(img_path, actions, detector_backend, enforce_detection, silent):
        seen["calls"].append(1)
        seen.update(image=img_path, actions=actions, detector=detector_backend)
        percent = {"angry": 80.0, "disgust": 5, "fear": 5, "happy": 2, "sad": 3, "surprise": 1}
        percent["neutral"] = np.float32(4)
        return [{"emotion": percent, "dominant_emotion": "angry", "region": {}}]

    module(monkeypatch, "deepface", DeepFace=SimpleNamespace(analyze=analyze))
    crops = (RED,)
    questions = [Request(name, crops, "What is it?") for name in "ab"]
    reply, same, none = Baseline(TOOLKITS["deepface"]()).respond([*questions, Request("c", (), "")])
    assert (same.text, same.numbers, len(seen["calls"])) == (reply.text, reply.numbers, 1)
    assert none.status == "failed"
    assert seen["image"][0, 0].tolist() == [0, 0, 200]  # BGR
    assert (seen["actions"], seen["detector"]) == (("emotion",), "skip")
    assert reply.text == "Anger."
    assert reply.numbers.expression.scores["anger"] == pytest.approx(0.8)
    assert reply.numbers.action_units is None


def test_fer(monkeypatch):
    class FER:
        def detect_emotions(self, image, face_rectangles):
            assert face_rectangles == [(0, 0, 6, 6)]
            rounded = {"angry": 0.0, "disgust": 0.0, "fear": 0.0, "happy": 0.98, "sad": 0.01}
            return [{"box": (0, 0, 6, 6), "emotions": {**rounded, "surprise": 0.0, "neutral": 0.0}}]

    module(monkeypatch, "fer")
    module(monkeypatch, "fer.fer", FER=FER)
    (answer,) = TOOLKITS["fer"]().answer([RED])
    assert answer.expression.scores["happiness"] == pytest.approx(0.98 / 0.99)
    assert sum(answer.expression.scores.values()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("name", "missing"), [("py-feat", "feat"), ("deepface", "deepface"), ("fer", "fer.fer")]
)
def test_a_missing_package_is_named_with_pip(monkeypatch, name, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(EngineError, match=f"pip install {name}"):
        TOOLKITS[name]()


def test_a_suite_is_asked_and_scored(monkeypatch, tmp_path, capsys):
    class FER:
        def detect_emotions(self, image, face_rectangles):
            sure = dict.fromkeys(("angry", "disgust", "fear", "sad", "surprise", "neutral"), 0.0)
            return [{"box": face_rectangles[0], "emotions": {**sure, "happy": 1.0}}]

    module(monkeypatch, "fer")
    module(monkeypatch, "fer.fer", FER=FER)
    assert main(["fer", "feabench-synth", "--limit", "3", "--out", str(tmp_path)]) == 0
    folder = tmp_path / "feabench-synth" / "fer"
    _, *answers = map(json.loads, (folder / "answers.jsonl").read_text().splitlines())
    assert {answer["text"] for answer in answers} == {"Happiness."}
    assert (folder / "results.json").is_file()


@pytest.mark.parametrize("name", TOOLKITS)
def test_as_a_model_it_is_said_where_a_toolkit_is(name):
    with pytest.raises(EngineError, match=rf"benchmarks/classical_baselines\.py {name}") as told:
        load_responder(name)
    assert "\n" not in str(told.value)
