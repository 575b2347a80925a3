"""EMO-LLaMA's Face Info Mining: a global token, local tokens, and who reads them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from mien.models.attention import AttentionStep
from mien.models.emo_llama.projector import projector
from mien.models.priors.landmarks import layout

if TYPE_CHECKING:
    from mien.models.emo_llama.configuration import EmoLlamaConfig

Priors = Mapping[str, Tensor | None]

GLOBAL = ("face_embedding",)
LOCAL = ("landmarks", "pose", "blendshapes")

_DEGREES = 45.0  # poses are divided by it, so that they are about as large as other inputs


class PriorToken(nn.Module):
    """One token from one prior; a learned "absent" token where a frame has no such prior.

    Args:
        inputs: numbers of the prior.
        dim: width D of the token.
        norm: layer norm of the numbers first, for embeddings, whose scale is their network's.
    """

    def __init__(self, inputs: int, dim: int, *, norm: bool = False) -> None:
        super().__init__()
        self.inputs = inputs
        self.norm = nn.LayerNorm(inputs) if norm else nn.Identity()
        self.mlp = nn.Sequential(nn.Linear(inputs, dim), nn.GELU(), nn.Linear(dim, dim))
        self.absent = nn.Embedding(1, dim)

    def forward(self, values: Tensor) -> Tensor:
        """Make the token.

        Args:
            values: (R, inputs), a row with NaN where unknown.

        Returns:
            (R, 1, D).
        """
        known = values.isfinite().all(-1, keepdim=True)  # (R, 1)
        # NaN must not reach the MLP: its gradient would be NaN even where it is not chosen.
        token = self.mlp(self.norm(values.masked_fill(~known, 0)))
        return torch.where(known, token, self.absent.weight).unsqueeze(1)


class LocalTokens(nn.Module):
    """A token for each facial region from its landmarks, one MLP each, as Face-LLaVA does.

    The head's pose and chosen blendshapes are one more token each.
    """

    def __init__(self, config: EmoLlamaConfig) -> None:
        super().__init__()
        dim = config.hidden_size
        self.regions = config.landmark_regions
        self.point_dim, self.use_pose = config.landmark_dim, config.use_pose
        self.region_tokens = nn.ModuleDict(
            {
                name: PriorToken(len(points) * config.landmark_dim, dim)
                for name, points in self.regions.items()
            }
        )
        self.pose_token = PriorToken(3, dim) if config.use_pose else None
        shapes = len(config.blendshapes)
        self.blendshape_token = PriorToken(shapes, dim) if shapes else None

    def forward(self, landmarks: Tensor, pose: Tensor, blendshapes: Tensor) -> Tensor:
        """Make the tokens; NaN is unknown in all inputs.

        Args:
            landmarks: (R, P, 2 or 3) in the face's own frame.
            pose: (R, 3) yaw, pitch and roll in degrees.
            blendshapes: (R, S) in [0, 1].

        Returns:
            (R, L, D): regions, then pose, then blendshapes.
        """
        tokens = [
            self.region_tokens[name](landmarks[:, points].flatten(1))
            for name, points in self.regions.items()
        ]
        if self.pose_token is not None:
            tokens.append(self.pose_token(pose / _DEGREES))
        if self.blendshape_token is not None:
            tokens.append(self.blendshape_token(blendshapes))
        return torch.cat(tokens, dim=1)  # (R, L, D)


class ClueLayer(nn.Module):
    """A layer of the aggregator: queries among themselves, then to the face, then an MLP."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.to_itself = AttentionStep(dim, num_heads=heads)
        self.to_face = AttentionStep(dim, num_heads=heads, context_dim=dim)
        self.mlp = nn.Sequential(
            nn.LayerNorm(dim), nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim)
        )

    def forward(self, queries: Tensor, face: Tensor) -> Tensor:
        """(R, K, D) queries and (R, M, D) of the face to (R, K, D)."""
        queries = self.to_face(self.to_itself(queries), face)
        return queries + self.mlp(queries)


class FaceInfoMining(nn.Module):
    """Face Info Mining with its Q-Former-style clue aggregator.

    Learned queries read the global token, the local tokens and the visual tokens of a frame and
    become clue tokens for the language model. The abstract names the module and what it extracts;
    its inside is ours (``docs/papers.md``).
    """

    def __init__(self, config: EmoLlamaConfig) -> None:
        super().__init__()
        shape, dim = config.vision_shape, config.hidden_size
        self.sizes = {
            "face_embedding": (config.embedding_size,),
            "landmarks": (layout(config.landmark_layout).count, config.landmark_dim),
            "pose": (3,),
            "blendshapes": (len(config.blendshapes),),
        }
        self.global_token: PriorToken | None = None
        if config.use_global:
            self.global_token = PriorToken(config.embedding_size, dim, norm=True)
        self.local_tokens = LocalTokens(config) if config.use_local else None
        self.visual = nn.Sequential(nn.LayerNorm(shape.channels), nn.Linear(shape.channels, dim))
        self.position = nn.Embedding(shape.height * shape.width, dim)
        self.queries = nn.Embedding(config.num_clue_tokens, dim)
        self.layers = nn.ModuleList(
            ClueLayer(dim, config.clue_heads) for _ in range(config.clue_layers)
        )
        self.norm = nn.LayerNorm(dim)
        self.projector = projector(dim, config.text_config.hidden_size)

    def forward(self, patches: Tensor, priors: Priors) -> Tensor:
        """Gather the clues.

        Args:
            patches: (R, N, C) of R frames.
            priors: ``face_embedding`` (R, E), ``landmarks`` (R, P, 2 or 3), ``pose`` (R, 3) and
                ``blendshapes`` (R, S), NaN where unknown; one that is missing or ``None`` is
                unknown in all frames.

        Returns:
            (R, K, D_lm).
        """
        face = []
        if self.global_token is not None:
            face.append(self.global_token(self._known("face_embedding", patches, priors)))
        if self.local_tokens is not None:
            face.append(self.local_tokens(*(self._known(name, patches, priors) for name in LOCAL)))
        face.append(self.visual(patches) + self.position.weight)
        context = torch.cat(face, dim=1)  # (R, M, D)
        queries = self.queries.weight.expand(len(patches), -1, -1)  # (R, K, D)
        for layer in self.layers:
            queries = layer(queries, context)
        return self.projector(self.norm(queries))  # (R, K, D_lm)

    def _known(self, name: str, patches: Tensor, priors: Priors) -> Tensor:
        """A prior as given, or NaN in its place."""
        values, shape = priors.get(name), (len(patches), *self.sizes[name])
        if values is None:
            return patches.new_full(shape, torch.nan)
        if values.shape != shape:
            raise ValueError(
                f"{name} has shape {tuple(values.shape)} for {len(patches)} frames; this model was "
                f"made for {shape}"
            )
        return values.to(patches.device, patches.dtype)
