"""Chat completions as OpenAI's clients speak them."""

import base64
import json

import pytest
from starlette.testclient import TestClient

from mien.engines import Reply, Responder
from mien.faces import CropSpec
from mien.language import parse, prompt_for
from mien.language.instructions import answer_schema
from mien.schema import Analysis, Face
from mien.serve.app import create_app
from mien.serve.service import Service
from tests.serve.conftest import LIMITS, mp4, png


def url(data: bytes, kind: str = "image/png") -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def shown(*seeds: int, words: str = prompt_for("analysis")):
    parts = [{"type": "image_url", "image_url": {"url": url(png(seed))}} for seed in seeds]
    return {"role": "user", "content": [*parts, {"type": "text", "text": words}]}


def ask(client, messages, status=200, **more):
    answer = client.post(
        "/v1/chat/completions", json={"model": "tiny", "messages": messages, **more}
    )
    assert answer.status_code == status, answer.text
    return answer.json()


def refusal(client, messages, status=400, **more):
    error = ask(client, messages, status, **more)["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return error["code"]


def test_an_answer_has_openai_s_form_and_the_numbers(client):
    answer = ask(client, [shown(1)])
    assert answer["object"] == "chat.completion"
    assert answer["model"] == "tiny"
    (choice,) = answer["choices"]
    assert choice["finish_reason"] == "stop"
    row = dict(choice["message"]["mien"])
    assert row.pop("origin") == "model"
    face = Analysis.from_dict(row)
    assert parse(choice["message"]["content"]).expression == face.expression.label
    assert [unit.au for unit in face.action_units] == [4, 12, 25]
    usage = answer["usage"]
    assert usage["prompt_tokens"] > 10
    assert usage["completion_tokens"] > 1
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


def test_a_stream_says_the_same(client):
    whole = ask(client, [shown(1)])
    body = {
        "model": "tiny",
        "messages": [shown(1)],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    answer = client.post("/v1/chat/completions", json=body)
    assert answer.headers["content-type"].startswith("text/event-stream")
    lines = [line.removeprefix("data: ") for line in answer.text.split("\n\n") if line]
    assert lines.pop() == "[DONE]"
    *pieces, last = map(json.loads, lines)
    assert {piece["object"] for piece in pieces} == {"chat.completion.chunk"}
    deltas = [piece["choices"][0]["delta"] for piece in pieces]
    message = whole["choices"][0]["message"]
    assert "".join(d.get("content", "") for d in deltas) == message["content"]
    assert pieces[-1]["choices"][0]["finish_reason"] == "stop"
    assert (last["choices"], last["usage"]) == ([], whole["usage"])


def test_earlier_turns_and_instructions_reach_the_model(client):
    first = ask(client, [shown(1, words="Hello?")], max_tokens=5)["usage"]["prompt_tokens"]
    talk = [
        {"role": "system", "content": "Be brief."},
        shown(1, words="Hello?"),
        {"role": "assistant", "content": "It is a face."},
        {"role": "user", "content": "Which expression is it?"},
    ]
    assert ask(client, talk, max_tokens=5)["usage"]["prompt_tokens"] > first + 10


def test_a_later_picture_begins_a_new_talk(client):
    talk = [shown(1), {"role": "assistant", "content": "Fear."}, shown(2)]
    message = ask(client, talk)["choices"][0]["message"]
    alone = ask(client, [shown(2)])["choices"][0]["message"]
    assert message["content"] == alone["content"]
    assert any("left aside" in warning for warning in message["mien"]["warnings"])


def test_what_no_face_can_tell_is_said_so(client):
    message = ask(client, [shown(1, words="How old is he?")])["choices"][0]["message"]
    assert message["mien"]["origin"] == "fixed"


@pytest.mark.parametrize("words", [True, False])
def test_json_of_mien_s_schema_comes_from_the_numbers(client, words):
    schema = answer_schema(words=words, expressions=("fear", "anger"), units=(12, 25))
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema, "strict": True}}
    message = ask(client, [shown(1, words="?")], response_format=form)["choices"][0]["message"]
    said = json.loads(message["content"])
    assert list(said) == schema["required"]
    scores = message["mien"]["expression"]["scores"]
    assert said["expression"] == max(("fear", "anger"), key=scores.__getitem__)
    present = [u["au"] for u in message["mien"]["action_units"] if u["present"]]
    assert [u["au"] for u in said["action_units"]] == [au for au in present if au != 4]


