"""EMO-LLaMA (arXiv 2408.11424): expressions in pictures and videos, with facial priors."""

from mien.models.emo_llama.configuration import EmoLlamaConfig
from mien.models.emo_llama.modeling import EmoLlamaForConditionalGeneration, EmoLlamaModel
from mien.models.emo_llama.processing import EmoLlamaProcessor

__all__ = [
    "EmoLlamaConfig",
    "EmoLlamaForConditionalGeneration",
    "EmoLlamaModel",
    "EmoLlamaProcessor",
]
