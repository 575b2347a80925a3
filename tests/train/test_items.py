"""Visits: what is drawn depends on their number alone; orders, words, faces and teachers."""

import logging
import pickle
from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from mien.faces import CropSpec
from mien.language import parse
from mien.schema import Face
from mien.train.augment import augment, plain
from mien.train.chat_tokens import TalkEncoder, example
from mien.train.collate import Collator
from mien.train.empty_batches import LEFT_OUT
from mien.train.faces import FaceCrops
from mien.train.items import ItemSource, TrainItems
from mien.train.rows import InstructionRows, RowsError
from mien.train.sampler import VisitSampler
from mien.train.seeding import draw
from mien.train.soft_labels import SoftLabels
from mien.train.targets import class_weights, targets_of, unit_weights
from mien.train.training_data import label_counts

from .made_rows import made_items, made_row, picture, write_rows
from .tiny import tiny_feallm, tiny_processor

CONFIG = tiny_feallm().config


def weighed(folder, weights, **options):
    sources = []
    for number, weight in enumerate(weights):
        rows = InstructionRows(write_rows(folder / str(number), 4), root=folder / str(number))
        sources.append(ItemSource(rows, weight))
    return TrainItems(
        sources,
        expressions=CONFIG.expressions,
        units=CONFIG.action_units,
        crops=FaceCrops(CONFIG.crop_spec),
        **options,
    )


def test_labels_are_counted_with_the_weights_of_their_sources(tmp_path):
    items = weighed(tmp_path, (0.5, 2.0))  # each: two happy faces, a sad one and a neutral one
    expressions, shares = label_counts(items)
    assert expressions[CONFIG.expressions.index("happiness")] == 5.0
    assert sum(expressions) == 10.0
    known = np.isfinite(shares)
    assert {CONFIG.action_units[i] for i in np.flatnonzero(known)} == {
        12
    }  # this model knows no AU4
    assert shares[CONFIG.action_units.index(12)] == 1.0  # the trace of one face is not counted


