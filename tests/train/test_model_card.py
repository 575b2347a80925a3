"""Model cards: data and licences counted from the rows, figures and recipe as given."""

import json

import pyarrow as pa
import pytest
from pyarrow import parquet

from mien.train.model_card import CardError, Facts, count_rows, model_card, read_run, write_card

ROWS = [("rafdb", "non-commercial"), ("synth", "CC0-1.0"), ("synth", "CC0-1.0")]
CONFIG = {
    "model_type": "feallm",
    "image_size": 336,
    "vision_config": {"model_type": "clip_vision_model"},
    "text_config": {"model_type": "llama", "num_hidden_layers": 32, "hidden_size": 4096},
    "expressions": ["happiness", "anger"],
    "action_units": [6, 12],
}


@pytest.fixture
def run(tmp_path):
    """A run's folder, its data, and the whole model beside it."""
    data = tmp_path / "data"
    data.mkdir()
    columns = {"dataset": [d for d, _ in ROWS], "licence": [x for _, x in ROWS]}
    parquet.write_table(pa.table(columns), data / "part-0.parquet")
    (data / "NOTICE").write_text("RAF-DB: terms of its owners")
    folder = tmp_path / "run"
    (folder / "model").mkdir(parents=True)
    (folder / "model" / "adapter_config.json").write_text(
        json.dumps({"base_model_name_or_path": str(folder / "align" / "model")})
    )
    stage = {"name": "lora", "train": ["face", "lora"], "lora": {"rank": 8, "alpha": 16}}
    stage |= {"epochs": 2, "learning_rate": 1e-4, "batch_size": 4, "accumulation": 3}
    recipe = {"name": "mine", "seed": 5, "start": "someone/start", "stages": [stage]}
    recipe["data"] = {"train": [{"rows": str(data)}]}
    (folder / "recipe.json").write_text(json.dumps(recipe))
    (tmp_path / "whole").mkdir()
    (tmp_path / "whole" / "config.json").write_text(json.dumps(CONFIG))
    return tmp_path


def test_rows_are_counted_by_dataset_and_licence(run):
    found = count_rows(run / "data")
    assert found.rows == 3
    assert found.datasets == {"rafdb": 1, "synth": 2}
    lines = "".join(json.dumps({"dataset": d, "licence": None}) + "\n" for d, _ in ROWS)
    (run / "rows.jsonl").write_text(lines)
    assert count_rows(run / "rows.jsonl").licences == {"unknown": 3}


@pytest.mark.parametrize("place", ["run", "run/model"])
def test_a_run_tells_base_recipe_and_data(run, place):
    facts = read_run(run / place)
    assert facts.base == "someone/start"  # not what adapters are put on, which may be a stage
    assert facts.recipe is not None
    assert facts.recipe["name"] == "mine"
    assert facts.data == (run / "data",)


def test_of_a_stage_later_stages_are_left_out(run):
    recipe = json.loads((run / "run" / "recipe.json").read_text())
    later = {**recipe["stages"][0], "name": "second", "data": {"train": [{"rows": "more"}]}}
    recipe["stages"].append(later)
    (run / "run" / "recipe.json").write_text(json.dumps(recipe))
    known = read_run(run / "run" / "lora" / "model")
    assert known.base == "someone/start"
    assert [stage["name"] for stage in known.recipe["stages"]] == ["lora"]
    assert known.data == (run / "data",)
    assert [p.name for p in read_run(run / "run" / "model").data] == ["data", "more"]
    assert read_run(run / "run" / "other" / "model").recipe is None


def test_adapters_have_a_card_of_their_own(run):
    facts = read_run(run / "run" / "model")
    card = model_card(run / "run" / "model", facts, config=CONFIG)
    assert "This folder holds adapters" in card
    assert "mien merge DIR --out WHOLE\nmien analyze photo.jpg --model WHOLE" in card
    assert "| start model | someone/start |" in card


def test_the_card_tells_what_is_known(run):
    known = read_run(run / "run")
    figures = (
        ("feabench, fer", "uar", 0.5, 0.4, 0.6),
        ("feabench, fer", "parse rate", 1.0, None, None),
    )
    write_card(run / "whole", Facts(known.base, known.recipe, known.data, figures))
    card = (run / "whole" / "README.md").read_text()
    assert card.startswith("---\nlibrary_name: transformers\n")
    assert "base_model: someone/start\n" in card
    assert "license_name: terms-of-base-and-data\n" in card
    assert "| synth | 2 |" in card
    assert "| non-commercial | 1 |" in card
    assert "RAF-DB: terms of its owners" in card
    assert "| lora | face, lora | rank 8, alpha 16 | 2 epochs | 0.0001 | 12 a device |" in card
    assert "| feabench, fer | uar | 0.500 | 0.400 to 0.600 |" in card
    assert "| feabench, fer | parse rate | 1.000 | - |" in card
    assert "AU12 lip corner puller" in card


def test_what_is_unknown_is_said_to_be(run):
    card = model_card(run / "whole", Facts(licence="mit"))
    assert "license: mit\n" in card
    assert "base_model" not in card
    assert "| start model | unknown |" in card
    assert card.count("Not known to this card.") == 2
    assert "Not measured yet" in card


def test_folders_without_a_model_or_data_are_named(run):
    with pytest.raises(CardError, match="has no config"):
        model_card(run / "run", Facts())
    with pytest.raises(CardError, match="holds no instruction data; say where it is with --data"):
        count_rows(run / "whole")
