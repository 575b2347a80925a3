"""Facial priors: what is known of a face before the model looks, where from, and where kept."""

from mien.models.priors.face_priors import (
    ATTRIBUTES,
    Attribute,
    FacePriors,
    Picture,
    PriorSource,
)
from mien.models.priors.landmarks import LAYOUTS, LandmarkLayout, in_face_frame

__all__ = [
    "ATTRIBUTES",
    "LAYOUTS",
    "Attribute",
    "FacePriors",
    "LandmarkLayout",
    "Picture",
    "PriorSource",
    "in_face_frame",
]
