import math

import numpy as np
import pytest
import torch

from mien.engines import EngineError, Request
from mien.engines.answers import answer_start, hold_to_numbers, task_of
from mien.engines.local_responder import LocalResponder
from mien.facs import LABEL_SETS
from mien.language import TASKS, describe, label_line, parse, prompt_for, prompts

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def guided(tiny_folder) -> LocalResponder:
    return LocalResponder.from_folder(tiny_folder, name="tiny", device=CPU, batch_size=16)


@pytest.fixture(scope="module")
def free(guided) -> LocalResponder:
    return LocalResponder(guided.core, answers="free", batch_size=16)


@pytest.fixture(scope="module")
def crops(guided):
    rng = np.random.default_rng(0)
    size = guided.crop_spec.size
    return [rng.integers(0, 255, (size, size, 3), np.uint8) for _ in range(3)]


def every_task(crops):
    return [
        Request(f"{i}-{task}", (crop,), prompt_for(task), max_tokens=24)
        for i, crop in enumerate(crops)
        for task in TASKS
    ]


def test_every_wording_of_every_task_is_known():
    for task in TASKS:
        for wording in prompts(task):
            assert task_of(wording) == task
            assert task_of(f"{wording}\nAnswer in JSON.") == task
    assert task_of("Is this person happy?") is None


def test_answers_begin_as_those_of_training_do():
    import random

    units = {12: 3.0, 6: 2.0}
    for task in TASKS:
        start = answer_start(task, "happiness", units)
        rng = random.Random(0)
        texts = [describe(task, expression="happiness", units=units, rng=rng) for _ in range(20)]
        assert all(text.startswith(start) for text in texts), task


def test_guided_answers_carry_the_labels_of_the_numbers(guided, crops):
    replies = {r.id: r for r in guided.respond(every_task(crops))}
    for request in every_task(crops):
        reply = replies[request.id]
        task = task_of(request.prompt)
        label = reply.numbers.expression.label
        present = {u.au: u.intensity for u in reply.numbers.action_units if u.present}
        assert reply.text.startswith(answer_start(task, label, present).rstrip())


@pytest.mark.parametrize("kind", ["guided", "free"])
def test_batch_of_one_equals_batch_of_many(kind, guided, free, crops):
    responder = {"guided": guided, "free": free}[kind]
    requests = [*every_task(crops), Request("own", (crops[0],), "Who is this?", max_tokens=12)]
    many = {r.id: r for r in responder.respond(iter(requests))}
    assert len(many) == len(requests)
    for request in requests:
        (one,) = responder.respond([request])
        assert one.text == many[request.id].text
        for a, b in zip(one.numbers.action_units, many[one.id].numbers.action_units, strict=True):
            assert a.probability == pytest.approx(b.probability, abs=1e-4)


def test_a_face_is_looked_at_once_however_many_questions(guided, crops, monkeypatch):
    looked = []
    look = guided.core.look
    monkeypatch.setattr(
        guided.core, "look", lambda c, known=None: (looked.append(len(c)), look(c, known))[1]
    )
    copies = [Request(r.id, (r.images[0].copy(),), r.prompt) for r in every_task(crops)[:14]]
    assert len(list(guided.respond(copies))) == 14
    assert looked == [2]  # fourteen questions about two faces


def test_free_answers_are_not_changed(free, guided, crops):
    requests = [Request("a", (crops[0],), prompt_for("au_detection"), max_tokens=8)]
    (reply,) = free.respond(requests)
    core = free.core
    with torch.inference_mode():
        (words,) = core.write(
            core.look(crops[:1]).features,
            [core.question.replace(prompt_for("analysis"), prompt_for("au_detection"))],
            max_new_tokens=8,
        )
    assert reply.text == words.strip()
    assert reply.warnings == ()
    (held,) = guided.respond(requests)
    assert held.text.startswith(("AU", "No action units"))


def test_option_scores_equal_a_pass_of_their_own(guided, crops):
    options = ("Happiness", "Happy", "AU12 (C)")
    (reply,) = guided.respond([Request("o", (crops[0],), "Which one?", options=options)])
    core = guided.core
    assert reply.text is None
    assert reply.numbers is not None
    text = core.question.replace(prompt_for("analysis"), "Which one?")
    with torch.inference_mode():
        features = core.look(crops[:1]).features
        length = core.prompts([text])["input_ids"].shape[1]
        for option in options:
            behind = core.processor.tokenizer(option, add_special_tokens=False)["input_ids"]
            ids = torch.cat((core.prompts([text])["input_ids"][0], torch.tensor(behind)))
            logits = core.model(input_ids=ids[None], image_features=features).logits[0]
            by_hand = sum(
                float(logits[at - 1].log_softmax(-1)[ids[at]]) for at in range(length, len(ids))
            )
            assert reply.option_scores[option] == pytest.approx(by_hand, abs=1e-3)


