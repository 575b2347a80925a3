"""Pictures as a stream: the same whoever makes them, and clear words where none can be made."""

from __future__ import annotations

import io
import os
import signal
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mien.synth import face_models
from mien.synth.draw_scene import draw_scene
from mien.synth.face_models import SourceError
from mien.synth.produce import Maker, Picture, ProduceError, encoded, produce
from tests.synth.conftest import SIZE, made_up_plan
from tests.synth.made_up import MadeUpFace, OtherFace, broken


def test_the_same_number_is_the_same_picture(maker: Maker, pictures: list[Picture]) -> None:
    for index in (7, 2, 0):  # in another order, after other pictures
        assert maker(index) == pictures[index]
    assert pictures[0].data != pictures[2].data


def test_another_seed_is_another_picture(pictures: list[Picture]) -> None:
    other = Maker(made_up_plan(seed=4))
    assert other(0).data != pictures[0].data
    other.close()


def test_models_take_turns_and_each_has_its_own_context(pictures: list[Picture]) -> None:
    assert [p.sample.attributes["face_model"] for p in pictures[:4]] == ["made-up", "other"] * 2
    alone = Maker(made_up_plan(models=(MadeUpFace,)))
    assert alone(4).data == pictures[4].data
    alone.close()


def test_one_process_equals_two_equals_this_one(pictures: list[Picture]) -> None:
    numbers = [11, 3, *range(9)]
    made = [list(produce(made_up_plan(), numbers, processes=count)) for count in (1, 2)]
    assert made[0] == made[1] == [pictures[number] for number in numbers]


def test_labels_of_a_picture(pictures: list[Picture]) -> None:
    picture = pictures[0]
    assert picture.sample.id == "made-up-train-3-000000"
    assert picture.sample.image == "images/00000/000000.webp"
    assert pictures[7].sample.image == "images/00001/000007.webp"
    assert picture.sample.licence == "CC0-1.0"
    scene = draw_scene(0, seed=3, split="train", model=MadeUpFace())
    assert picture.sample.subject == f"made-up-{scene.person.number}"
    assert [unit.present for unit in picture.units] == [
        unit.present for unit in picture.sample.action_units or ()
    ]


@pytest.mark.parametrize("image_format", ["webp", "png", "jpg"])
def test_pictures_decode(image_format: str) -> None:
    ramp = np.linspace(0, 255, SIZE * SIZE * 3).reshape(SIZE, SIZE, 3).astype(np.uint8)
    back = Image.open(io.BytesIO(encoded(ramp, image_format)))  # type: ignore[arg-type]
    assert back.size == (SIZE, SIZE)
    assert np.abs(np.asarray(back.convert("RGB"), int) - ramp).mean() < 3


def test_nothing_to_make_starts_nothing() -> None:
    assert list(produce(made_up_plan(models=(broken,)), [], processes=2)) == []


def test_a_process_that_cannot_begin_says_why() -> None:
    with pytest.raises(ProduceError, match="pip install 'something'"):
        list(produce(made_up_plan(models=(broken,)), range(40), processes=2))


def test_no_egl_is_one_line_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("__EGL_VENDOR_LIBRARY_DIRS", str(tmp_path))
    with pytest.raises(ProduceError, match="apt-get install") as caught:
        list(produce(made_up_plan(models=(MadeUpFace,)), range(2), processes=1))
    assert "\n" not in str(caught.value)


def test_a_process_that_is_killed_is_noticed(maker: Maker) -> None:
    import multiprocessing

    stream = produce(made_up_plan(), range(1000), processes=1)
    next(stream)
    (child,) = multiprocessing.active_children()
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)
    with pytest.raises(ProduceError, match="memory"):
        list(stream)
    assert not multiprocessing.active_children()


def test_stopping_early_stops_the_processes(maker: Maker) -> None:
    import multiprocessing

    stream = produce(made_up_plan(), range(1000), processes=1)
    next(stream)
    stream.close()
    assert not multiprocessing.active_children()


def test_ict_needs_a_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(face_models.ICT_VARIABLE, raising=False)
    with pytest.raises(SourceError, match="--ict PATH"):
        face_models.loader("ict")
    with pytest.raises(SourceError, match=r"checkout of ICT-VGL"):
        face_models.load(face_models.loader("ict", ict=tmp_path))
    torn = tmp_path / "torn.npz"
    torn.write_bytes(b"PK no zip")
    monkeypatch.setenv(face_models.ICT_VARIABLE, str(torn))
    with pytest.raises(SourceError, match=r"torn\.npz"):
        face_models.load(face_models.loader("ict"))
    with pytest.raises(SourceError, match="flame"):
        face_models.loader("flame")


def test_fingerprints_tell_models_apart() -> None:
    assert face_models.fingerprint(MadeUpFace()) == face_models.fingerprint(MadeUpFace())
    assert face_models.fingerprint(MadeUpFace()) != face_models.fingerprint(OtherFace())
    assert face_models.load(partial(MadeUpFace)).name == "made-up"
