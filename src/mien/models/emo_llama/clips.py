"""Clips of different lengths in one batch: frames to rows and back."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Clips(NamedTuple):
    """Which frames of a padded batch of clips are real: R of P * F."""

    clips: int
    frames: int
    mask: Tensor | None  # (P, F) bool; None: all

    def real(self, values: Tensor) -> Tensor:
        """(P, F, ...) to (R, ...)."""
        return values.flatten(0, 1) if self.mask is None else values[self.mask]

    def of_clip(self, values: Tensor) -> Tensor:
        """(P, ...) to (R, ...), a clip's value for each of its frames."""
        return self.real(values.unsqueeze(1).expand(-1, self.frames, *values.shape[1:]))

    def padded(self, values: Tensor) -> Tensor:
        """(R, ...) to (P, F, ...), zeros at padding."""
        if self.mask is None:
            return values.unflatten(0, (self.clips, self.frames))
        out = values.new_zeros(self.clips, self.frames, *values.shape[1:])
        return out.index_put((self.mask,), values)


def checked_mask(frame_mask: Tensor | None, frames: Tensor) -> Tensor | None:
    """The mask as (P, F) bool; ``None`` means that all frames are real.

    Args:
        frame_mask: (P, F), 0 at padding.
        frames: (P, F, ...).

    Raises:
        ValueError: if it has another shape, or a clip has no real frame.
    """
    if frame_mask is None:
        return None
    if frame_mask.shape != frames.shape[:2]:
        raise ValueError(
            f"frame_mask has shape {tuple(frame_mask.shape)}, the clips {tuple(frames.shape[:2])}"
        )
    mask = frame_mask.bool()
    if not mask.is_meta and not bool(mask.any(1).all()):
        raise ValueError("frame_mask: a clip has no real frame")
    return mask
