"""Start models: what is taken over, and that the base's answers are kept."""

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import (
    AutoModelForImageTextToText,
    AutoProcessor,
    AutoTokenizer,
    GPT2Config,
    GPT2LMHeadModel,
)

from mien.engines.pil_processor import load_processor
from mien.train.compose import ComposeError, compose
from tests.train.tiny_bases import SMALL, save_instructblip, save_llava, save_qwen, save_siglip

QUESTION = "Which expression does the face show?"


@pytest.fixture(scope="module")
def picture():
    pixels = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


@pytest.fixture(scope="module", params=[False, True], ids=["new", "legacy"])
def llava(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("llava")
    return str(folder), save_llava(folder, legacy=request.param)


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    vision, text = tmp_path_factory.mktemp("siglip"), tmp_path_factory.mktemp("qwen")
    save_siglip(vision)
    return str(vision), str(text), save_qwen(text)


def talk(picture, answer=None):
    shown = {"type": "image", "image": picture} if picture else {"type": "image"}
    content = [shown, {"type": "text", "text": QUESTION}]
    said = [{"role": "assistant", "content": [{"type": "text", "text": answer}]}] if answer else []
    return [{"role": "user", "content": content}, *said]


def own_inputs(start, picture):
    return start.processor.apply_chat_template(
        talk(picture),
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
    )


def base_inputs(folder, model, picture):
    processor = load_processor(folder, model.config)
    written = processor.apply_chat_template(talk(None), add_generation_prompt=True)
    return processor(images=picture, text=written, return_tensors="pt")


def test_a_llava_answers_as_before(llava, picture):
    folder, base = llava
    start = compose("feallm", base=folder, keep_base=True, fields=SMALL)
    ours, theirs = own_inputs(start, picture), base_inputs(folder, base, picture)
    assert torch.allclose(ours["pixel_values"], theirs["pixel_values"], atol=1e-6)
    # F_local has the place of the token that the base has behind the picture.
    assert ours["input_ids"].shape == theirs["input_ids"].shape
    assert start.model.config.use_local_token
    with torch.no_grad():
        expected, got = base(**theirs).logits, start.model(**ours).logits
    assert torch.allclose(got, expected, atol=1e-5)
    assert expected.std() > 0.1
    assert start.notes == ["before training, answers about pictures are the base's own"]


def test_kept_answers_still_train_every_part(llava, picture):
    start = compose("feallm", base=llava[0], keep_base=True, fields=SMALL)
    model, inputs = start.model, own_inputs(start, picture)
    own = [p for name in model.own_modules for p in getattr(model.model, name).parameters()]
    optimizer = torch.optim.SGD(own, lr=0.1)
    for _ in range(2):  # what stands behind a zero layer learns from the second step on
        optimizer.zero_grad()
        model(**inputs, labels=inputs["input_ids"]).loss.backward()
        optimizer.step()
    silent = [
        name
        for name, p in model.model.named_parameters()
        if name.split(".")[0] in model.own_modules and (p.grad is None or not p.grad.any())
    ]
    # A key's bias moves all scores alike, and no gradient reaches it.
    assert all(name.endswith("key.bias") for name in silent)


def test_as_drawn_answers_to_text_alone_are_kept(llava, picture):
    folder, base = llava
    start = compose("feallm", base=folder, fields=SMALL)
    ids = torch.randint(3, 250, (1, 12))
    with torch.no_grad():
        assert torch.equal(start.model(ids).logits, base(ids).logits)
        ours = start.model(**own_inputs(start, picture)).logits
        theirs = base(**base_inputs(folder, base, picture)).logits
    assert not torch.allclose(ours[:, -1], theirs[:, -1], atol=1e-2)
    assert not start.model.config.mpp_first_residual
    assert "A1 has no residual" in start.notes[0]


def test_answers_lie_within_the_marks_of_the_template(llava, picture):
    start = compose("feallm", base=llava[0], keep_base=True, fields=SMALL)
    inputs = start.processor.apply_chat_template(
        talk(picture, "Anger."),
        tokenize=True,
        return_dict=True,
        return_assistant_tokens_mask=True,
        return_tensors="pt",
    )
    marked = inputs["input_ids"][0][inputs["assistant_masks"][0].bool()]
    assert start.processor.tokenizer.decode(marked).strip() == "Anger.</s>"
    asked = own_inputs(start, picture)["input_ids"][0]
    assert torch.equal(inputs["input_ids"][0][: len(asked)], asked)


def test_saved_and_loaded_by_the_auto_classes(llava, picture, tmp_path):
    start = compose("feallm", base=llava[0], keep_base=True, fields=SMALL)
    start.model.save_pretrained(tmp_path)
    start.processor.save_pretrained(tmp_path)
    model = AutoModelForImageTextToText.from_pretrained(tmp_path)
    start.processor = AutoProcessor.from_pretrained(tmp_path)
    with torch.no_grad():
        inputs = own_inputs(start, picture)
        assert torch.equal(model(**inputs).logits, start.model(**inputs).logits)


def test_siglip_and_qwen_make_a_feallm(parts, picture):
    vision, text, decoder = parts
    start = compose("feallm", vision=vision, text=text, fields={**SMALL, "hidden_size": 16})
    tokenizer = start.processor.tokenizer
    assert start.model.config.image_token_id == tokenizer.convert_tokens_to_ids("<image>")
    assert start.model.get_input_embeddings().num_embeddings >= len(tokenizer)
    assert start.model.get_input_embeddings().weight is start.model.lm_head.weight
    inputs = own_inputs(start, picture)
    said = tokenizer.decode(inputs["input_ids"][0]).replace("<image>", "")
    assert said == f"<|im_start|>user\n{QUESTION}<|im_end|>\n<|im_start|>assistant\n"
    answer = start.model.generate(**inputs, max_new_tokens=3, do_sample=False)
    assert answer.shape[1] <= inputs["input_ids"].shape[1] + 3
    ids = torch.randint(3, 250, (1, 12))
    with torch.no_grad():
        known = start.model(ids).logits[..., : decoder.config.vocab_size]
        assert torch.allclose(known, decoder(ids).logits, atol=1e-5)
    stops = start.model.generation_config.eos_token_id
    assert tokenizer.convert_tokens_to_ids("<|im_end|>") in stops


def test_instructblip_makes_an_emo_llama(tmp_path, picture):
    source = save_instructblip(tmp_path)
    small = {"hidden_size": 16, "clue_heads": 2}
    start = compose("emo-llama", base=str(tmp_path), fields=small)
    assert torch.equal(start.model.model.qformer_queries.weight, source.query_tokens[0])
    inputs = own_inputs(start, picture)
    answer = start.model.generate(**inputs, max_new_tokens=3, do_sample=False)
    assert answer.shape[1] > inputs["input_ids"].shape[1]
    ids = torch.randint(3, 250, (1, 12))
    with torch.no_grad():
        expected = source.language_model(ids).logits
        assert torch.allclose(start.model(ids).logits, expected, atol=1e-5)


def test_a_decoder_with_another_embedding_is_refused(parts, tmp_path):
    config = GPT2Config(vocab_size=300, n_embd=32, n_layer=1, n_head=2)
    GPT2LMHeadModel(config).save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(parts[1]).save_pretrained(tmp_path)
    with pytest.raises(ComposeError, match="is a 'gpt2': its head is tied to an embedding"):
        compose("feallm", vision=parts[0], text=str(tmp_path), fields=SMALL)


def test_parts_that_do_not_fit_are_named(llava, parts):
    vision, text, _ = parts
    with pytest.raises(ComposeError, match="a base, or else both"):
        compose("feallm", vision=vision)
    with pytest.raises(ComposeError, match="of type 'llava'; emo-llama is made from"):
        compose("emo-llama", base=llava[0])
    with pytest.raises(ComposeError, match="only be kept by feallm made from a LLaVA"):
        compose("feallm", vision=vision, text=text, keep_base=True)
    with pytest.raises(ValueError, match="none of vicuna, chatml and no file"):
        compose("feallm", vision=vision, text=text, template="no-such")
