"""Candidates scored in one forward pass equal candidates scored one by one."""

import pytest
import torch

from conftest import build, prompts
from mien.models.branches import (
    PrefixTree,
    branch_inputs,
    branch_logits,
    score_branches,
    tree_scores,
)
from mien.models.outputs import CACHE

GROUPS = [
    [[7], [8], [9, 10]],  # an expression of one or two tokens
    [[11, 12, 13], [11, 12, 14], [11, 12, 15, 16]],  # an AU behind a stem that is scored too
    [[7, 9], [7], [17, 7]],  # a candidate that begins another, and a token of another group
]


def one_by_one(model, inputs, candidate, stem=()):
    """Log-likelihoods (B,) of one candidate, each row on its own and without padding."""
    scores = []
    for row in range(len(inputs["input_ids"])):
        real = inputs["attention_mask"][row].bool()
        ids = torch.cat((inputs["input_ids"][row][real], torch.tensor([*stem, *candidate])))
        logits = model(input_ids=ids[None], pixel_values=inputs["pixel_values"][row][None]).logits
        steps = logits[0].log_softmax(-1)[:-1].gather(1, ids[1:, None])
        scores.append(steps[-len(candidate) :].sum())
    return torch.stack(scores)


@pytest.mark.parametrize("kind", ["clip", "pvt"])
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_equal_to_separate_passes(kind, attention):
    model = build(kind)
    model.set_attn_implementation({"text_config": attention})
    inputs = prompts(model, lengths=(6, 2, 4))
    scores = score_branches(model, PrefixTree.from_candidates(GROUPS), **inputs)
    assert [tuple(s.shape) for s in scores] == [(3, 3)] * 3
    for group, found in zip(GROUPS, scores, strict=True):
        for column, candidate in enumerate(group):
            expected = one_by_one(model, inputs, candidate)
            assert torch.allclose(found[:, column], expected, atol=1e-4)


def test_stems_are_run_and_not_scored(model):
    inputs = prompts(model, lengths=(5, 3))
    stems = [[11, 12], [13]]
    groups = [[[7], [8, 9]], [[7], [8]]]
    scores = score_branches(model, PrefixTree.from_candidates(groups, stems=stems), **inputs)
    for stem, group, found in zip(stems, groups, scores, strict=True):
        for column, candidate in enumerate(group):
            expected = one_by_one(model, inputs, candidate, stem)
            assert torch.allclose(found[:, column], expected, atol=1e-4)


def test_one_forward_pass_and_no_token_twice(model):
    tree = PrefixTree.from_candidates(GROUPS)
    assert tree.tokens == (9, 11, 12, 15, 7, 17)  # last tokens are not run, stems once
    assert tree.parents == (-1, -1, 1, 2, -1, -1)
    calls = []
    model.model.language_model.register_forward_hook(lambda *_: calls.append(1))
    score_branches(model, tree, **prompts(model))
    assert len(calls) == 1


def test_single_tokens_need_no_branches(model):
    inputs = prompts(model)
    tree = PrefixTree.from_candidates([[[7], [8]]])
    assert tree.tokens == ()
    expected = model(**inputs).logits[:, -1].log_softmax(-1)[:, [7, 8]]
    assert torch.allclose(score_branches(model, tree, **inputs)[0], expected, atol=1e-5)


def test_mask_and_positions():
    tree = PrefixTree.from_candidates([[[7, 8, 9], [10, 11]]])  # runs 7 -> 8, and 10
    mask, positions = branch_inputs(tree, torch.tensor([[0, 1, 1]]), dtype=torch.float32)
    assert positions.tolist() == [[0, 0, 1, 2, 3, 2]]
    assert (mask[0, 0] == 0).int().tolist() == [
        [1, 0, 0, 0, 0, 0],
        [0, 1, 0, 0, 0, 0],
        [0, 1, 1, 0, 0, 0],
        [0, 1, 1, 1, 0, 0],
        [0, 1, 1, 1, 1, 0],
        [0, 1, 1, 0, 0, 1],
    ]


def test_gradients_reach_every_part():
    model = build().train()
    tree = PrefixTree.from_candidates(GROUPS)
    inputs = prompts(model, lengths=(5, 3))
    target = torch.tensor([0, 2])
    loss = sum(
        torch.nn.functional.cross_entropy(scores, target)
        for scores in score_branches(model, tree, **inputs)
    )
    loss.backward()
    for name, parameter in model.named_parameters():
        if "vision_tower" not in name:
            assert parameter.grad is not None, name


def test_generation_goes_on_behind_the_prefix(model):
    inputs = prompts(model, lengths=(6, 3))
    tree = PrefixTree.from_candidates(GROUPS)
    logits, cache = branch_logits(model, tree, **inputs, use_cache=True)
    assert cache.get_seq_length() == inputs["input_ids"].shape[1]
    plain = score_branches(model, tree, **inputs)
    for found, expected in zip(tree_scores(tree, logits), plain, strict=True):
        assert torch.allclose(found, expected, atol=1e-5)
    label = torch.tensor([[7, 9], [8, 10]])  # the answer's first line, from the scores
    ids = torch.cat((inputs["input_ids"], label), dim=1)
    mask = torch.cat((inputs["attention_mask"], torch.ones_like(label)), dim=1)
    settings = {"max_new_tokens": 6, "do_sample": False}
    again = model.generate(
        input_ids=ids, attention_mask=mask, pixel_values=inputs["pixel_values"], **settings
    )
    behind = model.generate(input_ids=ids, attention_mask=mask, **{CACHE: cache}, **settings)
    assert torch.equal(again, behind)


@pytest.mark.parametrize("groups", [[[]], [[[]]], [[[7], [7]]]])
def test_wrong_candidates_are_refused(groups):
    with pytest.raises(ValueError, match="group 0"):
        PrefixTree.from_candidates(groups)


def test_behind_peft():
    peft = pytest.importorskip("peft")
    model = build()
    inputs, tree = prompts(model), PrefixTree.from_candidates(GROUPS)
    before = score_branches(model, tree, **inputs)
    settings = peft.LoraConfig(r=2, target_modules=r".*language_model.*\.(q_proj|v_proj)")
    after = score_branches(peft.get_peft_model(model, settings).eval(), tree, **inputs)
    assert torch.allclose(before[0], after[0], atol=1e-5)
