import numpy as np
import pytest
import torch

from mien.engines import EngineError, Request, load_responder, resolve_device
from mien.engines.analysis import ask_analysis
from mien.engines.answers import hold_to_numbers
from mien.engines.local_model import MAX_NEW_TOKENS
from mien.engines.local_responder import LocalResponder
from mien.language import check_reasons, parse, prompt_for


@pytest.fixture(scope="module")
def responder(tiny_folder) -> LocalResponder:
    return load_responder(str(tiny_folder), device="cpu")


def answers(responder, crops, *, words=True):
    ids = [str(i) for i in range(len(crops))]
    return ask_analysis(responder, [[crop] for crop in crops], ids=ids, words=words)


@torch.inference_mode()
def scores(responder, crops):
    return responder.core.look(crops).scores


@pytest.fixture(scope="module")
def crops(responder):
    rng = np.random.default_rng(0)
    size = responder.crop_spec.size
    return [rng.integers(0, 255, (size, size, 3), np.uint8) for _ in range(5)]


def test_numbers_are_complete_and_in_range(responder, crops):
    for answer in answers(responder, crops, words=False):
        assert answer.status == "ok"
        assert answer.text is None
        assert abs(sum(answer.expression.scores.values()) - 1) < 1e-6
        assert answer.expression.label == max(
            answer.expression.scores, key=answer.expression.scores.get
        )
        assert [u.au for u in answer.action_units] == [4, 12, 25]


def test_batch_of_many_equals_batches_of_one(responder, crops):
    many = answers(responder, crops)
    for crop, answer in zip(crops, many, strict=True):
        (single,) = answers(responder, [crop])
        assert single.text == answer.text
        for name, score in single.expression.scores.items():
            assert answer.expression.scores[name] == pytest.approx(score, abs=1e-4)
        for a, b in zip(single.action_units, answer.action_units, strict=True):
            assert a.probability == pytest.approx(b.probability, abs=1e-4)


def test_text_begins_with_the_label_line_of_the_numbers(responder, crops):
    for answer in answers(responder, crops):
        line = answer.text.splitlines()[0]
        assert line.startswith(answer.expression.label.capitalize() + ".")
        for unit in answer.action_units:
            assert (f"AU{unit.au} (" in line) == unit.present


def test_mirror_average_is_the_same_for_a_face_and_its_mirror_image(responder, crops):
    mirrored = [np.ascontiguousarray(crop[:, ::-1]) for crop in crops]
    plain = scores(responder, crops)[0]
    assert not np.allclose(plain, scores(responder, mirrored)[0], atol=1e-4)
    responder.core.model.config.mirror_average = True
    try:
        one, other = scores(responder, crops), scores(responder, mirrored)
    finally:
        responder.core.model.config.mirror_average = False
    for a, b in zip(one, other, strict=True):
        assert a.shape[0] == len(crops)
        np.testing.assert_allclose(a, b, atol=1e-3)


def test_no_crops_no_answers(responder):
    assert answers(responder, []) == []


def test_instructions_for_other_models_change_nothing(responder, crops):
    plain = Request("0", (crops[0],), prompt_for("analysis"), max_tokens=MAX_NEW_TOKENS)
    (reply,) = responder.respond([plain])
    (answer,) = answers(responder, crops[:1])
    assert (answer.text, answer.expression) == (reply.text, reply.numbers.expression)


def test_what_is_true_and_what_cannot_be_read_is_told_apart():
    assert held("Happiness. AU12 (C).\nIt says so.", "happiness", {12: 3.0})[1] == "ok"
    assert held("", "happiness", {12: 3.0})[1] == "unparsed"


def held(text, expression, present):
    return hold_to_numbers("analysis", text, expression, present)


def test_text_that_contradicts_the_numbers_is_warned_about():
    good = "Happiness. AU12 (C).\nThe raised lip corners (AU12) say so."
    assert held(good, "happiness", {12: 3.0}) == (good, "ok", ())
    bad = "Happiness. AU12 (C).\nThe lowered brows (AU4) say so."
    text, status, warnings = held(bad, "happiness", {12: 3.0})
    assert status == "ok"
    assert "AU4" in warnings[0]
    assert text.startswith("Happiness. AU12 (C).\n")
    assert set(parse(text).units) == {12}


def test_text_with_reasons_that_are_none_is_written_from_the_numbers():
    line = "Anger. AU25 (A).\n"
    plain = f"{line}The parted lips (AU25) can go with many expressions."
    assert held(plain, "anger", {25: 1.0}) == (plain, "ok", ())
    text, _, warnings = held(f"{line}The parted lips (AU25) speak for anger.", "anger", {25: 1.0})
    assert "AU25 does not speak for anger" in warnings[0]
    assert "written from the numbers" in warnings[0]
    assert text.startswith(line)
    assert check_reasons(text, "anger", {25}) == []


def test_unknown_model_and_device_name_the_remedy(tmp_path):
    with pytest.raises(EngineError, match="mien/nano"):
        load_responder("mien/giga")
    with pytest.raises(EngineError, match=r"auto, cpu"):
        resolve_device("tpu9000")


@pytest.mark.parametrize("name", ["cuda:99", "xpu:99", "hpu", "meta", "vulkan", "privateuseone:5"])
def test_a_device_on_which_nothing_can_be_computed_is_one_error(name):
    with pytest.raises(EngineError, match="mien doctor") as caught:
        resolve_device(name)
    assert "\n" not in str(caught.value)


def test_devices_that_this_build_has_are_taken():
    assert resolve_device("cpu").type == "cpu"
    has = torch.accelerator.current_accelerator(check_available=True)
    assert resolve_device("auto") == (has or torch.device("cpu"))


def test_damaged_folder_is_one_clear_error(tiny_folder, tmp_path):
    for file in tiny_folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(EngineError, match=r"model\.safetensors"):
        load_responder(str(tmp_path))
