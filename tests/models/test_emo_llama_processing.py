"""Pictures, clips, priors and conversations to EMO-LLaMA's inputs; the sentence of attributes."""

import numpy as np
import pytest
import torch
from tiny_emo_llama import build_emo, emo_config, face
from transformers import AutoProcessor, pipeline

from mien.models import EmoLlamaProcessor, FeallmImageProcessor
from mien.models.emo_llama.attribute_sentence import attribute_sentence, wording
from mien.models.emo_llama.prior_inputs import PriorFormat
from mien.models.priors import ATTRIBUTES, Attribute, FacePriors, in_face_frame

FORMAT = PriorFormat(8, "ibug68", 2, ("jawOpen", "browInnerUp"))


@pytest.fixture
def emo_processor(tokenizer):
    config = emo_config()
    return EmoLlamaProcessor.for_model(
        config, FeallmImageProcessor(size=config.image_size), tokenizer
    )


@pytest.fixture
def frames():
    pixels = np.random.default_rng(1).integers(0, 256, (3, 40, 48, 3), dtype=np.uint8)
    return list(pixels)


def ask(content, answer=None, words=" what is the expression ?"):
    turns = [{"role": "user", "content": [*content, {"type": "text", "text": words}]}]
    if answer:
        turns.append({"role": "assistant", "content": [{"type": "text", "text": answer}]})
    return turns


def chat(processor, conversations, **kwargs):
    return processor.apply_chat_template(
        conversations,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
        processor_kwargs={"padding": True},
        **kwargs,
    )


def test_a_clip_takes_its_placeholders_frame_by_frame(emo_processor, frames):
    inputs = emo_processor(
        text=["<user><image> what ?", "<image> is"],
        videos=[frames, frames[:1]],
        padding=True,
        return_tensors="pt",
    )
    counts = (inputs["input_ids"] == emo_processor.image_token_id).sum(1)
    assert counts.tolist() == [3 * 5, 5]
    assert inputs["pixel_values"].shape == (2, 3, 3, 32, 32)
    assert inputs["frame_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]
    assert torch.equal(inputs["pixel_values"][0, 0], inputs["pixel_values"][1, 0])
    assert (inputs["pixel_values"][1, 1:] == 0).all()
    logits = build_emo()(**inputs).logits
    assert logits.isfinite().all()


def test_pictures_are_clips_of_one_frame(emo_processor, frames):
    text = "<image> what ?"
    picture = emo_processor(text=text, images=frames[0], return_tensors="pt")
    clip = emo_processor(text=text, videos=[frames[:1]], return_tensors="pt")
    assert set(picture) == set(clip)
    assert all(torch.equal(picture[name], clip[name]) for name in picture)


def test_the_qformer_reads_the_question_and_not_the_answer(emo_processor, picture):
    decode = emo_processor.qformer_tokenizer.decode
    shown = [{"type": "image", "image": picture}]
    inputs = chat(emo_processor, [ask(shown, " sadness"), ask(shown, words=" what ?")])
    assert decode(inputs["qformer_input_ids"][0]) == "what is the expression ?"
    assert decode(inputs["qformer_input_ids"][1][:2]) == "what ?"
    assert inputs["qformer_attention_mask"].tolist() == [[1] * 5, [1, 1, 0, 0, 0]]
    plain = emo_processor(text="<s><user><image> what ?<assistant>", images=picture)
    assert decode(plain["qformer_input_ids"][0]) == "what ?"
    told = emo_processor(text="<image> what ?", images=picture, instructions=["is"])
    assert decode(told["qformer_input_ids"][0]) == "is"
    assert "qformer_input_ids" not in emo_processor(text="<image>", images=picture)


def test_a_long_instruction_is_cut_to_what_the_qformer_takes(emo_processor, picture):
    inputs = emo_processor(text="<image>" + " what" * 40, images=picture, return_tensors="pt")
    assert inputs["qformer_input_ids"].shape == (1, 16)
    assert build_emo()(**inputs).logits.isfinite().all()


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("attributes", [False, True])
def test_answer_tokens_are_marked(emo_processor, frames, picture, side, attributes):
    """Labels: exactly the answers and their ends, behind clips of any length and sentences."""
    emo_processor.tokenizer.padding_side = side
    emo_processor.use_attributes = attributes
    clip = {"type": "video", "video": frames, "priors": [face(), None, face(1)]}
    still = {"type": "image", "image": picture}
    batch = [
        ask([clip], " happiness . raised lips"),
        [*ask([still], " sadness"), *ask([], " absent .")],
    ]
    inputs = chat(emo_processor, batch, return_assistant_tokens_mask=True)
    assert "offset_mapping" not in inputs
    decode = emo_processor.tokenizer.decode
    masks = inputs.pop("assistant_masks").bool()
    answers = [decode(row[m]) for row, m in zip(inputs["input_ids"], masks, strict=True)]
    assert answers == ["happiness . raised lips </s>", "sadness </s> absent . </s>"]
    assert (inputs["face_embedding"].isnan().all(-1)).tolist() == [[0, 1, 0], [1, 1, 1]]
    labels = inputs["input_ids"].masked_fill(~masks, -100)
    assert build_emo()(**inputs, labels=labels).loss.isfinite()


def test_template(emo_processor, picture):
    shown = [{"type": "image", "image": picture}]
    text = emo_processor.apply_chat_template(ask(shown), add_generation_prompt=True)
    assert text == "<s><user><image> what is the expression ?<assistant>"
    ids = chat(emo_processor, ask(shown), add_generation_prompt=True)["input_ids"][0]
    assert ids.tolist().count(emo_processor.tokenizer.bos_token_id) == 1


def test_priors_by_hand():
    one, two = face(), face(1, embedding=None, pose=None, blendshapes={"jawOpen": 0.5})
    arrays = FORMAT.arrays([[one, None], [two]], frames=2)
    assert {name: a.shape for name, a in arrays.items()} == {
        "face_embedding": (2, 2, 8),
        "landmarks": (2, 2, 68, 2),
        "pose": (2, 2, 3),
        "blendshapes": (2, 2, 2),
    }
    assert np.array_equal(arrays["face_embedding"][0, 0], one.embedding)
    assert arrays["pose"][0, 0].tolist() == [10.0, -5.0, 2.0]
    assert arrays["blendshapes"][0, 0].tolist() == [0.25, 0.5]
    assert np.array_equal(arrays["landmarks"][1, 0], in_face_frame(two.landmarks, "ibug68"))
    for name, array in arrays.items():
        unknown = np.isnan(array).reshape(2, 2, -1).all(-1).tolist()
        known_second = name == "landmarks"  # one blendshape of two is not enough
        assert unknown == [[False, True], [not known_second, True]]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"embedding": np.zeros(9, np.float32)}, "face_embedding_size 8"),
        ({"landmarks": np.zeros((478, 3)), "layout": "mediapipe478"}, "landmark_layout 'ibug68'"),
    ],
)
def test_priors_of_another_format_are_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        FORMAT.arrays([[face(**changes)]], frames=1)
    with pytest.raises(ValueError, match="landmark_dim 3"):
        PriorFormat(8, "ibug68", 3).arrays([[face()]], frames=1)


