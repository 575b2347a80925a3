"""Small ranges, large pictures and pipes."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from mien.media import MediaError, iter_pictures, pictures, pixels, read_picture
from mien.media.streams import StreamError, read_pipe, read_stream


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def ramp(top: int, low: int = 0) -> np.ndarray:
    return np.linspace(low, top, 60 * 80).reshape(60, 80)


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_few_bits_of_16_are_brought_to_the_range(bits: int) -> None:
    values = ramp(2**bits - 1).astype(np.uint16)
    (picture,) = iter_pictures([encoded(Image.fromarray(values))])
    assert picture.image is not None
    assert picture.image.max() >= 254
    assert f"{bits} of 16 bits" in " ".join(picture.warnings)


def test_a_hot_pixel_does_not_hide_a_small_range() -> None:
    values = ramp(4095).astype(np.uint16)
    values[3, 3] = 65535
    (picture,) = iter_pictures([encoded(Image.fromarray(values))])
    assert picture.image is not None
    assert np.quantile(picture.image, 0.99) > 240
    assert picture.warnings


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_narrow_band_of_bytes_is_stretched(mode: str) -> None:
    image = Image.fromarray(ramp(50, 20).astype(np.uint8)).convert(mode)
    (picture,) = iter_pictures([encoded(image)])
    assert picture.image is not None
    assert picture.image.min() < 5
    assert picture.image.max() > 250
    assert picture.warnings


def test_usual_pictures_and_plain_ones_stay_as_they_are() -> None:
    for values in (ramp(255), ramp(120), np.full((60, 80), 90.0)):
        image = values.astype(np.uint8)
        (picture,) = iter_pictures([encoded(Image.fromarray(image))])
        assert picture.image is not None
        np.testing.assert_array_equal(picture.image[..., 1], image)
        assert picture.warnings == ()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_pillows(orientation: int) -> None:
    rng = np.random.default_rng(0)
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(Image.fromarray(rng.integers(0, 256, (7, 5, 3), np.uint8)), exif=exif)
    want = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"))
    np.testing.assert_array_equal(read_picture(data), want)


@pytest.mark.parametrize(
    ("kind", "mode"),
    [
        ("PNG", "RGB"),
        ("JPEG", "RGB"),
        ("TIFF", "F"),
        ("PNG", "I;16"),
        ("GIF", "P"),
        ("PNG", "RGBA"),
    ],
)
def test_large_pictures_are_read_smaller(
    kind: str, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pixels, "WORKING_PIXELS", 5000)
    monkeypatch.setattr(pixels, "_STRIP", 1000)
    grey = np.linspace(0, 255, 200).astype(np.uint8)
    values = np.repeat(grey[None], 100, 0)
    if mode == "I;16":
        image = Image.fromarray(values.astype(np.uint16) * 257)
    elif mode == "F":
        image = Image.fromarray(values.astype(np.float32))
    else:
        image = Image.fromarray(values).convert(mode)
    (picture,) = iter_pictures([encoded(image, kind)])
    assert picture.image is not None
    assert picture.image.shape == (50, 100, 3)
    assert "200 x 100" in " ".join(picture.warnings)
    assert np.abs(picture.image[0, :, 0].astype(int) - np.linspace(0, 255, 100)).max() < 6


def test_what_takes_too_much_to_decode_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "MOST_MEMORY", 100_000)
    with pytest.raises(MediaError, match="too large to decode as WEBP"):
        read_picture(encoded(Image.new("RGB", (100, 100)), "WEBP"))
    assert read_picture(encoded(Image.new("RGB", (100, 100)))).shape == (100, 100, 3)


@pytest.mark.skipif(os.name != "posix", reason="POSIX pipes")
def test_pipe(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(StreamError, match="nothing was written"):
        read_pipe(path, seconds=0.3)
    data = bytes(range(256)) * 4000
    writer = threading.Thread(target=lambda: path.write_bytes(data))
    writer.start()
    assert read_pipe(path, seconds=20) == data
    writer.join()


def test_streams_have_an_end() -> None:
    assert read_stream(io.BytesIO(b"abc")) == b"abc"
    with pytest.raises(StreamError, match="more than"):
        read_stream(io.BytesIO(bytes(3_000_000)), most=2_000_000)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["RGBA", "I;16", "P"])
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peaks are read from /proc")
def test_peak_of_memory(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "large.png"
    Image.new(mode, (9900, 9900)).save(path, compress_level=1)
    code = (
        "import pathlib; from mien.media import iter_pictures\n"
        f"(p,) = iter_pictures([{str(path)!r}])\n"
        "assert p.image is not None, p.error\n"
        "print(pathlib.Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 800_000  # kilobytes; getrusage would count the parent's as well
