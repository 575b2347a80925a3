"""mien reads facial expressions and action units with multimodal language models, and says why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mien._version import __version__

if TYPE_CHECKING:
    from mien.analyzer import Analyzer as Analyzer
    from mien.analyzer import analyze as analyze
    from mien.analyzer import load as load
    from mien.chat import Chat as Chat
    from mien.schema import Analysis as Analysis

__all__ = ["Analysis", "Analyzer", "Chat", "__version__", "analyze", "load"]

_HOMES = {
    "Analysis": "mien.schema",
    "Analyzer": "mien.analyzer",
    "Chat": "mien.chat",
    "analyze": "mien.analyzer",
    "load": "mien.analyzer",
}


def __getattr__(name: str) -> Any:
    """Loads the public names on first use, so that `import mien` is quick."""
    if name not in _HOMES:
        raise AttributeError(f"module 'mien' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
