"""A golden row of each format."""

from __future__ import annotations

import base64
import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from mien.cli import app
from mien.data.build.build_set import build
from mien.data.build.settings import BuildError, BuildSettings
from mien.data.build.shards import Folder
from mien.data.export.export_set import FORMATS, export
from mien.schema import ActionUnit
from tests.data import layouts
from tests.data.build.made_up import MadeUp, prepare, sample, samples


def _set(tmp_path: Path, made: list, **settings: object) -> Folder:
    root = tmp_path / "root"
    (root / "faces").mkdir(parents=True, exist_ok=True)
    for number in range(6):
        picture = Image.fromarray(np.full((4, 4, 3), 30 * number, np.uint8))
        picture.save(root / "faces" / f"{number}.png")
    sources = [MadeUp(made, folder=root)]
    whole, found = prepare(sources, BuildSettings(**settings))  # type: ignore[arg-type]
    build(sources, whole, found, tmp_path / "set")
    return Folder.open(tmp_path / "set")


@pytest.fixture
def one(tmp_path: Path) -> Folder:
    units = (
        ActionUnit(6, present=True, intensity=2),
        ActionUnit(12, present=True),
        ActionUnit(4, present=False),
    )
    return _set(tmp_path, [sample(1, action_units=units)], tasks=("category",))


def question(folder: Folder) -> str:
    row = next(folder.rows())
    return str(row["messages"][0]["content"][1]["text"])


def test_llava(one: Folder, tmp_path: Path) -> None:
    assert export(one, "llava", tmp_path / "a.json") == 1
    assert json.loads((tmp_path / "a.json").read_text()) == [
        {
            "id": "rafdb/face1/category",
            "image": "rafdb/faces/1.png",
            "conversations": [
                {"from": "human", "value": f"<image>\n{question(one)}"},
                {"from": "gpt", "value": "happiness"},
            ],
        }
    ]


def test_sharegpt(one: Folder, tmp_path: Path) -> None:
    assert export(one, "sharegpt", tmp_path / "fea.json") == 1
    assert json.loads((tmp_path / "fea.json").read_text()) == [
        {
            "id": "rafdb/face1/category",
            "conversations": [
                {"from": "human", "value": f"<image>\n{question(one)}"},
                {"from": "gpt", "value": "happiness"},
            ],
            "images": ["rafdb/faces/1.png"],
            "videos": [],
        }
    ]
    assert json.loads((tmp_path / "dataset_info.json").read_text()) == {
        "fea": {
            "file_name": "fea.json",
            "formatting": "sharegpt",
            "columns": {"messages": "conversations", "images": "images"},
        }
    }


def test_ms_swift(one: Folder, tmp_path: Path) -> None:
    assert export(one, "ms-swift", tmp_path / "a.jsonl") == 1
    assert json.loads((tmp_path / "a.jsonl").read_text()) == {
        "messages": [
            {"role": "user", "content": f"<image>\n{question(one)}"},
            {"role": "assistant", "content": "happiness"},
        ],
        "images": ["rafdb/faces/1.png"],
        "videos": [],
    }


def test_trl(one: Folder, tmp_path: Path) -> None:
    assert export(one, "trl", tmp_path / "a.jsonl") == 1
    assert json.loads((tmp_path / "a.jsonl").read_text()) == {
        "messages": [
            {
                "role": "user",
                "content": [{"type": "image"}, {"type": "text", "text": question(one)}],
            },
            {"role": "assistant", "content": [{"type": "text", "text": "happiness"}]},
        ],
        "images": ["rafdb/faces/1.png"],
    }


def test_vlmevalkit(one: Folder, tmp_path: Path) -> None:
    assert export(one, "vlmevalkit", tmp_path / "a.tsv") == 1
    with (tmp_path / "a.tsv").open(newline="") as file:
        head, row = csv.reader(file, delimiter="\t")
    assert head == ["index", "image", "question", "answer", "category", "row"]
    assert base64.b64decode(row[1]) == (tmp_path / "root" / "faces" / "1.png").read_bytes()
    assert [row[0], *row[2:]] == [
        *("0", question(one), "happiness", "category", "rafdb/face1/category"),
    ]


