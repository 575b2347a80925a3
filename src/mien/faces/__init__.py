"""Faces: who is where in a picture, and the one way to cut a face out of it."""

from mien.faces.base import FINDERS, Finder, FinderError, make_finder
from mien.faces.crop import CropSpec, Square, crop_at, crop_face, crop_square, is_whole
from mien.faces.follow import Follower, NearFinder
from mien.faces.landmarker import MediaPipeFinder
from mien.faces.track import Tracker
from mien.faces.whole import WholeFinder, can_be_whole

__all__ = [
    "FINDERS",
    "CropSpec",
    "Finder",
    "FinderError",
    "Follower",
    "MediaPipeFinder",
    "NearFinder",
    "Square",
    "Tracker",
    "WholeFinder",
    "can_be_whole",
    "crop_at",
    "crop_face",
    "crop_square",
    "is_whole",
    "make_finder",
]
