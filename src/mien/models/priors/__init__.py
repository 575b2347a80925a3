"""Facial priors: what is known of a face before the model looks, where from, and where kept."""

from mien.models.priors.built_in import BuiltInPriors, EncoderEmbedding, priors_of
from mien.models.priors.cache import CACHE_FOLDER, CachedPriors
from mien.models.priors.face_priors import (
    ATTRIBUTES,
    Attribute,
    FacePriors,
    Picture,
    PriorSource,
)
from mien.models.priors.facexformer import from_facexformer
from mien.models.priors.files import FilePriors, write_priors
from mien.models.priors.landmarks import LAYOUTS, LandmarkLayout, in_face_frame

__all__ = [
    "ATTRIBUTES",
    "CACHE_FOLDER",
    "LAYOUTS",
    "Attribute",
    "BuiltInPriors",
    "CachedPriors",
    "EncoderEmbedding",
    "FacePriors",
    "FilePriors",
    "LandmarkLayout",
    "Picture",
    "PriorSource",
    "from_facexformer",
    "in_face_frame",
    "priors_of",
    "write_priors",
]
