"""The page for people: files inside the package, which ask nobody but their own server."""

from __future__ import annotations

import json
from importlib import resources

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response

from mien import facs
from mien.serve.errors import ApiError

_KINDS = {".css": "text/css", ".js": "text/javascript"}
_PAGE = resources.files("mien.serve") / "page"


def page_routes() -> APIRouter:
    """The page at `/`, and its style and scripts below `/page/`."""
    router = APIRouter(include_in_schema=False)
    files = {file.name: file for file in _PAGE.iterdir()}

    @router.get("/")
    async def start() -> HTMLResponse:
        text = files["start.html"].read_text(encoding="utf-8")
        return HTMLResponse(text.replace("{{ regions }}", json.dumps(_regions())))

    @router.get("/page/{name}")
    async def file(name: str) -> Response:
        kind = next((kind for end, kind in _KINDS.items() if name.endswith(end)), None)
        if kind is None or name not in files:
            raise ApiError(404, "not_found", "the page has no such file")
        return Response(files[name].read_bytes(), media_type=kind)

    return router


def _regions() -> dict[str, list[int]]:
    """Region of the face to the units in it."""
    return {
        region: [n for n, unit in facs.ACTION_UNITS.items() if unit.region == region]
        for region in facs.REGIONS
    }
