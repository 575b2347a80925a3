"""The finders on a real photograph, alone and small in a group."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from mien.faces import (
    CropSpec,
    Finder,
    FinderError,
    MediaPipeFinder,
    WholeFinder,
    can_be_whole,
    crop_face,
    landmarker,
    make_finder,
)

PHOTO = Path(__file__).parents[2] / "examples" / "astronaut.jpg"


@pytest.fixture(scope="module")
def finder() -> Iterator[MediaPipeFinder]:
    with MediaPipeFinder() as made:
        yield made


@pytest.fixture(scope="module")
def photo() -> NDArray[np.uint8]:
    return np.array(Image.open(PHOTO).convert("RGB"))


def test_photo(finder: MediaPipeFinder, photo: NDArray[np.uint8]) -> None:
    (face,) = finder.find(photo)
    np.testing.assert_allclose(face.box, (180, 70, 271, 179), atol=5)
    assert face.detection is not None
    assert face.detection > 0.8
    assert face.landmarks is not None
    assert face.landmarks.shape == (478, 3)
    assert face.landmarks.dtype == np.float32
    assert len(face.blendshapes) == 51
    assert face.blendshapes["mouthSmileLeft"] > 0.5
    assert face.pose is not None
    assert abs(face.pose.yaw) < 15
    assert abs(face.pose.roll - 3) < 5


def test_mirrored_and_turned(finder: MediaPipeFinder, photo: NDArray[np.uint8]) -> None:
    (face,) = finder.find(photo)
    (mirrored,) = finder.find(photo[:, ::-1])
    assert face.pose is not None
    assert mirrored.pose is not None
    assert mirrored.pose.yaw == pytest.approx(-face.pose.yaw, abs=4)
    assert mirrored.pose.roll == pytest.approx(-face.pose.roll, abs=3)
    turned = Image.fromarray(photo).rotate(-20, Image.Resampling.BICUBIC, center=(225, 125))
    (tilted,) = finder.find(np.array(turned))
    assert tilted.pose is not None
    assert tilted.pose.roll == pytest.approx(face.pose.roll + 20, abs=5)
    # Turned upright again, the crops look the same.
    a, b = (
        crop_face(p, f, CropSpec(48)).astype(float)
        for p, f in ((photo, face), (np.array(turned), tilted))
    )
    assert np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.93


def test_group(finder: MediaPipeFinder, photo: NDArray[np.uint8]) -> None:
    head = Image.fromarray(photo).crop((110, 20, 340, 270))
    canvas = Image.new("RGB", (1600, 1200), (90, 120, 90))
    places = {(80, 110): 40, (460, 800): 60, (840, 300): 100, (1250, 700): 60, (1400, 80): 32}
    for place, height in places.items():
        scale = height / 109  # the face is 109 pixels high in the photo
        size = (round(head.width * scale), round(head.height * scale))
        canvas.paste(head.resize(size, Image.Resampling.LANCZOS), place)
    faces = finder.find(np.array(canvas))
    assert len(faces) == len(places)
    heights = [face.box[3] - face.box[1] for face in faces]
    np.testing.assert_allclose(heights, [100, 60, 60, 40, 32], rtol=0.1)
    assert all(face.landmarks is not None for face in faces)


@pytest.mark.parametrize("side", [48, 224, 640])
def test_tight_crop(finder: MediaPipeFinder, photo: NDArray[np.uint8], side: int) -> None:
    tight = Image.fromarray(photo).crop((180, 70, 271, 179)).resize((side, side))
    (face,) = finder.find(np.array(tight))
    assert face.box[2] - face.box[0] > 0.8 * side


def test_no_face(finder: MediaPipeFinder) -> None:
    rng = np.random.default_rng(0)
    for picture in (
        np.zeros((1, 1, 3), np.uint8),
        np.full((700, 3, 3), 90, np.uint8),
        rng.integers(0, 256, (600, 800, 3), dtype=np.uint8),
    ):
        assert finder.find(picture) == []


def test_limits(photo: NDArray[np.uint8]) -> None:
    two = np.concatenate([photo, photo], axis=1)
    with MediaPipeFinder(max_faces=1, blendshapes=False) as finder:
        (face,) = finder.find(two)
        assert face.blendshapes == {}
    finder.close()
    with pytest.raises(ValueError, match="closed"):
        finder.find(photo)
    with pytest.raises(ValueError, match="max_faces"):
        MediaPipeFinder(max_faces=0)
    with pytest.raises(ValueError, match="min_detection"):
        MediaPipeFinder(min_detection=1.5)


def test_image_is_checked(finder: MediaPipeFinder) -> None:
    for wrong in (np.zeros((9, 9), np.uint8), np.zeros((9, 9, 3)), np.zeros((0, 9, 3), np.uint8)):
        for one in (finder, WholeFinder()):
            with pytest.raises(ValueError, match="not uint8"):
                one.find(wrong)


def test_by_name() -> None:
    whole = make_finder("whole")
    assert isinstance(whole, Finder)
    (face,) = whole.find(np.zeros((30, 40, 3), np.uint8))
    assert face.box == (0, 0, 40, 30)
    assert face.detection is None
    with pytest.raises(ValueError, match="mediapipe, whole"):
        make_finder("yolo")


def test_missing_library(monkeypatch: pytest.MonkeyPatch) -> None:
    from mediapipe.tasks.python import vision

    def fail(_: object) -> None:
        raise OSError("libEGL.so.1: cannot open shared object file: No such file or directory")

    monkeypatch.setattr(vision.FaceDetector, "create_from_options", fail)
    with pytest.raises(FinderError, match="apt-get install libegl1 libgles2"):
        landmarker.MediaPipeFinder()


def test_silent_from_start_to_exit() -> None:
    code = (
        "import sys, numpy as np; from PIL import Image\n"
        "from mien.faces import make_finder\n"
        "assert 'mediapipe' not in sys.modules and 'torch' not in sys.modules\n"
        f"f = make_finder('mediapipe'); a = np.array(Image.open({str(PHOTO)!r}))\n"
        "print(len(f.find(np.zeros_like(a))), len(f.find(a)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0", "1"]
    assert done.stderr == ""


def test_real_errors_are_not_hidden() -> None:
    code = (
        "import os; from mien.quiet import quiet_stderr\n"
        "with quiet_stderr():\n"
        "    os.write(2, b'INFO: chatter\\nE0000 00:00:1 1 a.cc:1] real\\n')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "real" in done.stderr
    assert "chatter" not in done.stderr


def test_whole_is_for_pictures_that_can_be_one_face() -> None:
    assert can_be_whole(48, 48)
    assert can_be_whole(640, 480)
    assert not can_be_whole(1912, 2560)
    assert not can_be_whole(200, 900)
