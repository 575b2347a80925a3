"""A talk is held to the numbers, whatever the model says; history, faces, files."""

import json
from itertools import islice

import numpy as np
import pytest

import mien
from mien.chat import Chat, ChatError, NoFaceError, Turn
from mien.chat.hold import REPLACED, Said, faults_of, whose
from mien.engines import EngineError, Reply, Responder
from mien.engines.pictures import SURROUNDED
from mien.language import check_reasons, parse
from mien.language.questions import read_question
from mien.language.replies import Known
from mien.partfile import SinkError
from mien.schema import Face
from mien.synth.feabench import load_feabench

ANALYSIS = json.dumps(
    {
        "expression": "happiness",
        "action_units": [{"au": 6, "intensity": "B"}, {"au": 12, "intensity": "D"}],
        "explanation": "No other action units are present.",
    }
)
PICTURE = np.zeros((64, 64, 3), np.uint8)


class Two:
    """A finder that sees two faces."""

    def find(self, image):
        return [Face(box=(0.0, 0.0, 40.0, 40.0)), Face(box=(30.0, 30.0, 60.0, 60.0))]


class Model(Responder):
    """Says what it is told to, and keeps what it was asked."""

    name, crop_spec = "scripted", SURROUNDED

    def __init__(self, *texts, error=None):
        self.texts, self.error, self.asked = list(texts), error, []

    def identity(self):
        return {"model": self.name}

    def respond(self, requests):
        for request in requests:
            self.asked.append(request)
            if request.schema is not None:
                yield Reply(request.id, text=ANALYSIS)
            elif self.error:
                yield Reply(request.id, "failed", error=self.error)
            else:
                yield Reply(request.id, text=self.texts.pop(0))

    def close(self):
        self.closed = True


def chat(*texts, **options):
    error = options.pop("error", None)
    return Chat(PICTURE, responder=Model(*texts, error=error), finder=Two(), **options)


def test_true_words_are_left_as_they_are():
    talk = chat("It looks happy, as the lip corners are pulled up (AU12).")
    turn = talk.ask("What do you see?")
    assert turn == Turn(
        "What do you see?", "It looks happy, as the lip corners are pulled up (AU12)."
    )
    assert talk.numbers.expression.label == "happiness"


@pytest.mark.parametrize(
    ("question", "lie"),
    [
        ("What do you see?", "The face looks angry."),
        ("Which units are there?", "AU4 (brow lowerer) and AU12."),
        ("Which units are there?", "There are no action units."),
        ("Is AU12 there?", "AU12 is absent."),
        ("Is AU12 there?", "No, not at all."),
        ("Is she happy?", "No."),
        ("Is it sadness?", "Yes, definitely."),
        ("How strong is AU12?", "AU12 (A)."),
        ("Why?", "The face is happy because of the lowered brows."),
        ("Describe the face.", "A young woman smiles."),
        ("Describe the face.", "This is Marie Curie, and she smiles."),
        ("Describe the face.", "The face is happy because she has just won."),
        ("Why?", "Happiness. The muscles show little movement."),
        ("Describe the face.", ""),
    ],
)
def test_what_is_not_true_is_replaced(question, lie):
    turn = chat(lie).ask(question)
    assert turn.origin in ("numbers", "fixed")
    assert turn.text != lie
    assert any("not true to its numbers" in warning for warning in turn.warnings)


def test_pronouns_of_the_user_are_no_claim():
    assert chat("Yes, she looks happy.").ask("Is she happy?").origin == "model"
    assert chat("Yes, she looks happy.").ask("Is this person happy?").origin == "numbers"


def test_units_that_were_not_read():
    known = Known("happiness", None, {12: 3.0}, frozenset({4}))
    question = read_question("Which units are there?")
    assert faults_of("AU12 is present.", question, known) == []
    assert faults_of("AU12 and AU4 are present.", question, known) == ["AU4 is absent"]
    assert faults_of("AU12 and AU25 are present.", question, known) == ["AU25 was not read"]
    assert faults_of("AU12 and AU25 are present.", question, Known("happiness")) == []


def test_model_is_not_asked_what_no_face_can_tell():
    talk = chat()
    turn = talk.ask("Who is this?")
    assert turn.origin == "fixed"
    assert "identify" in turn.text
    assert len(talk.responder.asked) == 1  # for the numbers


def test_history_goes_along_per_face_and_is_bounded(monkeypatch):
    talk = chat("One is happy.", "Two is happy.", "Three is happy.", "Four is happy.")
    talk.ask("first question")
    talk.ask("who is it?")
    talk.ask("second question")
    request = talk.responder.asked[-1]
    assert [q for q, _ in request.history] == ["first question", "who is it?"]
    assert request.history[0] == ("first question", "One is happy.")
    assert "Happiness. AU6 (B), AU12 (D)." in request.system
    talk.choose(1)
    talk.ask("third question")
    assert talk.responder.asked[-1].history == ()
    talk.choose(0)
    monkeypatch.setattr("mien.chat.talk.MAX_HISTORY", 40)
    talk.ask("fourth question")
    assert [q for q, _ in talk.responder.asked[-1].history] == ["second question"]
    assert [turn.face for turn in talk.turns] == [0, 0, 0, 1, 0]
    talk.reset()
    assert talk.turns == ()