def test_counts_that_differ_are_refused(emo_processor, frames):
    with pytest.raises(ValueError, match="2 <image> but there are 1"):
        emo_processor(text="<image><image>", videos=[frames])
    with pytest.raises(ValueError, match="3 frames but priors of 2"):
        emo_processor(text="<image>", videos=[frames], priors=[[None, None]])
    with pytest.raises(ValueError, match="1 priors for 2"):
        emo_processor(text="<image><image>", videos=[frames, frames], priors=[None])
    with pytest.raises(ValueError, match="clip 1 has no frame"):
        emo_processor(text="<image><image>", videos=[frames, []])
    with pytest.raises(ValueError, match="one frame"):
        emo_processor(text="<image>", videos=[frames], images=frames[0])
    with pytest.raises(ValueError, match="list of frames"):
        chat(emo_processor, ask([{"type": "video", "video": "clip.mp4"}]))


def people(**attributes):
    return FacePriors(attributes={k: Attribute(*v) for k, v in attributes.items()})


def test_the_sentence():
    known = people(age=("20-29", 0.874), gender=("female", 0.99), race=("Asian", 0.6))
    assert attribute_sentence([known], threshold=0.5) == (
        "A face analysis network estimates: age 20-29 (87%), gender female (99%), race Asian (60%)."
    )


def test_what_is_unsure_or_unknown_is_left_out():
    faces = [None, people(age=("20-29", 0.4), gender=("male", None)), people(age=("30-39", 0.7))]
    text = attribute_sentence(faces, threshold=0.5)
    assert text == "A face analysis network estimates: age 30-39 (70%)."
    assert attribute_sentence(faces, threshold=0.8) == ""
    assert attribute_sentence([None], threshold=0.0) == ""
    assert set(wording()) == {"sentence", "separator", *ATTRIBUTES}


def test_the_sentence_is_off_by_default(emo_processor, picture):
    arguments = {"text": "<image> what ?", "images": picture, "priors": [face()]}
    without = emo_processor(**arguments)
    assert not emo_processor.use_attributes
    emo_processor.use_attributes = True
    with_sentence = emo_processor(**arguments)
    assert len(with_sentence["input_ids"][0]) > len(without["input_ids"][0])
    assert with_sentence["qformer_input_ids"].tolist() == without["qformer_input_ids"].tolist()
    (text,) = emo_processor.replacements([[picture]], [[face()]])
    assert text == "<image>" * 5 + "A face analysis network estimates: age 20-29 (90%). "


def test_save_and_load(emo_processor, frames, tmp_path):
    emo_processor.use_attributes = True
    emo_processor.save_pretrained(tmp_path)
    emo_config().save_pretrained(tmp_path)
    again = AutoProcessor.from_pretrained(tmp_path)
    assert isinstance(again, EmoLlamaProcessor)
    assert again.num_image_tokens == 5
    assert again.use_attributes
    arguments = {"text": "<image> what ?", "videos": [frames], "return_tensors": "pt"}
    arguments["priors"] = [[face(), None, face(1)]]
    before, after = emo_processor(**arguments), again(**arguments)
    assert set(before) == set(again.model_input_names) & set(before) == set(after)
    for name in before:
        assert torch.equal(before[name].nan_to_num(7), after[name].nan_to_num(7)), name


def test_pipeline(emo_processor, picture, tmp_path):
    build_emo().save_pretrained(tmp_path)
    emo_processor.save_pretrained(tmp_path)
    ask_model = pipeline("image-text-to-text", model=str(tmp_path), device="cpu")
    shown = ask([{"type": "image", "image": picture}])
    answer = ask_model(text=shown, max_new_tokens=4, return_full_text=False)
    assert isinstance(answer[0]["generated_text"], str)
    assert len(ask_model(text=[shown, shown], max_new_tokens=4, batch_size=2)) == 2
