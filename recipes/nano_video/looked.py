"""What is cached of faces once: the frozen encoder's features, facial priors, and labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.models.priors.landmarks import in_face_frame
from recipes.nano.rendered import UNITS

POINTS = 478


@dataclass(frozen=True)
class Looked:
    """Clips (or stills, which are clips of one frame) as a model of this recipe sees them.

    Attributes:
        tokens: (N, F, V, C) float16, last map of nano's encoder; zeros where no face was found.
        found: (N, F) whether it was.
        landmarks: (N, F, 478, 3) float16 in the face's own frame, NaN where unknown.
        blendshapes: (N, F, 51) float16, NaN where unknown.
        pose: (N, F, 3) yaw, pitch and roll in degrees, NaN where unknown.
        labels: (N,) index into the classes, -1 where unknown.
        units: (N, 19) intensities in [0, 5], NaN where unknown.
        frame_units: (N, F, 19) those of each frame.
        expression: (N, F, 7) log-likelihoods of mien/nano, NaN where it was not asked.
        levels: (N, F, 19, 6) likewise, of each unit's levels.
        person: (N,) who, such as "anny-12"; every photograph is a person of its own.
        case: (N,) key of `scripts.CASES`, "photograph" or "rendered".
        attributes: (N,) JSON of the face model's attributes of the person.
    """

    tokens: NDArray[np.float16]
    found: NDArray[np.bool_]
    landmarks: NDArray[np.float16]
    blendshapes: NDArray[np.float16]
    pose: NDArray[np.float32]
    labels: NDArray[np.int64]
    units: NDArray[np.float32]
    frame_units: NDArray[np.float32]
    expression: NDArray[np.float32]
    levels: NDArray[np.float32]
    person: NDArray[np.str_]
    case: NDArray[np.str_]
    attributes: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.labels)

    def rows(self, chosen: NDArray[Any]) -> Looked:
        """Some of the clips."""
        return Looked(**{f.name: getattr(self, f.name)[chosen] for f in fields(self)})

    def save(self, path: Path) -> None:
        """Writes one file, beside it first."""
        part = path.with_suffix(".part.npz")
        arrays: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self)}
        np.savez(part, **arrays)
        part.rename(path)

    @classmethod
    def load(cls, path: Path) -> Looked:
        """What `save` wrote."""
        with np.load(path) as stored:
            return cls(**{f.name: stored[f.name] for f in fields(cls)})


def joined(parts: Sequence[Looked]) -> Looked:
    """Several sets of the same number of frames as one."""
    return Looked(
        **{f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Looked)}
    )


def padded(looked: Looked, frames: int) -> Looked:
    """The same with more frames, in which no face was found."""
    more = frames - looked.found.shape[1]
    arrays = {}
    for field in fields(Looked):
        values = getattr(looked, field.name)
        if values.ndim >= 2 and field.name != "units":
            widths = [(0, 0), (0, more)] + [(0, 0)] * (values.ndim - 2)
            values = np.pad(values, widths)
        arrays[field.name] = values
    return Looked(**arrays)


def face_frame(landmarks: NDArray[np.floating], known: NDArray[np.bool_]) -> NDArray[np.float16]:
    """(N, 478, 3) landmarks in the face's own frame; NaN where unknown.

    Args:
        landmarks: (N, 478, 3) in one unit.
        known: (N,) whether there are any.
    """
    result = np.full(landmarks.shape, np.nan, np.float16)
    for i in np.flatnonzero(known):
        placed = in_face_frame(landmarks[i], "mediapipe478")
        if placed is not None:
            result[i] = placed
    return result


def fit_pose(landmarks: NDArray[np.float16], pose: NDArray[np.float32]) -> NDArray[np.float64]:
    """Least squares from landmarks in the face's frame to yaw and pitch.

    Args:
        landmarks: (N, 478, 3), all known.
        pose: (N, 3), all known.

    Returns:
        (478 * 3 + 1, 2), a ridge regression; roll is not in that frame.
    """
    x = _design(landmarks)
    ridge = x.T @ x + 0.1 * len(x) * np.eye(x.shape[1]) / x.shape[1]
    return np.asarray(np.linalg.solve(ridge, x.T @ pose[:, :2].astype(np.float64)))


def estimated_pose(
    landmarks: NDArray[np.float16], raw: NDArray[np.floating], weights: NDArray[np.float64]
) -> NDArray[np.float32]:
    """(N, 3) pose of faces whose cache has landmarks alone; NaN where those are unknown.

    Args:
        landmarks: (N, 478, 3) in the face's frame.
        raw: (N, 478, 3) as found; the line of the outer eye corners gives the roll.
        weights: from `fit_pose`.
    """
    known = np.isfinite(landmarks).all((1, 2))
    pose = np.full((len(landmarks), 3), np.nan, np.float32)
    pose[known, :2] = _design(landmarks[known]) @ weights
    across = raw[known, 263, :2] - raw[known, 33, :2]
    pose[known, 2] = np.degrees(np.arctan2(across[:, 1], across[:, 0]))
    return pose


def _design(landmarks: NDArray[np.float16]) -> NDArray[np.float64]:
    flat = landmarks.reshape(len(landmarks), -1).astype(np.float64)
    return np.concatenate([flat, np.ones((len(flat), 1))], axis=1)


def clip_units(
    intensities: NDArray[np.floating],
    visible: NDArray[np.bool_],
    blink: NDArray[np.bool_],
) -> NDArray[np.float32]:
    """(N, 19) units of clips: the most that any frame shows.

    A unit that never reaches a trace is absent if half of the frames could show it, else unknown.
    Closed eyes (AU43) do not count while the eyes blink.

    Args:
        intensities, visible: (N, F, 19); not visible in frames that were not rendered.
        blink: (N, F).
    """
    seen = visible.copy()
    seen[..., UNITS.index(43)] &= ~blink
    known = np.where(seen, intensities, -1.0)
    most = known.max(1)  # (N, 19)
    rendered = visible.any(-1).sum(1, keepdims=True)  # (N, 1) frames
    rarely = seen.sum(1) < 0.5 * rendered
    unknown = (most < 0) | ((most < 0.5) & rarely)
    return np.where(unknown, np.nan, most).astype(np.float32)