def test_what_replaced_a_lie_is_what_the_model_remembers():
    talk = chat("The face looks angry.", "It looks happy.")
    first = talk.ask("What do you see?")
    talk.ask("and now?")
    assert talk.responder.asked[-1].history == (("What do you see?", first.text),)


def test_failed_answer_is_no_answer():
    talk = chat(error="no answer within 1 s")
    turn = talk.ask("What do you see?")
    assert turn.text is None
    assert turn.warnings == ("no answer within 1 s",)


@pytest.mark.parametrize("text", ["", "   ", "\x00\x1b\n", "\ud800"])
def test_empty_question(text):
    with pytest.raises(ValueError, match="empty"):
        chat().ask(text)


def test_hostile_text():
    talk = chat("It looks happy.\x1b[2J\x07", words="model")
    turn = talk.ask("look\x1b[31m at\x00 this\r\n" + "x" * 100_000)
    assert len(turn.question) == 1000
    assert "\x1b" not in turn.question + turn.text
    assert "\x07" not in turn.text
    assert turn.warnings == ("the question was cut after 1000 characters",)


def test_faces_are_checked():
    with pytest.raises(ChatError, match="no face 2; faces are 0 to 1"):
        chat(face=2)
    talk = chat()
    with pytest.raises(ChatError, match="no face 7"):
        talk.choose(7)
    assert talk.face == 0
    with pytest.raises(ChatError, match="words is 'loud'"):
        chat(words="loud")

    class Nobody:
        def find(self, image):
            return []

    with pytest.raises(NoFaceError, match="no face was found"):
        Chat(PICTURE, responder=Model(), finder=Nobody())


def test_model_without_numbers():
    class Silent(Model):
        def respond(self, requests):
            for request in requests:
                yield Reply(request.id, "failed", error="out of order")

    with pytest.raises(EngineError, match="scripted gave no numbers: out of order"):
        Chat(PICTURE, responder=Silent(), finder=Two())


def test_saved_talk(tmp_path):
    talk = chat("It looks happy.")
    talk.ask("What do you see?")
    talk.ask("Who is it?")
    talk.save(tmp_path / "talk.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "talk.jsonl").read_text().splitlines()]
    assert [row["origin"] for row in rows] == ["model", "fixed"]
    assert rows[0]["question"] == "What do you see?"
    assert rows[0]["labels"] == "Happiness. AU6 (B), AU12 (D)."
    assert rows[0]["box"] == [0.0, 0.0, 40.0, 40.0]
    with pytest.raises(SinkError, match="no folder"):
        talk.save(tmp_path / "missing" / "talk.jsonl")
    talk.source = str(tmp_path / "photo.jpg")
    (tmp_path / "photo.jpg").write_bytes(b"a face")
    (tmp_path / "link").symlink_to("photo.jpg")
    with pytest.raises(SinkError, match="is the picture"):
        talk.save(tmp_path / "link")
    assert (tmp_path / "photo.jpg").read_bytes() == b"a face"


def test_public_name():
    assert mien.Chat is Chat


TURNS = (
    ("What do you see in this face?", "Why do you think so?", "Is it sadness?"),
    (
        "What expression is this?",
        "Which units are there around the mouth?",
        "What speaks against it?",
    ),
    ("Which AUs are active?", "Is AU12 present?", "What are the brows doing?"),
    ("Is this person happy?", "Which signs speak for it?", "How strong is AU4?"),
)


@pytest.mark.slow
def test_nano_contradicts_no_number_on_fifty_faces():
    from mien.engines import load_responder

    nano = load_responder("mien/nano", device="cpu")

    def talk(number, sample, picture):
        class Known:
            def find(self, image):
                return [Face(box=tuple(sample.box))]

        made = Chat(picture, responder=nano, finder=Known())
        for question in TURNS[number % len(TURNS)]:
            made.ask(question)
        return made

    contradictions = []
    for number, (sample, picture) in enumerate(islice(load_feabench(), 0, 1000, 20)):
        made = talk(number, sample, picture)
        label = made.numbers.expression.label
        present = {u.au for u in made.numbers.action_units if u.present}
        for turn in made.turns:
            parsed = parse(turn.text)
            wrong = check_reasons(turn.text, label, present)
            if parsed.expression not in (None, label) or parsed.absent & present or wrong:
                contradictions.append((turn, wrong))
        if number < 4:
            assert talk(number, sample, picture).turns == made.turns  # same seed, same talk
    assert number == 49
    assert contradictions == []


def test_whose_words_an_answer_has_is_told_by_the_notes_of_its_responder():
    note = f"the model's words were not true to its numbers (AU4 is absent); {REPLACED}"
    assert whose(Said("a"), ["cut", note]).origin == "numbers"
    assert whose(Said("a"), ["cut"]).origin == "model"
    assert whose(Said("a", "fixed"), [note]).origin == "fixed"
