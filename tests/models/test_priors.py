"""Facial priors: what they may be, the face's own frame, FaceXFormer, files, the cache."""

import math

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tiny_emo_llama import face

from mien.models.priors import (
    LAYOUTS,
    Attribute,
    CachedPriors,
    FacePriors,
    FilePriors,
    Picture,
    from_facexformer,
    in_face_frame,
    write_priors,
)
from mien.schema import Face, SchemaError


def equal(one: FacePriors, two: FacePriors) -> bool:
    for name in ("embedding", "landmarks"):
        a, b = getattr(one, name), getattr(two, name)
        if (a is None) != (b is None) or (a is not None and not np.array_equal(a, b)):
            return False
    if one.pose != two.pose or one.layout != two.layout:
        return False
    shapes = [{k: round(v, 6) for k, v in (p.blendshapes or {}).items()} for p in (one, two)]
    known = [
        {k: (a.value, a.confidence and round(a.confidence, 6)) for k, a in p.attributes.items()}
        for p in (one, two)
    ]
    return shapes[0] == shapes[1] and known[0] == known[1]


def picture(seed: int = 0, **changes) -> Picture:
    image = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return Picture(**{"image": image, "name": f"{seed}.png", **changes})


@pytest.mark.parametrize("name", LAYOUTS)
def test_regions_are_whole(name):
    marks = LAYOUTS[name]
    points = [i for region in marks.regions.values() for i in region]
    assert len(points) == len(set(points))  # no point in two regions
    assert set(points) <= set(range(marks.count))
    if name == "ibug68":
        assert sorted(points) == list(range(68))
        sizes = [len(r) for r in marks.regions.values()]
        assert sizes == [17, 5, 5, 4, 5, 6, 6, 12, 8]  # as Face-LLaVA groups them


def test_regions_of_the_mesh_are_mediapipes_own():
    vision = pytest.importorskip("mediapipe.tasks.python.vision.face_landmarker")
    known = vision.FaceLandmarksConnections

    def points(*names):
        lines = [line for name in names for line in getattr(known, f"FACE_LANDMARKS_{name}")]
        return {i for line in lines for i in (line.start, line.end)}

    regions = {name: set(r) for name, r in LAYOUTS["mediapipe478"].regions.items()}
    assert regions["contour"] == points("FACE_OVAL")
    assert regions["lips"] | regions["inner_mouth"] == points("LIPS")
    assert regions["nose"] | regions["nostrils"] == points("NOSE")
    for side in ("right", "left"):
        eye, brow = f"{side.upper()}_EYE", f"{side.upper()}_EYEBROW"
        centre = 468 if side == "right" else 473
        assert regions[f"{side}_eye"] == points(eye, f"{side.upper()}_IRIS") | {centre}
        assert regions[f"{side}_brow"] == points(brow)


def test_the_face_frame_by_hand():
    points = np.zeros((68, 2), dtype=np.float32)
    points[[36, 39, 42, 45]] = [[10, 20], [30, 20], [50, 20], [70, 20]]  # eyes on a level
    points[[27, 28, 29, 30]] = 40, 20  # and a flat nose between them
    points[8] = 40, 60
    unit = math.sqrt((30**2 + 10**2 + 10**2 + 30**2) / 8)
    placed = in_face_frame(points, "ibug68")
    assert np.allclose(placed[36], [-30 / unit, 0], atol=1e-6)
    assert np.allclose(placed[8], [0, 40 / unit], atol=1e-6)


@pytest.mark.parametrize("dim", [2, 3])
def test_the_face_frame_knows_no_place_size_or_roll(dim):
    points = np.random.default_rng(0).normal(size=(68, dim))
    points[[36, 39], 0] -= 3  # the right eye is on the left of the picture
    points[[42, 45], 0] += 3
    turn = math.radians(35)
    rotation = np.eye(dim)
    rotation[:2, :2] = [[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]]
    moved = 2.5 * points @ rotation.T
    moved[:, :2] += [100, -40]
    before, after = in_face_frame(points, "ibug68"), in_face_frame(moved, "ibug68")
    assert np.allclose(before, after, atol=1e-4)
    mirrored = in_face_frame(points * ([-1, 1, 1][:dim]), "ibug68")
    assert not np.allclose(before, mirrored, atol=0.1)


