"""Models. Importing this package registers them with Transformers' Auto classes."""

from transformers import (
    AutoConfig,
    AutoImageProcessor,
    AutoModel,
    AutoModelForImageTextToText,
    AutoProcessor,
    InstructBlipVisionConfig,
    InstructBlipVisionModel,
)

from mien.models.chat import CHAT_TEMPLATE
from mien.models.emo_llama import (
    EmoLlamaConfig,
    EmoLlamaForConditionalGeneration,
    EmoLlamaModel,
    EmoLlamaProcessor,
)
from mien.models.feallm import (
    FeallmConfig,
    FeallmForConditionalGeneration,
    FeallmImageProcessor,
    FeallmModel,
    FeallmProcessor,
)

# Transformers has EVA-ViT-g only inside of InstructBLIP; so it is an encoder like any other.
AutoModel.register(InstructBlipVisionConfig, InstructBlipVisionModel, exist_ok=True)

AutoConfig.register("feallm", FeallmConfig, exist_ok=True)
AutoModel.register(FeallmConfig, FeallmModel, exist_ok=True)
AutoModelForImageTextToText.register(FeallmConfig, FeallmForConditionalGeneration, exist_ok=True)
AutoImageProcessor.register(
    FeallmConfig, image_processor_classes={"pil": FeallmImageProcessor}, exist_ok=True
)
AutoProcessor.register(FeallmConfig, FeallmProcessor, exist_ok=True)

AutoConfig.register("emo_llama", EmoLlamaConfig, exist_ok=True)
AutoModel.register(EmoLlamaConfig, EmoLlamaModel, exist_ok=True)
AutoModelForImageTextToText.register(
    EmoLlamaConfig, EmoLlamaForConditionalGeneration, exist_ok=True
)
AutoImageProcessor.register(
    EmoLlamaConfig, image_processor_classes={"pil": FeallmImageProcessor}, exist_ok=True
)
AutoProcessor.register(EmoLlamaConfig, EmoLlamaProcessor, exist_ok=True)

__all__ = [
    "CHAT_TEMPLATE",
    "EmoLlamaConfig",
    "EmoLlamaForConditionalGeneration",
    "EmoLlamaModel",
    "EmoLlamaProcessor",
    "FeallmConfig",
    "FeallmForConditionalGeneration",
    "FeallmImageProcessor",
    "FeallmModel",
    "FeallmProcessor",
]
