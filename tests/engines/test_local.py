import numpy as np
import pytest

from mien.engines import EngineError, load_engine, resolve_device
from mien.engines.answers import held_answer as _checked
from mien.engines.local import LocalEngine
from mien.language import check_reasons, parse
from mien.schema import ActionUnit, Expression


@pytest.fixture(scope="module")
def engine(tiny_folder) -> LocalEngine:
    return load_engine(str(tiny_folder), device="cpu")


@pytest.fixture(scope="module")
def crops(engine):
    rng = np.random.default_rng(0)
    size = engine.crop_spec.size
    return [rng.integers(0, 255, (size, size, 3), np.uint8) for _ in range(5)]


def test_numbers_are_complete_and_in_range(engine, crops):
    for answer in engine.answer(crops, numbers_only=True):
        assert answer.status == "ok"
        assert answer.text is None
        assert abs(sum(answer.expression.scores.values()) - 1) < 1e-6
        assert answer.expression.label == max(
            answer.expression.scores, key=answer.expression.scores.get
        )
        assert [u.au for u in answer.action_units] == [4, 12, 25]


def test_batch_of_many_equals_batches_of_one(engine, crops):
    many = engine.answer(crops)
    for crop, answer in zip(crops, many, strict=True):
        (single,) = engine.answer([crop])
        assert single.text == answer.text
        for name, score in single.expression.scores.items():
            assert answer.expression.scores[name] == pytest.approx(score, abs=1e-4)
        for a, b in zip(single.action_units, answer.action_units, strict=True):
            assert a.probability == pytest.approx(b.probability, abs=1e-4)


def test_text_begins_with_the_label_line_of_the_numbers(engine, crops):
    for answer in engine.answer(crops):
        line = answer.text.splitlines()[0]
        assert line.startswith(answer.expression.label.capitalize() + ".")
        for unit in answer.action_units:
            assert (f"AU{unit.au} (" in line) == unit.present


def test_mirror_average_is_the_same_for_a_face_and_its_mirror_image(engine, crops):
    mirrored = [np.ascontiguousarray(crop[:, ::-1]) for crop in crops]
    plain = engine.scores(crops)[0]
    assert not np.allclose(plain, engine.scores(mirrored)[0], atol=1e-4)
    engine.model.config.mirror_average = True
    try:
        one, other = engine.scores(crops), engine.scores(mirrored)
    finally:
        engine.model.config.mirror_average = False
    for a, b in zip(one, other, strict=True):
        assert a.shape[0] == len(crops)
        np.testing.assert_allclose(a, b, atol=1e-3)


def test_no_crops_no_answers(engine):
    assert engine.answer([]) == []


def test_text_that_contradicts_the_numbers_is_warned_about():
    happy = Expression("happiness")
    units = (ActionUnit(12, present=True, intensity=3.0), ActionUnit(4, present=False))
    good = _checked(happy, units, "Happiness. AU12 (C).\nThe raised lip corners (AU12) say so.")
    assert good.warnings == ()
    bad = _checked(happy, units, "Happiness. AU12 (C).\nThe lowered brows (AU4) say so.")
    assert "AU4" in bad.warnings[0]
    assert bad.text.startswith("Happiness. AU12 (C).\n")
    assert set(parse(bad.text).units) == {12}
    assert _checked(happy, units, "").status == "unparsed"


def test_text_with_reasons_that_are_none_is_written_from_the_numbers():
    angry = Expression("anger")
    units = (ActionUnit(25, present=True, intensity=1.0), ActionUnit(4, present=False))
    line = "Anger. AU25 (A).\n"
    plain = _checked(angry, units, f"{line}The parted lips (AU25) can go with many expressions.")
    assert plain.warnings == ()
    bad = _checked(angry, units, f"{line}The parted lips (AU25) speak for anger.")
    assert "AU25 does not speak for anger" in bad.warnings[0]
    assert "written from the numbers" in bad.warnings[0]
    assert bad.text.startswith(line)
    assert check_reasons(bad.text, "anger", {25}) == []


def test_unknown_model_and_device_name_the_remedy(tmp_path):
    with pytest.raises(EngineError, match="mien/nano"):
        load_engine("mien/giga")
    with pytest.raises(EngineError, match=r"auto, cpu"):
        resolve_device("tpu9000")
    with pytest.raises(EngineError, match="mien doctor"):
        resolve_device("cuda:99")


def test_damaged_folder_is_one_clear_error(tiny_folder, tmp_path):
    for file in tiny_folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(EngineError, match=r"model\.safetensors"):
        load_engine(str(tmp_path))
