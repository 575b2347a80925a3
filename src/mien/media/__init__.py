"""Pictures and video frames in, always upright RGB."""

from mien.media.frames import Frame, Sampling, read_frames
from mien.media.inputs import SUFFIXES, VIDEO_SUFFIXES, Input, expand_inputs
from mien.media.kinds import is_video
from mien.media.pictures import MAX_PIXELS, MediaError, Picture, iter_pictures, read_picture

__all__ = [
    "MAX_PIXELS",
    "SUFFIXES",
    "VIDEO_SUFFIXES",
    "Frame",
    "Input",
    "MediaError",
    "Picture",
    "Sampling",
    "expand_inputs",
    "is_video",
    "iter_pictures",
    "read_frames",
    "read_picture",
]
