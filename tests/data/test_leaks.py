"""Near-duplicates across sets: copies are found, other faces are not, and nothing is missed."""

from __future__ import annotations

import io
import random
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter
from typer.testing import CliRunner

from mien.cli import app
from mien.data.build.build_set import build
from mien.data.build.settings import BuildError, BuildSettings
from mien.data.fingerprints import distance, fingerprint
from mien.data.leak_sets import entries_of
from mien.data.leaks import Entry, Index, find_leaks
from mien.media import MediaError
from tests.data import layouts
from tests.data.build.made_up import MadeUp, prepare, sample


def picture(seed: int, size: int = 96) -> Image.Image:
    """A smooth picture with structure of its own."""
    rng = np.random.default_rng(seed)
    noise = rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((size, size), Image.Resampling.BICUBIC)


def jpeg(image: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(io.BytesIO(buffer.getvalue()))


COPIES = {
    "encoded again": lambda p: jpeg(p, 60),
    "smaller": lambda p: p.resize((48, 48), Image.Resampling.LANCZOS),
    "larger": lambda p: p.resize((250, 250), Image.Resampling.BILINEAR),
    "brighter": lambda p: p.point(lambda v: min(255, v + 12)),
    "blurred": lambda p: p.filter(ImageFilter.GaussianBlur(1)),
    "mirrored": lambda p: p.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "all of it": lambda p: jpeg(p.transpose(Image.Transpose.FLIP_LEFT_RIGHT).resize((64, 64)), 70),
}


def entries(pictures: dict[str, Image.Image]) -> list[Entry]:
    return [
        Entry(name, None, partial(np.asarray, image.convert("RGB")))
        for name, image in pictures.items()
    ]


@pytest.mark.parametrize("kind", COPIES)
def test_copies_are_found_and_nothing_else(kind: str) -> None:
    first = {f"a{n}": picture(n) for n in range(40)}
    second = {f"b{n}": COPIES[kind](picture(n)) for n in range(20, 60)}
    leaks = find_leaks({"a": entries(first), "b": entries(second)})
    [comparison] = leaks.comparisons
    assert {(p.first, p.second) for p in comparison.pairs} == {
        (f"a{n}", f"b{n}") for n in range(20, 40)
    }
    if kind in ("mirrored", "all of it"):
        assert all(p.mirrored for p in comparison.pairs)
    assert not leaks.clean


def test_the_index_finds_what_a_plain_comparison_finds() -> None:
    rng = random.Random(0)
    hashes = [rng.getrandbits(64) for _ in range(300)]
    for value in hashes[:100]:
        for _ in range(rng.randint(0, 12)):
            value ^= 1 << rng.randrange(64)
        hashes.append(value)
    for bits in (0, 3, 6, 11):
        index = Index(bits)
        for value in hashes:
            index.add(value)
        for value in hashes[::7]:
            plain = [n for n, other in enumerate(hashes) if distance(value, other) <= bits]
            assert index.near(value) == plain


def test_hashes_by_hand() -> None:
    ramp = np.repeat(np.linspace(0, 255, 90).astype(np.uint8)[None, :, None], 80, 0)
    made = fingerprint(np.repeat(ramp, 3, 2))
    assert made.difference == 2**64 - 1  # every value is above its left neighbour
    assert made.mirrored_difference == 0
    assert not made.flat
    assert fingerprint(np.full((20, 20, 3), 99, np.uint8)).flat
    assert distance(0b1011, 0b0001) == 2


def test_flat_pictures_match_their_equals_only_and_broken_ones_are_counted() -> None:
    def broken() -> np.ndarray:
        raise MediaError("c.png: cut off")

    grey, lighter = (Image.new("RGB", (20, 20), (v, v, v)) for v in (90, 91))
    first = [*entries({"grey": grey, "a": picture(1)}), Entry("c.png", None, broken)]
    leaks = find_leaks({"a": first, "b": entries({"lighter": lighter, "b": picture(2)})})
    assert leaks.clean
    assert leaks.flat == {"a": 1, "b": 1}
    assert leaks.pictures == {"a": 3, "b": 2}
    assert leaks.unreadable["a"] == ["c.png: cut off"]
    same = find_leaks(
        {"a": first, "b": entries({"x": grey, "y": grey, "small": grey.crop((0, 0, 9, 9))})}
    )
    pairs = [(p.first, p.second, p.difference) for p in same.comparisons[0].pairs]
    assert pairs == [("grey", "x", 0), ("grey", "y", 0)]


def test_people_in_two_built_sets_are_found(tmp_path: Path) -> None:
    (tmp_path / "faces").mkdir()
    for number in range(4):
        picture(number).save(tmp_path / "faces" / f"{number}.png")
    for name, numbers in (("train", (0, 1, 2)), ("test", (2, 3))):
        made = [sample(n, split=name, subject=f"p{n // 2}") for n in numbers]
        sources = [MadeUp(made, folder=tmp_path)]
        settings, found = prepare(sources, BuildSettings(split=name, tasks=("category",)))
        build(sources, settings, found, tmp_path / name)
    sets = {name: entries_of(str(tmp_path / name), {}) for name in ("train", "test")}
    [comparison] = find_leaks(sets).comparisons
    assert comparison.subjects == ["rafdb/p1"]
    assert [(p.first, p.second) for p in comparison.pairs] == [
        ("rafdb/faces/2.png", "rafdb/faces/2.png")
    ]


def test_command(tmp_path: Path) -> None:
    for name, numbers in (("a", (1, 2)), ("b", (2, 3)), ("c", (4, 5))):
        (tmp_path / name).mkdir()
        for number in numbers:
            picture(number).save(tmp_path / name / f"{number}.png")
    a, b, c = (str(tmp_path / name) for name in "abc")
    shared = CliRunner().invoke(app, ["data", "leaks", a, b, "--out", str(tmp_path / "r.json")])
    assert shared.exit_code == 1
    assert "1 pictures nearly the same" in shared.output
    assert '"first": "2.png"' in (tmp_path / "r.json").read_text()
    assert CliRunner().invoke(app, ["data", "leaks", a, c]).exit_code == 0
    assert CliRunner().invoke(app, ["data", "leaks", a]).exit_code == 2
    missing = CliRunner().invoke(app, ["data", "leaks", a, str(tmp_path / "none")])
    assert missing.exit_code == 2
    (tmp_path / "empty").mkdir()
    with pytest.raises(BuildError, match="no picture in it"):
        list(entries_of(str(tmp_path / "empty"), {}))


def table(folder: Path, *splits: str) -> Path:
    """A table of one's own, a picture for each split that is named."""
    folder.mkdir(parents=True)
    rows = ["image,split"]
    for number, split in enumerate(splits):
        picture(number).save(folder / f"{number}.png")
        rows.append(f"{number}.png,{split}")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    return folder


def test_a_split_that_does_not_exist_is_no_clean_set(tmp_path: Path) -> None:
    one = table(tmp_path / "one", "train", "test")
    other = table(tmp_path / "other", "")
    done = CliRunner().invoke(app, ["data", "leaks", f"csv={one}@nosuch", str(other)])
    assert done.exit_code == 2
    assert "no sample in split 'nosuch'; its splits are test, train" in done.output
    with pytest.raises(BuildError, match="names no splits"):
        list(entries_of(f"csv={other}@nosuch", {}))
    with pytest.raises(ValueError, match="rafdb has no split 'tset'; it has train, test"):
        list(entries_of(f"rafdb={one}@tset", {}))
    with pytest.raises(ValueError, match="unknown dataset 'rafd'"):
        list(entries_of(f"rafd={one}@test", {}))


def test_the_splits_of_a_built_set_are_compared(tmp_path: Path) -> None:
    root = table(tmp_path / "table", "train", "val", "")
    rows = ["image,split,expression", "0.png,train,anger", "1.png,val,anger", "2.png,,anger"]
    (root / "labels.csv").write_text("\n".join(rows) + "\n")
    (root / "1.png").write_bytes((root / "0.png").read_bytes())
    out = tmp_path / "set"
    words = ["data", "build", "--source", f"csv={root}", "--split", "all", "--out", str(out)]
    built = CliRunner().invoke(app, [*words, "--processes", "1"])
    assert built.exit_code == 0, built.output
    assert f"mien data leaks {out}@train {out}@validation" in "".join(built.output.split("\n"))
    done = CliRunner().invoke(app, ["data", "leaks", f"{out}@train", f"{out}@val"])
    assert done.exit_code == 1
    assert "1 pictures nearly the same" in done.output
    assert {entry.name for entry in entries_of(f"{out}@train", {})} == {"csv/0.png", "csv/2.png"}
    with pytest.raises(BuildError, match="its splits are train, validation"):
        list(entries_of(f"{out}@test", {}))


def test_folders_with_an_at_sign_or_an_equals_sign(tmp_path: Path) -> None:
    table(tmp_path / "me@home", "train")
    table(tmp_path / "a=b", "train")
    for what in (
        f"csv={tmp_path}/me@home",
        f"csv={tmp_path}/me@home@train",
        f"csv={tmp_path}/me@home,file=labels.csv@train",
        f"csv={tmp_path}/a=b",
        f"csv={tmp_path}/a=b@train",
        str(tmp_path / "a=b"),
        str(tmp_path / "me@home"),
    ):
        assert [entry.name for entry in entries_of(what, {})] == ["0.png"], what
    with pytest.raises(BuildError, match="no such folder"):
        list(entries_of(str(tmp_path / "c=d"), {}))


def test_built_sets_of_videos_are_compared_by_a_frame(tmp_path: Path) -> None:
    layouts.video(tmp_path / "films/1.mkv", [5, 9, 5])
    sources = [MadeUp([sample(1, image=None, video="films/1.mkv")], folder=tmp_path)]
    settings, found = prepare(sources, BuildSettings(tasks=("category",)))
    build(sources, settings, found, tmp_path / "set")
    (entry,) = entries_of(str(tmp_path / "set"), {})
    assert entry.name == "rafdb/films/1.mkv"
    assert entry.open()[0, 0, 0] == 9
