"""Earlier turns reach every kind of model, whole and in order."""

import numpy as np
import pytest
import torch

from mien.engines.endpoint_chat import Options, body_of
from mien.engines.history import fitted, messages
from mien.engines.hugging_face import HuggingFaceResponder
from mien.engines.local_responder import LocalResponder
from mien.engines.request import Request
from tests.engines.tiny_chat import save_llava

PICTURE = np.zeros((8, 8, 3), np.uint8)
TALK = (("Which expression?", "Happiness."), ("Why?", "The lip corners."))
ASKED = Request("a", (PICTURE,), "And the brows?", history=TALK)


def test_endpoint():
    sent = body_of("m", Request("a", (PICTURE,), "And?", "Be brief.", TALK), Options())["messages"]
    assert [m["role"] for m in sent] == ["system", "user", "assistant", "user", "assistant", "user"]
    assert [part["type"] for part in sent[1]["content"]] == ["image_url", "text"]
    assert sent[1]["content"][1]["text"] == "Which expression?"
    assert [m["content"] for m in sent[2:]] == ["Happiness.", "Why?", "The lip corners.", "And?"]


def test_messages_begin_with_the_pictures():
    made = messages("And?", TALK, images=2)
    kinds = [[part["type"] for part in m["content"]] for m in made]
    assert kinds == [["image", "image", "text"], ["text"], ["text"], ["text"], ["text"]]


@pytest.mark.parametrize(("room", "kept"), [(9, 2), (2, 2), (1, 1), (0, 0)])
def test_oldest_turns_are_left_out_whole(room, kept):
    request, warnings = fitted(ASKED, lambda r: len(r.history) <= room)
    assert request.history == TALK[2 - kept :]
    assert len(warnings) == (kept < 2)


def test_local_model_is_given_what_fits(tiny_folder):
    local = LocalResponder.from_folder(tiny_folder, name="tiny", device=torch.device("cpu"))
    text = local._question(ASKED)
    assert text.count(local.core.processor.image_token) == local.core.processor.num_image_tokens
    places = [text.index(words) for turn in TALK for words in turn] + [text.index("And the brows?")]
    assert places == sorted(places)
    size = local.crop_spec.size
    picture = np.zeros((size, size, 3), np.uint8)
    long = Request("a", (picture,), "And?", history=(("x" * 9000, "y"), *TALK), max_tokens=4)
    (reply,) = local.respond([long])
    assert reply.status == "ok"
    assert "oldest turn was left out" in reply.warnings[0]
    short = Request("a", (picture,), "And?", history=TALK, max_tokens=4)
    (same,) = local.respond([short])
    assert (same.text, same.warnings) == (reply.text, ())


def test_hugging_face_model(tmp_path):
    save_llava(tmp_path)
    device = torch.device("cpu")
    model = HuggingFaceResponder.load(str(tmp_path), name="tiny", device=device)
    picture = np.zeros((32, 32, 3), np.uint8)
    asked = Request("a", (picture,), "And?", history=TALK, max_tokens=4)
    prompt = model._prompt(asked)
    places = [prompt.index(words) for turn in TALK for words in turn] + [prompt.index("And?")]
    assert places == sorted(places)
    (reply,) = model.respond([asked])
    assert (reply.status, reply.warnings) == ("ok", ())
    long = Request("a", (picture,), "And?", history=(("x " * 9000, "y"), *TALK), max_tokens=4)
    (cut,) = model.respond([long])
    assert "left out" in cut.warnings[0]
    assert cut.text == reply.text
