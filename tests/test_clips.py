"""Clips through the analyzer: rows in order, numbers that stay, faults, batches, flat memory."""

import gc
import weakref
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mien.analyzer import Analyzer
from mien.apex import apex_faces
from mien.engines import Answer
from mien.faces import CropSpec
from mien.facs import LABEL_SETS
from mien.media import Sampling
from mien.schema import ActionUnit, Analysis, Expression, Face
from tests.media.clips import animation, write_clip
from tests.responders import Answering

ROOT = Path(__file__).parents[1]


def patches(index, width, height):
    """A red person who walks right and, from frame 5 on, a blue one; the red one brightens."""
    image = np.full((height, width, 3), 90, np.uint8)
    image[8:40, 4 + 2 * index : 28 + 2 * index] = (120 + 6 * index, 20, 20)
    if index >= 5:
        image[8:40, width - 30 : width - 6] = (20, 20, 200)
    return image


class Patches:
    """Finds the red and the blue person."""

    name = "patches"

    def find(self, image):
        faces = []
        for channel in (0, 2):
            strong = image[..., channel].astype(int) - image[..., 1] > 60
            columns, rows = np.flatnonzero(strong.any(0)), np.flatnonzero(strong.any(1))
            if len(columns) > 8:
                box = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
                faces.append(Face(box=tuple(map(float, box)), detection=0.9))
        return faces

    def close(self):
        pass


class Redness(Answering):
    """Answers happiness as strong as the crop is red, and counts what it was asked."""

    name, action_units, crop_spec = "redness", (12,), CropSpec(size=8, scale=0.5, shift=0)

    def __init__(self):
        self.batches = []

    def answer(self, crops, *, numbers_only=False):
        self.batches.append((len(crops), numbers_only))
        return [self.one(c, numbers_only) for c in crops]

    def one(self, crop, numbers_only):
        red = float(np.clip((crop[..., 0].mean() - 120) / 120, 0, 1))
        scores = dict.fromkeys(LABEL_SETS["basic7"], 0.0)
        scores |= {"happiness": red, "neutral": 1 - red}
        return Answer(
            expression=Expression(max(scores, key=scores.get), scores=scores),
            action_units=(ActionUnit(12, red > 0.5, red, 5 * red),),
            text=None if numbers_only else f"red {red:.1f}",
        )


@pytest.fixture
def clip(tmp_path):
    """Two seconds at ten frames a second."""
    path = tmp_path / "walk.mp4"
    write_clip(path, 20, size=(160, 64), rate=10, draw=patches, options={"crf": "1"})
    return path


def rows_of(source, *, batch_size=4, **options):
    return Analyzer(Redness(), Patches(), batch_size=batch_size).analyze(source, **options)


def test_rows_of_frames_then_tracks_then_the_clip(clip):
    rows = rows_of(clip)
    faces = [r for r in rows if r.kind == "face"]
    assert [(r.frame, r.time) for r in faces if r.track == 0] == [
        (i, pytest.approx(i / 10)) for i in range(0, 20, 2)
    ]
    assert [r.frame for r in faces if r.track == 1] == list(range(6, 20, 2))
    assert [r.kind for r in rows[len(faces) :]] == ["track", "track", "clip"]
    red, blue, whole = rows[-3:]
    assert (red.track, red.start, red.end) == (0, 0.0, pytest.approx(1.8))
    assert (blue.track, blue.start) == (1, pytest.approx(0.6))
    assert red.frame == 18  # the brightest
    assert (whole.track, whole.frame) == (0, 18)
    assert {r.source for r in rows} == {str(clip)}


def test_words_only_at_the_apex(clip):
    engine = Redness()
    rows = Analyzer(engine, Patches()).analyze(clip)
    assert {r.text for r in rows if r.kind == "face"} == {None}
    red, blue, whole = rows[-3:]
    assert (red.text, blue.text, whole.text) == ("red 0.9", "red 0.0", "red 0.9")
    assert engine.batches[-1] == (2, False)
    assert all(numbers for _, numbers in engine.batches[:-1])
    rows = rows_of(clip, numbers=True)
    assert {r.text for r in rows} == {None}


def test_batches_do_not_change_rows(clip):
    assert rows_of(clip, batch_size=1) == rows_of(clip, batch_size=7) == rows_of(clip)


def test_sampling(clip):
    def frames(**sampling):
        rows = rows_of(clip, sampling=Sampling(**sampling))
        return sorted({r.frame for r in rows if r.kind == "face"})

    assert frames(rate=2) == [0, 5, 10, 15]
    assert frames(count=2) == [5, 15]
    assert frames(every=7) == [0, 7, 14]
    assert frames(rate=10, start=0.5, end=0.8) == [5, 6, 7]


def test_sampling_in_one_call(clip, monkeypatch):
    import mien

    monkeypatch.setattr("mien.analyzer.load", lambda *_, **__: Analyzer(Redness(), Patches()))
    rows = mien.analyze(clip, sampling=Sampling(count=2))
    assert sorted({r.frame for r in rows if r.kind == "face"}) == [5, 15]


