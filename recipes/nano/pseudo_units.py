"""AU pseudo-labels from blendshapes and landmarks: what can be had without a coded dataset.

Blendshapes are not AUs. Each unit's intensity is a clipped ramp over one measure, corrected where
two signs are known to be confounded (a smile raises the upper lip and stretches the mouth). Units
for which neither blendshapes nor landmarks answer (AU9, AU14, AU17 ...) are left out rather than
guessed. All of it is marked as pseudo wherever it is reported.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

UNITS: tuple[int, ...] = (1, 2, 4, 5, 6, 7, 10, 12, 15, 16, 18, 20, 24, 25, 26, 43)

# Unit: (value of the measure where the unit starts, value where it is at its maximum). Starts lie
# near the 75th to 85th percentile of web photographs, so that a resting face has none.
_RAMPS: dict[int, tuple[float, float]] = {
    1: (0.30, 0.95),
    2: (0.35, 0.95),
    4: (0.08, 0.70),
    5: (0.04, 0.35),
    6: (0.30, 0.70),
    7: (0.26, 0.50),
    10: (0.10, 0.60),
    12: (0.15, 0.95),
    15: (0.04, 0.40),
    16: (0.20, 0.90),
    18: (0.30, 0.98),
    20: (0.06, 0.50),
    24: (0.06, 0.35),
    25: (0.05, 0.32),
    26: (0.10, 0.65),
    43: (0.45, 0.80),
}


def pseudo_intensities(
    landmarks: NDArray[np.float32], blendshapes: NDArray[np.float32], names: list[str]
) -> NDArray[np.float32]:
    """Pseudo-intensities of `UNITS`.

    Args:
        landmarks: (N, 478, 3) in units of the picture, NaN where no face was found.
        blendshapes: (N, K) in [0, 1], NaN likewise.
        names: the K blendshape names.

    Returns:
        (N, 16) in [0, 5], NaN where no face was found.
    """

    def shape(prefix: str) -> NDArray[np.float32]:
        columns = [i for i, name in enumerate(names) if name.startswith(prefix)]
        return blendshapes[:, columns].mean(1)

    def distance(a: int, b: int) -> NDArray[np.float32]:
        return np.linalg.norm(landmarks[:, a, :2] - landmarks[:, b, :2], axis=1)

    smile = shape("mouthSmile")
    squint = shape("eyeSquint")
    blink = shape("eyeBlink")
    gap = distance(13, 14) / distance(
        33, 263
    )  # inner lips over the distance of the outer eye corners
    closed = np.clip(1 - gap / 0.05, 0, 1)
    measures = {
        1: shape("browInnerUp"),
        2: shape("browOuterUp"),
        4: shape("browDown"),
        5: shape("eyeWide"),
        6: np.sqrt(smile * squint),
        7: squint * (1 - blink) * (1 - 0.6 * smile),
        10: shape("mouthUpperUp") - 0.5 * smile,
        12: smile,
        15: shape("mouthFrown"),
        16: shape("mouthLowerDown") - 0.3 * smile,
        18: shape("mouthPucker"),
        20: shape("mouthStretch") * (1 - smile),
        24: shape("mouthPress") * closed * (1 - smile),
        25: gap,
        26: shape("jawOpen"),
        43: blink,
    }
    columns = []
    for unit in UNITS:
        low, high = _RAMPS[unit]
        columns.append(5 * np.clip((measures[unit] - low) / (high - low), 0, 1))
    return np.stack(columns, 1).astype(np.float32)
