"""Sets on disk: whole shards, the same bytes however often a run was stopped, and their labels."""

from __future__ import annotations

import errno
import io
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from PIL import Image

from mien.partfile import SinkError
from mien.sample import Sample
from mien.synth import dataset
from mien.synth.dataset import SettingsError, make_dataset
from mien.synth.dataset_settings import Settings
from mien.synth.picture_files import open_store
from mien.synth.picture_row import row_of, sample_of
from mien.synth.produce import Maker, Picture
from tests.synth.conftest import SIZE
from tests.synth.made_up import MadeUpFace, OtherFace

FORMATS = ("parquet", "folder")


@pytest.fixture
def make(maker: Maker, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`make_dataset` with the pictures of this process; `stop` is the number of the last one."""

    def call(out: Path, *, stop: int | None = None, error: Any = KeyboardInterrupt, **changes: Any):
        def fake(plan: Any, numbers: Any, *, processes: int) -> Any:
            for number in numbers:
                if number == stop:
                    raise error
                yield maker(number)

        monkeypatch.setattr(dataset, "produce", fake)
        values = {"count": 12, "seed": 3, "size": SIZE, "per_shard": 5, **changes}
        return make_dataset(out, models=(MadeUpFace, OtherFace), **values)

    return call


def content(folder: Path) -> dict[str, bytes]:
    """The bytes of every file."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def settings(**changes: Any) -> Settings:
    values: dict[str, Any] = {
        "count": 12, "seed": 3, "split": "train", "size": SIZE, "models": (), "format": "parquet",
        "image_format": "webp", "per_shard": 5, "mien": "0",
    }  # fmt: skip
    return Settings(**{**values, **changes})


@pytest.mark.parametrize("format", FORMATS)
def test_a_stopped_run_goes_on_to_the_same_bytes(make: Any, tmp_path: Path, format: str) -> None:
    make(tmp_path / "whole", format=format)
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path / "parts", format=format, stop=3)
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path / "parts", format=format, stop=8)
    stopped = content(tmp_path / "parts")
    assert not [name for name in stopped if ".part" in name]
    store = open_store(tmp_path / "parts", settings(format=format))
    assert [store.is_whole(shard) for shard in range(3)] == [True, False, False]
    assert len(list(store.samples())) == 5
    made = make(tmp_path / "parts", format=format)
    assert made.pictures == 7
    assert content(tmp_path / "parts") == content(tmp_path / "whole")


@pytest.mark.parametrize("format", FORMATS)
def test_a_set_can_grow(make: Any, tmp_path: Path, format: str) -> None:
    make(tmp_path / "grown", format=format, count=7)
    made = make(tmp_path / "grown", format=format)
    assert made.pictures == 7  # five were a whole shard
    assert made.summary.pictures == 12
    make(tmp_path / "whole", format=format)
    assert content(tmp_path / "grown") == content(tmp_path / "whole")


def test_a_finished_set_is_left_alone(make: Any, tmp_path: Path) -> None:
    make(tmp_path)
    before = content(tmp_path)
    made = make(tmp_path, stop=0)
    assert (made.pictures, made.per_second, made.summary.pictures) == (0, None, 12)
    assert content(tmp_path) == before


def test_a_damaged_shard_is_made_again(make: Any, tmp_path: Path) -> None:
    make(tmp_path)
    before = content(tmp_path)
    shard = tmp_path / "synth-train-00001.parquet"
    shard.write_bytes(shard.read_bytes()[:-100])
    assert make(tmp_path).pictures == 5
    assert content(tmp_path) == before


