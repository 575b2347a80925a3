"""FEALLM's configuration. Every choice that is ours and not the paper's is a field here."""

from __future__ import annotations

from dataclasses import field

from transformers import PreTrainedConfig

from mien.models.attention import Norm
from mien.models.configuration import FaceModelConfig
from mien.models.feallm.crops import face_regions
from mien.models.vision import LevelShape, probe_shapes


class FeallmConfig(FaceModelConfig):
    """Configuration of FEALLM. ``docs/papers.md`` has a line on the reason for each value.

    Beside the fields of ``FaceModelConfig``; its vision encoder is CLIP ViT-L/14-336 by default.

    Args:
        tap_levels: indices into the encoder's ``hidden_states``; the last is F_L, the others are
            concatenated to F_s. By default the last four stages of a hierarchical encoder, and
            five equally spaced layers of a plain ViT.
        level_shapes: (channels, height, width, prefix tokens) of each tap; found when not given.
        fs_concat: axis on which F_s is concatenated, ``"token"`` or ``"channel"``.
        hidden_size: common width D of levels, crops and projector.
        adapter_norm: layer norm on each level before its linear layer.
        deep_norm: on F_L too; off, F_L keeps its scale, on which a base's projector was trained.
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
        mlp_norm: layer norm before the MLP, where ``mpp_norm`` is ``"pre"``.
        use_fs: A1 attends to F_s (off: A1 = F_L).
        use_local_in_projector: A2 attends to F'_local (off: A2 = A1).
        use_local_token: F_local goes to the language model.
        use_lca_self_attention: self-attention over the crops.
        label_heads: dataset to expressions in order, where a linear head on F_L tells the labels
            of that dataset, which mean something else than those that the model answers with.
    """

    model_type = "feallm"

    tap_levels: list[int] = field(default_factory=list)
    level_shapes: list[list[int]] = field(default_factory=list)
    fs_concat: str = "token"
    hidden_size: int = 1024
    adapter_norm: bool = True
    deep_norm: bool = True
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
    mlp_norm: bool = True
    use_fs: bool = True
    use_local_in_projector: bool = True
    use_local_token: bool = True
    use_lca_self_attention: bool = True
    label_heads: dict[str, list[str]] = field(default_factory=dict)

    def complete(self) -> None:
        """Fill in taps and crops, and check all fields."""
        self.tap_levels = list(self.tap_levels or _default_taps(self.vision_config))
        self.crop_boxes = [list(box) for box in (self.crop_boxes or face_regions())]
        self.check_choices(_CHOICES)
        self.check_heads("lca_num_heads", "mpp_num_heads")
        if self.use_fs and len(self.tap_levels) < 2:
            raise ValueError(f"use_fs needs at least two tap_levels, got {self.tap_levels}")
        for x0, y0, x1, y1 in self.crop_boxes:
            if not (0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1):
                raise ValueError(f"crop_boxes: {(x0, y0, x1, y1)} is no box within the face")

    @property
    def levels(self) -> list[LevelShape]:
        """Shapes of the tapped levels, F_L last; probed once and kept in ``level_shapes``."""
        if not self.level_shapes:
            shapes = probe_shapes(
                self.vision_config,
                image_size=self.image_size,
                taps=self.tap_levels,
                field="tap_levels",
            )
            self.level_shapes = [list(shape) for shape in shapes]
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


_CHOICES = {
    "fs_concat": ("token", "channel"),
    "position_embedding": ("learned", "sine", "none"),
    "lca_norm": ("pre", "post", "none"),
    "mpp_norm": ("pre", "post", "none"),
}


def _default_taps(vision_config: PreTrainedConfig) -> list[int]:
    """The last four stages of a hierarchical encoder, or five equally spaced layers of a ViT."""
    if hasattr(vision_config, "depths"):
        return list(range(-min(4, len(vision_config.depths)), 0))
    layers = vision_config.num_hidden_layers
    count = min(5, layers)
    return [round(layers * (i + 1) / count) for i in range(count)]
