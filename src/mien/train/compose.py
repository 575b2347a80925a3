"""Start models: mien's architectures put together from models that others have trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    LlavaForConditionalGeneration,
    PreTrainedModel,
)

from mien.engines.base import EngineError
from mien.engines.pil_processor import load_processor
from mien.facs import LABEL_SETS
from mien.models import (
    EmoLlamaForConditionalGeneration,
    EmoLlamaProcessor,
    FeallmConfig,
    FeallmForConditionalGeneration,
    FeallmImageProcessor,
    FeallmProcessor,
)
from mien.models.multimodal import FaceModelForConditionalGeneration
from mien.models.parts import load_text
from mien.train.dialogue import (
    IMAGE,
    add_tokens,
    chat_template,
    end_tokens,
    like_the_base,
    without_legacy,
)
from mien.train.keep_base import KEEP_BASE, start_from_projector

Arch = Literal["feallm", "emo-llama"]

UNITS = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 24, 25, 26)
"""Units of a start model: those that BP4D or DISFA codes."""

# Fields of FeallmImageProcessor that a base's own settings fill.
_PICTURES = ("image_mean", "image_std", "rescale_factor", "resample")


class ComposeError(ValueError):
    """The parts do not make a model; the message says which, and what to take instead."""


@dataclass
class Start:
    """A composed model.

    Attributes:
        model: with trained parts and fresh modules.
        processor: that fits it.
        notes: what a user should know, a line each.
    """

    model: FaceModelForConditionalGeneration
    processor: Any
    notes: list[str]


def compose(
    arch: Arch,
    *,
    base: str | None = None,
    vision: str | None = None,
    text: str | None = None,
    keep_base: bool = False,
    template: str | None = None,
    fields: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> Start:
    """Puts a start model together.

    Args:
        arch: "feallm" or "emo-llama".
        base: name or folder of a LLaVA (for feallm) or an InstructBLIP (for emo-llama) whose
            parts are taken over.
        vision, text: instead: a vision encoder and a decoder.
        keep_base: set the fields of `KEEP_BASE`, so that the first answers are the LLaVA's own.
        template: see `chat_template`; by default what suits the tokenizer.
        fields: fields of the configuration.
        seed: of the fresh modules.

    Raises:
        ComposeError: if the parts do not fit.
        OSError: if one of them cannot be loaded.
    """
    if arch not in get_args(Arch):
        raise ComposeError(f"arch {arch!r} is unknown; use {' or '.join(get_args(Arch))}")
    if (base is None) == (vision is None) or (vision is None) != (text is None):
        raise ComposeError("give a base, or else both a vision encoder and a text model")
    for name in filter(None, (base, vision, text)):
        _check_there(name)
    torch.manual_seed(seed)
    settings = {"expressions": list(LABEL_SETS["basic7"]), "action_units": list(UNITS)}
    settings |= dict(fields or {})
    if base is not None:
        expected = "llava" if arch == "feallm" else "instructblip"
        kind = AutoConfig.from_pretrained(base).model_type
        if kind != expected:
            raise ComposeError(
                f"base {base!r} is a model of type {kind!r}; {arch} is made from a {expected!r}, "
                "or from any vision encoder and text model (--vision, --text)"
            )
        if arch == "feallm":
            return _from_llava(base, settings, keep_base=keep_base, template=template)
    if keep_base:
        raise ComposeError(
            "the base's answers about pictures can only be kept by feallm made from a LLaVA; "
            "leave --keep-base out"
        )
    _refuse_patches(vision)
    tokenizer = AutoTokenizer.from_pretrained(base or text)
    add_tokens(tokenizer)
    written = chat_template(template, tokenizer)
    settings["image_token_id"] = tokenizer.convert_tokens_to_ids(IMAGE)
    if arch == "feallm":
        assert vision is not None
        assert text is not None
        decoder = _room_for(_decoder(text), tokenizer)
        model: Any = FeallmForConditionalGeneration.from_parts(vision, decoder, **settings)
        processor: Any = _feallm_processor(model, tokenizer, vision, written)
    else:
        model, qformer_tokenizer = _emo_llama(base, vision, text, tokenizer, settings)
        pictures = _image_processor(base or str(vision), model.config)
        processor = EmoLlamaProcessor.for_model(
            model.config, pictures, tokenizer, qformer_tokenizer, chat_template=written
        )
    _tell_ends(model, written, tokenizer)
    notes = [
        "answers to text alone are the language model's own; what it sees of pictures is to be "
        "trained"
    ]
    return Start(model, processor, notes)


def _from_llava(
    base: str, settings: dict[str, Any], *, keep_base: bool, template: str | None
) -> Start:
    llava = LlavaForConditionalGeneration.from_pretrained(base, dtype="auto")
    config: Any = llava.config
    notes: list[str] = []
    layer = config.vision_feature_layer
    if not isinstance(layer, int) or config.vision_feature_select_strategy != "default":
        raise ComposeError(
            f"base {base!r}: its projector reads layers {layer!r} with the strategy "
            f"{config.vision_feature_select_strategy!r}; only one layer without the class token "
            "can be taken over"
        )
    if config.projector_hidden_act != "gelu":
        raise ComposeError(
            f"base {base!r}: its projector has {config.projector_hidden_act!r}, not 'gelu'"
        )
    settings = {**(KEEP_BASE if keep_base else {}), **settings}
    settings |= {
        "hidden_size": config.vision_config.hidden_size,
        "image_token_id": config.image_token_id,
    }
    settings.setdefault("tap_levels", _taps(config.vision_config, layer))
    speaker = _base_processor(base, config)
    tokenizer = speaker.tokenizer
    add_tokens(tokenizer)
    written = chat_template(template, tokenizer)
    model = FeallmForConditionalGeneration.from_parts(
        llava.model.vision_tower, _with_head(llava), **settings
    )
    same = None
    if model.config.use_local_token:
        for candidate in (tokenizer, without_legacy(base)):
            same = same or (candidate and like_the_base(written, candidate, speaker))
            if same:
                tokenizer, written = candidate, same.template
                add_tokens(tokenizer)
                break
    break_id = same.break_id if same else tokenizer("\n", add_special_tokens=False).input_ids[-1]
    start_from_projector(
        model,
        llava.model.multi_modal_projector,
        break_embedding=_embeddings(model)[break_id],
    )
    if not keep_base:
        notes.append(
            "as drawn: answers to text alone are the base's own, those about pictures are not "
            "(A1 has no residual); --keep-base keeps them"
        )
    elif same or not model.config.use_local_token:
        notes.append("before training, answers about pictures are the base's own")
    else:
        notes.append(
            "before training, visual tokens are the base's own, but F_local stands as one token "
            "more behind them, since this tokenizer and template have no token whose place it "
            "could take; --set use_local_token=false leaves it out"
        )
    processor = _feallm_processor(model, tokenizer, base, written)
    _tell_ends(model, written, tokenizer)
    return Start(model, processor, notes)


def _taps(vision: Any, layer: int) -> list[int]:
    """FEALLM's usual levels, the last being the one that the base's projector reads."""
    total = vision.num_hidden_layers
    deep = layer if layer >= 0 else total + 1 + layer
    usual = FeallmConfig(vision_config=vision).tap_levels[:-1]
    return [*(tap for tap in usual if tap < deep), deep]


def _with_head(llava: LlavaForConditionalGeneration) -> PreTrainedModel:
    """LLaVA's decoder and head as a language model, without copying them."""
    with torch.device("meta"):
        text = AutoModelForCausalLM.from_config(llava.config.text_config)
    setattr(text, text.base_model_prefix, llava.model.language_model)
    text.set_output_embeddings(llava.get_output_embeddings())
    text.generation_config = llava.generation_config
    return text


