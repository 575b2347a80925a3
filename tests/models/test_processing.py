"""Pictures and conversations to inputs; Auto classes; the pipeline."""

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoProcessor, pipeline
from transformers.models.auto.image_processing_auto import AutoImageProcessor

from conftest import build
from mien.models import FeallmImageProcessor, FeallmProcessor


def conversation(picture, answer=None):
    content = [
        {"type": "text", "text": " what is the expression ?"},
        {"type": "image", "image": picture},
    ]
    turns = [{"role": "user", "content": content}]
    if answer:
        turns.append({"role": "assistant", "content": [{"type": "text", "text": answer}]})
    return turns


def test_pixel_values(picture):
    process = FeallmImageProcessor(size=32)
    values = process([picture, np.asarray(picture)], return_tensors="pt")["pixel_values"]
    assert values.shape == (2, 3, 32, 32)
    assert values.dtype == torch.float32
    assert torch.equal(values[0], values[1])
    expected = np.asarray(picture.resize((32, 32), Image.Resampling.BICUBIC), np.float32)
    assert np.allclose(values[0].permute(1, 2, 0).numpy(), expected / 127.5 - 1, atol=1e-5)


def test_native_size_makes_sharp_and_blurred_sources_alike():
    noise = np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8)
    sharp = Image.fromarray(noise)
    blurred = sharp.resize((24, 24), Image.Resampling.BICUBIC).resize((96, 96))

    def distance(native_size):
        process = FeallmImageProcessor(size=96, native_size=native_size)
        a, b = process([sharp, blurred], return_tensors="np")["pixel_values"]
        return float(np.abs(a - b).mean())

    assert distance(12) < 0.2 * distance(None)


def test_greyscale_and_modes(picture):
    process = FeallmImageProcessor(size=16, do_grayscale=True)
    values = process(picture, return_tensors="pt")["pixel_values"][0]
    assert torch.equal(values[0], values[1])
    assert not torch.equal(
        *FeallmImageProcessor(size=16)(picture, return_tensors="pt").pixel_values[0][:2]
    )
    for mode in ("L", "RGBA", "P"):
        assert process(picture.convert(mode), return_tensors="pt")["pixel_values"].shape[1] == 3


def test_pictures_of_another_type_are_refused():
    with pytest.raises(ValueError, match="uint8"):
        FeallmImageProcessor(size=16)(np.zeros((8, 8, 3), np.float32))


def test_template_is_short_and_pictures_come_first(processor, picture):
    text = processor.apply_chat_template(conversation(picture), add_generation_prompt=True)
    assert text == "<s><user><image> what is the expression ?<assistant>"


def test_placeholders(processor, picture):
    inputs = processor(text="<s><user><image> what ?", images=picture, return_tensors="pt")
    assert (inputs["input_ids"] == processor.image_token_id).sum() == processor.num_image_tokens
    assert set(inputs) == {"input_ids", "attention_mask", "pixel_values"} | (
        {"token_type_ids"} & set(inputs)
    )
    counts = processor._get_num_multimodal_tokens([[40, 48]])
    assert counts["num_image_tokens"] == [processor.num_image_tokens]


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("tensors", ["pt", None])
def test_answer_tokens_are_marked(processor, picture, side, tensors):
    """Training labels: exactly the answers and their ends, in a padded batch too."""
    processor.tokenizer.padding_side = side
    batch = [
        conversation(picture, " happiness . raised lips"),
        [*conversation(picture, " sadness"), *conversation(picture, " absent .")],
    ]
    inputs = processor.apply_chat_template(
        batch,
        tokenize=True,
        return_dict=True,
        return_assistant_tokens_mask=True,
        return_tensors=tensors,
        processor_kwargs={"padding": True},
    )
    assert "offset_mapping" not in inputs
    ids, masks = (torch.as_tensor(inputs[k]) for k in ("input_ids", "assistant_masks"))
    decode = processor.tokenizer.decode
    answers = [decode(row[mask.bool()]) for row, mask in zip(ids, masks, strict=True)]
    assert answers == ["happiness . raised lips </s>", "sadness </s> absent . </s>"]


def test_a_training_step_from_a_conversation(processor, picture):
    inputs = processor.apply_chat_template(
        conversation(picture, " sadness"),
        tokenize=True,
        return_dict=True,
        return_assistant_tokens_mask=True,
        return_tensors="pt",
    )
    mask = inputs.pop("assistant_masks").bool()
    labels = inputs["input_ids"].masked_fill(~mask, -100)
    assert mask.sum() == 2
    assert build()(**inputs, labels=labels).loss.isfinite()


def test_save_and_load(processor, picture, tmp_path):
    processor.save_pretrained(tmp_path)
    build().config.save_pretrained(tmp_path)
    again = AutoProcessor.from_pretrained(tmp_path)
    assert isinstance(again, FeallmProcessor)
    assert again.num_image_tokens == processor.num_image_tokens
    assert again.chat_template == processor.chat_template
    assert isinstance(again.image_processor, FeallmImageProcessor)
    assert again.image_processor.native_size == 24
    assert isinstance(AutoImageProcessor.from_pretrained(tmp_path), FeallmImageProcessor)
    arguments = {"text": "<image> what ?", "images": picture, "return_tensors": "pt"}
    before, after = processor(**arguments), again(**arguments)
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_pipeline(processor, picture, tmp_path):
    model = build()
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    ask = pipeline("image-text-to-text", model=str(tmp_path), device="cpu")
    answer = ask(text=conversation(picture), max_new_tokens=4, return_full_text=False)
    assert isinstance(answer[0]["generated_text"], str)
    several = ask(
        text=[conversation(picture), conversation(picture)], max_new_tokens=4, batch_size=2
    )
    assert len(several) == 2


def test_a_tokenizer_without_the_image_token_is_refused(tokenizer):
    with pytest.raises(ValueError, match="<face>"):
        FeallmProcessor(FeallmImageProcessor(), tokenizer, image_token="<face>")
