"""Many candidate answers behind one prefix, scored in one forward pass.

The prefix (picture and question) is run once. Candidates form a trie of tokens behind it; a 4-D
attention mask lets each token see the prefix, its ancestors and itself, and its position restarts
after the prefix. So every candidate gets the likelihood that a forward pass of its own would give.
The language model must take 4-D masks (attention ``sdpa`` or ``eager``, no sliding window).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mien.models.outputs import CACHE

Tokens = Sequence[int]


@dataclass(frozen=True)
class PrefixTree:
    """Candidate answers as a trie. Build it with ``from_candidates``.

    Attributes:
        tokens: T input tokens, parents before children.
        parents: index of each input token's parent; -1 is the end of the prefix.
        edges: E scored steps (index of the token that predicts, or -1; predicted token).
        paths: per group and candidate, the indices of its edges.
    """

    tokens: tuple[int, ...]
    parents: tuple[int, ...]
    edges: tuple[tuple[int, int], ...]
    paths: tuple[tuple[tuple[int, ...], ...], ...]

    @classmethod
    def from_candidates(
        cls, groups: Sequence[Sequence[Tokens]], *, stems: Sequence[Tokens] | None = None
    ) -> PrefixTree:
        """Build the tree.

        Args:
            groups: per group (one for the expression, one per AU), the candidates' token ids. What
                candidates share is run once, and a last token is scored but never run.
            stems: per group, tokens that are run before its candidates and not scored ("AU12:").

        Raises:
            ValueError: for an empty group or candidate, or one that stands twice in its group.
        """
        stems = [()] * len(groups) if stems is None else stems
        if len(stems) != len(groups):
            raise ValueError(f"{len(groups)} groups but {len(stems)} stems")
        tokens: list[int] = []
        parents: list[int] = []
        nodes: dict[tuple[int, int], int] = {}
        edges: dict[tuple[int, int], int] = {}

        def step(node: int, token: int) -> int:
            if (node, token) not in nodes:
                nodes[node, token] = len(tokens)
                tokens.append(int(token))
                parents.append(node)
            return nodes[node, token]

        paths = []
        for number, (stem, group) in enumerate(zip(stems, groups, strict=True)):
            unique = {tuple(candidate) for candidate in group}
            if not group or () in unique or len(unique) < len(group):
                raise ValueError(f"group {number} is empty or has an empty or repeated candidate")
            root = -1
            for token in stem:
                root = step(root, token)
            group_paths = []
            for candidate in group:
                node, path = root, []
                for position, token in enumerate(candidate):
                    path.append(edges.setdefault((node, int(token)), len(edges)))
                    if position + 1 < len(candidate):
                        node = step(node, token)
                group_paths.append(tuple(path))
            paths.append(tuple(group_paths))
        return cls(tuple(tokens), tuple(parents), tuple(edges), tuple(paths))

    def ancestors(self) -> Tensor:
        """(T, T) bool: row i is true at token i and at its ancestors."""
        seen = torch.eye(len(self.tokens), dtype=torch.bool)
        for node, parent in enumerate(self.parents):
            if parent >= 0:
                seen[node] |= seen[parent]
        return seen

    def path_matrices(self) -> list[Tensor]:
        """Per group, (E, n_candidates) of 0 and 1: which edges a candidate consists of."""
        matrices = []
        for group in self.paths:
            matrix = torch.zeros(len(self.edges), len(group))
            for column, path in enumerate(group):
                matrix[list(path), column] = 1
            matrices.append(matrix)
        return matrices


def branch_inputs(
    tree: PrefixTree, attention_mask: Tensor, *, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Mask and positions of a prefix with all branches behind it.

    Args:
        tree: T branch tokens.
        attention_mask: (B, L) of the prefix, 0 at padding.
        dtype: of the mask.

    Returns:
        (B, 1, L + T, L + T) additive mask and (B, L + T) positions.
    """
    device, (batch, length) = attention_mask.device, attention_mask.shape
    total, real = length + len(tree.tokens), attention_mask.bool()
    ancestors = tree.ancestors().to(device)  # (T, T)
    seen = torch.zeros(batch, total, total, dtype=torch.bool, device=device)
    causal = torch.ones(length, length, dtype=torch.bool, device=device).tril()
    seen[:, :length, :length] = causal & real[:, None, :]
    seen[:, length:, :length] = real[:, None, :]
    seen[:, length:, length:] = ancestors
    seen |= torch.eye(total, dtype=torch.bool, device=device)  # padding sees itself: no empty row
    mask = torch.zeros(seen.shape, dtype=dtype, device=device)
    mask = mask.masked_fill(~seen, torch.finfo(dtype).min)
    prefix = (real.long().cumsum(1) - 1).clamp(min=0)  # (B, L)
    depth = ancestors.sum(1) - 1  # (T,)
    positions = torch.cat((prefix, real.sum(1, keepdim=True) + depth), dim=1)  # (B, L + T)
    return mask.unsqueeze(1), positions