def test_a_face_is_visited_once_an_epoch_with_each_of_its_rows_in_time(tmp_path):
    items = made_items(tmp_path, CONFIG, by="face")
    assert len(items) == 6
    _, faces, rows = items.locate(np.arange(6 * 40))
    assert faces.reshape(40, 6).tolist() == [list(range(6))] * 40
    assert (rows // 3 == faces).all()
    assert len(set(rows.tolist())) == 18
    alone = [int(items.locate(n)[2][0]) for n in range(60)]
    assert alone == rows[:60].tolist()


def test_sources_are_visited_by_weight_and_fairly(tmp_path):
    items = weighed(tmp_path, (0.5, 2.0))  # of 12 rows each
    assert len(items) == 6 + 24
    source, _, rows = items.locate(np.arange(30))
    assert Counter(source.tolist()) == {0: 6, 1: 24}
    assert Counter(rows[source == 1].tolist()) == dict.fromkeys(range(12), 2)
    source, _, rows = items.locate(np.arange(60))
    assert sorted(rows[source == 0].tolist()) == list(range(12))


def test_a_visit_is_the_same_whatever_else_is_in_its_batch_and_process(tmp_path):
    items = made_items(tmp_path, CONFIG, augment=1.0, by="face", invented=0.5)
    collate = Collator(tiny_processor(tiny_feallm()), CONFIG, seed=3)
    many = collate([items[n] for n in (7, 13, 4)])
    one = collate([pickle.loads(pickle.dumps(items))[13]])
    assert torch.allclose(many["pixel_values"][1], one["pixel_values"][0], atol=1e-6)
    length = one["input_ids"].shape[1]
    assert torch.equal(many["input_ids"][1, :length], one["input_ids"][0])
    other = collate([items[13 + 6]])  # the same face in the next epoch
    assert not torch.allclose(other["pixel_values"], one["pixel_values"], atol=0.1)


def test_invented_analyses_are_true_to_the_line_that_is_given(tmp_path):
    items = made_items(tmp_path, CONFIG, count=3, invented=1.0)
    for n in range(9):
        item = items[n]
        answer = item.turns[0][1]
        if items.sources[0].rows[n]["task"] == "analysis":
            given, whole = parse(answer[: item.given]), parse(answer)
            assert answer[item.given - 1] == "\n"
            assert (given.expression, given.units) == (whole.expression, whole.units)
        else:
            assert item.given == 0
    items.train = False
    assert all(items[n].given == 0 for n in range(9))


def test_an_epoch_has_every_visit_once_and_groups_are_of_like_length(tmp_path):
    items = made_items(tmp_path, CONFIG, count=20)
    sampler = VisitSampler(items, seed=1, batch_size=4, group_by_length=True)
    sampler.set_epoch(2)
    order = list(sampler)
    assert sorted(order) == list(range(120, 180))
    assert order == list(sampler)
    sampler.set_epoch(3)
    assert [n - 60 for n in sampler] != order
    lengths = items.lengths(2)[np.array(order) - 120].reshape(-1, 4)
    assert lengths[0].max() == lengths.max()
    waste = 1 - lengths.mean() / lengths.max(1).mean()
    loose = items.lengths(0).reshape(-1, 4)
    assert waste < 0.05 < 1 - loose.mean() / loose.max(1).mean()


class Centre:
    """Finds a face of 20 pixels in the middle, unless the picture is dark."""

    name = "centre"
    looked = 0

    def find(self, image):
        self.looked += 1
        y, x = (n / 2 for n in image.shape[:2])
        return [] if image.max() == 0 else [Face((x - 10, y - 10, x + 10, y + 10), 0.9)]

    def close(self): ...


def test_a_face_is_found_once_and_cut_as_the_model_wants_it(tmp_path):
    spec = CropSpec(20, scale=1.0, shift=0.0, align=False)
    finder = Centre()
    crops = FaceCrops(spec, faces="find", folder=tmp_path, finder=finder)
    image = picture(0)
    assert np.array_equal(crops(image), image[10:30, 10:30])
    assert crops(np.zeros_like(image)) is None
    again = FaceCrops(spec, faces="find", folder=tmp_path, finder=finder)
    assert np.array_equal(again(image), image[10:30, 10:30])
    assert again(np.zeros_like(image)) is None
    assert finder.looked == 2
    assert np.array_equal(FaceCrops(CropSpec(40))(image), image)  # given: as it is


def test_a_picture_without_a_face_is_left_out_of_its_batch(tmp_path, caplog):
    items = made_items(tmp_path, CONFIG, count=2)
    items.crops = lambda image: None if np.array_equal(image, picture(1)) else image
    with caplog.at_level(logging.WARNING):
        assert items[3] is None
    assert "rows.jsonl, row 'made/face1/analysis': no face is found" in caplog.text
    collate = Collator(tiny_processor(tiny_feallm()), CONFIG)
    assert len(collate([items[3], items[0]])["ids"]) == 1
    assert "no face is found in a whole batch" in collate([items[3], items[4]])[LEFT_OUT]


def test_too_long_conversations_stop_the_run_or_are_left_out(tmp_path):
    items = made_items(tmp_path, CONFIG, count=1)
    processor = tiny_processor(tiny_feallm())
    batch = [items[0], items[2]]  # the second is a conversation of two turns
    lengths = [len(Collator(processor, CONFIG)([item])["input_ids"][0]) for item in batch]
    stop = Collator(processor, CONFIG, max_length=lengths[0])
    with pytest.raises(
        RowsError, match=rf"conversation'.* is {lengths[1]} tokens long .17 of them"
    ):
        stop(batch)
    drop = Collator(processor, CONFIG, max_length=lengths[0], too_long="drop")
    assert drop(batch)["input_ids"].shape == (1, lengths[0])
    assert f"longer than max_length {lengths[0]}; raise it" in drop(batch[1:])[LEFT_OUT]


def test_text_is_what_the_processor_makes_and_answers_alone_are_learned():
    processor = tiny_processor(tiny_feallm())
    turns = [("what is the face ?", "Sadness ."), ("lips ?", "raised lips .")]
    talk = TalkEncoder(processor)(turns)
    content = [{"type": "image", "image": picture(0)}, {"type": "text", "text": turns[0][0]}]
    messages = [{"role": "user", "content": content}]
    messages.append({"role": "assistant", "content": [{"type": "text", "text": turns[0][1]}]})
    messages.append({"role": "user", "content": [{"type": "text", "text": turns[1][0]}]})
    messages.append({"role": "assistant", "content": [{"type": "text", "text": turns[1][1]}]})
    wanted = processor.apply_chat_template(
        [messages],
        tokenize=True,
        return_dict=True,
        return_assistant_tokens_mask=True,
        return_tensors="pt",
    )
    assert talk.ids == wanted["input_ids"][0].tolist()
    learned = [label != -100 for label in talk.labels]
    assert learned == wanted["assistant_masks"][0].bool().tolist()
    assert processor.tokenizer.decode([i for i in talk.labels if i != -100]).split() == (
        ["Sadness", ".", "</s>", "raised", "lips", ".", "</s>"]
    )
    part = TalkEncoder(processor)(turns, given=len("Sadness "))
    assert sum(label != -100 for label in part.labels) == sum(learned) - 1
    with pytest.raises(RowsError, match="nothing in it is to be learned"):
        TalkEncoder(processor)([("lips ?", " ")])
    batch = {name: torch.tensor([values]) for name, values in (("input_ids", talk.ids),)}
    batch |= {"labels": torch.tensor([talk.labels]), "attention_mask": torch.ones(1, len(talk.ids))}
    assert "<image> x 17" in example(processor.tokenizer, batch)
    assert "[[Sadness . </s>]]" in example(processor.tokenizer, batch)


def test_labels_become_targets_and_rare_ones_weigh_more():
    labels = made_row(1)["labels"]
    expression, units = targets_of(labels, ["sadness", "fear"], [1, 4, 12])
    assert expression.tolist() == [1, 0]
    assert np.isnan(units[0])
    assert units[1:].tolist() == [0, 2]
    labels["action_units"][1]["intensity"] = None
    assert targets_of(labels, ["fear"], [12])[1][0] == np.inf
    assert targets_of(None, ["fear"], [12])[0].sum() == 0
    weights = class_weights([30, 10, 0], power=1.0)
    assert torch.allclose(weights, torch.tensor([2 / 3, 2.0, 1.0]))
    assert unit_weights([0.3, 0.075, 0.001, float("nan")]).tolist() == [1, 2, 3, 1]


def test_a_teacher_is_read_by_sample_and_may_be_silent(tmp_path):
    path = tmp_path / "soft.parquet"
    columns = {"sample": ["a", "b"], "expression_fear": [0.25, None], "AU12_p": [0.5, 0.75]}
    pq.write_table(pa.table(columns), path)
    soft = SoftLabels(path, ["fear"], [12])
    assert [float(x[0]) for x in soft.of("any", "a")] == [0.25, 0.5]
    assert np.isnan(soft.of("any", "b")[0][0])
    assert all(np.isnan(x).all() for x in soft.of("any", "c"))
    with pytest.raises(RowsError, match="no column 'expression_anger'"):
        SoftLabels(path, ["fear", "anger"], [12])
    pq.write_table(pa.table({"face": ["a"]}), path)
    with pytest.raises(RowsError, match="no column 'sample'"):
        SoftLabels(path, ["fear"], [12])


def test_augmentation_of_a_picture_depends_on_its_own_chance_and_zero_is_none():
    images = torch.randint(0, 255, (4, 24, 24, 3), generator=torch.Generator().manual_seed(0))
    images = images.to(torch.uint8)

    def chance(*seeds):
        return [torch.Generator().manual_seed(seed) for seed in seeds]

    scale = {"mean": [0.4, 0.5, 0.6], "std": [0.2, 0.25, 0.3]}
    many = augment(images, 32, chance(1, 2, 3, 4), **scale)
    assert many.shape == (4, 3, 32, 32)
    one = augment(images[2:3], 32, chance(3), **scale)
    assert torch.allclose(one[0], many[2], atol=1e-6)
    strength = torch.tensor([0.0, 1.0, 0.0, 1.0])
    mixed = augment(images, 32, chance(1, 2, 3, 4), strength, **scale)
    assert torch.equal(mixed[0], plain(images, 32, **scale)[0])
    assert torch.allclose(mixed[1], many[1], atol=1e-6)


def test_chance_is_even_and_its_purposes_are_apart():
    many = draw(5, np.arange(4000), "row")
    assert many[7] == draw(5, 7, "row")
    assert abs(float((many % np.uint64(2)).mean()) - 0.5) < 0.05
    assert len(np.unique(many)) == 4000
    assert not (many == draw(5, np.arange(4000), "view")).any()
    assert not (many == draw(6, np.arange(4000), "row")).any()
