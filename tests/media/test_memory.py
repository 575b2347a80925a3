import io
import os

import numpy as np
import pytest
import torch
from PIL import Image

from mien.media.memory import in_memory, listed, pictures, taken

RGB = np.random.default_rng(0).integers(0, 255, (40, 50, 3), np.uint8)


def one(item, **options):
    (picture,) = pictures(taken(listed(item), **options))
    return picture


def encoded(image=RGB):
    data = io.BytesIO()
    Image.fromarray(image).save(data, "PNG")
    return data  # stands at its end, as after writing


CHW = torch.from_numpy(RGB).permute(2, 0, 1)


@pytest.mark.parametrize(
    "item",
    [
        *(
            RGB,
            RGB.astype(np.int64),
            RGB / 255,
            RGB.astype(np.uint16) * 257,
            RGB.astype(np.float32),
        ),
        *(Image.fromarray(RGB), encoded(), encoded().getvalue(), bytearray(encoded().getvalue())),
        *(
            torch.from_numpy(RGB),
            CHW,
            CHW / 255,
            np.dstack([RGB, np.full((40, 50), 255, np.uint8)]),
        ),
        *([RGB], (RGB,), iter([RGB])),
    ],
)
def test_all_forms_give_the_same_pixels(item):
    picture = one(item)
    assert picture.error is None
    assert np.array_equal(picture.image, RGB)


def test_blue_first_and_grey():
    assert np.array_equal(one(RGB[..., ::-1], bgr=True).image, RGB)
    assert np.array_equal(one(CHW.flip(0), bgr=True).image, RGB)
    assert np.array_equal(one(RGB[..., 0]).image, np.repeat(RGB[..., :1], 3, axis=2))
    assert np.array_equal(one(encoded(), bgr=True).image, RGB)  # a file says its order itself


def test_orientation_of_pillow_is_that_of_the_file(tmp_path):
    exif = Image.Exif()
    exif[0x112] = 6
    Image.fromarray(RGB).save(tmp_path / "turned.png", exif=exif)
    read = one(tmp_path / "turned.png").image
    with Image.open(tmp_path / "turned.png") as image:
        assert np.array_equal(one(image).image, read)
    assert read.shape == (50, 40, 3)


@pytest.mark.parametrize(
    ("item", "words"),
    [
        (np.zeros((3, 40, 50), np.uint8), "transpose"),
        (np.zeros((2, 40, 50, 3), np.uint8), "list"),
        (np.zeros((0, 50, 3), np.uint8), "no pixels"),
        (np.zeros((9,), np.uint8), "shape"),
        (RGB / 127.5 - 1, "0 to 1"),
        (RGB * 3.0, "0 to 255"),
        (np.full((4, 4, 3), np.nan), "nan"),
        (np.zeros((4, 4, 3), bool), "bool"),
    ],
)
def test_an_array_that_is_no_picture_says_why(item, words):
    picture = in_memory(item)
    assert picture.image is None
    assert picture.error.startswith("array-0: ")
    assert words in picture.error


@pytest.mark.parametrize("item", [None, 3, {"a": RGB}, object()])
def test_other_types_are_refused_by_name(item):
    for inputs in (item, [RGB, item], iter([RGB, item])):
        with pytest.raises(TypeError, match="None" if item is None else type(item).__name__):
            list(taken(listed(inputs)))


def test_text_files_and_closed_ones_are_named(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("x")
    with path.open() as file:
        assert "rb" in one(file).error
    assert str(path) in one(file).error


def test_columns_of_paths_are_paths(tmp_path):
    Image.fromarray(RGB).save(tmp_path / "a.png")
    assert np.array_equal(one(np.array([os.fspath(tmp_path / "a.png")])).image, RGB)
