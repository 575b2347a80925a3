import random

import pytest
import torch
from recipes.nano.augment import augment, plain
from recipes.nano.rendered import UNITS
from recipes.nano.words import invented_labels, make_tokenizer, turns

from mien.engines.local_model import MAX_NEW_TOKENS
from mien.language import describe, label_line, parse
from mien.train.targets import level_targets


@pytest.fixture(scope="module")
def tokenizer():
    return make_tokenizer(0)


def test_level_targets_share_between_neighbours():
    targets = level_targets(torch.tensor([[0.0, 2.25, 5.0, float("nan")]]))[0]
    assert targets[0].tolist() == [1, 0, 0, 0, 0, 0]
    assert targets[1].tolist() == [0, 0, 0.75, 0.25, 0, 0]
    assert targets[2].tolist() == [0, 0, 0, 0, 0, 1]
    assert torch.isnan(targets[3]).all()


def test_augmentation_is_a_function_of_its_generator():
    images = torch.randint(0, 255, (4, 48, 48), dtype=torch.uint8)
    first = augment(images, 64, torch.Generator().manual_seed(1))
    again = augment(images, 64, torch.Generator().manual_seed(1))
    other = augment(images, 64, torch.Generator().manual_seed(2))
    assert first.shape == (4, 3, 64, 64)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(plain(images, 64), plain(images, 64))


def test_reasons_fit_the_answer_of_nano(tokenizer):
    rng = random.Random(0)
    for _ in range(600):
        expression, units = invented_labels(rng)
        text = describe("analysis", expression=expression, units=units, rng=rng)
        written = text[len(label_line(expression, units)) :]
        assert len(tokenizer(written)["input_ids"]) < MAX_NEW_TOKENS, text


def test_a_unit_is_one_token_and_text_survives_the_tokenizer(tokenizer):
    for au in UNITS:
        assert len(tokenizer(f"AU{au}")["input_ids"]) == 1
    rng = random.Random(0)
    for _ in range(50):
        expression, units = invented_labels(rng)
        text = describe("analysis", expression=expression, units=units, rng=rng)
        assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_instruction_answers_parse_and_the_given_part_is_the_label_line():
    rng = random.Random(0)
    for _ in range(300):
        units = {12: 3.0, 25: 1.0}
        talk, skip = turns("happiness", units, rng)
        question, answer = talk[0]
        assert question
        parsed = parse(answer)
        if skip:
            assert answer[:skip] == label_line(parsed.expression, parsed.units) + "\n"
        elif parsed.expression is not None:
            assert parsed.expression == "happiness"
