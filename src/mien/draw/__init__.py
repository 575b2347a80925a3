"""Pictures and videos with what was found in them: boxes, words, and units where they show."""

from mien.draw.frame import colour_of_track
from mien.draw.picture import close_up, overlay, save_overlay
from mien.draw.style import COLOURS, colour_of

__all__ = ["COLOURS", "close_up", "colour_of", "colour_of_track", "overlay", "save_overlay"]
