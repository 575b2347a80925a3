"""Fills the templates; no text from outside gets into a page raw."""

from __future__ import annotations

import base64
import hashlib
import re
import uuid
from functools import cache
from typing import TYPE_CHECKING

from mien.terminal import shown

if TYPE_CHECKING:
    from jinja2 import Environment

_NOT_PLAIN = re.compile(r"[^\n -~]+")


def fill(template: str, **data: object) -> str:
    """A template with its data; what is HTML in the data is escaped.

    Args:
        template: name of a file in the folder `templates`.
        data: plain values for it.
    """
    text = _templates().get_template(template).render(data)
    # Done on the whole text, so that nothing that a template joins or marks as safe is left out.
    return _NOT_PLAIN.sub(lambda found: shown(found[0]), text)


def fill_around(template: str, **data: object) -> list[str]:
    """The pieces of a page between which the caller writes something of its own.

    Args:
        template: has `{{ cut }}` at each place where a piece ends.
        data: plain values for it.
    """
    cut = uuid.uuid4().hex  # which no text from outside can hold
    return fill(template, cut=cut, **data).split(cut)


@cache
def _templates() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined  # slow, and not always needed

    made = Environment(
        loader=PackageLoader("mien.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["digest"] = _digest
    return made


def _digest(script: str) -> str:
    """The hash by which a Content-Security-Policy allows an inline script."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
