"""Addresses of endpoints: which are any, which lie on this machine, and where a key may go."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from mien.engines.base import EngineError

OPENAI = "https://api.openai.com/v1"
GEMINI = "https://generativelanguage.googleapis.com/v1beta/openai"
LOCAL_HOSTS = frozenset({"localhost", "0.0.0.0"})


def check_base(address: str) -> str:
    """An endpoint's address without a slash at its end.

    Raises:
        EngineError: if it is no http address, or holds a password or a query, which would end up
            in reports.
    """
    try:
        parts = urlsplit(address)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        good = good and address.isprintable() and not re.search(r"[\s\\]", address)
    except ValueError:  # a port above 65535, half an IPv6 address
        good = False
    if not good:
        raise EngineError(
            f"endpoint {_plain(address)!r} is no address; write it as http://localhost:8000/v1"
        )
    if parts.username or parts.password or parts.query or parts.fragment:
        raise EngineError(
            f"the endpoint's address at {parts.hostname} holds more than a path; leave it out: keys"
            " come from an environment variable (--key-env NAME)"
        )
    return address.rstrip("/")


def gemini_base(address: str | None) -> str:
    """Where Gemini speaks chat completions; an address up to and with the version will do."""
    base = (address or GEMINI).rstrip("/")
    return base if base.endswith("/openai") else f"{base}/openai"


def host_of(address: str) -> str:
    """Host and, where it is given, port."""
    parts = urlsplit(address)
    name = f"[{parts.hostname}]" if ":" in str(parts.hostname) else str(parts.hostname)
    return f"{name}:{parts.port}" if parts.port else name


def is_local(address: str) -> bool:
    """Whether an address is on this machine."""
    host = urlsplit(address).hostname or ""
    try:
        return host in LOCAL_HOSTS or ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name
        return False


def keeps_secrets(address: str) -> bool:
    """Whether a key may go there unasked: encrypted, or not leaving this machine."""
    return urlsplit(address).scheme == "https" or is_local(address)


def _plain(address: str) -> str:
    """An address without what may be a password."""
    return re.sub(r"//.*@", "//", address, flags=re.DOTALL).split("?")[0]
