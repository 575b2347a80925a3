"""Perceptual hashes: 64 bits of a picture that survive re-encoding, scaling and mirroring.

dHash compares neighbours in a 9 x 8 thumbnail, pHash the low frequencies of a 32 x 32 one. A
picture's fingerprint holds both, and those of its mirror image; and a hash of the pixels as they
are, which alone says something of a picture without contrast.

Source: Krawetz, *Kind of like that*, hackerfactor.com, 2013 (dHash); Zauner, *Implementation and
benchmarking of perceptual image hash functions*, 2010 (DCT hash).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Hashes of one picture.

    Attributes:
        difference, frequency: dHash and pHash, 64 bits each.
        mirrored_difference, mirrored_frequency: of the mirror image.
        flat: whether the picture has hardly any contrast, so that these hashes say nothing.
        pixels: of size and pixels, 64 bits; equal for equal pictures only.
    """

    difference: int
    frequency: int
    mirrored_difference: int
    mirrored_frequency: int
    flat: bool
    pixels: int


def fingerprint(image: NDArray[np.uint8]) -> Fingerprint:
    """Hashes of a picture.

    Args:
        image: (H, W, 3) uint8, RGB.
    """
    grey = Image.fromarray(image).convert("L")
    small = np.asarray(grey.resize((32, 32), Image.Resampling.BOX), dtype=np.float64)
    tiny = grey.resize((9, 8), Image.Resampling.BOX)
    gradient = np.asarray(tiny, dtype=np.float64)
    return Fingerprint(
        _difference(gradient),
        _frequency(small),
        _difference(gradient[:, ::-1]),
        _frequency(small[:, ::-1]),
        bool(small.std() < 2),
        _exact(image),
    )


def distance(first: int, second: int) -> int:
    """Number of bits that differ, 0 to 64."""
    return (first ^ second).bit_count()


def _exact(image: NDArray[np.uint8]) -> int:
    digest = hashlib.blake2b(repr(image.shape).encode(), digest_size=8)
    digest.update(np.ascontiguousarray(image).data)
    return int.from_bytes(digest.digest(), "big")


def _difference(grey: NDArray[np.float64]) -> int:
    """Of an (8, 9) thumbnail: whether each value is above its left neighbour."""
    return _bits(grey[:, 1:] > grey[:, :-1])


def _frequency(grey: NDArray[np.float64]) -> int:
    """Of a (32, 32) thumbnail: which of the lowest 64 frequencies, without the mean, are strong."""
    matrix = _cosines()
    low = (matrix @ grey @ matrix.T)[:8, :8].ravel()
    return _bits(low > np.median(low[1:]))


@cache
def _cosines() -> NDArray[np.float64]:
    """The orthogonal DCT-II of 32 values, (32, 32)."""
    k, n = np.mgrid[:32, :32]
    matrix = np.cos(np.pi * k * (2 * n + 1) / 64) * np.sqrt(2 / 32)
    matrix[0] /= np.sqrt(2)
    return matrix


def _bits(flags: NDArray[np.bool_]) -> int:
    return int.from_bytes(np.packbits(flags.ravel()).tobytes(), "big")
