"""What is true of every page: nothing from outside gets through, and nothing outside is needed."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from PIL import Image

from mien.page import Cell, Table, fill, inlined
from mien.page.fill import _templates

HOSTILE = "<script>alert('1')</script>\"&\u202egpj.\x1b[31m\x00\udcff\r"
SHOWN = "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&#34;&amp;" + (
    "\\u202egpj.\\u001b[31m\\u0000\\udcff\\r"
)
PAGE = """{% extends "base.html" %}{% from "macros.html" import table, facts, note, img %}
{% block kind %}data{% endblock %}{% block facts %}{{ facts({text: text}) }}{% endblock %}
{% block main %}{{ table(*made) }}{{ note(text, [text]) }}{{ img(picture) }}{% endblock %}"""


@pytest.fixture
def page() -> str:
    template = _templates().from_string(PAGE)
    cells = [Cell(HOSTILE, ends=HOSTILE, dot=HOSTILE, strong=True), Cell(HOSTILE, title=HOSTILE)]
    made = Table([HOSTILE], [[HOSTILE, *cells]], HOSTILE, HOSTILE)
    picture = inlined(Image.new("RGB", (4, 3)), HOSTILE)
    return fill(template, title=HOSTILE, text=HOSTILE, made=made, picture=picture)


def test_texts_from_outside_are_written_out_wherever_they_stand(page: str) -> None:
    assert page.count(SHOWN) == 16
    assert page.count("<script") == 0
    assert not re.search(r"[^\n -~]", page)


def test_plain_letters_of_all_languages_stay() -> None:
    named = "Ärger, 怒り, می\u200cشود, 🙂"
    assert f"<dd>{named}</dd>" in fill(
        _templates().from_string('{% from "macros.html" import facts %}{{ facts(named) }}'),
        named={"x": named},
    )


def test_a_page_needs_nothing_and_allows_nothing_else(page: str) -> None:
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'\"" in page
    assert not re.search(r"(?:src|href)=\"(?!data:)|url\(|@import|https?:", page)


def test_whole_numbers_have_separators() -> None:
    text = (
        '{% from "macros.html" import table %}{{ table(["", "n"], [["a", 1234567], ["b", 0.5]]) }}'
    )
    assert re.findall('num">([^<]+)</td', fill(_templates().from_string(text))) == [
        "1,234,567",
        "0.5",
    ]


@pytest.mark.parametrize(
    ("side", "size"), [(None, (300, 500)), (112, (67, 112)), (900, (300, 500))]
)
def test_pictures_are_made_smaller_and_never_larger(side: int | None, size: tuple) -> None:
    picture = inlined(Image.new("RGB", (300, 500)), "x", side=side, kind="WEBP")
    assert (picture.width, picture.height) == size
    assert picture.url.startswith("data:image/webp;base64,")


def test_jinja_is_not_loaded_before_it_is_needed() -> None:
    code = "import sys, mien.page; print({'jinja2', 'markupsafe'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
