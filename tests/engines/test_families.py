"""Every family that docs/models.md names, asked through a tiny model of its kind."""

from functools import cache

import numpy as np
import pytest
import torch

from mien.engines.hugging_face import HuggingFaceResponder
from mien.engines.request import Request
from tests.engines.tiny_families import CONVERSING, PLAIN

FAMILIES = {**CONVERSING, **PLAIN}
FACES = np.random.default_rng(0).integers(0, 255, (3, 40, 30, 3), np.uint8)


@pytest.fixture(scope="module")
def family(tmp_path_factory):
    """Loads a family by name, once."""

    @cache
    def loaded(name):
        folder = tmp_path_factory.mktemp(name)
        FAMILIES[name](folder)
        return HuggingFaceResponder.load(str(folder), name=name, device=torch.device("cpu"))

    return loaded


def told(responder, *requests):
    return {reply.id: reply for reply in responder.respond(requests)}


def asked(name, prompt="What is the expression of this face?", *, face=0, **fields):
    return Request(name, (FACES[face],), prompt, **{"max_tokens": 5, **fields})


@pytest.mark.parametrize("name", FAMILIES)
def test_answers_in_a_batch_are_those_of_single_requests(family, name):
    requests = [asked("long"), asked("short", "Face?", face=1), asked("system", system="Be brief.")]
    together = told(family(name), *requests)
    assert {reply.status for reply in together.values()} == {"ok"}, together
    for request in requests:
        assert told(family(name), request)[request.id].text == together[request.id].text


@pytest.mark.parametrize("name", FAMILIES)
def test_the_picture_decides(family, name):
    """Scores of what the model would say next differ between two faces."""
    responder = family(name)
    request = asked("a", "Face?")
    logits = []
    for face in FACES[:2]:
        inputs = responder._inputs(
            [responder._prompt(request)], [Request("a", (face,), request.prompt)]
        )
        with torch.inference_mode():
            logits.append(responder.model(**inputs).logits[0, -1])
    assert not torch.allclose(*logits, rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", [n for n in FAMILIES if n != "paligemma"])
def test_options_have_likelihoods(family, name):
    reply = told(family(name), asked("a", options=("Happy", "Sadness.")))["a"]
    assert set(reply.option_scores) == {"Happy", "Sadness."}
    assert all(score < 0 for score in reply.option_scores.values())


def test_a_model_that_cannot_score_options_says_so(family):
    replies = told(family("paligemma"), asked("a", options=("Happy", "Sad")), asked("b"))
    assert replies["a"].status == "failed"
    assert replies["a"].option_scores is None
    assert replies["b"].status == "ok"


def test_published_prompt_forms(family):
    words = asked("a", "What is\nit <image>?", system="Look.")
    assert family("instructblip")._prompt(words) == "Question: Look.\nWhat is\nit ? Short answer:"
    assert family("paligemma")._prompt(words) == "<image>answer en Look. What is it ?"
    text = family("paligemma")._inputs([family("paligemma")._prompt(words)], [words])
    read = family("paligemma").processor.tokenizer.decode(text["input_ids"][0])
    assert read == "<image>" * 16 + "<s>answer en Look. What is it ?\n"


@pytest.mark.parametrize("name", PLAIN)
def test_earlier_turns_that_have_no_form_are_told(family, name):
    reply = told(family(name), asked("a", history=(("Who?", "A man."),)))["a"]
    assert reply.status == "ok"
    assert len(reply.warnings) == 1


def test_wrong_numbers_of_pictures_fail_alone(family):
    two = Request("two", tuple(FACES[:2]), "Which?", max_tokens=5)
    none = Request("none", (), "Which?", max_tokens=5)
    replies = told(family("instructblip"), two, none, asked("one"))
    assert {name: r.status for name, r in replies.items()} == {
        "two": "failed",
        "none": "failed",
        "one": "ok",
    }
    assert told(family("paligemma"), two)["two"].status == "ok"


def test_a_prompt_longer_than_the_qformer_reads(family):
    responder = family("instructblip")
    positions = responder.model.config.qformer_config.max_position_embeddings
    request = asked("long", "Is this face happy? " * 2 * positions)
    inputs = responder._inputs([responder._prompt(request)], [request])
    assert inputs["qformer_input_ids"].shape[1] == positions < inputs["input_ids"].shape[1]
    replies = told(responder, request, asked("short", "Face?"))
    assert {reply.status for reply in replies.values()} == {"ok"}
