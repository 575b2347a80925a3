import numpy as np
import pytest

from mien.engines.base import EngineError
from mien.engines.endpoint import EndpointResponder
from mien.engines.gemini_wire import GeminiWire, response_schema
from mien.engines.request import Request
from mien.language.instructions import answer_schema
from tests.engines.bad_server import Answer, bad_server

KEY = "AIza-secret"
PICTURE = np.zeros((4, 4, 3), np.uint8)


def parts(*texts, finish="STOP"):
    content = {"role": "model", "parts": list(texts)}
    usage = {"promptTokenCount": 7, "candidatesTokenCount": 2, "totalTokenCount": 9}
    body = {"candidates": [{"content": content, "finishReason": finish}], "usageMetadata": usage}
    return Answer(body=body)


def ask(server, *prompts, **fields):
    wire = GeminiWire("models/tiny", server.url)
    asked = EndpointResponder(wire, name="gemini:tiny", key=KEY, attempts=1, timeout=5)
    try:
        items = [Request(p, (PICTURE, PICTURE), p, **fields) for p in prompts]
        return {r.id: r for r in asked.respond(items)}
    finally:
        asked.close()


def test_request_and_reply_on_the_wire():
    answer = parts({"text": "hm", "thought": True}, {"text": "Happi"}, {"text": "ness."})
    with bad_server(lambda seen: answer) as server:
        replies = ask(server, "Look.", system="Be brief.", schema=answer_schema(), max_tokens=99)
    (seen,) = server.seen
    assert seen.path == "/v1/models/tiny:generateContent"
    assert seen.headers["X-Goog-Api-Key".lower()] == KEY
    pictures, (text,) = seen.body["contents"][0]["parts"][:2], seen.body["contents"][0]["parts"][2:]
    assert {p["inline_data"]["mime_type"] for p in pictures} == {"image/png"}
    assert text == {"text": "Look."}
    assert seen.body["system_instruction"] == {"parts": [{"text": "Be brief."}]}
    config = seen.body["generationConfig"]
    assert (config["maxOutputTokens"], config["temperature"]) == (99, 0)
    assert config["responseMimeType"] == "application/json"
    assert config["responseSchema"]["required"][0] == "expression"
    assert replies["Look."].text == "Happiness."
    assert replies["Look."].usage == {"prompt_tokens": 7, "completion_tokens": 2}


def test_blocked_and_cut_answers_say_so():
    answers = {
        "blocked": Answer(body={"promptFeedback": {"blockReason": "SAFETY"}}),
        "withheld": parts(finish="PROHIBITED_CONTENT"),
        "cut": parts({"text": "Happi"}, finish="MAX_TOKENS"),
        "thinking": parts(finish="MAX_TOKENS"),
        "nothing": Answer(body={"candidates": []}),
        "empty": parts({"text": ""}),
    }
    with bad_server(lambda seen: answers[seen.prompt]) as server:
        replies = ask(server, *answers)
    assert replies["blocked"].error == "the endpoint blocked the request (SAFETY)"
    assert replies["withheld"].error == "the endpoint withheld the answer (PROHIBITED_CONTENT)"
    assert replies["nothing"].error == "the answer has no candidates"
    assert (replies["cut"].text, len(replies["cut"].warnings)) == ("Happi", 1)
    assert (replies["thinking"].status, replies["thinking"].text) == ("ok", "")
    assert (replies["empty"].status, replies["empty"].text) == ("ok", "")


def test_a_refused_key_is_an_error_though_its_status_is_400():
    error = {"code": 400, "message": f"API key {KEY} not valid", "status": "INVALID_ARGUMENT"}
    error["details"] = [{"reason": "API_KEY_INVALID"}]
    with (
        bad_server(lambda seen: Answer(400, {"error": error})) as server,
        pytest.raises(EngineError, match="refuses the key") as caught,
    ):
        ask(server, "a")
    assert KEY not in str(caught.value)


def test_the_schema_keeps_to_what_the_api_takes():
    made = response_schema(answer_schema())
    unit = made["properties"]["action_units"]["items"]
    assert "additionalProperties" not in made
    assert unit["properties"]["au"] == {"type": "integer"}
    assert unit["properties"]["intensity"]["enum"] == list("ABCDE")
    assert made["properties"]["expression"]["enum"][0] == "neutral"
