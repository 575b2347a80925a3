import numpy as np
import pytest
from PIL import Image

from mien import draw, facs
from mien.draw import close_up, overlay, picture, regions, save_overlay, style
from mien.schema import ActionUnit, Analysis, Expression
from mien.sinks import SinkError


def face(box, label="happiness", index=0, units=(6, 12)):
    return Analysis(
        "x.jpg",
        face=index,
        box=box,
        expression=Expression(label),
        action_units=tuple(ActionUnit(u, True, 0.9, 2.0) for u in units),
    )


def grey(width, height):
    return np.full((height, width, 3), 128, np.uint8)


@pytest.fixture
def labels(monkeypatch):
    """Places and words of every label that is drawn."""
    seen = []
    real = picture._write

    def spy(target, place, lines, colour, sizes):
        seen.append((place, lines))
        return real(target, place, lines, colour, sizes)

    monkeypatch.setattr(picture, "_write", spy)
    return seen


@pytest.mark.parametrize(
    ("size", "expected"),
    [((48, 48), (480, 480)), ((640, 480), (640, 480)), ((100, 30), (500, 150)), ((7, 400), None)],
)
def test_small_pictures_are_enlarged_by_a_whole_factor(size, expected):
    drawn = overlay(grey(*size), [face((1.0, 2.0, size[0] - 1.0, size[1] - 2.0))])
    assert drawn.mode == "RGB"
    assert drawn.size == (expected or (14, 800))


@pytest.mark.parametrize("size", [(48, 48), (64, 20), (640, 480), (2000, 3000), (6000, 4000)])
def test_labels_lie_inside_the_picture(labels, size):
    w, h = size
    boxes = [(0.0, 0.0, w * 0.3, h * 0.3), (w * 0.8, h * 0.8, w * 1.1, h * 1.2), (0.0, 0.0, w, h)]
    drawn = overlay(grey(w, h), [face(b, index=i) for i, b in enumerate(boxes)])
    assert len(labels) == 3
    for (x0, y0, x1, y1), _ in labels:
        assert x0 >= 0
        assert y0 >= 0
        assert x1 <= drawn.width
        assert y1 <= drawn.height


def test_a_crowd_has_no_label_on_a_label(labels):
    boxes = [(150.0 * x + 30, 150.0 * y + 30, 150.0 * x + 110, 150.0 * y + 120)
             for y in range(5) for x in range(8)]  # fmt: skip
    overlay(grey(1200, 760), [face(b, index=i) for i, b in enumerate(boxes)])
    assert len(labels) == len(boxes)
    places = [place for place, _ in labels]
    for i, a in enumerate(places):
        assert all(style.hidden(a, b) == 0 for b in places[i + 1 :])


def test_what_a_label_says(labels):
    scores = {n: 0.94 if n == "happiness" else 0.01 for n in facs.LABEL_SETS["basic7"]}
    units = (ActionUnit(12, True, 0.9, 3.6), ActionUnit(14, True, side="left"),
             ActionUnit(4, False, 0.1, 0.2), ActionUnit(1))  # fmt: skip
    row = Analysis("x", face=4, box=(200.0, 200.0, 300.0, 320.0), action_units=units,
                   expression=Expression("happiness", scores=scores))  # fmt: skip
    overlay(grey(800, 600), [row])
    assert labels[0][1] == ("#4 happiness 94 %", "AU 12D L14")


def test_rows_without_an_answer_are_labelled_so(labels):
    box = (200.0, 200.0, 300.0, 320.0)
    overlay(grey(640, 480), [Analysis("x", status="no_face")])
    overlay(grey(640, 480), [Analysis("x", status="failed", face=0, box=box)])
    overlay(grey(640, 480), [Analysis("x", face=1, box=box)])
    assert [lines for _, lines in labels] == [
        ("no face found",),
        ("#0 no answer",),
        ("#1 -",),
    ]


def test_box_has_the_colour_of_the_expression():
    drawn = overlay(grey(640, 480), [face((200.0, 200.0, 300.0, 320.0), "disgust")])
    assert drawn.getpixel((200, 260)) == (0x00, 0x9E, 0x73)
    assert set(draw.COLOURS) == set(facs.EXPRESSIONS)
    assert len(set(draw.COLOURS.values())) == len(draw.COLOURS)


def test_the_picture_given_is_left_alone_and_grey_is_taken():
    image = grey(640, 480)
    overlay(image, [face((200.0, 200.0, 300.0, 320.0))])
    assert (image == 128).all()
    assert overlay(image[..., 0], []).size == (640, 480)
    with pytest.raises(ValueError, match="not uint8"):
        overlay(image.astype(np.float32), [])


def mesh(box):
    """Points of a face that fills a box; each outline gets its own patch of it."""
    points = np.zeros((478, 3), np.float32)
    rings = [ring for rings in regions._OUTLINES.values() for ring in rings]
    for n, ring in enumerate(rings):
        middle = np.array([0.3 + 0.4 * (n % 2), (n + 1) / (len(rings) + 1)])
        angles = np.linspace(0, 2 * np.pi, len(ring), endpoint=False)
        around = np.stack([np.cos(angles), np.sin(angles)], 1) * (0.18, 0.05)
        points[list(ring), :2] = middle + around
    size = np.array([box[2] - box[0], box[3] - box[1]])
    points[:, :2] = points[:, :2] * size + box[:2]
    return points


@pytest.fixture
def tags(monkeypatch):
    """Places of the tags of each face."""
    seen = []
    real = picture.tag

    def spy(*args):
        seen.append(real(*args))
        return seen[-1]

    monkeypatch.setattr(picture, "tag", spy)
    return seen