def test_no_frame_without_a_face():
    assert in_face_frame(np.zeros((68, 2)), "ibug68") is None
    points = np.random.default_rng(0).normal(size=(68, 2))
    points[3, 1] = np.nan
    assert in_face_frame(points, "ibug68") is None
    with pytest.raises(ValueError, match="478"):
        in_face_frame(points, "mediapipe478")
    with pytest.raises(ValueError, match="ibug68"):
        in_face_frame(points, "wflw98")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"layout": None}, "go together"),
        ({"landmarks": np.zeros((478, 3))}, "ibug68"),
        ({"embedding": np.zeros((2, 4))}, "embedding"),
        ({"blendshapes": {"jawOpen": 1.5}}, "jawOpen"),
        ({"attributes": {"mood": Attribute("good")}}, "mood"),
    ],
)
def test_priors_check_themselves(changes, words):
    with pytest.raises(SchemaError, match=words):
        face(**changes)
    with pytest.raises(SchemaError, match="confidence"):
        Attribute("male", 1.2)


def test_facexformer_by_hand():
    landmarks = np.zeros(136)
    landmarks[:2], landmarks[2:4] = (-1, -1), (1, 0)
    found = from_facexformer(
        landmarks=landmarks,
        headpose=np.radians([10.0, 20.0, 30.0]),  # pitch, yaw, roll
        age=np.array([0, 0, math.log(3), -40, -40, -40, -40, -40.0]),
        gender=np.array([0.0, math.log(4)]),
        race=np.full(5, np.nan),
        box=(100, 50, 300, 150),
    )
    assert found.layout == "ibug68"
    assert found.landmarks[:3].tolist() == [[100, 50], [300, 100], [200, 100]]
    pose = found.pose
    assert np.allclose([pose.pitch, pose.yaw, pose.roll], [10, 20, 30])
    assert set(found.attributes) == {"age", "gender"}
    assert found.attributes["age"].value == "20-29"
    assert found.attributes["age"].confidence == pytest.approx(0.6)
    assert found.attributes["gender"].value == "female"
    assert found.attributes["gender"].confidence == pytest.approx(0.8)
    assert found.embedding is None
    unknown = from_facexformer(landmarks=np.full(136, np.nan), embedding=np.full(4, np.nan))
    assert unknown.is_empty
    with pytest.raises(ValueError, match="8 classes"):
        from_facexformer(age=np.zeros(9))


def test_parquet_there_and_back(tmp_path):
    rows = [
        face(),
        FacePriors(),
        face(1, blendshapes=None, attributes={"race": Attribute("other", None)}),
    ]
    path = tmp_path / "priors.parquet"
    write_priors(path, ["a.png", "b.png", "a.png"], rows, [0, 0, 1])
    source = FilePriors(path)
    asked = [picture(name="a.png", frame=1), picture(name="b.png"), picture(name="a.png")]
    found = source.read(asked)
    assert all(map(equal, found, [rows[2], rows[1], rows[0]]))
    assert found[1].is_empty
    assert found[0].attributes["race"].confidence is None
    assert source.identity != _rewritten(path, source.identity)


def _rewritten(path, before):
    write_priors(path, ["a.png"], [face(2)])
    return FilePriors(path).identity


def test_parquet_that_others_wrote(tmp_path):
    path = tmp_path / "priors.parquet"
    table = pa.table(
        {
            "name": ["x.jpg", "y.jpg"],
            "landmarks": [list(range(136)), [float("nan")] * 136],
            "yaw": [1.5, None],
            "pitch": [0.0, 2.0],
            "roll": [0.0, 2.0],
            "blendshapes": [{"jawOpen": 0.5}, {"jawOpen": None}],
            "gender": ["female", ""],
            "gender_confidence": [0.75, None],
        }
    )
    pq.write_table(table, path)
    x, y = FilePriors(path).read([picture(name="x.jpg"), picture(name="y.jpg")])
    assert x.landmarks[1].tolist() == [2, 3]
    assert x.layout == "ibug68"
    assert x.pose.yaw == 1.5
    assert x.blendshapes == {"jawOpen": 0.5}
    assert x.attributes == {"gender": Attribute("female", 0.75)}
    assert (y.landmarks, y.pose, y.attributes) == (None, None, {})


def test_npz_of_facexformer(tmp_path):
    path = tmp_path / "out.npz"
    arrays = {
        "name": np.array(["a.png", "b.png"]),
        "landmarks": np.stack([np.linspace(-1, 1, 136), np.full(136, np.nan)]),
        "age": np.eye(8)[[7, 0]] * 50,
        "embedding": np.ones((2, 256)),
    }
    np.savez(path, **arrays)
    a, b = FilePriors(path).read([picture(name="a.png"), picture(name="b.png")])
    assert a.landmarks.shape == (68, 2)
    assert a.embedding.shape == (256,)
    assert a.attributes["age"].value == "70 or older"
    assert b.landmarks is None
    assert b.attributes["age"].value == "0-9"
    np.savez(path, **arrays, mood=np.zeros(2))
    with pytest.raises(ValueError, match=r"out\.npz.*mood"):
        FilePriors(path)
    np.savez(path, **{**arrays, "age": np.zeros(2)})
    with pytest.raises(ValueError, match="score for each class"):
        FilePriors(path)