def test_any_json_object_is_mien_s(client):
    form = {"type": "json_object"}
    message = ask(client, [shown(1)], response_format=form)["choices"][0]["message"]
    said = json.loads(message["content"])
    assert said["expression"] == message["mien"]["expression"]["label"]
    assert said["explanation"]


def test_another_schema_is_refused_by_its_name(client):
    schema = {"name": "weather", "schema": {"type": "object", "properties": {"rain": {}}}}
    form = {"type": "json_schema", "json_schema": schema}
    error = ask(client, [shown(1)], 400, response_format=form)["error"]
    assert error["code"] == "unsupported_schema"
    assert "weather" in error["message"]


def test_pictures_of_one_message_are_frames_of_a_clip(client):
    row = ask(client, [shown(1, 2)])["choices"][0]["message"]["mien"]
    assert row["kind"] == "clip"
    assert any("2 frames" in warning for warning in row["warnings"])


def test_a_clip(client):
    part = {"type": "video_url", "video_url": {"url": url(mp4(), "video/mp4")}}
    row = ask(client, [{"role": "user", "content": [part]}])["choices"][0]["message"]["mien"]
    assert (row["source"], row["kind"]) == ("video", "clip")
    assert 0 < row["end"] < 5


def test_stop_ends_the_answer_before_it(client):
    text = ask(client, [shown(1)])["choices"][0]["message"]["content"]
    cut = ask(client, [shown(1)], stop=["\n"])["choices"][0]["message"]["content"]
    assert cut == text.split("\n")[0]


def test_a_long_free_answer_is_cut_and_says_so(service, client):
    served = service.model("tiny")
    assert served.follows
    choice = ask(client, [shown(1, words="Hello?")], max_tokens=3)["choices"][0]
    assert choice["finish_reason"] in ("length", "stop")
    if choice["message"]["mien"]["origin"] == "model":
        assert choice["finish_reason"] == "length"


@pytest.mark.parametrize(
    ("address", "code", "status"),
    [
        ("http://127.0.0.1:1/secret.png", "no_data_url", 400),
        ("file:///etc/passwd", "no_data_url", 400),
        ("/etc/passwd", "no_data_url", 400),
        ("data:text/html;base64,AAAA", "no_data_url", 400),
        ("data:image/png;base64,%%%%", "invalid_base64", 400),
        ("data:image/png;base64,", "empty", 400),
        (url(b"no picture"), "unreadable", 400),
        (url(png(size=(400, 400))), "too_many_pixels", 413),
    ],
)
def test_bad_pictures(client, address, code, status):
    part = {"type": "image_url", "image_url": {"url": address}}
    assert refusal(client, [{"role": "user", "content": [part]}], status) == code


