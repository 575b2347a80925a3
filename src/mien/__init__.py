"""mien reads facial expressions and action units with multimodal language models, and says why."""

__version__ = "0.1.0"