def test_a_file_says_what_is_wrong(tmp_path):
    path = tmp_path / "priors.parquet"
    write_priors(path, ["a.png"], [face()])
    source = FilePriors(path)
    with pytest.raises(ValueError, match=r"no row for 'b\.png', frame 0"):
        source.read([picture(name="b.png")])
    with pytest.raises(ValueError, match="has none"):
        source.read([picture(name=None)])
    (unknown,) = FilePriors(path, missing_is_unknown=True).read([picture(name="b.png")])
    assert unknown.is_empty
    pq.write_table(pa.table({"name": ["a.png"], "landmarks": [[1.0, 2.0]]}), path)
    with pytest.raises(ValueError, match=r"priors\.parquet, row 0.*2 numbers"):
        FilePriors(path).read([picture(name="a.png")])
    pq.write_table(pa.table({"name": ["a.png", "a.png"]}), path)
    with pytest.raises(ValueError, match="twice"):
        FilePriors(path)
    path.write_bytes(b"PAR1 and no more")
    with pytest.raises(ValueError, match=r"priors\.parquet"):
        FilePriors(path)
    other = tmp_path / "priors.csv"
    other.write_text("name\n")
    with pytest.raises(ValueError, match=r"neither in \.parquet"):
        FilePriors(other)


class Counting:
    """A source that remembers what it was asked."""

    def __init__(self, identity="counting 1"):
        self.identity, self.asked = identity, []

    def read(self, pictures):
        self.asked.append([p.name for p in pictures])
        if any(p.name == "99.png" for p in pictures):
            raise RuntimeError("stopped")
        return [face(int(p.name.split(".")[0])) for p in pictures]


def test_the_cache_computes_nothing_twice(tmp_path):
    source = Counting()
    with CachedPriors(source, tmp_path) as cache:
        first = cache.read([picture(0), picture(1), picture(0)])
        assert source.asked == [["0.png", "1.png"]]
        again = cache.read([picture(1), picture(0, name="moved.png")])
        assert len(source.asked) == 1  # known by its pixels, not by its name
        assert equal(again[0], face(1))
        assert equal(again[1], first[2])
    later = Counting()
    with CachedPriors(later, tmp_path) as cache:
        assert len(cache) == 2
        assert all(map(equal, cache.read([picture(0), picture(1)]), [face(0), face(1)]))
        assert later.asked == []


def test_another_source_or_face_is_another_entry(tmp_path):
    with CachedPriors(Counting(), tmp_path) as cache:
        cache.read([picture(0)])
        cache.read([picture(0, face=Face(box=(0, 0, 4, 4)))])
        cache.read([picture(0, face=Face(box=(0, 0, 5, 4)))])
        assert len(cache) == 3
    other = Counting("counting 2")
    with CachedPriors(other, tmp_path) as cache:
        cache.read([picture(0)])
    assert other.asked == [["0.png"]]


def test_a_stopped_run_goes_on(tmp_path):
    source = Counting()
    cache = CachedPriors(source, tmp_path, rows_per_file=2)
    cache.read([picture(0), picture(1)])  # written, since two are a file
    with pytest.raises(RuntimeError):
        cache.read([picture(99)])
    del cache  # without a flush, as when a process is killed
    later = Counting()
    with CachedPriors(later, tmp_path) as cache:
        cache.read([picture(0), picture(1), picture(2)])
    assert later.asked == [["2.png"]]
    assert not list(tmp_path.rglob("*.part"))


def test_two_runs_may_fill_one_cache(tmp_path):
    with CachedPriors(Counting(), tmp_path) as one, CachedPriors(Counting(), tmp_path) as two:
        one.read([picture(0)])
        two.read([picture(0), picture(1)])
    with CachedPriors(Counting(), tmp_path) as cache:
        assert len(cache) == 2


def test_a_damaged_file_is_named(tmp_path):
    with CachedPriors(Counting(), tmp_path) as cache:
        cache.read([picture(0)])
    (path,) = tmp_path.rglob("*.arrow")
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match=rf"{path.name}.*delete it"):
        CachedPriors(Counting(), tmp_path)
