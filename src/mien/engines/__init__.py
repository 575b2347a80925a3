"""Who answers a question about a face: one protocol, whatever stands behind it."""

from mien.engines.base import Answer, ClipEngine, Engine, EngineError, ReadsPriors
from mien.engines.load import check_model, load_engine, load_responder, resolve_device
from mien.engines.request import Reply, Request, Responder

__all__ = [
    "Answer",
    "ClipEngine",
    "Engine",
    "EngineError",
    "ReadsPriors",
    "Reply",
    "Request",
    "Responder",
    "check_model",
    "load_engine",
    "load_responder",
    "resolve_device",
]