def test_regions_of_present_units_are_tinted():
    box = (200.0, 100.0, 400.0, 300.0)
    row, points = face(box), mesh(box)
    plain = np.asarray(overlay(grey(640, 480), [row]))
    marked = np.asarray(overlay(grey(640, 480), [row], [points]))
    for region, rings in regions._OUTLINES.items():
        for ring in rings:
            x, y = points[list(ring), :2].mean(0).round().astype(int)
            tinted = (plain[y, x] != marked[y, x]).any()
            assert tinted == (region in ("cheeks", "mouth")), region
    for nothing in (None, points[:5], np.full_like(points, np.nan)):
        assert (np.asarray(overlay(grey(640, 480), [row], [nothing])) == plain).all()


def test_a_stronger_unit_has_a_stronger_tint_on_its_own_side():
    box = (200.0, 100.0, 400.0, 300.0)
    points = mesh(box)

    def change(unit, side):
        row = Analysis("x", box=box, expression=Expression("anger"), action_units=(unit,))
        ring = regions._OUTLINES["eyes"][side]
        canvas = Image.new("RGB", (640, 480), (128, 128, 128))
        regions.tint(canvas, row, points[:, :2], style.Style.for_face((640, 480), box))
        x, y = points[list(ring), :2].mean(0).round().astype(int)
        return int(np.abs(np.asarray(canvas)[y, x].astype(int) - 128).sum())

    strengths = [change(ActionUnit(7, True, intensity=n), 0) for n in (1.0, 2.0, 4.0, 5.0)]
    assert strengths == sorted(set(strengths))
    assert strengths[0] > 0
    left = ActionUnit(7, True, intensity=3.0, side="left")
    assert change(left, 0) == 0 < change(left, 1)
    assert change(ActionUnit(7, True), 0) == change(ActionUnit(7, True, intensity=3.0), 0)


@pytest.mark.parametrize("step", [70, 110, 150, 300])
def test_tags_hide_no_label_no_tag_and_no_other_face(labels, tags, step):
    boxes = [(1.0 * x + 20, 1.0 * y + 20, x + 20 + 0.7 * step, y + 20 + 0.8 * step)
             for y in range(0, 600, step) for x in range(0, 900, step)]  # fmt: skip
    rows = [face(b, index=i, units=(1, 2, 6, 7, 9, 12, 17, 25)) for i, b in enumerate(boxes)]
    drawn = overlay(grey(1000, 700), rows, [mesh(b) for b in boxes])
    assert any(tags) == (step > 100)  # smaller faces have no room for words
    taken = [place for place, _ in labels]
    for places, own in zip(tags, boxes, strict=True):
        others = [b for b in boxes if b != own]
        for place in places:
            assert 0 <= place[0] < place[2] <= drawn.width
            assert 0 <= place[1] < place[3] <= drawn.height
            assert all(style.hidden(place, other) == 0 for other in (*taken, *others))
            taken.append(place)


def test_a_lone_face_has_a_tag_for_every_region(tags):
    box = (400.0, 150.0, 600.0, 400.0)
    overlay(grey(1000, 600), [face(box, units=(1, 5, 9, 6, 12, 25, 17))], [mesh(box)])
    assert len(tags[0]) == 6
    tags.clear()
    whole = (0.0, 0.0, 600.0, 600.0)  # no room beside the face, so upon it
    overlay(grey(600, 600), [face(whole, units=(6, 12))], [mesh(whole)])
    assert len(tags[0]) == 2


def test_letters_shrink_with_the_face(labels):
    sizes = [style.Style.for_face((1000, 700), (0, 0, w, w)).letters for w in (60, 120, 200, 600)]
    assert sizes == sorted(sizes)
    assert sizes[0] >= 11
    assert sizes[-1] <= 1000 / 38 + 1


def test_a_close_up_shows_one_face_large():
    box = (20.0, 30.0, 60.0, 80.0)
    row, points = face(box), mesh(box)
    shown = close_up(grey(100, 90), row, points, width=400)
    assert shown.size == (400, 280)
    # at the edge of the picture it is padded, and a region lies where it should
    x, y = points[list(regions._OUTLINES["mouth"][0]), :2].mean(0)
    assert shown.getpixel((int((x - 0) * 5), int((y - 27) * 5))) != (128, 128, 128)
    assert close_up(grey(100, 90), face((-10.0, -10.0, 60.0, 80.0)), points) is not None
    assert close_up(grey(100, 90)[..., 0], row, points).mode == "RGB"
    assert close_up(grey(100, 90), row, None) is None
    assert close_up(grey(100, 90), face(box, units=()), points) is None
    assert close_up(grey(100, 90), face((5.0, 5.0, 5.2, 9.0)), points) is None


def test_a_box_outside_the_picture_does_no_harm():
    overlay(grey(640, 480), [face((-50.0, -50.0, -10.0, -10.0)), face((700.0, 1.0, 900.0, 9.0))])


@pytest.mark.parametrize("name", ["a.png", "ü b.jpg", "c.webp"])
def test_save(tmp_path, name):
    save_overlay(tmp_path / name, overlay(grey(64, 64), []))
    assert Image.open(tmp_path / name).size == (512, 512)
    assert len(list(tmp_path.iterdir())) == 1


def test_save_to_a_bad_place(tmp_path, monkeypatch):
    shown = overlay(grey(64, 64), [])
    with pytest.raises(SinkError, match="no folder"):
        save_overlay(tmp_path / "no" / "a.png", shown)
    with pytest.raises(SinkError, match="names no picture format"):
        save_overlay(tmp_path / "a.xyz", shown)

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(SinkError, match="disk is full"):
        save_overlay(tmp_path / "a.png", shown)
    assert not list(tmp_path.iterdir())
