"""`mien serve`."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import secrets
import socket
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from mien.commands.options import FaceFinder, Finder, Yes, model_options
from mien.model_options import ModelOptions

SHORTEST_TOKEN = 8
_ARENA_MAX = -8  # of malloc.h


@model_options
def serve(
    model: Annotated[
        list[str] | None,
        typer.Option(
            help="As for `mien analyze`; may be given several times, the first is the default."
        ),
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; another than this machine needs a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8000,
    token: Annotated[
        str | None,
        typer.Option(envvar="MIEN_TOKEN", help="That requests must have; made where one is needed"),
    ] = None,
    allow_origin: Annotated[
        list[str] | None,
        typer.Option(help="Origin of a page elsewhere that may ask, such as https://example.org."),
    ] = None,
    yes: Yes = False,
    faces: Finder = FaceFinder.mediapipe,
    batch_wait: Annotated[
        float, typer.Option(min=0, max=1000, help="Milliseconds for which the first one waits.")
    ] = 5.0,
    max_requests: Annotated[
        int, typer.Option(min=1, help="Requests under way; more are told to come again.")
    ] = 128,
    *,
    options: ModelOptions,
) -> None:
    """Serve models: an API that OpenAI's clients speak, and rows of `mien analyze`.

    Exit codes: 0 stopped, 1 the address cannot be had, 2 wrong usage.
    """
    raise typer.Exit(
        run_serve(
            model or [],
            host=host,
            port=port,
            token=token,
            origins=allow_origin or [],
            options=options,
            yes=yes,
            faces=faces.value,
            batch_wait=batch_wait / 1000,
            max_requests=max_requests,
        )
    )


def run_serve(
    models: Sequence[str],
    *,
    host: str,
    port: int,
    token: str | None,
    origins: Sequence[str],
    options: ModelOptions,
    yes: bool,
    faces: str,
    batch_wait: float,
    max_requests: int,
) -> int:
    """Runs the command and returns its exit code; see `mien serve --help` for the arguments."""
    _steady_memory()
    from mien.commands.consent import agree_to_send
    from mien.engines import EngineError, load_responder
    from mien.engines.load import PICTURES, default_clip_model
    from mien.faces import FinderError, make_finder
    from mien.terminal import Console
    from mien.weights import WeightsError

    errors = Console(stderr=True, highlight=False)

    def fail(text: object, code: int) -> int:
        errors.print(f"error: {text}", soft_wrap=True)
        return code

    try:
        from mien.serve.app import LOCAL_NAMES, create_app
        from mien.serve.gate import is_this_machine
        from mien.serve.limits import Limits
        from mien.serve.server import Server, listening, many_files
        from mien.serve.service import Service
    except ImportError as error:
        return fail(f"a package is missing ({error.name}): pip install 'mien[serve]'", 2)
    names = list(dict.fromkeys(models)) or [PICTURES]
    recorded = [name for name in names if name.startswith("recorded:")]
    if recorded:
        return fail(f"{recorded[0]} answers a fixed run of questions, and cannot be served", 2)
    local = is_this_machine(host)
    made = token is None and not local
    if made:
        token = secrets.token_urlsafe(24)
    if token is not None and (len(token) < SHORTEST_TOKEN or not token.isascii()):
        return fail(f"the token needs {SHORTEST_TOKEN} characters of ASCII or more", 2)
    try:
        opened = listening(host, port)
    except OSError as error:
        why = error.strerror or error
        return fail(f"cannot listen on {host}, port {port} ({why}); choose another by --port", 1)
    try:
        agree_to_send(names, options, yes=yes, errors=errors)
        responders = [load_responder(name, options=options) for name in names]
        clip_model = default_clip_model() if not models else None
        clips = {PICTURES: load_responder(clip_model, device=options.device)} if clip_model else {}
        service = Service(
            responders,
            clips=clips,
            finder=lambda: make_finder(faces),
            batch_size=options.batch_size,
            batch_wait=batch_wait,
            limits=Limits.of_this_machine(requests=max_requests),
        )
    except (EngineError, FinderError, WeightsError) as error:
        opened.close()
        return fail(error, 2)
    app = create_app(
        service,
        token=token,
        hosts={*LOCAL_NAMES, host} if local else None,
        origins=origins,
    )
    logging.basicConfig(stream=sys.stderr, format="%(message)s", level=logging.ERROR)
    many_files()
    errors.print(f"mien serves {', '.join(names)} at {_address(opened)}", soft_wrap=True)
    errors.print("OpenAI's API is under /v1, what can be asked under /docs; Ctrl-C stops.")
    if not local:
        errors.print("Others can reach this server: it asks for a token, and its traffic is plain.")
    if made:
        errors.print(f"token: {token}", soft_wrap=True)
    Server(app, service.desk).run(sockets=[opened])
    if not service.close():  # a model that still computes would hold the process up
        sys.stderr.flush()
        os._exit(0)
    return 0


def _steady_memory() -> None:
    """Keeps what the process holds from growing with each new size of batch.

    Before torch is imported: oneDNN keeps a program for each shape that it has seen, and glibc a
    heap for each thread.
    """
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64")
    with contextlib.suppress(OSError, AttributeError, TypeError):  # other systems
        ctypes.CDLL(None).mallopt(_ARENA_MAX, 2)


def _address(opened: socket.socket) -> str:
    host, port = opened.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
