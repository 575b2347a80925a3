"""Heads that teach: what they say of the face as it is shown, and files that do not fit."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from mien.models.branches import score_branches
from mien.train.collate import Collator
from mien.train.fields import RecipeError
from mien.train.heads import EncoderHeads, save_heads
from mien.train.objective import Objective
from mien.train.run import train

from .test_objective import item, still, weights
from .tiny import tiny_emo_llama, tiny_feallm, tiny_processor
from .toy_rows import toy_recipe, write_recipe


def made_heads(config, seed=0):
    torch.manual_seed(seed)
    middle, last = (level.channels for level in config.levels[-2:])
    heads = EncoderHeads(middle, last, expressions=len(config.expressions), units=1)
    for layer in heads.parameters():
        layer.data.mul_(5)  # else all that they say is nearly even
    return heads


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("heads")
    write_recipe(folder)
    config = tiny_feallm().config
    save_heads(made_heads(config), folder / "heads.safetensors", config)
    return folder


def test_they_are_asked_about_the_face_as_it_is_shown():
    model = still(tiny_feallm())
    heads = made_heads(model.config)
    processor = tiny_processor(model)
    taught = Objective(model, processor, weights(teacher=1.0), teacher=heads).train()
    batch = Collator(processor, model.config, seed=1)([item(n, strength=1.0) for n in range(6)])
    found = taught(**batch)
    middle, last = model.model.vision_levels(batch["pixel_values"])[-2:]
    expression, presence, intensity, whole = heads.answers(middle, last)
    assert intensity.shape == (6, 1)
    torch.testing.assert_close(whole, last.mean((2, 3)))
    told = {"soft_expression": expression.softmax(-1), "soft_presence": presence.sigmoid()}
    told = {name: value.detach() for name, value in told.items()}
    by_file = Objective(model, processor, weights(teacher=1.0)).train()(**batch, **told)
    torch.testing.assert_close(found["parts"]["teacher"], by_file["parts"]["teacher"])
    assert found["parts"]["teacher"] > 0.1
    # by hand, for one face alone
    features = model.encode_images(batch["pixel_values"][:1])
    scores, *_ = score_branches(
        model, taught.tree, input_ids=taught.prefix, image_features=features
    )
    said, given = expression[:1].log_softmax(-1), scores.log_softmax(-1)
    wanted = (said.exp() * (said - given)).sum()
    one = Objective(model, processor, weights(teacher=1.0), teacher=heads).train()
    part = one(**{name: value[:1] for name, value in batch.items()})["parts"]["teacher"]
    shown = 1 - (p := found["logits"][1][:1].softmax(-1))[0, 0, 0] - 0.5 * p[0, 0, 1]
    soft = presence[0, 0].sigmoid()
    wanted = wanted - soft * shown.log() - (1 - soft) * (1 - shown).log()
    torch.testing.assert_close(part, wanted.detach(), rtol=1e-4, atol=1e-5)


def test_they_neither_train_nor_are_saved_with_the_model():
    model = tiny_feallm()
    heads = made_heads(model.config)
    taught = Objective(model, tiny_processor(model), weights(teacher=1.0), teacher=heads)
    assert not any(p.requires_grad for p in heads.parameters())
    plain = Objective(model, tiny_processor(model), weights(teacher=1.0))
    assert taught.state_dict().keys() == plain.state_dict().keys()
    taught.train()
    assert not heads.training


def test_a_file_gives_the_same_heads(place):
    config = tiny_feallm().config
    found = EncoderHeads.from_file(place / "heads.safetensors", config)
    wanted = made_heads(config).state_dict()
    assert all(torch.equal(value, wanted[name]) for name, value in found.state_dict().items())


def test_a_run_learns_from_them_and_goes_on(place, tmp_path):
    stage = '[{"name": "a", "train": ["face"], "max_steps": 2, "batch_size": 2, "log_every": 1}]'
    words = [
        f"stages={stage}",
        "stages.0.precision=float32",
        f"loss={{numbers: 1, teacher: 1, heads: {place / 'heads.safetensors'}}}",
    ]
    model = train(toy_recipe(place, *words), out=tmp_path / "run")
    assert "loss_teacher" in (tmp_path / "run" / "a" / "log.csv").read_text()
    assert not [name for name in load_file(model / "model.safetensors") if "teacher" in name]
    assert train(toy_recipe(place, *words), out=tmp_path / "run") == model
    config = tiny_feallm().config
    other = tmp_path / "other.safetensors"
    save_heads(made_heads(config, seed=1), other, config)
    with pytest.raises(RecipeError, match=r"loss\.heads .*heads\.safetensors"):
        train(toy_recipe(place, *words, f"loss.heads={other}"), out=tmp_path / "run")


def test_files_that_do_not_fit_are_named(place, tmp_path):
    file = place / "heads.safetensors"

    def refused(config, path=file):
        with pytest.raises(RecipeError) as error:
            EncoderHeads.from_file(path, config)
        assert str(error.value).startswith("loss.heads: ")
        return str(error.value)

    two = tiny_feallm(expressions=["anger", "happiness"])
    assert "model anger happiness" in refused(two.config)
    assert "model AU4" in refused(tiny_feallm(action_units=[4]).config)
    wide = {"hidden_size": 24}
    other = tiny_feallm().config
    other.vision_config = type(other.vision_config)(**{**other.vision_config.to_dict(), **wide})
    other.level_shapes = None
    assert "another encoder" in refused(type(other)(**_again(other)))
    assert "emo_llama" in refused(tiny_emo_llama().config)
    nothing = tmp_path / "text"
    nothing.write_text("no tensors")
    assert "no safetensors file" in refused(tiny_feallm().config, nothing)
    state = load_file(file)
    save_file(state, nothing)
    assert "without names" in refused(tiny_feallm().config, nothing)
    named = {"expressions": "happiness sadness neutral", "action_units": "AU12"}
    state.pop("local.bias")
    save_file(state, nothing, named)
    assert "local.bias" in refused(tiny_feallm().config, nothing)


def test_recipes_that_ask_for_too_much_or_too_little(place, tmp_path):
    file = place / "heads.safetensors"
    with pytest.raises(RecipeError, match="teacher is 0"):
        toy_recipe(place, f"loss.heads={file}")
    with pytest.raises(RecipeError, match="does not exist"):
        toy_recipe(place, "loss.teacher=1", f"loss.heads={tmp_path / 'none'}")
    both = ("loss.teacher=1", f"loss.heads={file}", f"data.soft_labels={file}")
    with pytest.raises(RecipeError, match="has both of"):
        toy_recipe(place, *both)
    with pytest.raises(RecipeError, match="has neither of"):
        toy_recipe(place, "loss.teacher=1")
    with pytest.raises(RecipeError, match=r"data\.cache"):
        toy_recipe(place, *both[:2], f"data.cache.folder={tmp_path}")


def _again(config):
    fields = config.to_dict()
    for name in ("model_type", "level_shapes", "transformers_version", "architectures", "dtype"):
        fields.pop(name, None)
    return fields