def test_openface_csv(one: Folder, tmp_path: Path) -> None:
    assert export(one, "openface-csv", tmp_path / "a.csv") == 1
    with (tmp_path / "a.csv").open(newline="") as file:
        [row] = csv.DictReader(file)
    assert (row["source"], row["success"], row["expression"]) == ("rafdb/face1", "1", "happiness")
    assert (row["AU06_r"], row["AU06_c"]) == ("2", "1")
    assert (row["AU12_r"], row["AU12_c"]) == ("", "1")  # present, not graded
    assert (row["AU04_r"], row["AU04_c"]) == ("0", "0")
    assert (row["AU09_r"], row["AU09_c"]) == ("", "")  # not labelled


def test_one_openface_line_for_a_sample_with_many_rows(tmp_path: Path) -> None:
    folder = _set(tmp_path, samples(5))
    assert export(folder, "openface-csv", tmp_path / "a.csv") == 5


@pytest.mark.parametrize("to", ["llava", "sharegpt", "ms-swift"])
def test_as_many_placeholders_as_pictures(tmp_path: Path, to: str) -> None:
    clip = sample(9, image=None, frames=tuple(f"faces/{n}.png" for n in range(6)))
    film = sample(8, image=None, video="films/8.mp4")
    folder = _set(tmp_path, [*samples(4), clip, film], clip_frames=3)
    count = export(folder, to, tmp_path / "a.json")
    text = (tmp_path / "a.json").read_text()
    rows = (
        [json.loads(line) for line in text.splitlines()] if to == "ms-swift" else json.loads(text)
    )
    assert len(rows) == count == sum(1 for _ in folder.rows())
    for row in rows:
        images = row.get("images") or row.get("image") or []
        images = [images] if isinstance(images, str) else images
        videos = row.get("videos") or ([row["video"]] if "video" in row else [])
        words = json.dumps(row.get("conversations") or row.get("messages"))
        assert words.count("<image>") == len(images)
        assert words.count("<video>") == len(videos)
        assert len(images) in (0, 1, 3)
        assert images or videos


def test_copied_pictures_are_named_beside_the_file(one: Folder, tmp_path: Path) -> None:
    out = tmp_path / "copied" / "a.jsonl"
    out.parent.mkdir()
    export(one, "ms-swift", out, copy_images=True)
    [name] = json.loads(out.read_text())["images"]
    picture = tmp_path / "root" / "faces" / "1.png"
    assert (out.parent / name).read_bytes() == picture.read_bytes()


def test_embedded_pictures_are_copied_too(tmp_path: Path) -> None:
    folder = _set(tmp_path, [sample(2)], tasks=("category",), format="parquet", embed_images=True)
    export(folder, "trl", tmp_path / "a.jsonl", roots={}, copy_images=True)
    [name] = json.loads((tmp_path / "a.jsonl").read_text())["images"]
    assert np.asarray(Image.open(tmp_path / name))[0, 0, 0] == 60


@pytest.fixture
def films(tmp_path: Path) -> Folder:
    """Two clips, of which the second is not there, and a frame inside of the first."""
    made = [sample(n, image=None, video=f"films/{n}.mkv") for n in (1, 2)]
    made.append(sample(3, image="films/1.mkv#frame=1"))
    layouts.video(tmp_path / "root/films/1.mkv", [10, 200])
    return _set(tmp_path, made, tasks=("category",))


