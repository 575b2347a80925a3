"""`mien doctor`."""

from __future__ import annotations

import ctypes
import platform
from importlib import metadata

from rich.table import Table

from mien._version import __version__
from mien.terminal import Console

CORE = ("torch", "transformers", "safetensors", "mediapipe", "pillow", "numpy", "av", "pyarrow")
OPTIONAL = {
    "accelerate": "mien[train]",
    "peft": "mien[train]",
    "matplotlib": "mien[train]",
    "pandas": "mien[frame]",
    "anny": "mien[synth]",
    "moderngl": "mien[synth]",
}
LIBRARIES = ("libEGL.so.1", "libGLESv2.so.2")


def _installed(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def _rendering() -> tuple[str | None, str]:
    """The driver that renders faces, or None, and what to do then."""
    from mien.synth.check import rendering
    from mien.synth.renderer import RenderError

    try:
        return rendering(), ""
    except RenderError as error:
        return None, str(error)


def run_doctor() -> int:
    """Prints what is there and what is missing; returns 1 where something needed is missing."""
    import torch

    from mien.engines.load import CLIPS, EMBEDDED
    from mien.weights import WeightsError, installed, verify

    table = Table(title=f"mien {__version__}, Python {platform.python_version()}")
    for column in ("part", "found", "remedy"):
        table.add_column(column, overflow="fold")
    missing = 0

    def row(part: str, found: str | None, remedy: str, *, needed: bool) -> None:
        nonlocal missing
        missing += needed and found is None
        state = found or ("missing" if needed else "not installed")
        table.add_row(part, state, "" if found else remedy)

    for package in CORE:
        row(package, _installed(package), f"pip install {package}", needed=True)
    if platform.system() == "Linux":
        for library in LIBRARIES:
            found = "ok" if _loads(library) else None
            row(library, found, "apt-get install libegl1 libgles2", needed=True)
    for name in ("face_landmarker", *EMBEDDED.values()):
        try:
            if name == EMBEDDED[CLIPS] and not installed(name):
                continue
            verify(name)
        except WeightsError as error:
            row(f"weights {name}", None, str(error), needed=True)
        else:
            row(f"weights {name}", "ok", "", needed=True)
    for package, extra in OPTIONAL.items():
        row(package, _installed(package), f"pip install '{extra}'", needed=False)
    if _installed("moderngl"):
        row("rendering", *_rendering(), needed=True)
    devices = ["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
    devices += ["mps"] if torch.backends.mps.is_available() else []
    row("devices", ", ".join(devices), "", needed=True)
    row("threads", str(torch.get_num_threads()), "", needed=True)
    Console().print(table)
    return 1 if missing else 0
