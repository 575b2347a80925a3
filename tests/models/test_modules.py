"""Shapes of each module, the exact crop boxes, and the ablation switches."""

import pytest
import torch

from conftest import build, feallm_config, prompts
from mien.models.attention import AttentionStep
from mien.models.feallm.crops import crop_regions, face_regions
from mien.models.feallm.levels import MultiLevelFeature, sine_positions
from mien.models.feallm.local_clue_aggregator import ConvBlocks, LocalClueAggregator
from mien.models.feallm.multi_perspective_projector import MultiPerspectiveProjector
from mien.models.vision import LevelShape, to_map

HALF, MOST, REST = 0.5, 0.75, 0.25


def test_the_sixteen_regions_are_those_of_the_figure():
    boxes = face_regions()
    sides = {(0, 0, 1, HALF), (0, HALF, 1, 1), (0, 0, HALF, 1), (HALF, 0, 1, 1)}
    sides |= {(0, 0, 1, MOST), (0, REST, 1, 1), (0, 0, MOST, 1), (REST, 0, 1, 1)}
    corners = {(x, y, x + HALF, y + HALF) for x in (0, HALF) for y in (0, HALF)}
    corners |= {(x, y, x + MOST, y + MOST) for x in (0, REST) for y in (0, REST)}
    assert len(boxes) == 16
    assert set(boxes) == sides | corners
    assert boxes[0] == (0, 0, 1, 0.50)  # drawn as number 1
    assert boxes[1] == (0, 0, 1, 0.75)  # drawn as number 2
    assert boxes[15] == (0, 0.50, 0.50, 1)  # drawn as number 16


def test_crops_hold_the_right_pixels():
    picture = torch.arange(64.0).reshape(1, 1, 8, 8).expand(1, 3, 8, 8)
    crops = crop_regions(picture, face_regions(), size=4)
    assert crops.shape == (1, 16, 3, 4, 4)
    assert torch.equal(crops[0, 15, 0], picture[0, 0, 4:, :4])  # lower left, not resized
    rows = crops[0, 0, 0].mean(1)  # the upper half: rows 0 to 3 of the picture
    assert torch.allclose(rows, picture[0, 0, :4].mean(1))


@pytest.mark.parametrize("share", [False, True])
def test_conv_blocks(share):
    blocks = ConvBlocks(feallm_config(share_conv_blocks=share, conv_pool_size=2)).eval()
    crops = torch.randn(2, 16, 3, 16, 16)
    out = blocks(crops)
    assert out.shape == (2, 16, 16)
    crops[:, 3] += 1.0 + torch.randn(2, 3, 16, 16)
    changed = (blocks(crops) - out).abs().amax((0, 2)) > 1e-6
    assert changed.tolist() == [i == 3 for i in range(16)]  # each crop has its own vector
    same = torch.randn(1, 1, 3, 16, 16).expand(1, 16, 3, 16, 16)
    vectors = blocks(same)[0]
    assert torch.allclose(vectors[0], vectors[1], atol=1e-6) == share


def test_local_clue_aggregator():
    config = feallm_config()
    tokens, token = LocalClueAggregator(config)(torch.randn(2, 3, 32, 32))
    assert tokens.shape == (2, 16, config.hidden_size)
    assert token.shape == (2, 1, config.text_config.hidden_size)


@pytest.mark.parametrize(("axis", "shape"), [("token", (2, 64, 16)), ("channel", (2, 16, 64))])
@pytest.mark.parametrize("position", ["learned", "sine", "none"])
def test_levels_and_projector(axis, shape, position):
    config = feallm_config(fs_concat=axis, position_embedding=position)
    levels = [torch.randn(2, s.channels, s.height, s.width) for s in config.levels]
    deep, shallow = MultiLevelFeature(config)(levels)
    assert deep.shape == (2, 16, 16)
    assert shallow.shape == shape
    tokens = MultiPerspectiveProjector(config)(deep, shallow, torch.randn(2, 16, 16))
    assert tokens.shape == (2, config.num_visual_tokens, config.text_config.hidden_size)


def test_maps_keep_the_order_of_patches_and_drop_class_tokens():
    hidden = torch.arange(7.0).reshape(1, 7, 1)
    assert to_map(hidden, LevelShape(1, 2, 3, 1)).tolist() == [[[[1, 2, 3], [4, 5, 6]]]]


