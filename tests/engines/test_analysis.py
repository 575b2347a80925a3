import json
from dataclasses import replace

import numpy as np
import pytest

from mien import facs
from mien.engines import Answer, Reply, Request, Responder
from mien.engines.analysis import ask_analysis, read_reply
from mien.faces import CropSpec
from mien.language import parse
from mien.language.instructions import CONSIDERED, answer_schema, instruction
from mien.schema import ActionUnit, Expression

CROP = np.zeros((8, 8, 3), np.uint8)
GOOD = {
    "expression": "happiness",
    "action_units": [{"au": 12, "intensity": "D"}, {"au": 6, "intensity": "B"}],
    "explanation": "The raised cheeks and lip corners say so.",
}


class Said(Responder):
    """Says what it is told, the last first."""

    name, crop_spec = "said", CropSpec(size=8)

    def __init__(self, *texts):
        self.texts, self.asked = texts, []

    def identity(self):
        return {"model": self.name}

    def respond(self, requests):
        self.asked = list(requests)
        pairs = zip(self.asked, self.texts, strict=True)
        yield from reversed([t if isinstance(t, Reply) else Reply(r.id, text=t) for r, t in pairs])


def test_answers_stay_with_their_faces():
    said = Said(json.dumps(GOOD), "Sadness.", "Neutral. No action units.")
    happy, sad, still = ask_analysis(said, [[CROP]] * 3, ids=["7", "8", "9"])
    assert happy.expression.label == "happiness"
    assert happy.expression.scores is None
    six, twelve = happy.action_units
    assert six == ActionUnit(6, present=True, intensity=2.0)
    assert (twelve.probability, twelve.intensity) == (None, 4.0)
    assert happy.text == f"Happiness. AU6 (B), AU12 (D).\n{GOOD['explanation']}"
    assert sad.action_units is None  # nothing was said of units
    assert sad.text == "Sadness."
    assert {u.present for u in still.action_units} == {False}
    assert len(still.action_units) == len(facs.ACTION_UNITS)
    assert all(u.intensity is None and u.probability is None for u in still.action_units)


def test_an_empty_list_says_that_there_are_no_units():
    text = json.dumps({"expression": "neutral", "action_units": [], "explanation": "At rest."})
    answer = read_reply(Reply("a", text=text))
    assert not any(u.present for u in answer.action_units)
    assert answer.text == "Neutral. No action units.\nAt rest."


def test_what_is_not_said_is_unknown():
    answer = read_reply(Reply("a", text="The brows are lowered (AU4); AU12 is not present."))
    assert answer.expression is None
    assert [(u.au, u.present) for u in answer.action_units] == [(4, True), (12, False)]
    rest = read_reply(Reply("a", text="AU4 is present. No other action units are visible."))
    assert len(rest.action_units) == len(facs.ACTION_UNITS)


def test_labels_beyond_the_seven_keep_their_set():
    assert read_reply(Reply("a", text="Contempt.")).expression.label_set == "basic8"


def test_unparsed_and_failed():
    said = Said("", "I am sorry.", Reply("2", "failed", error="status 500"))
    empty, refused, failed = ask_analysis(said, [[CROP]] * 3, ids=["0", "1", "2"])
    assert (empty.status, empty.text, empty.expression) == ("unparsed", "", None)
    assert (refused.status, refused.text) == ("unparsed", "I am sorry.")
    assert "could not be parsed" in refused.warnings[0]
    assert refused.action_units is None
    assert (failed.status, failed.warnings) == ("failed", ("status 500",))


def test_numbers_only_asks_for_no_words():
    said = Said(json.dumps(GOOD))
    (answer,) = ask_analysis(said, [[CROP]], ids=["0"], words=False)
    assert answer.text is None
    assert "explanation" not in said.asked[0].schema["properties"]
    assert "explanation" not in said.asked[0].system
    (request,) = said.asked
    assert isinstance(request, Request)
    assert (request.id, request.words, request.analysis) == ("0", False, True)
    ask_analysis(said, [[CROP]], ids=["1"])
    assert "explanation" in said.asked[0].system


@pytest.mark.parametrize("words", [True, False])
def test_instruction_and_schema_name_the_same_things(words):
    text, schema = instruction(words=words), answer_schema(words=words)
    for name in facs.LABEL_SETS["basic7"]:
        assert name in text
    for unit in CONSIDERED:
        assert f"AU{unit} {facs.au_info(unit).name}" in text
    assert "{{" not in text
    for name in schema["properties"]:
        assert f'"{name}"' in text
    example = text[text.index('{"expression"') : text.rindex("}") + 1]
    assert list(json.loads(example)) == schema["required"]


def test_what_follows_the_schema_is_parsed():
    for level, letter in enumerate(facs.INTENSITIES, 1):
        for unit in CONSIDERED:
            row = {"expression": "fear", "action_units": [{"au": unit, "intensity": letter}]}
            parsed = parse(json.dumps(row))
            assert (parsed.expression, parsed.units) == ("fear", {unit: float(level)})


def test_numbers_of_a_models_own_stand_above_its_words():
    class Numbered(Said):
        gives_numbers = True

    own = Answer("ok", Expression("fear"), (ActionUnit(1, True, 0.9, 2.0),))
    told = Reply("0", text="Happiness.", numbers=own, warnings=("w",))
    (answer,) = ask_analysis(Numbered(told), [[CROP]], ids=["0"])
    assert answer == replace(own, text="Happiness.", warnings=("w",))
    (read,) = ask_analysis(Said(told), [[CROP]], ids=["0"])  # such as answers that were recorded
    assert read.expression.label == "happiness"


def test_whoever_answers_is_told_the_first_ids_of_a_run():
    class Expecting(Said):
        def expect(self, ids):
            self.expected = list(ids)

    said = Expecting("Fear.", "Fear.")
    ask_analysis(said, [[CROP]] * 2, ids=["0", "1"])
    assert said.expected == ["0", "1"]