def _emo_llama(
    base: str | None, vision: str | None, text: str | None, tokenizer: Any, settings: dict[str, Any]
) -> tuple[EmoLlamaForConditionalGeneration, Any]:
    """The model, and the Q-Former's tokenizer if it has its own."""
    if base is None:
        settings.setdefault("qformer_config", {"vocab_size": len(tokenizer)})
        decoder = _room_for(_decoder(str(text)), tokenizer)
        return EmoLlamaForConditionalGeneration.from_parts(str(vision), decoder, **settings), None
    from transformers import InstructBlipForConditionalGeneration

    source = InstructBlipForConditionalGeneration.from_pretrained(base, dtype="auto")
    if not source.config.use_decoder_only_language_model:
        raise ComposeError(
            f"base {base!r} has a language model with an encoder; take one with a decoder alone, "
            "such as Salesforce/instructblip-vicuna-7b"
        )
    _room_for(source.language_model, tokenizer)
    model = EmoLlamaForConditionalGeneration.from_instructblip(source, **settings)
    return model, AutoTokenizer.from_pretrained(base, subfolder="qformer_tokenizer")


def _decoder(text: str) -> PreTrainedModel:
    """A language model of which mien's models can be made."""
    found = load_text(text)
    table = getattr(found.base_model, "embed_tokens", None)
    if found.config.tie_word_embeddings and table is not found.get_input_embeddings():
        raise ComposeError(
            f"text model {text!r} is a {found.config.model_type!r}: its head is tied to an "
            "embedding that mien does not find; take a decoder such as a Llama, Qwen, Gemma, "
            "Mistral or Phi"
        )
    return found