@pytest.mark.parametrize("format", FORMATS)
def test_before_the_first_shard_settings_may_change(make: Any, tmp_path: Path, format: str) -> None:
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path, format=format, count=100, stop=2)
    assert make(tmp_path, format=format, count=5).pictures == 5


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"seed": 4}, "seed is 3 there and 4 here"),
        ({"size": 96, "split": "test"}, "split is train there and test here; size is 64 there"),
        ({"format": "folder"}, "format is parquet"),
        ({"image_format": "png"}, "image_format is webp"),
        ({"count": 11}, "count is 12 there and 11 here"),
    ],
)
def test_other_settings_are_refused(
    make: Any, tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    make(tmp_path)
    before = content(tmp_path)
    with pytest.raises(SettingsError, match=words):
        make(tmp_path, **changes)
    assert content(tmp_path) == before


def test_folders_that_are_not_ours_are_refused(make: Any, tmp_path: Path) -> None:
    (tmp_path / "images" / "holidays").mkdir(parents=True)
    with pytest.raises(SettingsError, match=r"no settings\.json"):
        make(tmp_path)
    (tmp_path / "settings.json").write_text('{"colour": "red"}')
    with pytest.raises(SettingsError, match="another --out"):
        make(tmp_path)


def test_two_runs_do_not_write_to_one_folder(make: Any, tmp_path: Path) -> None:
    with dataset._own(tmp_path), pytest.raises(SettingsError, match="another run"):
        make(tmp_path)
    assert make(tmp_path).pictures == 12


@pytest.mark.parametrize("format", FORMATS)
def test_a_full_disk_is_one_error_and_leaves_whole_shards(
    make: Any, tmp_path: Path, format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    make(tmp_path, format=format, count=5)
    with monkeypatch.context() as patch:
        patch.setattr(pq.ParquetWriter, "write_table", full)
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(SinkError, match="the disk is full"):
            make(tmp_path, format=format)
    assert not list(tmp_path.rglob("*.part"))
    assert make(tmp_path, format=format).pictures == 7


def test_a_folder_that_cannot_be_made(make: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SinkError, match="file"):
        make(tmp_path / "file" / "out")


@pytest.mark.parametrize("format", FORMATS)
def test_labels_and_pictures_come_back(
    make: Any, tmp_path: Path, pictures: list[Picture], format: str
) -> None:
    made = make(tmp_path, format=format)
    store = open_store(tmp_path, settings(format=format))
    assert list(store.samples()) == [picture.sample for picture in pictures]
    assert [data for _, data in store.pictures()] == [picture.data for picture in pictures]
    assert made.summary.pictures == 12
    if format == "folder":
        lines = (tmp_path / "samples.jsonl").read_text().splitlines()
        assert [Sample.from_json(line) for line in lines] == [p.sample for p in pictures]
        assert Image.open(tmp_path / "images/00001/000007.webp").size == (SIZE, SIZE)


def test_a_row_holds_what_is_measured(pictures: list[Picture]) -> None:
    for picture in pictures:
        row = row_of(picture)
        assert sample_of(row) == picture.sample
        for unit, nested in zip(picture.units, row["action_units"], strict=True):
            flat = tuple(row[f"AU{unit.au:02d}_{what}"] for what in "crv")
            assert flat == (unit.present, unit.intensity, unit.visible)
            assert (nested["left"], nested["right"]) == (unit.left, unit.right)
            assert nested["present"] is unit.present


def test_parquet_is_as_hugging_face_reads_it(make: Any, tmp_path: Path) -> None:
    make(tmp_path)
    file = pq.ParquetFile(tmp_path / "synth-train-00000.parquet")
    features = json.loads(file.schema_arrow.metadata[b"huggingface"])["info"]["features"]
    assert features == {"image": {"_type": "Image"}}
    picture = file.read().to_pylist()[0]["image"]
    assert sorted(picture) == ["bytes", "path"]
    assert Image.open(io.BytesIO(picture["bytes"])).format == "WEBP"


@pytest.mark.slow
def test_killed_runs_go_on(maker: Maker, tmp_path: Path) -> None:
    """True processes: killed without warning, then interrupted, then left alone."""
    code = (
        "import sys; from pathlib import Path; from mien.synth.dataset import make_dataset;"
        "from tests.synth.made_up import MadeUpFace\n"
        "def main():\n"
        "    try: make_dataset(Path(sys.argv[1]), count=40, models=(MadeUpFace,), size=64,"
        " per_shard=10, processes=1)\n"
        "    except KeyboardInterrupt: sys.exit(130)\n"
        "if __name__ == '__main__': main()\n"
    )
    out = tmp_path / "out"
    for ending, expected in ((signal.SIGKILL, -9), (signal.SIGINT, 130), (None, 0)):
        before = len(list(out.glob("*.parquet")))
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(out)], cwd=Path(__file__).parents[2]
        )
        deadline = time.monotonic() + 120
        while ending and len(list(out.glob("*.parquet"))) <= before:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        if ending:
            process.send_signal(ending)
        assert process.wait(120) == expected
    store = open_store(out, settings(count=40, per_shard=10))
    assert [int(sample.id[-6:]) for sample in store.samples()] == list(range(40))
    assert sorted(path.name for path in out.iterdir()) == sorted(
        ["settings.json", "sheet.jpg", "summary.json"]
        + [f"synth-train-{shard:05d}.parquet" for shard in range(4)]
    )
