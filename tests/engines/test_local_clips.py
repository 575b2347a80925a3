"""Clips and priors through the local engine and responder, with a tiny EMO-LLaMA."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from mien.engines import Request
from mien.engines.analysis import ask_analysis
from mien.engines.local_model import LocalModel
from mien.engines.local_responder import LocalResponder
from mien.language import prompt_for
from mien.models.branches import score_branches
from mien.models.priors import EncoderEmbedding, FacePriors
from mien.schema import Face, Pose
from tests.engines.tiny_clips import save_emo_llama, tiny_emo_llama

CPU = torch.device("cpu")
RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_emo_llama(tmp_path_factory.mktemp("emo"))


@pytest.fixture(scope="module")
def core(folder):
    return LocalModel.from_folder(folder, name="emo", device=CPU)


@pytest.fixture(scope="module")
def responder(core):
    return LocalResponder(core, batch_size=8)


def crops(count):
    return [RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8) for _ in range(count)]


def priors(seed):
    rng = np.random.default_rng(seed)
    return FacePriors(
        embedding=rng.normal(size=20).astype(np.float32),
        landmarks=rng.normal(100, 20, (478, 3)).astype(np.float32),
        layout="mediapipe478",
        pose=Pose(10.0 * seed, 0.0, 5.0),
    )


CLIPS = [crops(3), crops(1), crops(2)]
PRIORS = [[priors(1), None, priors(2)], [priors(3)], [None, None]]


@torch.inference_mode()
def alone(core, clip, known, words=None):
    """Scores of one clip, by way of the chat template that training uses."""
    talk = [
        {"type": "video", "video": clip, "priors": known},
        {"type": "text", "text": words or prompt_for("analysis")},
    ]
    inputs = core.processor.apply_chat_template(
        [{"role": "user", "content": talk}],
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
        add_generation_prompt=True,
    )
    return inputs, score_branches(core.model, core.tree, **inputs)


@torch.inference_mode()
def test_clips_of_different_lengths_in_a_batch_are_as_each_alone(core):
    seen = core.look(CLIPS, PRIORS)
    for row, (clip, known) in enumerate(zip(CLIPS, PRIORS, strict=True)):
        _, expected = alone(core, clip, known)
        for found, group in zip(seen.scores, expected, strict=True):
            assert np.allclose(found[row], group[0].numpy(), atol=1e-4)


@torch.inference_mode()
def test_priors_and_the_order_of_frames_matter(core):
    def scores(clip, known):
        return core.look([clip], [known]).scores[0][0]

    clip, known = CLIPS[0], PRIORS[0]
    base = scores(clip, known)
    assert not np.allclose(base, scores(clip, [None] * 3), atol=1e-5)
    assert not np.allclose(base, scores(clip, [priors(4), None, priors(2)]), atol=1e-5)
    assert not np.allclose(base, scores(clip[::-1], known[::-1]), atol=1e-5)


@torch.inference_mode()
def test_mirror_images_are_averaged_only_where_no_priors_are_given(core):
    clip = CLIPS[0]
    mirrored = [frame[:, ::-1] for frame in clip]
    views = [core.look([c], [[None] * 3]).scores[0][0] for c in (clip, mirrored)]
    assert not np.allclose(*views, atol=1e-5)
    both = core.look([clip]).scores[0][0]
    assert np.allclose(both, (views[0] + views[1]) / 2, atol=1e-4)


def answers(responder, clips, priors, **options):
    ids = [str(i) for i in range(len(clips))]
    return ask_analysis(responder, clips, ids=ids, priors=priors, **options)


def test_answers_of_clips(responder):
    assert responder.clip_frames == 3
    many = answers(responder, CLIPS, PRIORS)
    for clip, known, answer in zip(CLIPS, PRIORS, many, strict=True):
        (single,) = answers(responder, [clip], [known])
        assert single.text == answer.text
        assert single.expression.scores == pytest.approx(answer.expression.scores, abs=1e-4)
        assert answer.text.startswith(answer.expression.label.capitalize())
    silent = answers(responder, CLIPS, PRIORS, words=False)
    assert [a.text for a in silent] == [None] * 3
    for one, other in zip(many, silent, strict=True):
        assert one.expression.scores == pytest.approx(other.expression.scores, abs=1e-5)


def test_a_model_of_pictures_reads_no_clips(tiny_folder):
    responder = LocalResponder.from_folder(tiny_folder, name="tiny", device=CPU)
    assert responder.clip_frames is None
    assert responder.face_priors(crops(1)[0], [FACE, FACE]) == [None, None]
    with pytest.raises(ValueError, match="tiny reads pictures, not clips"):
        responder.core.look([crops(2)])


POINTS = RNG.normal(32, 8, (478, 3)).astype(np.float32)
FACE = Face((10.0, 10.0, 50.0, 50.0), 0.9, POINTS, {"jawOpen": 0.5}, Pose(1.0, 2.0, 3.0))


def test_priors_are_what_the_finder_found(responder):
    box = Face((0.0, 0.0, 64.0, 64.0))
    full, bare = responder.face_priors(crops(1)[0], [FACE, box])
    assert full.landmarks is FACE.landmarks
    assert (full.layout, full.pose, full.blendshapes) == (
        "mediapipe478",
        FACE.pose,
        dict(FACE.blendshapes),
    )
    assert bare.is_empty  # but a face, whose embedding the model makes
    assert responder.face_priors(crops(1)[0], []) == []


def test_the_embedding_is_that_of_the_models_own_encoder(core):
    """It is the mean over the patches, and the encoder runs once on each face."""
    clip, runs = crops(3), []
    tower = core.model.model.vision_tower
    vectors = EncoderEmbedding(core.model, core.processor.image_processor)(clip)
    pixels = core.processor.image_processor(clip, return_tensors="pt")["pixel_values"]
    with torch.inference_mode():
        mean = tower(pixels).last_hidden_state.mean((2, 3))
    assert np.allclose(vectors, mean.numpy(), atol=1e-5)
    given = [[FacePriors(embedding=vectors[0]), None, FacePriors(embedding=vectors[2])]]
    known = [[FacePriors(), None, FacePriors(embedding=vectors[2])]]
    hook = tower.register_forward_hook(lambda *_: runs.append(1))
    with torch.inference_mode():
        own, told, bare = (core.look([clip], p) for p in (known, given, [[None] * 3]))
    hook.remove()
    assert len(runs) == 3
    assert torch.allclose(own.features, told.features, atol=1e-5)
    assert torch.isnan(own.inputs["face_embedding"][0, 1]).all()
    assert not torch.allclose(own.features, bare.features, atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "known"),
    [
        (
            {"face_embedding_source": "FaceXFormer", "face_embedding_size": 8},
            {"landmarks", "pose", "blendshapes"},
        ),
        ({"landmark_layout": "ibug68"}, {"embedding", "pose", "blendshapes"}),
        ({"use_global": False}, {"landmarks", "pose", "blendshapes"}),
        ({"use_local": False}, {"embedding", "pose", "blendshapes"}),
        ({"use_global": False, "use_local": False}, None),
    ],
)
def test_a_model_is_told_only_what_it_was_made_for(changes, known):
    model, processor = tiny_emo_llama(**changes)
    core = LocalModel(model, processor, name="emo", device=CPU)
    found = core.faces.read([FACE])
    if known is None:
        assert found == [None]
        return
    with torch.inference_mode():
        inputs = core.look([crops(1)], [found]).inputs
    told = {
        "embedding": not inputs["face_embedding"].isnan().any(),
        **{n: getattr(found[0], n) is not None for n in ("landmarks", "pose", "blendshapes")},
    }
    assert {name for name, there in told.items() if there} == known


def test_an_embedding_that_is_not_made_here_is_told(caplog):
    tiny = {"face_embedding_source": "FaceXFormer", "face_embedding_size": 8}
    LocalModel(*tiny_emo_llama(**tiny), name="emo", device=CPU)
    assert "FaceXFormer" in caplog.text


def request(number, prompt, **changes):
    clip, known = CLIPS[number], PRIORS[number]
    made = Request(f"{number} {prompt}", tuple(clip), prompt, max_tokens=8, priors=tuple(known))
    return replace(made, **changes)


@torch.inference_mode()
@pytest.mark.parametrize("history", [(), (("What do you see?", "A face."),)])
def test_words_are_read_with_the_question_in_mind(responder, history):
    """Greedy words, and scores of options, are those of the conversation as training has it."""
    core, options = responder.core, ("a", "e", "?")  # a token each
    asked = [
        request(i, "Is it a smile?", history=history, options=options) for i in range(len(CLIPS))
    ]
    for reply, clip, known in zip(responder.respond(asked), CLIPS, PRIORS, strict=True):
        first = history[0][0] if history else "Is it a smile?"
        shown = [{"type": "video", "video": clip, "priors": known}, {"type": "text", "text": first}]
        talk = [{"role": "user", "content": shown}]
        for _, said in history:
            talk.append({"role": "assistant", "content": [{"type": "text", "text": said}]})
            talk.append({"role": "user", "content": [{"type": "text", "text": "Is it a smile?"}]})
        inputs = core.processor.apply_chat_template(
            talk, tokenize=True, return_dict=True, return_tensors="pt", add_generation_prompt=True
        )
        logits = core.model(**inputs).logits[0, -1].log_softmax(-1)
        for option, score in reply.option_scores.items():
            (token,) = core.processor.tokenizer(option, add_special_tokens=False)["input_ids"]
            assert score == pytest.approx(float(logits[token]), abs=1e-4)


def test_a_clip_is_looked_at_once_for_all_its_questions(responder, monkeypatch):
    look, counts = responder.core.look, []

    def counted(clips, known=None):
        counts.append(len(clips))
        return look(clips, known)

    monkeypatch.setattr(responder.core, "look", counted)
    asked = [request(0, prompt_for(task)) for task in ("analysis", "au_detection", "expression")]
    replies = list(responder.respond([*asked, request(1, prompt_for("analysis"))]))
    assert counts == [2]
    assert len(replies) == 4
    single = {r.id: r.text for one in asked for r in responder.respond([one])}
    assert all(single[r.id] == r.text for r in replies if r.id in single)


def test_priors_of_another_number_of_frames_fail_alone(responder):
    bad, good = request(0, "?", priors=(None,)), request(1, "?")
    replies = {r.id: r for r in responder.respond([bad, good])}
    assert replies[bad.id].status == "failed"
    assert "3 pictures but priors of 1" in replies[bad.id].error
    assert replies[good.id].status == "ok"
