import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from mien import facs
from mien.report import ReportItem, ReportWriter
from mien.schema import ActionUnit, Analysis, Expression, Pose
from mien.sinks import SinkError

VOID = {"meta", "img", "br"}


class Checker(HTMLParser):
    """Collects tags and attributes, and sees that every element is closed."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.attributes, self.text = [], [], [], ""

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.text += data


def checked(html):
    checker = Checker()
    checker.feed(html)
    checker.close()
    assert checker.open == []
    return checker


def row(source="a.jpg", **more):
    scores = {n: 0.94 if n == "happiness" else 0.01 for n in facs.LABEL_SETS["basic7"]}
    values = dict(
        face=0,
        box=(20.0, 20.0, 80.0, 90.0),
        expression=Expression("happiness", scores=scores),
        action_units=(ActionUnit(12, True, 0.97, 3.4), ActionUnit(4, False, 0.03, 0.1)),
        pose=Pose(4.1, -2.0, 0.6),
        text="A smile.",
        model="mien/nano",
    )
    return Analysis(source, **{**values, **more})


def item(source="a.jpg", size=(120, 100), rows=None):
    image = np.full((size[1], size[0], 3), 90, np.uint8)
    return ReportItem(source, image, (row(source),) if rows is None else rows)


def report(path, items, **options):
    with ReportWriter(path, **{"meta": {}, **options}) as writer:
        for one in items:
            writer.add(one)
    return path.read_text(encoding="utf-8")


def test_a_report_says_everything(tmp_path):
    unreadable = Analysis("cut.jpg", status="unreadable", warnings=("the file ends too early",))
    html = report(
        tmp_path / "r.html",
        [item(), item("tree.jpg", rows=(Analysis("tree.jpg", status="no_face"),)),
         ReportItem("cut.jpg", None, (unreadable,))],
        title="My report", meta={"Model": "mien/nano", "Version": "1.2"},
    )  # fmt: skip
    page = checked(html)
    for words in ("My report", "mien/nano", "1.2", "Face 0", "happiness 94 %", "A smile.", "AU12",
                  "lip corner puller", "3.4 C", "0.97", "yaw 4°", "No face found",
                  "Could not be read: the file ends too early", "A (1) trace",
                  "not proof of a feeling"):  # fmt: skip
        assert words in page.text, words
    assert "3 inputs, 1 face, 1 without a face, 1 could not be read." in page.text
    assert page.tags.count("img") == 2
    assert [p.name for p in tmp_path.iterdir()] == ["r.html"]


def test_the_head_names_who_answered(tmp_path):
    rows = tuple(row("a.jpg", model=name) for name in ("mien/nano", "mien/nano", "a & b"))
    page = checked(report(tmp_path / "r.html", [item(rows=rows), item()]))
    assert "Answers by mien/nano, a & b." in page.text
    far = [item(rows=(row("a.jpg", model="m" * 990),))]
    assert "1 input, 1 face. " in checked(report(tmp_path / "far.html", far)).text


def test_it_needs_nothing_from_outside(tmp_path):
    html = report(tmp_path / "r.html", [item()])
    page = checked(html)
    assert not {"script", "link", "iframe", "a"} & set(page.tags)
    assert all(v.startswith("data:image/jpeg;base64,") for k, v in page.attributes if k == "src")
    assert "http" not in re.sub(r'http-equiv="', "", html)
    assert "url(" not in html
    assert not [k for k, _ in page.attributes if k.startswith("on")]


def test_texts_from_outside_are_escaped(tmp_path):
    evil = "<script>alert('1')</script>\"&.jpg"
    bad = row(evil, text=evil, warnings=(evil,), model=evil)
    failed = Analysis(evil, status="unreadable", warnings=(evil,))
    page = checked(report(tmp_path / "r.html", [item(evil, rows=(bad,)), item(rows=(failed,))],
                          title=evil, meta={evil: evil}))  # fmt: skip
    assert "script" not in page.tags
    assert page.text.count(evil) >= 8
    assert any(k == "alt" and evil in v for k, v in page.attributes)


def test_pictures_are_small_jpegs_with_words_beside_them(tmp_path):
    page = checked(report(tmp_path / "r.html", [item(size=(3000, 2000)), item(size=(400, 4000))]))
    sizes = []
    for name, value in page.attributes:
        if name == "src":
            data = base64.b64decode(value.split(",", 1)[1])
            sizes.append(Image.open(io.BytesIO(data)).size)
    assert sizes == [(900, 600), (140, 1400)]
    alts = [v for k, v in page.attributes if k == "alt"]
    assert alts == ["a.jpg: face 0 happiness 94 %"] * 2


def test_a_small_face_is_shown_enlarged_with_its_units(tmp_path):
    points = np.random.default_rng(0).uniform(20, 80, (478, 3)).astype(np.float32)
    image = np.full((100, 120, 3), 90, np.uint8)
    page = checked(report(tmp_path / "a.html", [ReportItem("a.jpg", image, (row(),), (points,))]))
    alts = [v for k, v in page.attributes if k == "alt"]
    assert alts == ["a.jpg: face 0 happiness 94 %", "face 0 enlarged, with AU12"]
    large = np.full((800, 800, 3), 90, np.uint8)
    whole = row(box=(10.0, 10.0, 700.0, 700.0))
    still = row(action_units=())
    for shown, one, mesh in ((large, whole, points), (image, still, points), (image, row(), None)):
        item = ReportItem("b.jpg", shown, (one,), (mesh,))
        assert checked(report(tmp_path / "b.html", [item])).tags.count("img") == 1


def test_unknown_is_a_dash_and_has_no_bar(tmp_path):
    units = (ActionUnit(12), ActionUnit(14, None, 0.5, None, "left"))
    html = report(tmp_path / "a.html", [item(rows=(row(action_units=units),))])
    table = html[html.index('class="units"') :]
    first = table[table.index("AU12") : table.index("AU14")]
    assert 'class="bar"' not in first
    assert re.findall(r'class="num">([^<]*)<', first) == ["-", "-"]
    assert "dimpler (left)" in table
    assert "0.50" in table
    bare = Analysis("a", face=0)
    scoreless = row(expression=Expression("anger"))
    page = checked(report(tmp_path / "b.html", [item(rows=(bare, scoreless))]))
    for words in ("Expression: not known", "Action units: not known", "no scores",
                  "Head pose: -.", "Detection: -."):  # fmt: skip
        assert words in page.text, words


def test_units_stand_by_region_in_order(tmp_path):
    units = tuple(ActionUnit(n, False, 0.0, 0.0) for n in (26, 25, 12, 9, 6, 5, 1))
    table = report(tmp_path / "r.html", [item(rows=(row(action_units=units),))])
    found = re.findall(r'class="region">(\w+)<', table)
    assert found == ["brows", "eyes", "nose", "cheeks", "mouth", "jaw"]
    assert table.index("AU12") < table.index("AU25")


def test_answers_that_failed_are_shown(tmp_path):
    rows = (row(status="unparsed", expression=None, action_units=None, text="I cannot say."),
            row(face=1, status="failed", expression=None, action_units=None))  # fmt: skip
    page = checked(report(tmp_path / "r.html", [item(rows=rows)]))
    assert "I cannot say." in page.text
    assert "Answer not understood" in page.text
    assert "2 faces, 1 with an answer that was not understood, 1 without an answer" in page.text


def test_an_interrupted_report_is_whole_and_says_so(tmp_path):
    out = tmp_path / "r.html"
    with pytest.raises(KeyboardInterrupt), ReportWriter(out, meta={}) as writer:  # noqa: PT012
        writer.add(item())
        raise KeyboardInterrupt
    page = checked(out.read_text(encoding="utf-8"))
    assert "Not complete: the run was stopped." in page.text
    assert "Face 0" in page.text


def test_an_old_report_survives_a_run_that_finished_nothing(tmp_path):
    out = tmp_path / "r.html"
    out.write_text("old")
    with pytest.raises(ValueError, match="no"), ReportWriter(out, meta={}):
        raise ValueError("no")
    assert out.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_items_are_written_as_they_come(tmp_path):
    with ReportWriter(tmp_path / "r.html", meta={}) as writer:
        writer.add(item("first.jpg"))
        assert "first.jpg" in (tmp_path / "r.html.part").read_text(encoding="utf-8")


def test_no_items_and_frames_of_one_video(tmp_path):
    assert "nothing to look at" in report(tmp_path / "a.html", [])
    frames = [item("c.mp4", rows=(row("c.mp4", frame=n, time=n / 25),)) for n in (0, 25, 50)]
    page = checked(report(tmp_path / "b.html", frames))
    assert "1 input, 3 faces." in page.text
    assert "frame 25, 1.00 s" in page.text


def test_a_bad_place_is_named(tmp_path):
    with pytest.raises(SinkError, match="no folder"):
        ReportWriter(tmp_path / "no" / "r.html", meta={})


def test_file_names_that_are_no_utf8(tmp_path):
    assert "bad\\udcff.jpg" in report(tmp_path / "r.html", [item("bad\udcff.jpg")])