def test_pictures_and_clips_mix_in_their_order(clip, tmp_path):
    still, moving = tmp_path / "still.png", tmp_path / "moving.gif"
    Image.fromarray(patches(0, 160, 64)).save(still)
    animation(moving, 3, [100, 100, 100])
    rows = rows_of([still, clip, moving, still])
    order = [Path(r.source).name for r in rows]
    assert [n for i, n in enumerate(order) if not i or order[i - 1] != n] == [
        "still.png", "walk.mp4", "moving.gif", "still.png",
    ]  # fmt: skip
    assert (rows[0].text, rows[0].frame) == ("red 0.0", 0)
    folder = rows_of(tmp_path)
    assert {Path(r.source).name for r in folder} == {"moving.gif", "still.png", "walk.mp4"}


def test_encoded_clips(clip):
    rows = rows_of(clip.read_bytes(), numbers=True)
    assert [r.kind for r in rows[-3:]] == ["track", "track", "clip"]


def test_cut_off_clip_has_its_rows_and_says_so(tmp_path):
    path = tmp_path / "cut.mkv"
    write_clip(path, 40, size=(160, 64), rate=10, draw=lambda i, w, h: patches(i % 20, w, h))
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    rows = rows_of(path)
    assert sum(r.kind == "face" for r in rows) > 5
    assert rows[-1].status == "ok"
    assert rows[-1].warnings[0].startswith(f"{path}: cut off or broken after")


def test_unreadable_clip_is_one_row_and_the_others_go_on(clip, tmp_path):
    bad = tmp_path / "bad.mp4"
    bad.write_text("not a video")
    first, *others = rows_of([bad, clip])
    assert (first.kind, first.status, first.frame) == ("clip", "unreadable", None)
    assert "bad.mp4: not a video" in first.warnings[0]
    assert others[-1].status == "ok"


def test_frames_without_a_face_have_rows(tmp_path):
    path = tmp_path / "empty.mp4"
    write_clip(path, 4, rate=5, draw=lambda i, w, h: np.full((h, w, 3), 90, np.uint8))
    rows = rows_of(path)
    assert [(r.kind, r.status) for r in rows] == [("face", "no_face")] * 4 + [("clip", "no_face")]
    assert "--faces whole" not in rows[0].warnings[0]


def test_pictures_in_memory_stay_few(tmp_path):
    """A face waits for its batch; the frames without one behind it must not pile up."""
    path = tmp_path / "long.mp4"

    def mostly_empty(index, width, height):
        return patches(0, width, height) if index == 0 else patches(0, width, height)[:, ::-1] * 0

    write_clip(path, 120, size=(160, 64), rate=5, draw=mostly_empty)
    alive: set[int] = set()
    most = 0
    for looked in Analyzer(Redness(), Patches(), batch_size=4).stream(path, numbers=True):
        if looked.image is not None:
            key = id(looked.image)
            alive.add(key)
            weakref.finalize(looked.image, alive.discard, key)
        most = max(most, len(alive))
        del looked
        gc.collect(0)
    assert most <= 6


def test_apex_faces_fall_back_on_the_box_of_the_row(clip):
    row = Analysis(
        str(clip), kind="track", frame=10, time=1.0, track=3, start=0.0, end=2.0,
        box=(60.0, 50.0, 70.0, 60.0),
    )  # fmt: skip
    ((got, image, face),) = apex_faces(clip, [row], Patches())
    assert got is row
    assert image.shape == (64, 160, 3)
    assert face.box == row.box
    wrong = Analysis(
        str(clip), kind="track", frame=10, time=1.3, track=3, start=0.0, end=2.0, box=row.box
    )
    assert list(apex_faces(clip, [wrong], Patches())) == []


@pytest.mark.slow
def test_two_people_who_cross_and_a_cut_with_the_shipped_model(tmp_path):
    import mien

    photo = Image.open(ROOT / "examples" / "astronaut.jpg").convert("RGB").crop((120, 30, 340, 300))
    other = photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT).convert("L").convert("RGB")

    def cross(index, width, height):
        frame = Image.new("RGB", (width, height), (70, 90, 80) if index < 15 else (200, 180, 150))
        if index < 15:
            frame.paste(other, (10 + 28 * index, 40))
            frame.paste(photo, (410 - 28 * index, 20))
        else:
            frame.paste(photo, (300, 60))
        return np.asarray(frame)

    path = tmp_path / "cross.mp4"
    write_clip(path, 20, size=(640, 360), rate=5, draw=cross)
    rows = mien.load(device="cpu").analyze(path)
    faces = [r for r in rows if r.kind == "face"]
    colour = {r.track for r in faces if r.frame == 0 and r.box[0] > 320}
    assert len(colour) == 1
    for row in faces:
        middle = (row.box[0] + row.box[2]) / 2
        front = 410 - 28 * row.frame + 110 if row.frame < 15 else 410
        assert ({row.track} == colour) == (abs(middle - front) < 40), (row.frame, row.track)
    clip_row = rows[-1]
    assert clip_row.expression.label == "happiness"
    assert clip_row.text
