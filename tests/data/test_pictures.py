"""Pictures of Samples, wherever they are kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mien.data.pictures import files_of, open_frames, open_image, split_reference, spread
from mien.data.readers import read
from mien.media import MediaError
from mien.sample import Sample
from tests.data import layouts


def greys(sample: Sample, root: Path, count: int = 2) -> list[int]:
    return [int(frame.mean().round()) for frame in open_frames(sample, root, count)]


def test_a_path_and_what_is_inside_of_it() -> None:
    assert split_reference("a/b.csv#byte=12") == ("a/b.csv", "byte", 12)
    assert split_reference("a#1.png") == ("a#1.png", None, 0)


def test_frames_are_the_middles_of_equal_parts() -> None:
    assert spread(16, 4) == [2, 6, 10, 14]
    assert spread(5, 2) == [1, 3]
    assert spread(3, 8) == [0, 1, 2]


def test_grey_values_of_a_table(tmp_path: Path) -> None:
    layouts.fer2013(tmp_path)
    samples = list(read("fer2013", tmp_path))
    image = open_image(samples[2], tmp_path)
    assert (image.shape, image.dtype) == ((48, 48, 3), np.uint8)
    assert [greys(s, tmp_path) for s in samples] == [[10], [20], [30], [40]]
    assert files_of(samples[2]) == ["fer2013.csv"]


def test_rows_of_parquet_in_any_row_group(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    cells = []
    for grey in (1, 2, 3, 4, 5):
        layouts.picture(tmp_path / "a.png", grey)
        cells.append({"bytes": (tmp_path / "a.png").read_bytes(), "path": None})
    pq.write_table(pa.table({"image": cells}), tmp_path / "t.parquet", row_group_size=2)
    rows = [Sample(str(k), "d", f"t.parquet#row={k}") for k in (4, 0, 3)]
    assert [greys(s, tmp_path) for s in rows] == [[5], [1], [4]]
    with pytest.raises(MediaError, match=r"t.parquet: has no row 5; it has 5"):
        open_image(Sample("x", "d", "t.parquet#row=5"), tmp_path)


def test_frames_of_a_video_one_by_one_and_back(tmp_path: Path) -> None:
    layouts.video(tmp_path / "v.avi", [10, 60, 110, 160])
    asked = [0, 2, 2, 1, 3]
    found = [greys(Sample("x", "d", f"v.avi#frame={k}"), tmp_path)[0] for k in asked]
    assert found == [10, 110, 110, 60, 160]
    with pytest.raises(MediaError, match=r"v.avi: has no frame 4; it has 4"):
        open_image(Sample("x", "d", "v.avi#frame=4"), tmp_path)


def test_frames_of_clips(tmp_path: Path) -> None:
    layouts.video(tmp_path / "v.avi", [10, 60, 110, 160])
    clip = Sample("x", "d", video="v.avi")
    assert greys(clip, tmp_path, 2) == [60, 160]
    assert greys(clip, tmp_path, 9) == [10, 60, 110, 160]
    for grey in (5, 6, 7):
        layouts.picture(tmp_path / f"{grey}.png", grey)
    assert greys(Sample("x", "d", frames=("5.png", "6.png", "7.png")), tmp_path, 1) == [6]
    with pytest.raises(ValueError, match="is a clip; read it with open_frames"):
        open_image(clip, tmp_path)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        ("gone.png", "gone.png: no such file"),
        ("broken.png", "broken.png: "),
        ("gone.csv#byte=0", "gone.csv: no such file"),
        ("cut.csv#byte=0", "5 grey values are no square picture"),
        ("loud.csv#byte=0", "outside of 0 to 255"),
        ("broken.png#row=0", "cannot be read as Parquet"),
        ("gone.avi#frame=0", "gone.avi: no such file"),
        ("broken.png#frame=0", "broken.png: not a video"),
    ],
)
def test_what_cannot_be_opened_is_named(image: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n but no more")
    (tmp_path / "cut.csv").write_text("3,1 2 3 4 5,Training\n")
    (tmp_path / "loud.csv").write_text("3,1 2 3 256,Training\n")
    with pytest.raises(MediaError, match=message):
        open_image(Sample("x", "d", image), tmp_path)


def test_a_dataset_in_one_file(tmp_path: Path) -> None:
    layouts.table(tmp_path)
    samples = list(read("csv", tmp_path / "labels.csv"))
    assert samples == list(read("csv", tmp_path))
    assert greys(samples[0], tmp_path / "labels.csv") == [128]
