"""Who answers a question about a face: one protocol, whatever stands behind it."""

from mien.engines.base import Answer, EngineError
from mien.engines.load import check_model, load_responder, resolve_device
from mien.engines.request import Reply, Request, Responder
from mien.model_options import ModelOptions

__all__ = [
    "Answer",
    "EngineError",
    "ModelOptions",
    "Reply",
    "Request",
    "Responder",
    "check_model",
    "load_responder",
    "resolve_device",
]
