"""Who answers a question about a face: one protocol, whatever stands behind it."""

from mien.engines.base import Answer, Engine, EngineError
from mien.engines.load import load_engine, resolve_device

__all__ = ["Answer", "Engine", "EngineError", "load_engine", "resolve_device"]