def test_refused_requests(client):
    question = {"role": "user", "content": "Hello?"}
    assert refusal(client, [question]) == "no_picture"
    assert refusal(client, [shown(1)], n=2) == "unsupported_parameter"
    assert refusal(client, [shown(1)], tools=[{}]) == "unsupported_parameter"
    assert refusal(client, [shown(1), {"role": "assistant", "content": "x"}]) == "no_question"
    assert refusal(client, [shown(*range(7))], 413) == "too_many_files"
    assert refusal(client, [shown(1, words="x" * 5000)]) == "context_length_exceeded"
    assert refusal(client, [shown(1, words="x" * 200_000)], 413) == "too_many_words"
    assert refusal(client, [shown(1)], 404, model="gpt-4o") == "model_not_found"
    assert refusal(client, []) == "invalid_value"
    assert refusal(client, [{"role": "tool", "content": "x"}]) == "invalid_value"
    answer = client.post("/v1/chat/completions", content=b"{", headers={})
    assert answer.status_code == 400
    assert "error" in answer.json()


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 200_000,
        b'{"model": "tiny", "messages": ' + b'{"a":' * 100_000,
        b'{"model": "tiny", "messages": [{"role": "user", "content": "\\ud800"}]}',
        b'{"model": "tiny", "max_tokens": ' + b"9" * 10_000 + b', "messages": []}',
        b'{"model": "tiny", "max_tokens": NaN, "messages": []}',
        b"\xff\xfe",
        b"",
    ],
)
def test_hostile_json(client, body):
    headers = {"Content-Type": "application/json"}
    answer = client.post("/v1/chat/completions", content=body, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"]


def test_halves_of_characters_are_no_words(client):
    body = json.dumps({"model": "tiny", "messages": [shown(1, words="Hello \ud800?")]})
    headers = {"Content-Type": "application/json"}
    answer = client.post("/v1/chat/completions", content=body, headers=headers)
    assert answer.status_code == 200


def test_faults_of_values_do_not_repeat_them(client):
    secret = "SECRET" * 3
    answer = client.post(
        "/v1/chat/completions",
        json={"model": "tiny", "messages": [{"role": secret, "content": {"a": secret}}]},
    )
    assert answer.status_code == 400
    assert secret not in answer.text


class NoFace:
    name = "none"

    def find(self, image):
        return []

    def close(self):
        pass


class TwoFaces(NoFace):
    def find(self, image):
        height, width = image.shape[:2]
        boxes = [(0.0, 0.0, width / 2, height / 1.0), (width / 2, 0.0, width / 1.0, height / 2)]
        return [Face(box=box, detection=0.9) for box in boxes]


def test_of_several_faces_the_largest_is_meant_and_said(responder):
    other = Service([responder], finder=TwoFaces, limits=LIMITS)
    client = TestClient(create_app(other), base_url="http://localhost")
    row = ask(client, [shown(1)])["choices"][0]["message"]["mien"]
    assert row["box"] == [0, 0, 24, 48]
    assert any("2 faces" in warning for warning in row["warnings"])
    other.close()


class Words(Responder):
    """A model that has no numbers and sees the picture as it is."""

    name, crop_spec = "words", CropSpec(8)

    def identity(self):
        return {}

    def respond(self, requests):
        for r in requests:
            shape = r.images[0].shape if r.images else None
            yield Reply(r.id, text=f"{shape} {r.prompt} {len(r.history)}")


def test_a_large_picture_without_a_face_is_an_error_for_models_of_mien(responder):
    other = Service([responder, Words()], finder=NoFace, limits=LIMITS)
    client = TestClient(create_app(other), base_url="http://localhost")
    part = {"type": "image_url", "image_url": {"url": url(png(size=(400, 90)))}}
    talk = [{"role": "user", "content": [part, {"type": "text", "text": "Hi"}]}]
    assert refusal(client, talk) == "no_face"
    message = ask(client, talk, model="words")["choices"][0]["message"]
    assert message["content"] == "(90, 400, 3) Hi 0"
    assert "mien" not in message
    alone = ask(client, [{"role": "user", "content": "Hi"}], model="words")
    assert alone["choices"][0]["message"]["content"] == "None Hi 0"
    assert refusal(client, talk, model="words", response_format={"type": "json_object"})
    other.close()


def test_models(client):
    listed = client.get("/v1/models").json()
    assert [model["id"] for model in listed["data"]] == ["tiny"]
    assert client.get("/v1/models/tiny").json() == listed["data"][0]
    assert client.get("/v1/models/a%2Fb").status_code == 404
