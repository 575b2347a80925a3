"""Who may speak to the server: its own host, known origins, holders of the token."""

from __future__ import annotations

import hmac
import ipaddress
import logging
from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mien.serve.errors import ApiError, place_of

_LOG = logging.getLogger("mien.serve")

OPEN = ("/", "/health", "/ready", "/docs", "/openapi.json")
"""Paths that hold nothing secret and need no token."""

_HEADERS: Mapping[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data: blob:; media-src 'self' data: blob:; "
        "style-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'none'"
    ),
}


def is_this_machine(host: str) -> bool:
    """Whether a host's name or address is that of this machine to itself."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Safe:
    """Sets headers that browsers heed, and answers what nobody foresaw without a word of it.

    Args:
        app: the application.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun = False

        async def safely(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        try:
            await self.app(scope, receive, safely)
        except Exception as error:
            # Not its words, which may hold what was asked.
            _LOG.error("internal error: %s at %s", type(error).__name__, place_of(error))
            if begun:
                raise ConnectionAbortedError("the answer broke off") from None
            refusal = ApiError(500, "internal", "an error inside the server; see its log")
            await refusal.response()(scope, receive, safely)


class HostCheck:
    """Refuses requests to another name, by which a page elsewhere may reach a local server.

    Args:
        app: the application.
        hosts: names that the server goes by; None lets all through.
        origins: of pages elsewhere that may ask.
    """

    def __init__(
        self, app: ASGIApp, hosts: Collection[str] | None, origins: Collection[str] = ()
    ) -> None:
        self.app, self.hosts, self.origins = app, hosts, origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (error := self._refusal(Headers(scope=scope))):
            await error.response()(scope, receive, send)
            return
        await self.app(scope, receive, send)

    def _refusal(self, headers: Headers) -> ApiError | None:
        host = headers.get("host", "")
        if self.hosts is not None and _name(f"//{host}") not in self.hosts:
            return ApiError(403, "wrong_host", "this server does not go by that name")
        origin = headers.get("origin")
        if origin is None or origin in self.origins or "*" in self.origins:
            return None
        try:
            own = urlsplit(origin).netloc == host
        except ValueError:
            own = False
        if own:
            return None
        why = "pages of other origins may not ask; --allow-origin lets one in"
        return ApiError(403, "wrong_origin", why)


class TokenCheck:
    """Asks for the token, as a bearer's.

    Args:
        app: the application.
        token: the secret; None asks for none.
    """

    def __init__(self, app: ASGIApp, token: str | None) -> None:
        self.app, self.token = app, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self.token is not None and not self._known(scope):
            why = "the token is missing or wrong; send it as 'Authorization: Bearer TOKEN'"
            await ApiError(401, "invalid_api_key", why).response()(scope, receive, send)
            return
        await self.app(scope, receive, send)

    def _known(self, scope: Scope) -> bool:
        path = scope["path"]
        if (path in OPEN or path.startswith("/page/")) and scope["method"] in ("GET", "HEAD"):
            return True
        kind, _, given = Headers(scope=scope).get("authorization", "").partition(" ")
        same = hmac.compare_digest(given.strip().encode(), (self.token or "").encode())
        return kind.lower() == "bearer" and same


def _name(address: str) -> str:
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""
