"""EMO-LLaMA's parts: hand-computed tokens, switches of the ablations, priors that are missing."""

import math

import pytest
import torch
from tiny_emo_llama import PRIORS, build_emo, clips, emo_config, pictures_of

from mien.models.emo_llama.clips import Clips
from mien.models.emo_llama.face_info_mining import FaceInfoMining, LocalTokens, PriorToken
from mien.models.emo_llama.frame_tokens import ContentTokens, ContextToken


def test_context_token_by_hand():
    token = ContextToken(emo_config())
    token.norm, token.projector = torch.nn.Identity(), torch.nn.Identity()
    with torch.no_grad():
        for layer in (token.query, token.key):
            layer.weight.copy_(torch.eye(16))
            layer.bias.zero_()
    patches, queries = torch.zeros(1, 2, 16), torch.zeros(1, 2, 16)
    patches[0, 0, 0], patches[0, 1, 1] = 1.0, 1.0
    queries[0, 0, 0] = 4 * math.log(3)  # over sqrt(16): weights 3/4 and 1/4; the other query: 1/2
    context = token(queries, patches)
    assert context.shape == (1, 1, 16)
    assert torch.allclose(context[0, 0, :2], torch.tensor([0.625, 0.375]))


@pytest.mark.parametrize(("pool", "count"), [("mean", 1), ("grid:2", 4), ("none", 16)])
def test_content_tokens_by_hand(pool, count):
    content = ContentTokens(emo_config(content_pool=pool))
    content.norm, content.projector = torch.nn.Identity(), torch.nn.Identity()
    patches = torch.zeros(1, 16, 16)  # a grid of 4 x 4
    patches[0, :, 0] = torch.arange(16.0)
    found = content(patches)[0, :, 0]
    expected = {
        "mean": [7.5],
        "grid:2": [2.5, 4.5, 10.5, 12.5],
        "none": [float(i) for i in range(16)],
    }
    assert found.tolist() == expected[pool]
    assert emo_config(content_pool=pool).num_image_tokens == 1 + count + 3


def test_prior_token():
    token = PriorToken(4, 6, norm=True)
    values = torch.randn(3, 4)
    values[1, 2] = torch.nan  # one unknown number: the whole prior is unknown
    out = token(values)
    assert out.shape == (3, 1, 6)
    assert torch.equal(out[1, 0], token.absent.weight[0])
    assert torch.allclose(out[0, 0], token.mlp(token.norm(values[0])), atol=1e-6)
    assert not torch.allclose(token(torch.zeros(1, 4))[0], token.absent.weight)


def test_local_tokens_know_their_region():
    config = emo_config()
    local = LocalTokens(config)
    landmarks, pose = torch.randn(2, 68, 2), torch.randn(2, 3)
    shapes = torch.rand(2, 2)
    before = local(landmarks, pose, shapes)
    names = [*config.landmark_regions, "pose", "blendshapes"]
    assert before.shape == (2, len(names), 16)
    for number, name in enumerate(names):
        moved, turned, opened = landmarks.clone(), pose.clone(), shapes.clone()
        if name in config.landmark_regions:
            moved[:, config.landmark_regions[name][0]] += 1
        elif name == "pose":
            turned += 45
        else:
            opened += 0.5
        changed = (local(moved, turned, opened) - before).abs().amax((0, 2)) > 1e-6
        assert changed.nonzero().tolist() == [[number]]


def test_clue_tokens_have_their_shape():
    config = emo_config()
    mining = FaceInfoMining(config)
    patches = torch.randn(5, 16, 16)
    assert mining(patches, {}).shape == (5, 3, 32)
    with pytest.raises(ValueError, match="pose has shape"):
        mining(patches, {"pose": torch.zeros(5, 4)})


SWITCHES = {"use_context": 1, "use_content": 1, "use_global": 0, "use_local": 0}


