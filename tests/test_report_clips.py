"""Clips in the report: plots that are sound XML, marks where they belong."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from mien.report import ClipItem, ReportWriter
from mien.report.timeline import timeline_svg
from mien.timeline import Timeline, summary_rows
from tests.timeline.test_track_rows import SMILE, row

NAME = "<b>clip & co.mp4"


def item(rows=SMILE, *, fault=None, frames=None):
    timeline = Timeline(NAME, "tiny")
    for one in rows:
        timeline.add([one])
    return ClipItem(NAME, timeline, tuple(summary_rows(timeline, fault=fault)), frames or {})


def test_plot_has_lines_strips_and_the_apex():
    made = item()
    svg = timeline_svg(made.timeline.tracks[0], made.rows[0])
    root = ET.fromstring(svg)
    assert len(root.findall("path[@class='line']")) == 2  # neutral and happiness
    names = [t.text for t in root.findall("text[@class='name']")]
    assert names == ["neutral", "happiness", "AU12 lip corner puller"]
    (apex,) = root.findall("line[@class='apex']")
    # From 0 to 2.5 s the plot is 688 wide and begins at 168; the apex is at 1 s.
    assert float(apex.get("x1")) == pytest.approx(168 + 688 / 2.5, abs=0.1)
    (span,) = root.findall("line[@class='span']")
    assert float(span.get("x1")) == pytest.approx(168 + 688 * 0.2 / 2.5, abs=0.1)
    assert float(span.get("x2")) == pytest.approx(168 + 688 * 1.4 / 2.5, abs=0.1)
    cells = [float(c.get("opacity")) for c in root.findall("rect[@class='cell']")]
    assert cells == [0.5, 1.0]


def test_long_tracks_make_small_plots():
    rng = np.random.default_rng(0)
    rows = [row(i, happy=float(rng.random()), smile=float(5 * rng.random())) for i in range(3000)]
    made = item(rows)
    svg = timeline_svg(made.timeline.tracks[0], made.rows[0])
    ET.fromstring(svg)
    assert len(svg) < 200_000


def test_one_frame_has_no_plot():
    made = item(SMILE[:1])
    assert timeline_svg(made.timeline.tracks[0], made.rows[0]) == ""


def test_page(tmp_path):
    path = tmp_path / "report.html"
    image = np.full((60, 80, 3), 90, np.uint8)
    with ReportWriter(path) as report:
        report.add_clip(item(fault=f"{NAME}: cut off", frames={0: (image, None, 1.0)}))
        report.add_clip(item([], fault=f"{NAME}: holds only sound"))
    page = path.read_text()
    assert page.count("<svg") == 1
    assert page.count("data:image/jpeg") == 1
    assert "&lt;b&gt;clip &amp; co.mp4" in page
    assert "<b>clip" not in page
    assert "cut off" in page
    assert "holds only sound" in page
    assert "1 input, 1 face, 1 could not be read." in page
    assert not re.search(r"(src|href)=\"(?!data:)", page)
