"""Fields of a start model's configuration, as `mien init --set` takes them."""

from __future__ import annotations

from collections.abc import Sequence
from inspect import get_annotations
from typing import Any

from mien.facs import ACTION_UNITS, EXPRESSIONS
from mien.models import EmoLlamaConfig, FeallmConfig
from mien.models.configuration import FaceModelConfig
from mien.train.fields import read, unknown
from mien.untrusted import TextError, yaml_value

_CONFIGS: dict[str, type[FaceModelConfig]] = {
    "feallm": FeallmConfig,
    "emo-llama": EmoLlamaConfig,
}
_FOUND = (
    "vision_config",
    "text_config",
    "qformer_config",
    "default_vision",
    "image_token_id",
    "calibration",
    "tie_word_embeddings",
)
"""These follow from the parts that a model is made of, or from its training."""


def read_settings(arch: str, given: Sequence[str]) -> dict[str, Any]:
    """Fields by name, of the types that the configuration has.

    Args:
        arch: "feallm" or "emo-llama".
        given: "name=value" each, the value as YAML.

    Raises:
        ValueError: naming the field, its value and the remedy.
    """
    kinds = _kinds(_CONFIGS[arch])
    found: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals:
            raise ValueError(f"--set {text}: write field=value")
        if name not in kinds:
            raise ValueError(f"--set {unknown(name, name, kinds)}")
        found[name] = read(kinds[name], _yaml(text, value), f"--set {name}")
    _check_names("action_units", found.get("action_units", ()), ACTION_UNITS)
    _check_names("expressions", found.get("expressions", ()), EXPRESSIONS)
    return found


def _kinds(config: type[FaceModelConfig]) -> dict[str, Any]:
    """Types of the fields that are mien's own and may be chosen."""
    shared, own = (get_annotations(c, eval_str=True) for c in (FaceModelConfig, config))
    return {name: kind for name, kind in (shared | own).items() if name not in _FOUND}


def _yaml(text: str, value: str) -> Any:
    try:
        return yaml_value(value, f"--set {text[:60]}")
    except TextError as error:
        raise ValueError(str(error)) from None


def _check_names(field: str, values: Sequence[Any], known: Any) -> None:
    for value in values:
        if value not in known:
            listed = ", ".join(map(str, known))
            raise ValueError(f"--set {field}: {value!r} is unknown to mien; it knows {listed}")
        if list(values).count(value) > 1:
            raise ValueError(f"--set {field}: {value!r} stands there twice; name it once")
