"""The addresses of the server."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.datastructures import FormData
from starlette.formparsers import MultiPartException, MultiPartParser

from mien._version import __version__
from mien.schema import Analysis
from mien.serve.analysis import FIELDS, Found, Run, all_in_vain, wanted
from mien.serve.chat_form import ChatRequest
from mien.serve.completion import Completion
from mien.serve.errors import ERROR_SCHEMA, ApiError
from mien.serve.service import Service
from mien.sinks import rows_as_bytes

_ERROR = {"description": "Refused", "content": {"application/json": {"schema": ERROR_SCHEMA}}}
_ERRORS: dict[int | str, dict[str, Any]] = {
    status: _ERROR for status in (400, 401, 403, 404, 408, 413, 415, 422, 429, 500, 502, 503)
}
_SSE = "text/event-stream"
_TABLES = {
    "text/csv": "csv",
    "application/vnd.apache.parquet": "parquet",
    "application/x-ndjson": "jsonl",
    "application/jsonl": "jsonl",
}
_FORM: dict[str, Any] = {
    "type": "object",
    "required": ["files"],
    "additionalProperties": False,
    "properties": {
        "files": {
            "type": "array",
            "minItems": 1,
            "items": {"type": "string", "format": "binary"},
            "description": "Pictures, or one video.",
        },
        **{name: {**schema, "description": about} for name, (schema, about) in FIELDS.items()},
    },
}


def routes(service: Service) -> APIRouter:
    """All routes of a service."""
    router = APIRouter()
    _chat(router, service)
    _analyze(router, service)
    _state(router, service)
    return router


def _chat(router: APIRouter, service: Service) -> None:
    @router.get("/v1/models", summary="The models that are served", responses=_ERRORS)
    async def models() -> JSONResponse:
        listed = [model.about() for model in service.models.values()]
        return JSONResponse({"object": "list", "data": listed})

    @router.get("/v1/models/{model:path}", summary="One of them", responses=_ERRORS)
    async def model(model: str) -> JSONResponse:
        return JSONResponse(service.model(model).about())

    @router.post(
        "/v1/chat/completions",
        summary="Talk about the face in a picture or clip, as OpenAI's API has it",
        responses=_ERRORS,
    )
    async def chat_completions(asked: ChatRequest) -> Response:
        completion = Completion(service, asked)
        done = await completion.answer()
        if not asked.stream:
            return JSONResponse(completion.whole(done))
        lines = [f"data: {json.dumps(piece)}\n\n" for piece in completion.pieces(done)]
        return Response("".join([*lines, "data: [DONE]\n\n"]), media_type=_SSE)


def _analyze(router: APIRouter, service: Service) -> None:
    @router.post(
        "/v1/analyze",
        summary="Rows of `mien analyze` for pictures or a video",
        description=(
            "`Accept` chooses JSON (the default), `text/csv`, `application/vnd.apache.parquet`, "
            "`application/x-ndjson`, or `text/event-stream` for rows as they come."
        ),
        responses={
            200: {
                "content": {
                    "application/json": {},
                    _SSE: {},
                    **{kind: {} for kind in _TABLES},
                }
            },
            406: _ERROR,
            **_ERRORS,
        },
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {"multipart/form-data": {"schema": _FORM}},
            }
        },
    )
    async def analyze(request: Request) -> Response:
        kind = _chosen(request.headers.get("accept", "*/*"))
        asked = await wanted(await _form(request, service), service)
        run = Run(service, asked)
        run.room = await service.in_thread(run.pixels)
        if asked.video is not None:
            service.desk.check_video()  # before the answer begins, so that a refusal has its status
        if kind == _SSE:
            return StreamingResponse(_events(run), media_type=_SSE)
        rows, overlays = await _all(run)
        if error := all_in_vain(rows):
            raise error
        if kind == "application/json":
            answer: dict[str, Any] = {"object": "list", "model": asked.model.name}
            answer["data"] = [row.to_dict() for row in rows]
            return JSONResponse(answer | ({"overlays": overlays} if asked.overlay else {}))
        units = asked.model.responder.action_units
        table = await service.in_thread(lambda: rows_as_bytes(rows, _TABLES[kind], units))
        return Response(table, media_type=kind)

    async def _found(run: Run) -> AsyncGenerator[Found]:
        video = run.asked.video is not None
        place = service.desk.video() if video else contextlib.nullcontext()
        steps = service.each(run.found(), leave=run.leave)
        with place:
            async with service.desk.pixels(run.room), contextlib.aclosing(steps):
                async for step in steps:
                    service.figures.rows.inc(len(step.rows))
                    yield step

    async def _all(run: Run) -> tuple[list[Analysis], list[dict[str, str]]]:
        rows: list[Analysis] = []
        overlays: list[dict[str, str]] = []
        async with contextlib.aclosing(_found(run)) as steps:
            async for step in steps:
                rows += step.rows
                overlays += [step.overlay] if step.overlay else []
                if len(rows) > service.limits.rows:
                    why = f"more than {service.limits.rows:,} rows; ask for {_SSE}, or for less"
                    raise ApiError(413, "too_many_rows", why)
        return rows, overlays

    async def _events(run: Run) -> AsyncGenerator[str]:
        count = 0
        try:
            async with contextlib.aclosing(_found(run)) as steps:
                async for step in steps:
                    for row in step.rows:
                        yield f"event: row\ndata: {row.to_json()}\n\n"
                    if step.overlay:
                        yield f"event: overlay\ndata: {json.dumps(step.overlay)}\n\n"
                    count += len(step.rows)
            yield f"event: done\ndata: {json.dumps({'rows': count})}\n\n"
        except ApiError as error:
            yield f"event: error\ndata: {json.dumps(error.body())}\n\n"


def _state(router: APIRouter, service: Service) -> None:
    @router.get("/health", summary="Whether the server runs")
    async def health() -> JSONResponse:
        return JSONResponse({"status": "ok", "version": __version__})

    @router.get("/ready", summary="Whether it takes requests", responses={503: _ERROR})
    async def ready() -> JSONResponse:
        if not service.ready:
            raise ApiError(503, "not_ready", "the server is about to stop")
        return JSONResponse({"status": "ready", "models": list(service.models)})

    @router.get("/metrics", summary="Figures for Prometheus", responses={401: _ERROR})
    async def metrics() -> Response:
        return Response(service.figures.text(), media_type="text/plain; version=0.0.4")


async def _form(request: Request, service: Service) -> FormData:
    """The parts of a multipart body; nothing of it touches a disk."""
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise ApiError(415, "no_multipart", "send the files as multipart/form-data")
    limits, body = service.limits, await request.body()

    async def pieces() -> AsyncGenerator[bytes]:
        yield body

    parser = MultiPartParser(
        request.headers, pieces(), max_files=limits.files, max_fields=2 * len(FIELDS)
    )
    parser.spool_max_size = limits.body_bytes + 1
    try:
        # In a thread: it computes, and never waits.
        return await service.in_thread(lambda: asyncio.run(parser.parse()))
    except MultiPartException as error:
        many = error.message.startswith("Too many")
        code = "too_many_files" if many else "invalid_multipart"
        raise ApiError(413 if many else 400, code, error.message) from None


def _chosen(accept: str) -> str:
    """The form of the answer: the first one that is named and known.

    Raises:
        ApiError: if none is.
    """
    for part in accept.lower().split(","):
        kind = part.split(";")[0].strip()
        if kind in ("*/*", "application/*", "application/json", ""):
            return "application/json"
        if kind in _TABLES or kind == _SSE:
            return kind
    known = ", ".join(["application/json", _SSE, *_TABLES])
    raise ApiError(406, "not_acceptable", f"answers come as {known}")
