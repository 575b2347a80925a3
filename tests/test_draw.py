import numpy as np
import pytest
from PIL import Image

from mien import draw, facs
from mien.draw import overlay, save_overlay
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
    real = draw._write

    def spy(target, place, lines, colour, style):
        seen.append((place, lines))
        return real(target, place, lines, colour, style)

    monkeypatch.setattr(draw, "_write", spy)
    return seen


@pytest.mark.parametrize(
    ("size", "expected"),
    [((48, 48), (480, 480)), ((640, 480), (640, 480)), ((100, 30), (500, 150)), ((7, 400), None)],
)
def test_small_pictures_are_enlarged_by_a_whole_factor(size, expected):
    picture = overlay(grey(*size), [face((1.0, 2.0, size[0] - 1.0, size[1] - 2.0))])
    assert picture.mode == "RGB"
    assert picture.size == (expected or (14, 800))


@pytest.mark.parametrize("size", [(48, 48), (64, 20), (640, 480), (2000, 3000), (6000, 4000)])
def test_labels_lie_inside_the_picture(labels, size):
    w, h = size
    boxes = [(0.0, 0.0, w * 0.3, h * 0.3), (w * 0.8, h * 0.8, w * 1.1, h * 1.2), (0.0, 0.0, w, h)]
    picture = overlay(grey(w, h), [face(b, index=i) for i, b in enumerate(boxes)])
    assert len(labels) == 3
    for (x0, y0, x1, y1), _ in labels:
        assert x0 >= 0
        assert y0 >= 0
        assert x1 <= picture.width
        assert y1 <= picture.height


def test_a_crowd_has_no_label_on_a_label(labels):
    boxes = [(150.0 * x + 30, 150.0 * y + 30, 150.0 * x + 110, 150.0 * y + 120)
             for y in range(5) for x in range(8)]  # fmt: skip
    overlay(grey(1200, 760), [face(b, index=i) for i, b in enumerate(boxes)])
    assert len(labels) == len(boxes)
    places = [place for place, _ in labels]
    for i, a in enumerate(places):
        assert all(draw._hidden(a, b) == 0 for b in places[i + 1 :])


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
    picture = overlay(grey(640, 480), [face((200.0, 200.0, 300.0, 320.0), "disgust")])
    assert picture.getpixel((200, 260)) == (0x00, 0x9E, 0x73)
    assert set(draw.COLOURS) == set(facs.EXPRESSIONS)
    assert len(set(draw.COLOURS.values())) == len(draw.COLOURS)


def test_the_picture_given_is_left_alone_and_grey_is_taken():
    image = grey(640, 480)
    overlay(image, [face((200.0, 200.0, 300.0, 320.0))])
    assert (image == 128).all()
    assert overlay(image[..., 0], []).size == (640, 480)
    with pytest.raises(ValueError, match="not uint8"):
        overlay(image.astype(np.float32), [])


def test_regions_of_present_units_are_outlined():
    points = np.random.default_rng(0).uniform(210, 290, (478, 3)).astype(np.float32)
    row = face((200.0, 200.0, 300.0, 300.0))
    plain = np.asarray(overlay(grey(640, 480), [row]))
    marked = np.asarray(overlay(grey(640, 480), [row], [points]))
    assert (plain != marked).any()
    assert (np.asarray(overlay(grey(640, 480), [row], [None])) == plain).all()
    assert (np.asarray(overlay(grey(640, 480), [row], [points[:5]])) == plain).all()


def test_a_box_outside_the_picture_does_no_harm():
    overlay(grey(640, 480), [face((-50.0, -50.0, -10.0, -10.0)), face((700.0, 1.0, 900.0, 9.0))])


@pytest.mark.parametrize("name", ["a.png", "ü b.jpg", "c.webp"])
def test_save(tmp_path, name):
    save_overlay(tmp_path / name, overlay(grey(64, 64), []))
    assert Image.open(tmp_path / name).size == (512, 512)
    assert len(list(tmp_path.iterdir())) == 1


def test_save_to_a_bad_place(tmp_path, monkeypatch):
    picture = overlay(grey(64, 64), [])
    with pytest.raises(SinkError, match="no folder"):
        save_overlay(tmp_path / "no" / "a.png", picture)
    with pytest.raises(SinkError, match="names no picture format"):
        save_overlay(tmp_path / "a.xyz", picture)

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(SinkError, match="disk is full"):
        save_overlay(tmp_path / "a.png", picture)
    assert not list(tmp_path.iterdir())
