"""Gemini is asked through the address where it speaks chat completions."""

import numpy as np
import pytest

from mien.engines import EngineError, Request, load_responder
from mien.engines.load import destination
from mien.language.instructions import answer_schema
from tests.engines.bad_server import Answer, bad_server, said

KEY = "AIza-secret-0123456789"
PICTURE = np.zeros((4, 4, 3), np.uint8)
GOOGLE = "https://generativelanguage.googleapis.com/v1beta"


@pytest.fixture(autouse=True)
def _key(monkeypatch):
    monkeypatch.setenv("GEMINI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-another-host")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setattr("openai._base_client.INITIAL_RETRY_DELAY", 0.0)


def ask(server, *prompts, **fields):
    asked = load_responder("gemini:models/tiny", endpoint=server.url)
    try:
        items = [Request(p, (PICTURE,), p, **fields) for p in prompts]
        return {r.id: r for r in asked.respond(items)}
    finally:
        asked.close()


@pytest.mark.parametrize("address", [None, GOOGLE, f"{GOOGLE}/", f"{GOOGLE}/openai"])
def test_the_address_that_is_asked(address):
    asked = load_responder("gemini:x", endpoint=address)
    assert asked.base == f"{GOOGLE}/openai"
    assert asked.name == "gemini:x"
    assert destination("gemini:x", address).host == "generativelanguage.googleapis.com"


def test_request_and_reply_on_the_wire():
    with bad_server(lambda seen: said("Happiness.")) as server:
        replies = ask(server, "Look.", system="Be brief.", schema=answer_schema())
    (seen,) = server.seen
    assert seen.path == "/v1/openai/chat/completions"
    assert seen.headers["Authorization"] == f"Bearer {KEY}"
    assert seen.body["model"] == "tiny"
    assert seen.body["response_format"]["type"] == "json_schema"
    assert replies["Look."].text == "Happiness."


def test_what_it_refuses_is_left_out():
    def behave(seen):
        if "seed" not in seen.body:
            return said("fine")
        message = 'Invalid JSON payload received. Unknown name "seed": Cannot find field.'
        return Answer(400, [{"error": {"code": 400, "message": message}}])

    with bad_server(behave) as server:
        assert ask(server, "a")["a"].text == "fine"


def test_a_refused_key_is_an_error_though_its_status_is_400():
    error = {"code": 400, "message": f"API key {KEY} not valid", "status": "INVALID_ARGUMENT"}
    error["details"] = [{"reason": "API_KEY_INVALID"}]
    with (
        bad_server(lambda seen: Answer(400, [{"error": error}])) as server,
        pytest.raises(EngineError, match="GEMINI_API_KEY") as caught,
    ):
        ask(server, "a")
    assert KEY not in str(caught.value)