def branch_logits(
    model: Any,
    tree: PrefixTree,
    *,
    input_ids: Tensor,
    attention_mask: Tensor | None = None,
    use_cache: bool = False,
    **pictures: Any,
) -> tuple[Tensor, Any]:
    """Logits behind the prefix and behind each branch token, with gradients.

    Args:
        model: one of mien's with a language-model head, or one wrapped by PEFT.
        tree: T branch tokens.
        input_ids: (B, L) prefixes, left-padded.
        attention_mask: (B, L); all ones by default.
        use_cache: also return the prefix's cache.
        **pictures: for the model's ``embed``: ``pixel_values`` and what belongs to it, or
            ``image_features``.

    Returns:
        (B, 1 + T, V): row 0 behind the prefix, row 1 + i behind branch token i; and the cache of
        the prefix alone (``None`` without ``use_cache``), behind which ``generate`` can go on.
    """
    model = model.get_base_model() if hasattr(model, "get_base_model") else model
    if attention_mask is None:
        attention_mask = torch.ones_like(input_ids)
    embeds, _ = model.model.embed(input_ids, **pictures)  # (B, L, D_lm)
    branch_ids = torch.tensor(tree.tokens, dtype=torch.long, device=input_ids.device)
    branches = model.get_input_embeddings()(branch_ids).expand(len(embeds), -1, -1)  # (B, T, D_lm)
    mask, positions = branch_inputs(tree, attention_mask, dtype=embeds.dtype)
    outputs = model(
        inputs_embeds=torch.cat((embeds, branches.to(embeds.dtype)), dim=1),
        attention_mask=mask,
        position_ids=positions,
        logits_to_keep=1 + len(tree.tokens),
        use_cache=use_cache,
    )
    cache = getattr(outputs, CACHE) if use_cache else None
    if cache is not None and tree.tokens:
        cache.crop(-len(tree.tokens))
    return outputs.logits, cache


def tree_scores(tree: PrefixTree, logits: Tensor) -> list[Tensor]:
    """Log-likelihood of every candidate.

    Args:
        tree: the candidates.
        logits: (B, 1 + T, V) of ``branch_logits``.

    Returns:
        Per group (B, n_candidates), float32.
    """
    nodes = torch.tensor([node + 1 for node, _ in tree.edges], device=logits.device)  # (E,)
    tokens = torch.tensor([token for _, token in tree.edges], device=logits.device)  # (E,)
    normaliser = logits.float().logsumexp(-1)  # (B, 1 + T)
    steps = logits[:, nodes, tokens].float() - normaliser[:, nodes]  # (B, E)
    return [steps @ matrix.to(logits.device) for matrix in tree.path_matrices()]


def score_branches(model: Any, tree: PrefixTree, **prefix: Any) -> list[Tensor]:
    """Log-likelihood of every candidate behind the prefix, in one forward pass, with gradients.

    Args:
        model: one of mien's with a language-model head, or one wrapped by PEFT.
        tree: the candidates.
        **prefix: ``input_ids`` (B, L), ``attention_mask`` (B, L) left-padded, and the
            pictures as in ``branch_logits``.

    Returns:
        Per group (B, n_candidates), float32: the sum over a candidate's tokens. A softmax over
        the last axis gives the group's probabilities.
    """
    logits, _ = branch_logits(model, tree, **prefix)
    return tree_scores(tree, logits)
