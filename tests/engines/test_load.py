import json
import sys

import numpy as np
import pytest

import mien
from mien.engines import EngineError, ModelOptions, Request, load_responder
from mien.engines.hugging_face import HuggingFaceResponder
from mien.engines.load import Destination, destination
from mien.engines.local_responder import LocalResponder
from mien.media import Picture
from mien.schema import Analysis
from tests.engines.bad_server import Answer, bad_server, said
from tests.engines.tiny_chat import save_llava

KEY = "sk-from-the-environment"


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch):
    for name in ("OPENAI_API_KEY", "GEMINI_API_KEY", "MIEN_ENDPOINT", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


def authorization(server, model="openai:tiny", **options):
    """What is sent as the key."""
    responder = load_responder(model, **options)
    image = np.zeros((4, 4, 3), np.uint8)
    assert next(iter(responder.respond([Request("a", (image,), "Look.")]))).text == "fine"
    responder.close()
    return server.seen[-1].headers.get("Authorization")


def test_folders_go_to_whom_they_belong(tiny_folder, tmp_path):
    assert isinstance(load_responder(str(tiny_folder), device="cpu"), LocalResponder)
    save_llava(tmp_path)
    for name in (str(tmp_path), f"hf:{tmp_path}"):
        responder = load_responder(name, device="cpu", batch_size=2)
        assert isinstance(responder, HuggingFaceResponder)
        assert responder.name == name
    free = load_responder(str(tiny_folder), device="cpu", answers="free")
    assert free.identity()["answers"] == "free"


def test_unknown_names_list_the_forms():
    for name in ("mien/giga", "openai:", "hf:", "nonsense:x"):
        with pytest.raises(EngineError, match=r"recorded:FILE\.jsonl"):
            load_responder(name)


def test_adapters_are_no_model_yet(tmp_path):
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(EngineError, match=f"mien merge {tmp_path} --out"):
        load_responder(str(tmp_path))


def test_address_of_the_endpoint(monkeypatch):
    with bad_server(lambda seen: said("fine")) as server:
        assert authorization(server, endpoint=server.url) is None  # this machine needs no key
        authorization(server, f"openai:some/model@{server.url}")
        assert server.seen[-1].body["model"] == "some/model"
        monkeypatch.setenv("MIEN_ENDPOINT", server.url)
        authorization(server)
        assert len(server.seen) == 3


def test_key_of_the_environment(monkeypatch):
    with bad_server(lambda seen: said("fine")) as server:
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        assert authorization(server, endpoint=server.url) == f"Bearer {KEY}"
        monkeypatch.setenv("OTHER", "sk-other")
        assert authorization(server, endpoint=server.url, key_env="OTHER") == "Bearer sk-other"


def test_without_the_client_the_address_is_known_and_the_package_is_named(monkeypatch):
    for name in [n for n in sys.modules if n.startswith("mien.engines.endpoint")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "openai", None)
    assert destination("openai:x@http://gpu.example/v1").host == "gpu.example"
    with pytest.raises(EngineError, match=r"pip install 'mien\[openai\]'"):
        load_responder("openai:x@http://localhost:1/v1")


def test_a_missing_key_is_named_before_anything_is_sent():
    for model, name in (("openai:x", "OPENAI_API_KEY"), ("gemini:x", "GEMINI_API_KEY")):
        with pytest.raises(EngineError, match=name):
            load_responder(model)
    with pytest.raises(EngineError, match="MINE"):
        load_responder("openai:x", endpoint="http://localhost:1/v1", key_env="MINE")


def test_a_key_goes_unencrypted_to_another_machine_only_where_it_is_asked_for(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    plain = load_responder("openai:x", endpoint="http://gpu.example:8000/v1")
    assert plain._key is None
    asked = load_responder(
        "openai:x", endpoint="http://gpu.example:8000/v1", key_env="OPENAI_API_KEY"
    )
    assert asked._key == KEY
    assert load_responder("openai:x", endpoint="https://api.example/v1")._key == KEY


def test_the_name_of_a_model_holds_no_address():
    responder = load_responder("openai:x@https://api.example/v1")
    assert responder.name == "openai:x"
    assert responder.sends_to == "api.example"


def test_a_photo_analysed_by_an_endpoint_has_the_schema_of_mien():
    answer = {
        "expression": "surprise",
        "action_units": [{"au": 1, "intensity": "C"}],
        "explanation": "The brows are up.",
    }

    def behave(seen):
        return said(json.dumps(answer)) if "AU1 inner" in str(seen.body) else Answer(400, {})

    picture = Picture("a.png", np.full((50, 40, 3), 90, np.uint8), None)
    with bad_server(behave) as server:
        analyzer = mien.load("openai:tiny", faces="whole", endpoint=server.url)
        (looked,) = analyzer.stream_pictures([picture])
    (row,) = looked.rows
    assert Analysis.from_dict(json.loads(row.to_json())) == row
    assert (row.status, row.model, row.expression.label) == ("ok", "openai:tiny", "surprise")
    assert row.unit(1).intensity == 3
    assert row.unit(1).probability is None
    assert row.unit(12) is None
    assert row.text == "Surprise. AU1 (C).\nThe brows are up."


def test_the_command_says_once_where_faces_go(monkeypatch, capsys, tmp_path):
    from PIL import Image

    from mien.commands.analyze import run_analyze

    for name in ("a.png", "b.png"):
        Image.new("RGB", (30, 30)).save(tmp_path / name)
    with bad_server(lambda seen: said("Neutral.")) as server:
        code = run_analyze(
            [str(tmp_path)],
            format="jsonl",
            out=None,
            overlay=None,
            report=None,
            model="openai:tiny",
            faces="whole",
            numbers=False,
            seed=0,
            options=ModelOptions(device="cpu", batch_size=1, endpoint=server.url),
        )
    out, errors = capsys.readouterr()
    assert code == 0
    assert len(out.splitlines()) == 2
    assert errors.count(f"faces are sent to {server.url[7:-3]} (this machine)") == 1


def test_an_endpoint_of_the_environment_is_honoured(monkeypatch):
    for name in ("MIEN_ENDPOINT", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    assert destination("openai:x") == Destination("api.openai.com", local=False)
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    assert destination("openai:x") == Destination("127.0.0.1:9", local=True)
    assert load_responder("openai:x").base == "http://127.0.0.1:9/v1"
    monkeypatch.setenv("MIEN_ENDPOINT", "http://gpu.example/v1")
    assert destination("openai:x") == Destination("gpu.example", local=False)
    assert destination("openai:x", "http://[::1]:9/v1") == Destination("[::1]:9", local=True)
    assert destination("openai:x@http://127.0.0.2/v1") == Destination("127.0.0.2", local=True)
    assert destination("gemini:x").local is False
    assert destination("mien/nano") is None


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1.evil.example/v1", "http://localhost.evil/v1"]
)
def test_a_name_that_begins_like_this_machine_is_another(address):
    assert not destination("openai:x", address).local
