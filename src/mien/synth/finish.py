"""From a rendered head to a photograph: background, things in front, and what a camera does."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from mien.synth.scene import BackgroundKind, Finish, Occluder


def background(kind: BackgroundKind, seed: int, size: int) -> NDArray[np.uint8]:
    """(size, size, 3) of what is behind the head."""
    rng = np.random.default_rng(seed)
    vivid = rng.uniform(0.1, 0.9)  # most rooms and streets are duller than chance colours
    first, second = _duller(rng.uniform(0, 255, (2, 3)), vivid)
    if kind == "plain":
        return np.full((size, size, 3), first, np.uint8)
    if kind == "gradient":
        ramp = np.linspace(0, 1, size)[:, None, None]
        image = np.broadcast_to(first * (1 - ramp) + second * ramp, (size, size, 3))
        return np.ascontiguousarray(image if rng.random() < 0.5 else image.swapaxes(0, 1), np.uint8)
    if kind == "blotches":
        cells = int(rng.integers(3, 12))
        drawn = _duller(rng.uniform(0, 255, (cells, cells, 3)), vivid)
        coarse = Image.fromarray(drawn.astype(np.uint8))
        return np.asarray(coarse.resize((size, size), Image.Resampling.BICUBIC))
    canvas = Image.new("RGB", (size, size), tuple(int(c) for c in first))
    pen = ImageDraw.Draw(canvas)
    for _ in range(int(rng.integers(4, 14))):
        (x, y), (w, h) = rng.uniform(-0.2, 1.0, 2) * size, rng.uniform(0.1, 0.6, 2) * size
        fill = tuple(int(c) for c in _duller(rng.uniform(0, 255, 3), vivid))
        (pen.ellipse if rng.random() < 0.4 else pen.rectangle)((x, y, x + w, y + h), fill=fill)
    return np.asarray(canvas.filter(ImageFilter.GaussianBlur(rng.uniform(0, 0.04) * size)))


def _duller(colours: NDArray[np.float64], vivid: float) -> NDArray[np.float64]:
    """(..., 3) colours nearer to their own grey."""
    grey = colours.mean(-1, keepdims=True)
    return grey + vivid * (colours - grey)


def compose(head: NDArray[np.uint8], behind: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Lays (H, W, 4) over (H, W, 3)."""
    alpha = head[..., 3:].astype(np.uint16)
    mixed = head[..., :3] * alpha + behind * (255 - alpha)
    return (mixed // 255).astype(np.uint8)


def occluded(
    image: NDArray[np.uint8], occluder: Occluder
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """The picture with a thing before it, and (H, W) where that thing is."""
    size = image.shape[0]
    x0, y0, x1, y1 = (v * size for v in occluder.box)
    canvas = Image.new("L", (size, size))
    pen = ImageDraw.Draw(canvas)
    (pen.ellipse if occluder.shape == "ellipse" else pen.rectangle)((x0, y0, x1, y1), fill=255)
    turned = canvas.rotate(occluder.angle, center=((x0 + x1) / 2, (y0 + y1) / 2))
    covered = np.asarray(turned) > 127
    result = image.copy()
    result[covered] = occluder.colour
    return result, covered


def finished(image: NDArray[np.uint8], finish: Finish) -> NDArray[np.uint8]:
    """The picture as a camera and a file would have it, (H, W, 3) uint8 of the same size."""
    size = image.shape[0]
    picture = Image.fromarray(image)
    if finish.native is not None and finish.native < size:
        picture = picture.resize((finish.native, finish.native), Image.Resampling.BOX)
    if finish.blur:
        picture = picture.filter(ImageFilter.GaussianBlur(finish.blur))
    x = np.asarray(picture, np.float32)
    grey = x @ np.array([0.299, 0.587, 0.114], np.float32)
    x = grey[..., None] + (x - grey[..., None]) * np.float32(finish.saturation)
    if finish.saturation > 0:
        x = x * np.asarray(finish.cast, np.float32)
    x = (x - x.mean()) * np.float32(finish.contrast) + x.mean() * np.float32(finish.exposure)
    if finish.noise:
        rng = np.random.default_rng(finish.seed)
        shape = x.shape if finish.saturation > 0 else (*x.shape[:2], 1)
        x = x + finish.noise * rng.standard_normal(shape, np.float32)
    picture = Image.fromarray(x.clip(0, 255).astype(np.uint8))
    if finish.jpeg is not None:
        data = io.BytesIO()
        picture.save(data, "JPEG", quality=finish.jpeg)
        picture = Image.open(data)
    if picture.width != size:
        picture = picture.resize((size, size), Image.Resampling.BICUBIC)
    return np.asarray(picture.convert("RGB"))
