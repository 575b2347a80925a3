"""Pictures with what was found in them: boxes, words, and action units where they show."""

from mien.draw.picture import close_up, overlay, save_overlay
from mien.draw.style import COLOURS, colour_of

__all__ = ["COLOURS", "close_up", "colour_of", "overlay", "save_overlay"]
