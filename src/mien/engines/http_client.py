"""The HTTP library behind the endpoints, imported only where one is asked."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from mien.engines.base import EngineError


def http_library() -> ModuleType:
    """`httpx2`, or its predecessor `httpx`: both have what is used here under the same names.

    Raises:
        EngineError: if neither is installed.
    """
    for name in ("httpx2", "httpx"):
        try:
            return import_module(name)
        except ImportError:
            continue
    raise EngineError("models behind an endpoint need httpx2: pip install 'mien[bench]'")
