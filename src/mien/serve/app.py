"""The application: routes behind the gate."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from starlette.middleware.cors import CORSMiddleware

from mien._version import __version__
from mien.serve.docs_page import docs_page
from mien.serve.errors import answer_in_this_form
from mien.serve.figures import Counted
from mien.serve.gate import HostCheck, Safe, TokenCheck
from mien.serve.intake import Intake
from mien.serve.page_files import page_routes
from mien.serve.routes import routes
from mien.serve.service import Service

LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


def create_app(
    service: Service,
    *,
    token: str | None = None,
    hosts: Collection[str] | None = LOCAL_NAMES,
    origins: Sequence[str] = (),
) -> FastAPI:
    """The server as an ASGI application.

    Args:
        service: models and limits; it is closed when the application ends.
        token: that requests must have; None asks for none.
        hosts: names that the server goes by; None lets all through, which needs a token.
        origins: of pages elsewhere that may ask.

    Raises:
        ValueError: if everybody could come in.
    """
    if hosts is None and token is None:
        raise ValueError("a server that goes by any name needs a token")

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        yield
        service.close()

    app = FastAPI(
        title="mien",
        version=__version__,
        summary="Reads facial expressions and action units, and says why.",
        docs_url=None,  # its page loads scripts from elsewhere
        redoc_url=None,
        lifespan=life,
    )
    app.state.service = service
    answer_in_this_form(app)
    app.include_router(routes(service))
    app.include_router(page_routes())

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse(docs_page(app.openapi()))

    known = frozenset(["/", "/docs", "/openapi.json", *(r.path for r in routes(service).routes)])  # type: ignore[attr-defined]
    # The last one added is asked first.
    app.add_middleware(Intake, desk=service.desk)
    app.add_middleware(TokenCheck, token=token)
    if origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(origins),
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type"],
        )
    app.add_middleware(HostCheck, hosts=hosts, origins=origins)
    app.add_middleware(Counted, figures=service.figures, paths=known)
    app.add_middleware(Safe)
    return app
