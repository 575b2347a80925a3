"""What an API for chat with pictures must say of itself, and what endpoints differ in."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol
from urllib.parse import urlsplit

from mien.engines.base import EngineError
from mien.engines.request import Request

LOCAL_HOSTS = frozenset({"localhost", "0.0.0.0"})


class BadReplyError(ValueError):
    """An endpoint's answer that cannot be read; asking again may help."""


class WithheldError(ValueError):
    """An answer that the endpoint withholds, as its safety filter does; asking again is no use."""


@dataclass(frozen=True, slots=True)
class Options:
    """What endpoints and models disagree about; weakened where one is refused.

    Attributes:
        schema: how a request's JSON schema is sent: whole, as "some JSON object", or not at all.
        token_field: name of the limit of tokens.
        temperature, seed: whether they are sent.
    """

    schema: Literal["schema", "object", "none"] = "schema"
    token_field: str = "max_tokens"
    temperature: bool = True
    seed: bool = True

    def weaker(self, complaint: str, *, has_schema: bool) -> Options | None:
        """What to try where an endpoint refuses a request; None where nothing is left.

        Args:
            complaint: the endpoint's words.
            has_schema: whether the request has a schema.
        """
        named = re.search(r"max_(?:completion_)?tokens", complaint)
        if named and re.search(r"unsupported|not supported|unrecogni|instead|unknown", complaint):
            other = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
            return replace(self, token_field=other[self.token_field])
        if self.temperature and re.search(r"\btemperature\b", complaint):
            return replace(self, temperature=False)
        if self.seed and re.search(r"\bseed\b", complaint):
            return replace(self, seed=False)
        if not has_schema or self.schema == "none":
            return None
        if self.schema == "schema":
            return replace(self, schema="object")
        return replace(self, schema="none")


@dataclass(frozen=True, slots=True)
class Said:
    """What stands in an endpoint's answer.

    Attributes:
        text: the words, perhaps empty.
        usage: tokens by "prompt_tokens" and "completion_tokens", where they are counted.
        warnings: such as an end cut off.
    """

    text: str
    usage: Mapping[str, int] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


class Wire(Protocol):
    """How one kind of API is spoken.

    Attributes:
        api: its name, for reports.
        model: the endpoint's name of the model.
        base: address without the last part.
        options: what is tried first.
    """

    api: str
    model: str
    base: str
    options: Options

    def url(self) -> str:
        """Where requests are posted."""
        ...

    def headers(self, key: str | None) -> dict[str, str]:
        """Headers of a request."""
        ...

    def body(self, request: Request, options: Options) -> dict[str, Any]:
        """JSON of a request."""
        ...

    def read(self, data: Any) -> Said:
        """The answer in an endpoint's JSON.

        Raises:
            BadReplyError: if it has none.
            WithheldError: if the endpoint withholds it.
        """
        ...


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


def is_count(value: Any) -> bool:
    """Whether a value can be a number of tokens."""
    return type(value) is int and 0 <= value < 2**53


def complaint_of(data: Any) -> str:
    """The words of an error in an endpoint's JSON, or an empty text."""
    if isinstance(data, list) and data:
        data = data[0]
    error = data.get("error", data) if isinstance(data, dict) else data
    if isinstance(error, dict):
        parts = [error.get(name) for name in ("message", "detail", "param", "code", "status")]
        return " ".join(str(part) for part in parts if part)
    return str(error) if error else ""


def _plain(address: str) -> str:
    """An address without what may be a password."""
    return re.sub(r"//.*@", "//", address, flags=re.DOTALL).split("?")[0]