@pytest.mark.parametrize("switch", SWITCHES)
def test_each_switch_takes_its_part_away(switch):
    whole, without = build_emo(), build_emo(**{switch: False})
    weights = without.load_state_dict(whole.state_dict(), strict=False)
    assert not weights.missing_keys
    assert weights.unexpected_keys  # a switched-off part holds no weights
    count = without.config.num_image_tokens
    assert whole.config.num_image_tokens - count == SWITCHES[switch]
    given = pictures_of(clips(whole))
    before, after = whole.encode_images(**given), without.encode_images(**given)
    assert after.shape[2] == count
    assert not torch.allclose(before[:, :, -1], after[:, :, -1]) or SWITCHES[switch]


def test_without_priors_there_is_no_face_info_mining():
    model = build_emo(use_global=False, use_local=False)
    assert model.model.face_info_mining is None
    assert model.config.num_image_tokens == 2


@pytest.mark.parametrize(
    ("prior", "tokens"),
    [*((name, [2, 3, 4]) for name in PRIORS), ("qformer_input_ids", [0]), ("pixel_values", [0, 1])],
)
def test_what_each_input_reaches(prior, tokens):
    """Tokens of a frame: context, content, three clues. Priors do not reach the first two."""
    model = build_emo()
    given = pictures_of(clips(model, frames=(2, 2)))
    before = model.encode_images(**given)
    given[prior] = given[prior].flip(-1)
    changed = (model.encode_images(**given) - before).abs().amax((0, 1, 3)) > 1e-6
    assert set(tokens) <= set(changed.nonzero().flatten().tolist())
    if prior != "pixel_values":
        assert changed.nonzero().flatten().tolist() == tokens


@pytest.mark.parametrize("prior", PRIORS)
def test_missing_is_absent_and_not_zero(prior):
    model = build_emo()
    given = pictures_of(clips(model, frames=(2, 2)))
    without = {k: v for k, v in given.items() if k != prior}
    missing = model.encode_images(**without)
    unknown = torch.full_like(given[prior], torch.nan)
    zeros = torch.zeros_like(given[prior])
    assert torch.equal(model.encode_images(**without, **{prior: unknown}), missing)
    assert not torch.allclose(model.encode_images(**without, **{prior: zeros}), missing, atol=1e-6)
    half = given[prior].clone()
    half[:, 1] = torch.nan  # in the second frame alone
    mixed = model.encode_images(**without, **{prior: half})
    assert torch.allclose(mixed[:, 1], missing[:, 1], atol=1e-6)
    assert torch.allclose(mixed[:, 0], model.encode_images(**given)[:, 0], atol=1e-6)


def test_an_instruction_is_read_without_its_padding():
    model = build_emo()
    given = pictures_of(clips(model, frames=(1, 1), lengths=(5, 5)))
    before = model.encode_images(**given)
    given["qformer_input_ids"] = torch.nn.functional.pad(
        given["qformer_input_ids"], (0, 4), value=9
    )
    given["qformer_attention_mask"] = torch.nn.functional.pad(
        given["qformer_attention_mask"], (0, 4)
    )
    assert torch.allclose(model.encode_images(**given), before, atol=1e-6)


def test_dropout_of_priors_in_training_alone():
    model = build_emo(prior_dropout=0.5, prior_frame_dropout=0.5)
    priors = {name: torch.ones(200, 4, 2) for name in PRIORS}
    clip_set = Clips(200, 4, None)
    assert model.model._drop(priors, clip_set) is priors
    model.train()
    torch.manual_seed(0)
    dropped = model.model._drop(priors, clip_set)
    lost = {name: dropped[name].isnan().all(-1) for name in PRIORS}
    assert torch.equal(lost["landmarks"], lost["pose"])  # what is local goes together
    assert not torch.equal(lost["landmarks"], lost["face_embedding"])
    assert 0.65 < lost["pose"].float().mean() < 0.85  # 1 - 0.5 * 0.5
    assert 0.4 < lost["pose"].all(1).float().mean() < 0.7  # 0.5 + 0.5 * 0.5 ** 4
    assert all(values.isfinite().all() for values in priors.values())
