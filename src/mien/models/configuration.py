"""What the configurations of mien's models have in common."""

from __future__ import annotations

from dataclasses import field
from typing import Any, ClassVar

from transformers import AutoConfig, PreTrainedConfig

from mien.faces import CropSpec

CLIP_L_336: dict[str, Any] = {
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "image_size": 336,
    "patch_size": 14,
    "projection_dim": 768,
}


class FaceModelConfig(PreTrainedConfig):
    """A vision encoder, a language model, and what a checkpoint knows about faces.

    Args:
        vision_config: any vision encoder that ``AutoModel`` loads.
        text_config: any decoder that ``AutoModel`` loads; a 7B Llama by default.
        image_token_id: id of the ``<image>`` placeholder.
        image_size: side of ``pixel_values``; the vision encoder's own by default.
        freeze_vision: keep the vision encoder in eval mode and without gradients.
        action_units: AUs that this checkpoint knows, as FACS numbers.
        expressions: expressions that this checkpoint knows, by name.
        calibration: temperature per kind of answer, and the shift of each unit's threshold, from
            the selection split (`engines.numbers`).
        face_scale: side of the face crop over the longer side of the face box.
        face_shift: shift (x, y) of the crop's centre from the box's, in sides of the crop.
        face_align: turn the face upright before cropping.
        mirror_average: numbers are the mean over a face and its mirror image, at twice the cost.
        native_size: side to which pictures are brought down first, so that sources of every
            sharpness look alike; ``None`` leaves them.
        initializer_range: standard deviation of embeddings and of a fresh ``lm_head``.
    """

    sub_configs = {"vision_config": AutoConfig, "text_config": AutoConfig}  # noqa: RUF012
    default_vision: ClassVar[tuple[str, dict[str, Any]]] = ("clip_vision_model", CLIP_L_336)

    vision_config: Any = None
    text_config: Any = None
    image_token_id: int = 32000
    image_size: int = 0
    freeze_vision: bool = True
    action_units: list[int] = field(default_factory=list)
    expressions: list[str] = field(default_factory=list)
    calibration: dict[str, Any] = field(default_factory=dict)
    face_scale: float = 1.0
    face_shift: list[float] = field(default_factory=lambda: [0.0, 0.0])
    face_align: bool = False
    mirror_average: bool = False
    native_size: int | None = None
    initializer_range: float = 0.02
    tie_word_embeddings: bool = False

    def __post_init__(self, **kwargs: Any) -> None:
        self.vision_config = sub_config(self.vision_config, *self.default_vision)
        self.text_config = sub_config(self.text_config, "llama", {})
        if not self.image_size:
            size = getattr(self.vision_config, "image_size", None) or 224
            self.image_size = size if isinstance(size, int) else int(size[0])
        self.tie_word_embeddings = self.tie_word_embeddings or bool(
            getattr(self.text_config, "tie_word_embeddings", False)
        )
        self.complete()
        super().__post_init__(**kwargs)

    def complete(self) -> None:
        """Fill in and check the fields of one model."""

    @property
    def crop_spec(self) -> CropSpec:
        """How the faces that this checkpoint looks at are cut out."""
        return CropSpec(
            size=self.native_size or self.image_size,
            scale=self.face_scale,
            shift=-self.face_shift[1],  # CropSpec counts upwards
            align=self.face_align,
        )

    def check_choices(self, choices: dict[str, tuple[Any, ...]]) -> None:
        """Refuse a value that is not among a field's choices."""
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} must be one of {allowed}, got {getattr(self, name)!r}")

    def check_heads(self, *names: str) -> None:
        """Refuse head counts that do not divide ``hidden_size``."""
        width = getattr(self, "hidden_size", 0)
        for name in names:
            heads = getattr(self, name)
            if width % heads:
                raise ValueError(
                    f"hidden_size {width} is not a multiple of the head count {heads} ({name})"
                )


def sub_config(value: Any, model_type: str, defaults: dict[str, Any]) -> PreTrainedConfig:
    """A nested config from a dictionary, a config or nothing."""
    if isinstance(value, PreTrainedConfig):
        return value
    fields = dict(defaults if value is None else value)
    return AutoConfig.for_model(fields.pop("model_type", model_type), **fields)
