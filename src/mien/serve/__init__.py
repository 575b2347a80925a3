"""The server: what any OpenAI client speaks to, and rows of `mien analyze` over HTTP.

Importing this needs the extra `serve` (FastAPI); `mien.commands.serve` says so where it is missing.
"""

from mien.serve.app import create_app
from mien.serve.batching import BatchedResponder
from mien.serve.limits import Limits

__all__ = ["BatchedResponder", "Limits", "create_app"]
