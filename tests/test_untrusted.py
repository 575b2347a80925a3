"""Texts from outside: what is wrong with them is one error with place and remedy."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from mien.untrusted import (
    TextError,
    json_object,
    json_value,
    read_json,
    toml_value,
    yaml_value,
)

DEEP = 20_000
_LETTERS = "abcdefghi"
_GROWING = "a: &a [x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n" for old, new in pairwise(_LETTERS)
)


@pytest.mark.parametrize(
    "text",
    [
        "[" * DEEP + "]" * DEEP,
        "[" * 300 + "]" * 300,
        '{"a": ' * DEEP,
        "9" * 5000,
        "{",
        "",
        b"\xff\xfe\x00",
        b"\x00\x01\x02\x03",
    ],
)
def test_broken_json_names_the_place(text: str | bytes) -> None:
    with pytest.raises(TextError, match=r"^rows.jsonl, line 3: .*; ") as error:
        json_value(text, "rows.jsonl, line 3")
    assert len(str(error.value)) < 300


def test_sound_json_is_unchanged(tmp_path: Path) -> None:
    assert json_value('\ufeff{"a": [1, 2.5, null, "\\ud83d\\ude00"]}') == {
        "a": [1, 2.5, None, "😀"]
    }
    wide = "[" + ",".join(["[[1], {}]"] * 500) + "]"
    assert len(json_value(wide)) == 500
    file = tmp_path / "x.json"
    file.write_bytes('{"é": 1}'.encode("utf-16"))
    assert read_json(file) == {"é": 1}


def test_halves_of_pairs_become_the_replacement_sign_but_bytes_of_names_stay() -> None:
    assert json_value('{"a\\ud800": ["\\uDFFF x"]}') == {"a�": ["� x"]}
    assert json_value('"\\udce9.jpg"') == "\udce9.jpg"


def test_an_object_is_asked_for() -> None:
    with pytest.raises(TextError, match=r"run.json: holds a list"):
        json_object("[]", "run.json")


@pytest.mark.parametrize(
    "text",
    [
        "a: " + "[" * DEEP,
        "a: " + "9" * 5000,
        "a: &a [*a]",
        "a: &a {x: *a}",
        _GROWING,
        "? [a]\n: b\n",
        "<<: 5\n",
        "a: 1\nb: 2\na: 3\n",
        "a: !!python/object/apply:os.system [ls]",
        "a: \0",
        "a: [",
    ],
)  # fmt: skip
def test_broken_yaml_names_the_file(text: str) -> None:
    with pytest.raises(TextError, match=r"^recipe.yaml.*mend it"):
        yaml_value(text, "recipe.yaml")


def test_yaml_keeps_dates_as_text_and_aliases_as_values() -> None:
    text = "day: 2001-99-99\nbase: &b {x: 1}\nmore: {<<: *b, y: 2}\nagain: *b\nnone:\n"
    assert yaml_value(text, "x") == {
        "day": "2001-99-99",
        "base": {"x": 1},
        "more": {"x": 1, "y": 2},
        "again": {"x": 1},
        "none": None,
    }
    assert yaml_value("", "x") is None


@pytest.mark.parametrize(
    "text", ["a = 2001-99-99", "a = " + "[" * DEEP, "a = " + "9" * 5000, "a = 1\na = 2", "\0"]
)
def test_broken_toml_names_the_file(text: str) -> None:
    with pytest.raises(TextError, match=r"^suite.toml: .*mend it"):
        toml_value(text, "suite.toml")
