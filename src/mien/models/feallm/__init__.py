"""FEALLM (arXiv 2505.13419): expressions, action units, and the reasoning from one to the other."""

from mien.models.feallm.configuration import FeallmConfig
from mien.models.feallm.image_processing import FeallmImageProcessor
from mien.models.feallm.modeling import FeallmForConditionalGeneration, FeallmModel
from mien.models.feallm.processing import FeallmProcessor

__all__ = [
    "FeallmConfig",
    "FeallmForConditionalGeneration",
    "FeallmImageProcessor",
    "FeallmModel",
    "FeallmProcessor",
]