def _room_for(text: PreTrainedModel, tokenizer: Any) -> PreTrainedModel:
    """A language model with an embedding for every token."""
    if len(tokenizer) > len(_embeddings(text)):
        text.resize_token_embeddings(len(tokenizer), pad_to_multiple_of=64, mean_resizing=False)
    return text


def _embeddings(model: PreTrainedModel) -> torch.Tensor:
    """(V, D_lm) of the tokens."""
    table: Any = model.get_input_embeddings()
    weight: torch.Tensor = table.weight
    return weight


def _check_there(name: str) -> None:
    """Refuses a part that cannot be had, by its name."""
    try:
        AutoConfig.from_pretrained(name)
    except (OSError, ValueError) as error:
        what = str(error).strip().splitlines()[0].rstrip(".")
        raise ComposeError(
            f"{name!r} cannot be loaded ({what}); is the name right? Where the Hub cannot be "
            "reached, give a local folder that holds it"
        ) from error


def _refuse_patches(vision: str | None) -> None:
    kind = "" if vision is None else AutoConfig.from_pretrained(vision).model_type
    if kind in ("siglip2", "siglip2_vision_model"):
        raise ComposeError(
            f"vision encoder {vision!r} takes pictures of any shape as patches (NaFlex); take one "
            "of fixed size, such as google/siglip2-base-patch16-256"
        )


def _tell_ends(model: Any, template: str, tokenizer: Any) -> None:
    settings = model.generation_config
    settings.eos_token_id = end_tokens(template, tokenizer, settings.eos_token_id)
    settings.pad_token_id = tokenizer.pad_token_id


def _base_processor(base: str, config: Any) -> Any:
    try:
        return load_processor(base, config)
    except EngineError as error:
        raise ComposeError(f"base {base!r}: {error}") from error


def _feallm_processor(model: Any, tokenizer: Any, pictures: str, template: str) -> FeallmProcessor:
    return FeallmProcessor(
        _image_processor(pictures, model.config),
        tokenizer,
        num_image_tokens=model.config.num_image_tokens,
        chat_template=template,
    )


def _image_processor(source: str, config: Any) -> FeallmImageProcessor:
    """The image processor, with the pixel statistics of the encoder's own one."""
    try:
        found, _ = FeallmImageProcessor.get_image_processor_dict(source)
    except OSError as error:
        raise ComposeError(f"{source!r} has no preprocessor_config.json ({error})") from error
    found = found.get("image_processor", found)
    settings = {name: found[name] for name in _PICTURES if found.get(name) is not None}
    settings |= {"size": config.image_size, "native_size": config.native_size}
    return FeallmImageProcessor(**settings)


__all__ = ["Arch", "ComposeError", "Start", "compose"]
