import dataclasses
from pathlib import Path

from mien.train.recipe_table import SECTIONS, meanings, tables

PAGE = Path(__file__).parents[2] / "docs" / "train.md"


def test_every_field_has_a_meaning():
    for kind in SECTIONS.values():
        assert list(meanings(kind)) == [f.name for f in dataclasses.fields(kind)], kind.__name__


def test_the_page_has_the_fields_as_they_are():
    # Write them anew with: python -m mien.train.recipe_table
    assert PAGE.read_text(encoding="utf-8").endswith(tables())
