"""EMO-LLaMA's configuration. Every choice that is ours and not the paper's is a field here."""

from __future__ import annotations

import re
from dataclasses import field
from typing import Any, ClassVar

from transformers import AutoConfig

from mien.models.configuration import FaceModelConfig, sub_config
from mien.models.priors.landmarks import LAYOUTS, layout
from mien.models.vision import LevelShape, probe_shapes

OWN_ENCODER = "own"
"""The `face_embedding_source` of models whose own vision encoder makes the embedding."""

_GRID = re.compile(r"grid:([1-9][0-9]*)")


class EmoLlamaConfig(FaceModelConfig):
    """Configuration of EMO-LLaMA. ``docs/papers.md`` has a line on the reason for each value.

    Beside the fields of ``FaceModelConfig``; the defaults are the parts of
    ``Salesforce/instructblip-vicuna-7b``: EVA-ViT-g at 224 pixels, its Q-Former, a 7B Llama.

    Args:
        qformer_config: of Hugging Face's InstructBLIP Q-Former; its ``vocab_size`` is that of the
            tokenizer that reads the instruction.
        num_query_tokens: queries of the Q-Former.
        freeze_qformer: keep the Q-Former in eval mode and without gradients.
        vision_layer: index into the encoder's ``hidden_states``; -1 is its final output.
        level_shape: (channels, height, width, prefix tokens) of that layer; found when not given.
        use_context: a context token per frame.
        use_content: content tokens per frame.
        content_pool: ``"mean"`` of all patches to 1 content token, ``"grid:n"`` to n * n, or
            ``"none"``: every patch.
        use_global: the clue aggregator reads the face embedding.
        use_local: the clue aggregator reads landmarks, pose and blendshapes. With neither there is
            no Face Info Mining at all.
        face_embedding_size: E; the width of the vision encoder where it makes the embedding.
        face_embedding_source: who makes the embedding. ``"own"``: the model's own vision encoder,
            the mean over its patches, which engines compute; with any other name they tell the
            model of no embedding.
        landmark_layout: a key of ``mien.models.priors.LAYOUTS``.
        landmark_dim: 2 (x, y) or 3 (x, y, z).
        landmark_regions: region to its points; the layout's own by default.
        use_pose: the head's pose is a local token.
        blendshapes: names of blendshapes that make one more local token; none by default.
        hidden_size: width D of Face Info Mining.
        num_clue_tokens: clue tokens N per frame.
        clue_layers: layers of the clue aggregator.
        clue_heads: its heads.
        clip_frames: frames that this checkpoint is shown of a clip, if nothing else is asked for.
        prior_dropout: share of clips that lose a kind of prior (global or local) in training.
        prior_frame_dropout: share of single frames that lose it.
    """

    model_type = "emo_llama"
    sub_configs = {  # noqa: RUF012
        "vision_config": AutoConfig,
        "qformer_config": AutoConfig,
        "text_config": AutoConfig,
    }
    default_vision: ClassVar[tuple[str, dict[str, Any]]] = ("instructblip_vision_model", {})

    qformer_config: Any = None
    num_query_tokens: int = 32
    freeze_qformer: bool = False
    vision_layer: int = -1
    level_shape: list[int] = field(default_factory=list)
    use_context: bool = True
    use_content: bool = True
    content_pool: str = "mean"
    use_global: bool = True
    use_local: bool = True
    face_embedding_size: int | None = None
    face_embedding_source: str = OWN_ENCODER
    landmark_layout: str = "mediapipe478"
    landmark_dim: int = 3
    landmark_regions: dict[str, list[int]] = field(default_factory=dict)
    use_pose: bool = True
    blendshapes: list[str] = field(default_factory=list)
    hidden_size: int = 768
    num_clue_tokens: int = 4
    clue_layers: int = 2
    clue_heads: int = 12
    clip_frames: int = 8
    prior_dropout: float = 0.1
    prior_frame_dropout: float = 0.1

    def complete(self) -> None:
        """Fill in Q-Former and regions, and check all fields."""
        self.qformer_config = sub_config(self.qformer_config, "instructblip_qformer", {})
        self.check_choices({"landmark_layout": tuple(LAYOUTS), "landmark_dim": (2, 3)})
        self.check_heads("clue_heads")
        points = layout(self.landmark_layout)
        regions = self.landmark_regions or points.regions
        self.landmark_regions = {name: list(indices) for name, indices in regions.items()}
        for name, indices in self.landmark_regions.items():
            if not indices or not all(0 <= i < points.count for i in indices):
                raise ValueError(
                    f"landmark_regions: {name!r} must list points of 0 to {points.count - 1}, the "
                    f"points of {self.landmark_layout!r}"
                )
        for field_name in ("prior_dropout", "prior_frame_dropout"):
            if not 0 <= getattr(self, field_name) < 1:
                raise ValueError(f"{field_name} is {getattr(self, field_name)}, outside [0, 1)")
        for field_name in ("num_query_tokens", "num_clue_tokens", "clue_layers", "clip_frames"):
            if getattr(self, field_name) < 1:
                raise ValueError(f"{field_name} is {getattr(self, field_name)}, less than 1")
        if self.content_pool not in ("mean", "none") and not _GRID.fullmatch(self.content_pool):
            raise ValueError(
                f"content_pool must be 'mean', 'grid:n' or 'none', got {self.content_pool!r}"
            )
        if not (self.use_context or self.use_content or self.use_priors):
            raise ValueError(
                "a frame would have no tokens: set one of use_context, use_content, use_global and "
                "use_local"
            )

    @property
    def vision_shape(self) -> LevelShape:
        """Shape of the encoder's output; probed once and kept in ``level_shape``."""
        if not self.level_shape:
            (found,) = probe_shapes(
                self.vision_config,
                image_size=self.image_size,
                taps=[self.vision_layer],
                field="vision_layer",
            )
            self.level_shape = list(found)
        shape = LevelShape(*self.level_shape)
        self.qformer_config.encoder_hidden_size = shape.channels
        return shape

    @property
    def makes_embedding(self) -> bool:
        """Whether the model reads a face embedding that its own vision encoder makes."""
        return self.use_global and self.face_embedding_source == OWN_ENCODER

    @property
    def embedding_size(self) -> int:
        """E; found from the vision encoder and kept in ``face_embedding_size``.

        Raises:
            ValueError: if it is not known, or not the width of the encoder that makes it.
        """
        size, source = self.face_embedding_size, self.face_embedding_source
        if source != OWN_ENCODER:
            if size is None:
                raise ValueError(
                    f"face_embedding_size is missing: how wide are those of {source!r}?"
                )
            return size
        width = self.vision_shape.channels
        if size not in (None, width):
            raise ValueError(
                f"face_embedding_size is {size}, but face_embedding_source is {source!r}, the "
                f"vision encoder, which is {width} wide; leave the size out, or name another source"
            )
        self.face_embedding_size = width
        return width

    @property
    def use_priors(self) -> bool:
        """Whether there is Face Info Mining."""
        return self.use_global or self.use_local

    @property
    def content_grid(self) -> tuple[int, int]:
        """Rows and columns of content tokens per frame."""
        found = _GRID.fullmatch(self.content_pool)
        if found:
            return int(found[1]), int(found[1])
        if self.content_pool == "mean":
            return 1, 1
        return self.vision_shape.height, self.vision_shape.width

    @property
    def num_image_tokens(self) -> int:
        """Placeholders that one frame takes: context token, content tokens, clue tokens."""
        rows, columns = self.content_grid
        return (
            int(self.use_context)
            + rows * columns * int(self.use_content)
            + self.num_clue_tokens * int(self.use_priors)
        )
