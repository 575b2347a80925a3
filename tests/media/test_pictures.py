"""Pictures in: every kind that must be read, and every bad input that must be told."""

from __future__ import annotations

import io
import os
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mien.media import MediaError, expand_inputs, iter_pictures, read_picture
from mien.media.pictures import MOST_SCANS


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def ramp(width: int = 40, height: int = 30) -> Image.Image:
    x = np.linspace(0, 255, width).astype(np.uint8)
    y = np.linspace(0, 255, height).astype(np.uint8)
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[..., 0], pixels[..., 1], pixels[..., 2] = x, y[:, None], 100
    return Image.fromarray(pixels)


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size without holding it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    data = chunk(b"IDAT", zlib.compress(b"\0" * 100))
    return b"\x89PNG\r\n\x1a\n" + header + data + chunk(b"IEND", b"")


def test_path_bytes_and_stream_agree(tmp_path: Path) -> None:
    data = encoded(ramp())
    path = tmp_path / "a.png"
    path.write_bytes(data)
    want = np.asarray(ramp())
    for source in (path, str(path), data, io.BytesIO(data)):
        image = read_picture(source)
        assert image.dtype == np.uint8
        np.testing.assert_array_equal(image, want)
    image[0, 0] = 0  # the array is the caller's own


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = read_picture(encoded(ramp(), "JPEG", quality=95, exif=exif))
    assert image.shape == ((40, 30, 3) if orientation >= 5 else (30, 40, 3))
    if orientation == 3:
        upright = np.asarray(ramp())[::-1, ::-1]
        assert np.abs(image.astype(int) - upright).mean() < 6


def test_alpha_lies_on_white() -> None:
    layer = Image.new("RGBA", (4, 4), (200, 0, 0, 0))
    layer.putpixel((0, 0), (200, 0, 0, 255))
    image = read_picture(encoded(layer))
    assert image[0, 0].tolist() == [200, 0, 0]
    assert image[3, 3].tolist() == [255, 255, 255]


def test_palette_with_transparency() -> None:
    picture = Image.new("P", (4, 4), 0)
    picture.putpalette([0, 0, 0, 10, 200, 30])
    picture.putpixel((1, 1), 1)
    image = read_picture(encoded(picture, transparency=0))
    assert image[1, 1].tolist() == [10, 200, 30]
    assert image[0, 0].tolist() == [255, 255, 255]


@pytest.mark.parametrize("mode", ["L", "1", "LA"])
def test_grey(mode: str) -> None:
    image = read_picture(encoded(Image.new("L", (5, 3), 255).convert(mode)))
    assert image.shape == (3, 5, 3)
    assert (image == 255).all()


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_is_scaled_not_clipped(kind: str) -> None:
    values = np.array([[0, 257, 32768, 65535]], np.uint16)
    image = read_picture(encoded(Image.fromarray(values), kind))
    assert image[0, :, 0].tolist() == [0, 1, 128, 255]


def test_float_tiff() -> None:
    values = np.array([[0, 0.5, 1.0, np.nan]], np.float32)
    image = read_picture(encoded(Image.fromarray(values), "TIFF"))
    assert image[0, :, 2].tolist() == [0, 128, 255, 0]


