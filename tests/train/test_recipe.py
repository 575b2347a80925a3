import dataclasses

import pytest

from mien.train.fields import RecipeError, plain, read
from mien.train.recipe import BUILT_IN, Recipe, load_recipe

GOOD = """\
name: mine
start: some/model
data:
  train:
    - rows: {rows}
stages:
  - name: one
    train: [face, lora]
    max_steps: 10
    learning_rate: 1e-4
"""


@pytest.fixture
def recipe(tmp_path):
    (tmp_path / "rows").mkdir()
    path = tmp_path / "recipe.yaml"
    path.write_text(GOOD.format(rows=tmp_path / "rows"))
    return path


def test_values_and_defaults(recipe, tmp_path):
    found = load_recipe(recipe)
    assert found.data.train[0].rows == tmp_path / "rows"
    assert found.stages[0].train == ("face", "lora")
    assert found.stages[0].learning_rate == 1e-4  # YAML reads it as text
    assert found.loss.text == 1
    assert found.metric == "loss"


def test_overrides(recipe, tmp_path):
    found = load_recipe(
        recipe,
        [
            "seed=7",
            "stages.0.learning_rate=2e-5",
            "stages[0].lora.rank=4",
            "stages.1.name=two",
            "stages.1.train=[face]",
            "stages.1.epochs=0.5",
            f"data.validation.0.rows={tmp_path}",
            "out=runs/x",
        ],
    )
    assert found.seed == 7
    assert found.stages[0].learning_rate == 2e-5
    assert found.stages[0].lora.rank == 4
    assert found.stages[1].epochs == 0.5
    assert found.data.validation[0].rows == tmp_path
    assert str(found.out) == "runs/x"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "stages.0.learning_rat=1",
            r"recipe.yaml: stages\[0\].learning_rat is no field; did you mean learning_rate\?",
        ),
        ("date=1", r"recipe.yaml: date is no field; did you mean data\?"),
        ("zzz=1", r"zzz is no field; the fields are name, start, data, stages"),
        ("stages.0.learning_rate=fast", r"stages\[0\].learning_rate is 'fast'; give a number"),
        ("stages.0.batch_size=1.5", r"stages\[0\].batch_size is 1.5; give a whole number"),
        ("stages.0.batch_size=true", r"batch_size is True; give a whole number"),
        ("stages.0.gradient_checkpointing=1", r"is 1; give true or false"),
        ("stages.0.train=[faces]", r"train\[0\] is 'faces'; choose from face, language"),
        ("stages.0.train=face", r"stages\[0\].train is 'face'; give a list"),
        ("stages.0.epochs=1", r"stages\[0\].epochs or max_steps: give exactly one"),
        ("stages.0.train=[lora, language]", r"both lora and language"),
        ("stages.0.name=model", r"name is 'model'"),
        ("stages.0.name=a/b", r"name is 'a/b'; use letters"),
        ("loss.text=0", r"loss.text, numbers and teacher are all 0"),
        ("data.text_share=2", r"data.text_share is 2, outside 0 to 1"),
        ("data.train=[]", r"data.train is empty"),
        ("data.train.0.rows=nowhere", r"data.train\[0\].rows is nowhere, which does not exist"),
        ("start=./nowhere", r"start is ./nowhere|start is nowhere"),
        ("start=", r"start is not set; give it, or --set start="),
        ("stages.0=3", r"stages\[0\] is 3; give fields with values"),
        ("stages.5.name=x", r"there is no item 5; it has 1"),
        ("name.x=1", r"name has no fields"),
        ("seed", r"write it as field=value"),
        ("metric=war", r"metric is 'war', which is measured on validation rows"),
    ],
)
def test_mistakes_have_messages(recipe, override, message):
    with pytest.raises(RecipeError, match=message) as error:
        load_recipe(recipe, [override])
    assert "\n" not in str(error.value)


def test_yaml_errors_name_the_line(recipe):
    recipe.write_text(recipe.read_text().replace("name: mine", "name: [mine"))
    with pytest.raises(RecipeError, match=r"recipe.yaml, line 2: .*mend it there"):
        load_recipe(recipe)
    recipe.write_text("- a list")
    with pytest.raises(RecipeError, match="holds no fields"):
        load_recipe(recipe)
    with pytest.raises(RecipeError, match=r"no recipe other: .*built in: feallm-7b"):
        load_recipe("other")


@pytest.mark.parametrize("name", BUILT_IN)
def test_built_in_recipes(name, tmp_path):
    with pytest.raises(RecipeError, match="is not set; give it, or --set"):
        load_recipe(name)
    found = load_recipe(name, ["start=some/model", f"data.train.0.rows={tmp_path}"])
    assert found.name == name
    assert found.data.train[0].rows == tmp_path
    assert not any("vision" in part for stage in found.stages for part in stage.train)


def test_a_recipe_comes_back_from_plain_values(recipe):
    found = load_recipe(recipe, ["stages.0.lora.rank=4"])
    assert read(Recipe, plain(found), "") == found
    other = dataclasses.replace(found, seed=1)
    assert plain(other)["seed"] == 1