@pytest.mark.parametrize("to", ["llava", "sharegpt", "ms-swift"])
def test_videos_are_copied_and_missing_ones_are_counted(
    films: Folder, tmp_path: Path, to: str
) -> None:
    out = tmp_path / "copied" / "a.json"
    out.parent.mkdir()
    command = ["data", "export", str(films.path), "--to", to, "--out", str(out), "--copy-images"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 1
    assert "1 rows are left out, for 1 pictures or videos" in done.stderr
    assert "films/2.mkv: no such file" in done.stderr
    text = out.read_text()
    rows = (
        [json.loads(line) for line in text.splitlines()] if to == "ms-swift" else json.loads(text)
    )
    film, frame = rows
    video = film["video"] if to == "llava" else film["videos"][0]
    image = frame["image"] if to == "llava" else frame["images"][0]
    original = (tmp_path / "root/films/1.mkv").read_bytes()
    assert (out.parent / video).read_bytes() == original
    assert np.asarray(Image.open(out.parent / image))[0, 0, 0] == 200
    assert not list(out.parent.rglob("*.part"))


def test_exports_into_one_folder_do_not_touch_each_other(tmp_path: Path) -> None:
    """Sets of the same names from different disks: copies are named after what is in them."""
    named = []
    for grey in (10, 20):
        folder = _set(tmp_path / str(grey), [sample(1)], tasks=("category",))
        Image.new("L", (4, 4), grey).save(tmp_path / str(grey) / "root/faces/1.png")
        export(folder, "ms-swift", tmp_path / f"{grey}.jsonl", copy_images=True)
        named += json.loads((tmp_path / f"{grey}.jsonl").read_text())["images"]
    greys = [int(np.asarray(Image.open(tmp_path / name))[0, 0]) for name in named]
    assert greys == [10, 20]


def test_the_list_of_llama_factory_keeps_what_it_has(one: Folder, tmp_path: Path) -> None:
    info = tmp_path / "dataset_info.json"
    theirs = {"alpaca": {"hf_hub_url": "x/y"}, "näme": {"file_name": "z.json"}}
    info.write_text(json.dumps(theirs))
    for name in ("first", "second", "first"):
        export(one, "sharegpt", tmp_path / f"{name}.json")
    found = json.loads(info.read_text())
    assert list(found) == ["alpaca", "näme", "first", "second"]
    assert found["alpaca"] == theirs["alpaca"]
    assert found["second"]["file_name"] == "second.json"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{ cut", "dataset_info.json: .*mend it, or move it away"),
        ("[]", "it is no JSON object"),
        ('{"fea": {"file_name": "theirs.json"}}', "has another set named 'fea'"),
    ],
)
def test_a_list_that_cannot_be_added_to_is_left_alone(
    one: Folder, tmp_path: Path, text: str, message: str
) -> None:
    info = tmp_path / "dataset_info.json"
    info.write_text(text)
    with pytest.raises(BuildError, match=message):
        export(one, "sharegpt", tmp_path / "fea.json")
    assert info.read_text() == text
    assert not (tmp_path / "fea.json").exists()
    info.unlink()
    with pytest.raises(BuildError, match="give --out another name"):
        export(one, "sharegpt", info)


def test_what_does_not_fit_says_so(one: Folder, tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="unknown format 'coco'; mien writes llava"):
        export(one, "coco", tmp_path / "a")
    inside = _set(tmp_path / "b", [sample(1, image="faces.parquet#row=3")])
    with pytest.raises(BuildError, match=r"inside of another file.*--copy-images"):
        export(inside, "llava", tmp_path / "a.json")
    film = _set(tmp_path / "c", [sample(8, image=None, video="films/8.mp4")])
    with pytest.raises(BuildError, match="has a video, which TRL does not take"):
        export(film, "trl", tmp_path / "a.json")
    (one.path / "roots.json").unlink()
    with pytest.raises(BuildError, match="folder of source 'rafdb' is not known; give it as"):
        export(one, "vlmevalkit", tmp_path / "a.tsv")
    assert not list(tmp_path.glob("a*"))
    assert len(FORMATS) == 6
