"""Sources: what stands before and behind their folder, and which split their samples are in."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from mien.data.build.build_set import build
from mien.data.build.people import with_folds
from mien.data.build.plan import items
from mien.data.build.settings import BuildError, BuildSettings
from mien.data.build.shards import Folder
from mien.data.build.sources import Source, parse_source, parse_sources
from tests.data import layouts
from tests.data.build.made_up import prepare, survey


def _table(root: Path, rows: list[str], head: str = "image,subject,split,expression") -> Path:
    root.mkdir(parents=True, exist_ok=True)
    (root / "labels.csv").write_text("\n".join([head, *rows]) + "\n")
    return root


def test_options_of_a_source_stand_behind_commas() -> None:
    source = parse_source("mafw=/data/a,b/MAFW,fold=2")
    assert (source.root, dict(source.options)) == (Path("/data/a,b/MAFW"), {"fold": "2"})


@pytest.mark.parametrize(
    ("text", "folder", "split", "options"),
    [
        ("a", "a", None, {}),
        ("a@val", "a", "val", {}),
        ("a@val,order=owner", "a", "val", {"order": "owner"}),
        ("a,order=owner@val", "a", "val", {"order": "owner"}),
        ("me@home", "me@home", None, {}),
        ("me@home@val", "me@home", "val", {}),
        ("b,c=d", "b,c=d", None, {}),
        ("b,c=d@test,order=owner", "b,c=d", "test", {"order": "owner"}),
        ("none@val", "none", "val", {}),
    ],
)
def test_a_split_stands_behind_a_folder_that_exists(
    tmp_path: Path, text: str, folder: str, split: str | None, options: dict
) -> None:
    for name in ("a", "me@home", "b,c=d"):
        (tmp_path / name).mkdir()
    source = parse_source(f"affectnet8={tmp_path}/{text}")
    assert (source.root, source.split, source.options) == (tmp_path / folder, split, options)


def test_one_reader_twice_under_names_of_their_own(tmp_path: Path) -> None:
    for name in ("left", "right"):
        _table(tmp_path / name, [f"{name[0]}{n}.png,p{n},train,anger" for n in range(2)])
    texts = [f"{name}:csv={tmp_path / name}" for name in ("left", "right")]
    sources = parse_sources(texts)
    assert [(s.name, s.reads) for s in sources] == [("left", "csv"), ("right", "csv")]
    settings, found = prepare(sources, BuildSettings())
    build(sources, settings, found, tmp_path / "out", terms={s.name: s.terms() for s in sources})
    folder = Folder.open(tmp_path / "out")
    assert {row["images"][0] for row in folder.rows()} == {
        *("left/l0.png", "left/l1.png", "right/r0.png", "right/r1.png")
    }
    assert folder.roots() == {name: tmp_path / name for name in ("left", "right")}
    assert "A table of your own (left): 2 samples" in (tmp_path / "out/NOTICE").read_text()
    with pytest.raises(BuildError, match="is not NAME=DIR"):
        parse_source("a/b:csv=x")


def test_each_source_may_have_a_split_of_its_own(tmp_path: Path) -> None:
    layouts.affectnet_2021(tmp_path / "aff")
    layouts.rafdb(tmp_path / "raf")
    sources = parse_sources([f"affectnet8={tmp_path}/aff@val", f"rafdb={tmp_path}/raf"])
    found = survey(sources, BuildSettings())
    assert found.samples == {"affectnet8": 1, "rafdb": 2}
    assert set(found.splits) == {"train", "validation"}
    whole = parse_sources([f"affectnet8={tmp_path}/aff@all", f"rafdb={tmp_path}/raf@test"])
    assert survey(whole, BuildSettings()).samples == {"affectnet8": 3, "rafdb": 1}
    wrong = parse_sources([f"rafdb={tmp_path}/raf@val"])
    with pytest.raises(BuildError, match="rafdb has no split 'val'; it has train, test"):
        survey(wrong, BuildSettings())


def test_samples_without_a_split_are_for_training_only(tmp_path: Path) -> None:
    _table(tmp_path, ["a.png,,train,anger", "b.png,,test,anger", "c.png,,,anger"])
    source = parse_source(f"csv={tmp_path}")
    assert [s.image for s in source.samples("train")] == ["a.png", "c.png"]
    assert [s.image for s in source.samples("test")] == ["b.png"]
    assert len(list(source.samples(None))) == 3


@pytest.mark.parametrize("name", ["ck+", "disfa"])
def test_a_source_without_splits_has_no_test(tmp_path: Path, name: str) -> None:
    {"ck+": layouts.ckplus, "disfa": layouts.disfa}[name](tmp_path)
    source = [parse_source(f"{name}={tmp_path}")]
    train = survey(source, BuildSettings())
    assert set(train.splits) == {"train"}
    assert survey(source, BuildSettings(split="all")).rows == train.rows
    with pytest.raises(BuildError, match=r"names no splits.* --folds K --fold N") as caught:
        survey(source, BuildSettings(split="test"))
    assert ("fold=1" in str(caught.value)) == (name == "disfa")


def _people(sources: list[Source], split: str) -> Counter[str]:
    settings = BuildSettings(split=split)
    found = survey(sources, settings)
    chosen = items(sources, settings, found)
    return Counter(f"{i.sample.dataset}/{i.sample.subject}" for i in chosen)


def test_folds_divide_people(tmp_path: Path) -> None:
    rows = [f"{n}.png,p{n % 5},,anger" for n in range(20)]
    _table(tmp_path / "a", rows)
    _table(tmp_path / "b", [f"own{n}.png,q{n},{('train', 'test')[n]},anger" for n in range(2)])
    plain = parse_sources([f"a:csv={tmp_path}/a", f"b:csv={tmp_path}/b"])
    tests = []
    for number in (1, 2, 3):
        sources = with_folds(plain, 3, number)
        train, test = _people(sources, "train"), _people(sources, "test")
        assert not set(train) & set(test)
        assert "csv/q0" in train
        assert "csv/q1" in test
        assert (train + test).total() == 22
        tests += [name for name in test if name != "csv/q1"]
        both = survey(sources, BuildSettings(split="all"))
        assert set(both.splits) == {"train", "test"}
    assert sorted(tests) == [f"csv/p{n}" for n in range(5)]
    alone = with_folds(plain[:1], 3, 1)
    assert set(_people(alone, "test")) <= set(_people(with_folds(plain, 3, 1), "test"))
    assert alone[0].held["fold"] == "1 of 3"


def test_folds_that_cannot_be_are_refused(tmp_path: Path) -> None:
    plain = parse_sources([f"csv={_table(tmp_path, ['a.png,,,anger', 'b.png,p,,anger'])}"])
    with pytest.raises(BuildError, match=r"'a.png' names no subject.*leave --folds out, or name"):
        with_folds(plain, 2, 1)
    _table(tmp_path, ["a.png,p,,anger"])
    with pytest.raises(BuildError, match="csv: 1 people cannot be divided into 2 parts"):
        with_folds(plain, 2, 1)
    _table(tmp_path, ["a.png,p,train,anger"])
    with pytest.raises(BuildError, match="every source names its splits"):
        with_folds(plain, 2, 1)
    with pytest.raises(BuildError, match="fold 3 of 2 folds"):
        with_folds(plain, 2, 3)
