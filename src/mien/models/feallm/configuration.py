"""FEALLM's configuration. Every choice that is ours and not the paper's is a field here."""

from __future__ import annotations

from dataclasses import field
from typing import Any

from transformers import AutoConfig, PreTrainedConfig

from mien.models.attention import Norm
from mien.models.feallm.crops import face_regions
from mien.models.feallm.levels import LevelShape, probe_levels


class FeallmConfig(PreTrainedConfig):
    """Configuration of FEALLM. ``docs/papers.md`` has a line on the reason for each value.

    Args:
        vision_config: any vision encoder that ``AutoModel`` loads; CLIP ViT-L/14-336 by default.
        text_config: any decoder that ``AutoModel`` loads; a 7B Llama by default.
        image_token_id: id of the ``<image>`` placeholder.
        image_size: side of ``pixel_values``; the vision encoder's own by default.
        freeze_vision: keep the vision encoder in eval mode and without gradients.
        tap_levels: indices into the encoder's ``hidden_states``; the last is F_L, the others are
            concatenated to F_s. By default the last four stages of a hierarchical encoder, and
            five equally spaced layers of a plain ViT.
        level_shapes: (channels, height, width, prefix tokens) of each tap; found when not given.
        fs_concat: axis on which F_s is concatenated, ``"token"`` or ``"channel"``.
        hidden_size: common width D of levels, crops and projector.
        adapter_norm: layer norm on each level before its linear layer.
        position_embedding: ``"learned"``, ``"sine"`` or ``"none"``, on F_L and each level.
        crop_boxes: the 16 regions as (x0, y0, x1, y1), fractions of the face.
        crop_size: side to which each crop is resized.
        share_conv_blocks: one Conv Block for all crops instead of one for each.
        conv_channels: widths of a Conv Block's layers, each of which halves the size.
        conv_pool_size: side of the grid to which a crop's last map is pooled.
        crop_embedding: learned vector per crop, added before the self-attention.
        lca_num_heads: heads of the Local Clue Aggregator.
        lca_norm: ``"pre"``, ``"post"`` or ``"none"``.
        lca_residual: residual around the Local Clue Aggregator's self-attention.
        mpp_num_heads: heads of the Multi-perspective Projector.
        mpp_norm: ``"pre"``, ``"post"`` or ``"none"``.
        mpp_first_residual: residual around A1, which the figure does not draw.
        use_fs: A1 attends to F_s (off: A1 = F_L).
        use_local_in_projector: A2 attends to F'_local (off: A2 = A1).
        use_local_token: F_local goes to the language model.
        use_lca_self_attention: self-attention over the crops.
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

    model_type = "feallm"
    sub_configs = {"vision_config": AutoConfig, "text_config": AutoConfig}  # noqa: RUF012

    vision_config: Any = None
    text_config: Any = None
    image_token_id: int = 32000
    image_size: int = 0
    freeze_vision: bool = True
    tap_levels: list[int] = field(default_factory=list)
    level_shapes: list[list[int]] = field(default_factory=list)
    fs_concat: str = "token"
    hidden_size: int = 1024
    adapter_norm: bool = True
    position_embedding: str = "learned"
    crop_boxes: list[list[float]] = field(default_factory=list)
    crop_size: int = 56
    share_conv_blocks: bool = False
    conv_channels: list[int] = field(default_factory=lambda: [32, 64, 128])
    conv_pool_size: int = 1
    crop_embedding: bool = True
    lca_num_heads: int = 8
    lca_norm: Norm = "pre"
    lca_residual: bool = True
    mpp_num_heads: int = 8
    mpp_norm: Norm = "pre"
    mpp_first_residual: bool = False
    use_fs: bool = True
    use_local_in_projector: bool = True
    use_local_token: bool = True
    use_lca_self_attention: bool = True
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
        self.vision_config = _sub_config(self.vision_config, "clip_vision_model", _CLIP_L_336)
        self.text_config = _sub_config(self.text_config, "llama", {})
        if not self.image_size:
            size = getattr(self.vision_config, "image_size", None) or 224
            self.image_size = size if isinstance(size, int) else int(size[0])
        self.tap_levels = list(self.tap_levels or _default_taps(self.vision_config))
        self.crop_boxes = [list(box) for box in (self.crop_boxes or face_regions())]
        self.tie_word_embeddings = self.tie_word_embeddings or bool(
            getattr(self.text_config, "tie_word_embeddings", False)
        )
        self._check()
        super().__post_init__(**kwargs)

    def _check(self) -> None:
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} must be one of {allowed}, got {getattr(self, name)!r}")
        for heads in (self.lca_num_heads, self.mpp_num_heads):
            if self.hidden_size % heads:
                raise ValueError(
                    f"hidden_size {self.hidden_size} is not a multiple of the head count {heads}"
                )
        if self.use_fs and len(self.tap_levels) < 2:
            raise ValueError(f"use_fs needs at least two tap_levels, got {self.tap_levels}")
        for x0, y0, x1, y1 in self.crop_boxes:
            if not (0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1):
                raise ValueError(f"crop_boxes: {(x0, y0, x1, y1)} is no box within the face")

    @property
    def levels(self) -> list[LevelShape]:
        """Shapes of the tapped levels, F_L last; probed once and kept in ``level_shapes``."""
        if not self.level_shapes:
            self.level_shapes = [list(shape) for shape in probe_levels(self)]
        return [LevelShape(*shape) for shape in self.level_shapes]

    @property
    def num_visual_tokens(self) -> int:
        """Number N of visual tokens: the cells of F_L's grid."""
        return self.levels[-1].height * self.levels[-1].width

    @property
    def num_image_tokens(self) -> int:
        """Placeholders that one picture takes: N visual tokens and the F_local token."""
        return self.num_visual_tokens + int(self.use_local_token)

    @property
    def fs_dim(self) -> int:
        """Width of F_s."""
        shallow = len(self.tap_levels) - 1
        return self.hidden_size * (shallow if self.fs_concat == "channel" else 1)


_CLIP_L_336 = {
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "image_size": 336,
    "patch_size": 14,
    "projection_dim": 768,
}
_CHOICES = {
    "fs_concat": ("token", "channel"),
    "position_embedding": ("learned", "sine", "none"),
    "lca_norm": ("pre", "post", "none"),
    "mpp_norm": ("pre", "post", "none"),
}


def _sub_config(value: Any, model_type: str, defaults: dict[str, Any]) -> PreTrainedConfig:
    """A nested config from a dictionary, a config or nothing."""
    if isinstance(value, PreTrainedConfig):
        return value
    fields = dict(defaults if value is None else value)
    return AutoConfig.for_model(fields.pop("model_type", model_type), **fields)


def _default_taps(vision_config: PreTrainedConfig) -> list[int]:
    """The last four stages of a hierarchical encoder, or five equally spaced layers of a ViT."""
    if hasattr(vision_config, "depths"):
        return list(range(-min(4, len(vision_config.depths)), 0))
    layers = vision_config.num_hidden_layers
    count = min(5, layers)
    return [round(layers * (i + 1) / count) for i in range(count)]