def test_sine_positions_differ_from_cell_to_cell():
    table = sine_positions((3, 4), torch.zeros(1, 12, 16))
    assert table.shape == (12, 16)
    assert len({tuple(row) for row in table.tolist()}) == 12


@pytest.mark.parametrize("norm", ["pre", "post", "none"])
def test_attention_step(norm):
    step = AttentionStep(8, num_heads=2, context_dim=12, residual=False, norm=norm)
    x, context = torch.randn(2, 3, 8), torch.randn(2, 5, 12)
    assert step(x, context).shape == (2, 3, 8)
    shuffled = context[:, [4, 2, 0, 1, 3]]
    assert torch.allclose(step(x, shuffled), step(x, context), atol=1e-6)


def test_projector_has_the_residuals_of_the_figure():
    config = feallm_config()
    projector = MultiPerspectiveProjector(config)
    steps = (projector.to_levels, projector.to_clues, projector.to_itself)
    assert [step.residual for step in steps] == [False, True, True]


def attended(step, x, context):
    """Attention written out for one head: softmax(Q K^T / sqrt(D)) V, by the step's own weights."""
    normed = step.query_norm(x)
    keys = normed if context is None else step.context_norm(context)
    q, k, v = step.query(normed), step.key(keys), step.value(keys)
    weights = torch.exp(q @ k.transpose(1, 2) / q.shape[-1] ** 0.5)  # (B, N, M)
    return step.output(weights / weights.sum(-1, keepdim=True) @ v)


def test_the_projector_is_a1_to_a3_of_the_figure():
    torch.manual_seed(0)
    projector = MultiPerspectiveProjector(feallm_config(mpp_num_heads=1))
    # queries and keys differ in number everywhere, so that they cannot stand in for each other
    deep, levels, clues = torch.randn(2, 5, 16), torch.randn(2, 7, 16), torch.randn(2, 3, 16)
    a1 = attended(projector.to_levels, deep, levels)
    a2 = a1 + attended(projector.to_clues, a1, clues)
    a3 = a2 + attended(projector.to_itself, a2, None)
    tokens = projector(deep, levels, clues)
    assert tokens.shape[1] == 5  # as many as F_L has
    assert torch.allclose(tokens, projector.mlp(a3), atol=1e-5)


def test_visual_tokens_come_in_the_order_of_cells_and_the_local_one_last():
    model = build().model
    pixels = torch.randn(2, 3, 32, 32)
    deep, levels = model.multi_level_feature(model.vision_levels(pixels))
    clues, local = model.local_clue_aggregator(pixels)
    tokens = model.encode_images(pixels)
    visual = model.multi_perspective_projector(deep, levels, clues)
    assert torch.allclose(tokens, torch.cat([visual, local], 1), atol=1e-6)
    # a cell's token is the one whose query came from that cell
    moved = model.multi_perspective_projector(deep[:, [1, 0, *range(2, 16)]], levels, clues)
    assert torch.allclose(moved[:, :2], visual[:, [1, 0]], atol=1e-5)


SWITCHES = ["use_fs", "use_local_in_projector", "use_local_token", "use_lca_self_attention"]


@pytest.mark.parametrize("switch", SWITCHES)
def test_each_switch_takes_its_part_out(switch):
    whole, part = build(), build(**{switch: False})
    inputs = prompts(part)
    out = part(**inputs, labels=inputs["input_ids"])
    out.loss.backward()
    count = [sum(p.numel() for p in m.parameters()) for m in (whole, part)]
    assert count[1] < count[0]
    own = [(n, p) for n, p in part.named_parameters() if "vision_tower" not in n]
    assert not [n for n, p in own if p.grad is None]  # no part is left over, unused
    if switch != "use_local_token":
        assert not torch.allclose(whole(**inputs).logits, out.logits, atol=1e-5)
    assert part.config.num_image_tokens == 17 - (switch == "use_local_token")


def test_without_any_local_part_there_are_no_crops():
    model = build(use_local_in_projector=False, use_local_token=False)
    assert model.model.local_clue_aggregator is None
    assert model(**prompts(model)).logits.shape[1] == 16 + 5


@pytest.mark.parametrize(
    "wrong",
    [
        {"fs_concat": "sum"},
        {"hidden_size": 17},
        {"tap_levels": [6]},
        {"crop_boxes": [[0.0, 0.5, 1.0, 0.5]]},
    ],
)
def test_a_wrong_config_is_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        feallm_config(**wrong)
