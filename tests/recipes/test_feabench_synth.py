"""The recipe of FEABench-Synth makes what the shipped card and its documentation say."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest
from recipes.feabench_synth.__main__ import main
from recipes.feabench_synth.card import contents, out_of_balance
from recipes.feabench_synth.card_page import page
from recipes.feabench_synth.compare import differences
from recipes.feabench_synth.encoding import NEAR, encode, psnr
from recipes.feabench_synth.selection import Candidate, Key, belongs_to_test, candidate, select

from mien.sample import Sample
from mien.schema import ActionUnit, Expression
from mien.synth.feabench import FeaBenchSynth, decode_picture, load_feabench
from mien.synth.feabench.benchmark import FOLDER
from mien.synth.measure import MEASURED_UNITS, Measured
from mien.synth.produce import Picture
from mien.synth.signs import signals


@pytest.fixture(scope="module")
def shipped() -> FeaBenchSynth:
    return load_feabench()


def _present(sample: Sample) -> set[int]:
    return {unit.au for unit in sample.action_units or () if unit.present}


def test_the_shipped_set_is_the_described_one(shipped: FeaBenchSynth) -> None:
    assert len(shipped) == 1000
    assert len({sample.id for sample in shipped.samples}) == 1000
    assert len(set(shipped.scenes)) == 1000
    assert shipped.card["scenes"] == list(shipped.scenes)
    assert shipped.card["bytes"] == (FOLDER / "v1.parquet").stat().st_size <= 10e6
    described = contents(shipped.samples)
    assert {key: shipped.card[key] for key in described} == json.loads(json.dumps(described))


def test_the_figures_are_those_of_the_card(shipped: FeaBenchSynth) -> None:
    text = (FOLDER / "v1.md").read_text(encoding="utf-8")
    assert text == page(shipped.card)
    present = shipped.card["action_units"]["12"]["present"]
    assert f"| 12 lip corner puller | {present / 10:.1f} |" in text


def test_units_and_expressions_are_in_balance(shipped: FeaBenchSynth) -> None:
    assert not out_of_balance(shipped.samples)
    for name in ("anny", "ict"):
        part = [s for s in shipped.samples if s.attributes["face_model"] == name]
        counts = Counter(au for sample in part for au in _present(sample))
        assert len(part) == 500
        assert {au for au in MEASURED_UNITS if 55 <= counts[au] <= 95} == set(MEASURED_UNITS)
        assert sum(abs(float(s.attributes["yaw"])) > 50 for s in part) <= 50
        assert sum(float(s.attributes.get("native", 256)) < 64 for s in part) <= 50
    contempt = sum(s.expression == Expression("contempt", "basic8") for s in shipped.samples)
    assert 20 <= contempt <= 30


def test_what_is_seen_is_of_the_test(shipped: FeaBenchSynth) -> None:
    for sample in shipped.samples:
        assert sample.split == "test"
        assert [unit.au for unit in sample.action_units or ()] == list(MEASURED_UNITS)
        assert belongs_to_test(_present(sample))
        assert sample.box is not None
        assert sample.box[3] - sample.box[1] >= 60
        if sample.expression is not None and sample.expression.label != "neutral":
            assert signals(str(sample.expression.label), _present(sample)), sample.id


def test_scenes_are_of_the_test(shipped: FeaBenchSynth) -> None:
    anny = pytest.importorskip("mien.synth.anny")
    pytest.importorskip("anny")
    from mien.synth.draw_scene import belongs_to, draw_scene

    model = anny.AnnyFace()
    for sample, index in zip(shipped.samples, shipped.scenes, strict=True):
        if sample.attributes["face_model"] == "anny":
            seed = shipped.card["seed"]
            scene = draw_scene(index, seed=seed, split="test", model=model)
            assert all(belongs_to(scene)), sample.id
            assert sample.subject == f"anny-{scene.person.number}"


def test_pictures_are_rendered_alike_again(shipped: FeaBenchSynth) -> None:
    pytest.importorskip("anny")
    pytest.importorskip("moderngl")
    from recipes.feabench_synth.make import plan

    from mien.synth.face_models import loader
    from mien.synth.produce import Maker
    from mien.synth.renderer import RenderError

    try:
        maker = Maker(plan((loader("anny"),)))
    except RenderError as error:
        pytest.skip(str(error))
    for position in (0, 123, 456):
        picture = maker(shipped.scenes[position])
        sample, image = shipped[position]
        assert psnr(image, decode_picture(picture.data)) >= 35
        assert not list(differences(sample, picture.sample))
        assert candidate(picture) is not None
    maker.close()


def test_psnr_by_hand() -> None:
    black = np.zeros((2, 2, 3), np.uint8)
    one_off = black.copy()
    one_off[0, 0, 0] = 255  # mean square error 255^2 / 12
    assert psnr(black, one_off) == pytest.approx(10 * np.log10(12))
    assert psnr(black, black) == np.inf
    with pytest.raises(ValueError, match="cannot be compared"):
        psnr(black, black[:1])


def test_every_picture_stays_near_its_render() -> None:
    rng = np.random.default_rng(0)
    ramp = np.linspace(0, 255, 64).astype(np.uint8)
    smooth = np.repeat(np.repeat(ramp[None, :, None], 64, 0), 3, 2)
    noisy = rng.integers(0, 256, (64, 64, 3), np.uint8)
    for image in (smooth, noisy):
        assert psnr(decode_picture(encode(image)), image) >= NEAR
    assert len(encode(smooth)) < 1500


SHARES: dict[Key, tuple[float, float]] = {1: (0.1, 0.2), 2: (0.3, 0.4), "anger": (0.1, 0.15)}


def _offered(count: int) -> list[Candidate]:
    rng = np.random.default_rng(1)
    chances: dict[Key, float] = {1: 0.5, 2: 0.2, "anger": 0.05}
    drawn = rng.random((count, len(chances))) < list(chances.values())
    return [
        Candidate(10 * i, frozenset(key for key, has in zip(chances, row, strict=True) if has))
        for i, row in enumerate(drawn)
    ]


def test_the_choice_keeps_to_its_shares() -> None:
    offered = _offered(400)
    chosen = select(offered, 100, SHARES)
    assert chosen == sorted(set(chosen))
    assert len(chosen) == 100
    counts = Counter(key for c in offered if c.index in set(chosen) for key in c.keys)
    for key, (least, most) in SHARES.items():
        assert 100 * least <= counts[key] <= 100 * most
    # most of the first ones are left where they are
    assert sum(index < 1000 for index in chosen) > 50


def test_the_choice_depends_on_the_candidates_alone() -> None:
    assert select(_offered(400), 100, SHARES) == select(_offered(400), 100, SHARES)
    balanced = [Candidate(i, frozenset()) for i in range(9)]
    assert select(balanced, 4, {1: (0.0, 0.5)}) == [0, 1, 2, 3]


def test_one_exchange_by_hand() -> None:
    offered = [Candidate(i, frozenset(keys)) for i, keys in enumerate(({1}, {1}, {2}, set(), {2}))]
    # two of three hold 1, and one may: either of them goes, the first one does
    assert select(offered, 3, {1: (0.0, 0.4), 2: (0.3, 0.4)}) == [1, 2, 3]


def test_too_few_candidates_are_told() -> None:
    with pytest.raises(ValueError, match=r"too few for a balance of 2 \(0\)"):
        select([Candidate(i, frozenset()) for i in range(5)], 3, {2: (0.5, 1.0)})
    with pytest.raises(ValueError, match="5 candidates for 9 places"):
        select([Candidate(i, frozenset()) for i in range(5)], 9, {})


def test_combinations_as_seen_decide() -> None:
    assert belongs_to_test({6, 12})
    assert belongs_to_test({6, 12, 25})  # 25 does not count
    halves = {belongs_to_test({a, b, c}) for a in (1, 2) for b in (4, 5, 6) for c in (9, 10, 12)}
    assert halves == {True, False}


def _picture(
    *,
    margin: float = 1.0,
    inside: float = 1.0,
    height: float = 100.0,
    present: tuple[int, ...] = (),
    hidden: tuple[int, ...] = (),
    expression: str = "neutral",
) -> Picture:
    units = tuple(
        Measured(au, level := 3.0 * (au in present), level, level, au not in hidden, margin)
        for au in MEASURED_UNITS
    )
    sample = Sample(
        id="a", dataset="d", image="a.png", box=(0, 0, 50, height),
        expression=Expression(expression, "basic8"), attributes={"yaw": 55.0, "native": 50.0},
    )  # fmt: skip
    return Picture(7, sample, units, b"", inside)


def test_what_qualifies() -> None:
    found = candidate(_picture())
    assert found == Candidate(7, frozenset({"neutral", "turned away", "coarse"}))
    assert candidate(_picture(margin=0.04)) is None
    assert candidate(_picture(inside=0.7)) is None
    assert candidate(_picture(height=59)) is None
    assert candidate(_picture(hidden=MEASURED_UNITS[:6])) is not None
    assert candidate(_picture(hidden=MEASURED_UNITS[:7])) is None


def test_an_expression_must_be_seen() -> None:
    seen = candidate(_picture(present=(6, 12), expression="happiness"))
    assert seen is not None
    assert {6, 12, "happiness"} < seen.keys
    assert candidate(_picture(present=(6, 12), hidden=(12,), expression="happiness")) is None


def test_differences_in_words() -> None:
    def sample(**changes: object) -> Sample:
        unit = {"au": 25, "present": None, "intensity": 1.0, **changes}
        return Sample(
            id="a", dataset="d", image="a.png", box=(0, 0, 9, 9), attributes={"yaw": 1.0},
            action_units=(ActionUnit(**unit),),
        )  # fmt: skip

    assert not list(differences(sample(), sample(intensity=1.01)))  # rounding
    assert not list(differences(sample(intensity=0.0), sample(intensity=0.3)))  # both absent
    assert len(list(differences(sample(), sample(intensity=1.1)))) == 1
    assert len(list(differences(sample(), sample(present=True)))) == 1


def test_the_command_asks_for_something_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([])
    assert stopped.value.code == 2
    assert "--out DIR" in capsys.readouterr().err