def test_cmyk() -> None:
    image = read_picture(encoded(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG", quality=95))
    assert np.abs(image[4, 4].astype(int) - [255, 0, 0]).max() < 8


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_animation_gives_first_frame_and_a_warning(kind: str) -> None:
    frames = [Image.new("RGB", (8, 8), c) for c in ("red", "blue", "lime")]
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
    (picture,) = iter_pictures([data])
    assert picture.image is not None
    assert picture.image[4, 4, 0] > 240
    assert picture.image[4, 4, 2] < 16
    assert "3 frames" in picture.warnings[0]


def bad_inputs(folder: Path) -> dict[str, tuple[Path, str]]:
    """name: (path, words that the error must hold)."""
    photo = encoded(Image.effect_noise((300, 300), 60).convert("RGB"), "JPEG")
    contents = {
        "cut.jpg": (photo[: len(photo) // 2], "cut-off"),
        "cut.png": (encoded(ramp(300, 300))[:300], "cut-off"),
        "empty.jpg": (b"", "0 bytes"),
        "text.jpg": (b"just some words\n", "holds text"),
        "bomb.png": (png_header(40_000, 40_000), "too large"),
        "wide.png": (png_header(20_000, 6_000), "too large"),
        "noise.webp": (bytes(range(256)), "not a picture"),
        "clip.mp4": (b"\0\0\0\x18ftypisom" + bytes(99), "a video"),
        "page.pdf": (b"%PDF-1.4 and so on", "PDF"),
    }
    result = {}
    for name, (data, words) in contents.items():
        (folder / name).write_bytes(data)
        result[name] = (folder / name, words)
    return {**result, "gone.jpg": (folder / "gone.jpg", "no such file")}


@pytest.mark.parametrize(
    "name",
    [
        "cut.jpg",
        "cut.png",
        "empty.jpg",
        "text.jpg",
        "bomb.png",
        "wide.png",
        "noise.webp",
        "clip.mp4",
        "page.pdf",
        "gone.jpg",
    ],
)
def test_bad_input_is_told(tmp_path: Path, name: str) -> None:
    path, words = bad_inputs(tmp_path)[name]
    with pytest.raises(MediaError, match=words) as caught:
        read_picture(path)
    assert str(caught.value).startswith(str(path))
    (picture,) = iter_pictures([path])
    assert picture.image is None
    assert picture.error == str(caught.value)


def test_folder_is_no_picture(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="a folder"):
        read_picture(tmp_path)


@pytest.mark.skipif(os.name != "posix", reason="POSIX device files")
def test_device_is_refused() -> None:
    with pytest.raises(MediaError, match="not a regular file"):
        read_picture("/dev/zero")


def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(encoded(ramp()))

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)  # chmod does not stop root
    with pytest.raises(MediaError, match="no permission"):
        read_picture(path)


def test_one_bad_input_does_not_stop_the_rest(tmp_path: Path) -> None:
    bad = [path for path, _ in bad_inputs(tmp_path).values()]
    pictures = list(iter_pictures([*bad, encoded(ramp())]))
    assert len(pictures) == len(bad) + 1
    assert [p.image is None for p in pictures] == [True] * len(bad) + [False]


def test_max_pixels() -> None:
    with pytest.raises(MediaError, match="limit 100"):
        read_picture(encoded(ramp()), max_pixels=100)


def names(inputs: list[str | Path | bytes]) -> list[str]:
    return [Path(item.name).name for item in expand_inputs(inputs)]


def test_folders_and_globs(tmp_path: Path) -> None:
    for name in ("b.png", "a.JPG", "notes.txt", ".hidden.png", "sub/c.webp", "sub/.x/d.png"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(encoded(ramp()))
    assert names([tmp_path]) == ["a.JPG", "b.png", "c.webp"]
    assert names([f"{tmp_path}/*.png"]) == ["b.png"]
    assert names([f"{tmp_path}/**/*.[pw]*"]) == ["b.png", "c.webp"]
    (tmp_path / "e[1].png").write_bytes(encoded(ramp()))
    assert names([str(tmp_path / "e[1].png")]) == ["e[1].png"]


def test_nothing_there(tmp_path: Path) -> None:
    pictures = list(iter_pictures([tmp_path, f"{tmp_path}/*.png", tmp_path / "a.png", "a\0b"]))
    assert len(pictures) == 4
    for picture, words in zip(
        pictures, ("no pictures", "no file matches", "no such file", "cannot be"), strict=True
    ):
        assert picture.image is None
        assert words in (picture.error or "")


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(encoded(ramp())))
    monkeypatch.setattr(sys, "stdin", stream)
    (picture,) = iter_pictures(["-"])
    assert picture.source == "stdin"
    np.testing.assert_array_equal(picture.image, np.asarray(ramp()))


def test_a_jpeg_with_scans_without_end_is_refused(tmp_path):
    data = io.BytesIO()
    Image.new("RGB", (64, 64), (90, 120, 40)).save(data, "JPEG", progressive=True)
    sound = data.getvalue()
    assert read_picture(sound).shape == (64, 64, 3)
    last = sound.rindex(b"\xff\xda")
    path = tmp_path / "scans.jpg"
    path.write_bytes(sound[:last] + sound[last:-2] * MOST_SCANS + b"\xff\xd9")
    with pytest.raises(MediaError, match=r"scans\.jpg.*scans.*Export it again"):
        read_picture(path)
