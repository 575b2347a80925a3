"""The plan: exact counts, even draws, and what cannot be one set."""

from __future__ import annotations

from collections import Counter

import pytest

from mien.data.build.instruction_row import row_id
from mien.data.build.plan import blocks, items, thin
from mien.data.build.settings import BuildError, BuildSettings
from mien.data.build.splits import published_split
from tests.data.build.made_up import MadeUp, sample, samples, survey

SETTINGS = BuildSettings()


def test_survey_counts_rows_by_the_labels() -> None:
    made = [
        sample(0, units={6: True}),  # 7 tasks
        sample(1, expression=None, units={6: True}),  # 4
        sample(2),  # 4
        sample(3, expression=None),  # none
        sample(4, units={6: True}, split="test"),  # not taken
    ]
    found = survey([MadeUp(made)], SETTINGS)
    assert found.rows == 15
    assert found.samples == Counter(rafdb=4)
    assert found.unlabelled["rafdb"] == 1
    assert found.tasks["reasoning"] == 1
    assert found.tasks["conversation"] == 3


def test_the_survey_notices_that_labels_changed() -> None:
    first = survey([MadeUp(samples(8))], SETTINGS).hashes
    changed = samples(8)
    changed[3] = sample(3, expression="fear", units={1: True})
    assert survey([MadeUp(samples(8))], SETTINGS).hashes == first
    assert survey([MadeUp(changed)], SETTINGS).hashes != first


@pytest.mark.parametrize("count", [1, 7, 40, 199])
def test_thinning_gives_exactly_the_count(count: int) -> None:
    settings = BuildSettings(count=count)
    source = [MadeUp(samples(50))]
    found = survey(source, settings)
    kept = list(thin(items(source, settings, found), found.rows, settings))
    assert sum(len(item.tasks) for item in kept) == count
    again = list(thin(items(source, settings, found), found.rows, settings))
    assert kept == again


def test_thinning_is_even_over_the_stream() -> None:
    settings = BuildSettings(count=500)
    source = [MadeUp(samples(400))]
    found = survey(source, settings)
    kept = list(thin(items(source, settings, found), found.rows, settings))
    first_half = sum(len(i.tasks) for i in kept if int(i.sample.id[4:]) < 200)
    assert 200 < first_half < 300


def test_blocks_have_the_same_number_of_rows() -> None:
    source = [MadeUp(samples(30))]
    stream = list(items(source, SETTINGS, survey(source, SETTINGS)))
    names = [row_id(i.source, i.sample.id, t) for i in stream for t in i.tasks]
    parts = list(blocks(iter(stream), 16))
    sizes = [sum(len(i.tasks) for i in part) for part in parts]
    assert sizes[:-1] == [16] * (len(sizes) - 1)
    assert 0 < sizes[-1] <= 16
    assert names == [row_id(i.source, i.sample.id, t) for p in parts for i in p for t in i.tasks]


def test_a_block_holds_one_split_and_every_row_stands_in_one() -> None:
    splits = ("train", "val", "test", None, "Fold 2")
    made = [sample(n, split=splits[n % 5]) for n in range(50)]
    settings = BuildSettings(split="all")
    source = [MadeUp(made)]
    found = survey(source, settings)
    parts = list(blocks(items(source, settings, found), 16))
    of_parts = [{published_split(i.sample.split) for i in part} for part in parts]
    assert all(len(splits) == 1 for splits in of_parts)
    assert [part[0].split for part in parts] == [
        *(["train"] * 5),  # 20 samples of 4 rows
        *(["validation"] * 3),
        *(["test"] * 3),
        *(["fold_2"] * 3),
    ]
    assert len({i.sample.id for part in parts for i in part}) == 50
    assert sum(len(i.tasks) for part in parts for i in part) == found.rows


@pytest.mark.parametrize(
    ("name", "published"),
    [
        *((None, "train"), ("", "train"), ("Training", "train"), ("valid", "validation")),
        *(("val", "validation"), ("testing", "test"), ("part-1/b", "part_1_b"), ("all", "all_")),
    ],
)
def test_names_of_splits_are_those_of_hugging_face(name: str | None, published: str) -> None:
    assert published_split(name) == published


def test_one_name_for_two_samples_is_refused() -> None:
    with pytest.raises(BuildError, match="names sample 'face1' twice; remove the duplicate"):
        survey([MadeUp([sample(1), sample(1, image="faces/other.png")])], SETTINGS)


@pytest.mark.parametrize(
    ("second", "what"),
    [
        (sample(2, subject="person1", split="test"), "person 'person1'"),
        (sample(2, image="faces/1.png", split="test"), "picture 'faces/1.png'"),
    ],
)
def test_nobody_and_no_picture_stands_in_two_splits(second: object, what: str) -> None:
    settings = BuildSettings(split="all")
    with pytest.raises(BuildError, match=f"{what} stands in the splits 'train' and 'test'"):
        survey([MadeUp([sample(1), second])], settings)  # type: ignore[list-item]


@pytest.mark.parametrize(
    ("labels", "odds"),
    [
        ({"expression": "anger"}, "says anger, and an earlier row says happiness"),
        ({"units": {6: False}}, "says that AU6 is absent, and an earlier row that it is present"),
        ({"units": {4: True}}, "says that AU4 is present, and an earlier row that it is absent"),
    ],
)
def test_one_face_is_not_labelled_in_two_ways(labels: dict, odds: str) -> None:
    first = sample(1, units={6: True, 4: False}, box=(0, 0, 9, 9))
    again = sample(2, image="faces/1.png", box=(0, 0, 9, 9), **labels)
    with pytest.raises(BuildError, match=f"of 'faces/1.png', sample 'face2' {odds}"):
        survey([MadeUp([first, again])], SETTINGS)


def test_rows_about_one_picture_may_agree_or_say_different_things() -> None:
    made = [
        sample(1, expression=None, units={6: True, 4: False}),
        sample(2, image="faces/1.png", units={12: True}),  # FABA has a row for each task
        sample(3, image="faces/1.png"),  # FERBench may ask twice
        sample(4, image="faces/1.png", expression="fear", box=(0, 0, 9, 9)),  # another face
        sample(5, image=None, frames=("clip/1.png", "clip/2.png")),
        sample(6, image=None, frames=("clip/1.png", "clip/3.png"), expression="fear"),
    ]
    assert survey([MadeUp(made)], SETTINGS).samples["rafdb"] == 6
    late = sample(7, image="faces/1.png", expression=None, units={12: False})
    with pytest.raises(BuildError, match="AU12 is absent"):
        survey([MadeUp([*made, late])], SETTINGS)


def test_nothing_to_build_is_an_error() -> None:
    with pytest.raises(BuildError, match="no sample has labels for any of the tasks"):
        survey([MadeUp([sample(1, expression=None)])], SETTINGS)
    with pytest.raises(BuildError, match="source rafdb has no sample in split 'train'"):
        survey([MadeUp([sample(1, split="test")])], SETTINGS)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"per_shard": 0}, "per_shard is 0; it must be at least 1"),
        ({"tasks": ("nap",)}, "unknown task 'nap'"),
        ({"embed_images": True}, "embed_images needs format parquet"),
        ({"check_share": 1.5}, "check_share is 1.5, outside"),
    ],
)
def test_settings_check_themselves(values: dict, message: str) -> None:
    with pytest.raises(BuildError, match=message):
        BuildSettings(**values)
