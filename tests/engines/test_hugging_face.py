import numpy as np
import pytest
import torch

from mien.engines.base import EngineError
from mien.engines.hugging_face import HuggingFaceResponder
from mien.engines.request import Request
from tests.engines.tiny_chat import save_llava, save_qwen

PROMPTS = ("What is it?", "What is the expression of this face? Look well.", "Face?")


@pytest.fixture(scope="module", params=[save_llava, save_qwen], ids=["llava", "qwen2.5-vl"])
def responder(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("chat")
    request.param(folder)
    return HuggingFaceResponder.load(
        str(folder), name="hf:tiny", device=torch.device("cpu"), batch_size=3
    )


def asked(**fields):
    rng = np.random.default_rng(0)
    sizes = ((40, 30), (32, 32), (24, 50))
    return [
        Request(str(i), (rng.integers(0, 255, (*size, 3), np.uint8),), prompt, **fields)
        for i, (size, prompt) in enumerate(zip(sizes, PROMPTS, strict=True))
    ]


def test_a_batch_padded_on_the_left_equals_singles(responder):
    together = {r.id: r.text for r in responder.respond(asked(max_tokens=6))}
    assert len(together) == 3
    for request in asked(max_tokens=6):
        (alone,) = responder.respond([request])
        assert alone.text == together[request.id]
    assert any(together.values())


def test_mixed_requests_come_back_each_once(responder):
    items = [
        *asked(max_tokens=3)[:2],
        Request("s", asked()[0].images, "Face?", system="Be brief.", max_tokens=5),
        Request("o", asked()[0].images, "Face?", options=("Happy", "Sad")),
        Request("two", asked()[0].images * 2, "Which?", max_tokens=2),
        Request("blind", (), "Which?", max_tokens=7),
    ]
    replies = list(responder.respond(iter(items)))
    assert sorted(r.id for r in replies) == ["0", "1", "blind", "o", "s", "two"]
    assert {r.status for r in replies} == {"ok"}


def test_option_scores_are_sums_of_token_log_probabilities(responder):
    image = asked()[0].images
    options = ("Sad", "Xy", "Anger. Sadness.", "Q")  # more than one batch
    (reply,) = responder.respond([Request("o", image, "Face?", options=options)])
    assert reply.text is None
    request = Request("p", image, "Face?")
    prompt = responder._prompt(request)
    length = responder._inputs([prompt], [request])["input_ids"].shape[1]
    for option in options:
        inputs = responder._inputs([prompt + option], [request])
        ids = inputs["input_ids"][0]
        assert (
            ids[:length].tolist() == responder._inputs([prompt], [request])["input_ids"][0].tolist()
        )
        with torch.inference_mode():
            logits = responder.model(**inputs).logits[0]
        by_hand = sum(
            float(logits[at - 1].log_softmax(-1)[ids[at]]) for at in range(length, len(ids))
        )
        assert reply.option_scores[option] == pytest.approx(by_hand, abs=1e-3)


def test_options_that_melt_with_the_prompt_are_compared_from_the_same_place(responder):
    """The colon and "Ha" are one token: the prompt ends otherwise behind this option."""
    image = asked()[0].images
    options = ("Happy", "Sad")
    (reply,) = responder.respond([Request("o", image, "Face?", options=options)])
    request = Request("p", image, "Face?")
    prompt = responder._prompt(request)
    alone = responder._inputs([prompt], [request])["input_ids"][0].tolist()
    melted = responder._inputs([prompt + "Happy"], [request])["input_ids"][0].tolist()
    assert melted[: len(alone)] != alone
    start = next(i for i, (a, b) in enumerate(zip(alone, melted, strict=False)) if a != b)
    for option in options:
        inputs = responder._inputs([prompt + option], [request])
        ids = inputs["input_ids"][0]
        with torch.inference_mode():
            logits = responder.model(**inputs).logits[0]
        by_hand = sum(
            float(logits[at - 1].log_softmax(-1)[ids[at]]) for at in range(start, len(ids))
        )
        assert reply.option_scores[option] == pytest.approx(by_hand, abs=1e-3)


def test_doubled_options_fail_alone(responder):
    items = [Request("bad", asked()[0].images, "?", options=("a", "a")), asked(max_tokens=2)[0]]
    replies = {r.id: r for r in responder.respond(items)}
    assert "stand twice" in replies["bad"].error
    assert replies["0"].status == "ok"


def test_identity_changes_with_the_weights(responder, tmp_path):
    save_llava(tmp_path)
    first = HuggingFaceResponder.load(str(tmp_path), name="x", device=torch.device("cpu"))
    assert first.identity()["dtype"] == "float32"
    assert first.identity()["weights"] not in ("None", "")


def test_what_is_missing_is_said(tmp_path):
    with pytest.raises(EngineError, match=r"config\.json"):
        HuggingFaceResponder.load(str(tmp_path), name="hf:x", device=torch.device("cpu"))
    save_llava(tmp_path)
    (tmp_path / "chat_template.jinja").unlink()
    config = tmp_path / "tokenizer_config.json"
    text = config.read_text()
    assert "chat_template" not in text
    with pytest.raises(EngineError, match="no chat template"):
        HuggingFaceResponder.load(str(tmp_path), name="hf:x", device=torch.device("cpu"))