def test_what_cannot_be_answered_fails_alone(guided, crops):
    requests = [
        Request("none", (), "What?"),
        Request("grey", (np.zeros((8, 8), np.uint8),), "What?"),
        Request("twice", (crops[0],), "What?", options=("a", "a")),
        Request("good", (crops[0],), "What?", max_tokens=4),
    ]
    replies = {r.id: r for r in guided.respond(requests)}
    assert {i for i, r in replies.items() if r.status == "failed"} == {"none", "grey", "twice"}
    assert replies["good"].status == "ok"


def test_a_clip_has_the_mean_of_its_frames_and_says_so(guided, crops):
    (clip,) = guided.respond([Request("c", tuple(crops), prompt_for("analysis"), max_tokens=8)])
    with torch.inference_mode():
        scores = guided.core.look(crops).scores
    expression, units = guided.core.read([group.mean(0) for group in scores])
    assert clip.numbers.expression.scores == pytest.approx(expression.scores, abs=1e-5)
    assert [u.present for u in clip.numbers.action_units] == [u.present for u in units]
    assert "3 frames" in clip.warnings[0]


def test_words_that_part_from_the_numbers_are_written_from_them():
    text = "Happiness. The lowered brows (AU4) say so."
    held, status, warnings = hold_to_numbers("reasoning", text, "happiness", {12: 3.0})
    assert status == "ok"
    assert set(parse(held).units) == {12}
    assert "AU4 is absent" in warnings[0]
    line = label_line(None, {12: 3.0})
    assert hold_to_numbers("au_detection", line, "happiness", {12: 3.0}) == (line, "ok", ())
    assert hold_to_numbers("reasoning", "Hm.", "happiness", {12: 3.0})[1] == "unparsed"


def test_identity_tells_guided_from_free_and_knows_the_weights(guided, free):
    assert guided.identity() != free.identity()
    assert len(guided.identity()["weights"]) == 16
    with pytest.raises(EngineError, match="guided or free"):
        LocalResponder(guided.core, answers="loud")


def test_a_placeholder_among_the_words_is_no_picture(guided, crops):
    (reply,) = guided.respond([Request("a", (crops[0],), "What <image> is it?", max_tokens=4)])
    assert reply.status == "ok"


def test_the_labels_of_a_dataset_are_those_of_its_head(tiny_folder, tmp_path, crops):
    from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor

    config = AutoConfig.from_pretrained(tiny_folder)
    config.label_heads = {"fer2013": list(LABEL_SETS["basic7"])}
    model = AutoModelForImageTextToText.from_pretrained(tiny_folder, config=config)
    head = model.model.label_heads["fer2013"]
    with torch.no_grad():
        head.weight.zero_()
        head.bias.zero_()[4] = 3  # fear, whatever it sees
    model.save_pretrained(tmp_path)
    AutoProcessor.from_pretrained(tiny_folder).save_pretrained(tmp_path)
    responder = LocalResponder.from_folder(tmp_path, name="tiny", device=CPU)
    requests = [
        Request(name or "own", (crops[0],), prompt_for("expression"), dataset=name)
        for name in ("fer2013", "rafdb", None)
    ]
    replies = {reply.id: reply for reply in responder.respond(requests)}
    told = replies["fer2013"]
    assert told.text.startswith("Fear.")
    assert told.numbers.expression.scores["fear"] == pytest.approx(math.e**3 / (math.e**3 + 6))
    assert replies["rafdb"].numbers.expression == replies["own"].numbers.expression
    assert replies["own"].numbers.expression != told.numbers.expression


def test_the_first_draft_that_is_true_is_taken(guided, crops, monkeypatch):
    asked = [Request(str(i), (crop,), prompt_for("analysis")) for i, crop in enumerate(crops)]
    with torch.inference_mode():
        seen = guided.core.look(crops)
    known = [guided.core.read([group[i] for group in seen.scores]) for i in range(len(crops))]
    labels = [expression.label for expression, _ in known]
    calls = []

    def write(features, texts, *, max_new_tokens, drafts=1, frame_mask=None):
        calls.append((len(texts), drafts, len(features)))
        false, true = "AU46 is strong.", f"This is {labels[1]}."
        if drafts == 1:
            return ["It fits.", false, false]
        own = [false] * (drafts - 1) + [true]
        return own + [false] * drafts if len(texts) == 2 else [false] * drafts

    monkeypatch.setattr(guided.core, "write", write)
    first, second, third = guided.respond(asked)
    # only those without a true text are tried again
    assert calls == [(3, 1, 3), (2, 8, 2), (1, 32, 1)]
    assert first.text.endswith("It fits.")
    assert second.text.endswith(f"This is {labels[1]}.")
    assert (first.warnings, second.warnings) == ((), ())
    assert "AU46" in third.warnings[0]
