"""`mien doctor`."""

from __future__ import annotations

import ctypes
import platform
from importlib import metadata

from packaging.requirements import Requirement
from rich.table import Table

from mien._version import __version__
from mien.terminal import Console

EXTRAS = ("train", "frame", "openai", "synth", "serve", "grpo")
LIBRARIES = ("libEGL.so.1", "libGLESv2.so.2")


def _installed(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _requirements() -> list[tuple[Requirement, str | None]]:
    """What mien was tested with, from its own metadata, and the extra that asks for each."""
    try:
        lines = metadata.requires("mien") or []
    except metadata.PackageNotFoundError:
        return []
    found = []
    for requirement in map(Requirement, lines):
        marker = requirement.marker
        extra = next((e for e in EXTRAS if marker and marker.evaluate({"extra": e})), None)
        # an extra that names mien itself gathers others
        if requirement.name != "mien" and (
            extra or marker is None or marker.evaluate({"extra": ""})
        ):
            found.append((requirement, extra))
    order = (None, *EXTRAS)
    found.sort(key=lambda pair: (order.index(pair[1]), pair[0].name))
    once: dict[str, tuple[Requirement, str | None]] = {}
    for requirement, extra in found:
        once.setdefault(requirement.name, (requirement, extra))
    return [*once.values()]


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def _rendering() -> tuple[str | None, str]:
    """The driver that renders faces, or None, and what to do then."""
    from mien.synth.can_render import rendering
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
    outside: list[str] = []

    def row(part: str, found: str | None, remedy: str, *, needed: bool) -> None:
        nonlocal missing
        missing += needed and found is None
        state = found or ("missing" if needed else "not installed")
        table.add_row(part, state, "" if found else remedy)

    wanted = _requirements()

    def packages(extras: bool) -> None:
        for requirement, extra in wanted:
            if (extra is not None) != extras:
                continue
            name, tested = requirement.name, requirement.specifier
            found = _installed(name)
            if found is None:
                pip = f"mien[{extra}]" if extra else f"{name}{tested}"
                row(name, None, f"pip install '{pip}'", needed=not extra)
            elif tested.contains(found, prereleases=True):
                row(name, found, "", needed=True)
            else:
                outside.append(f"'{name}{tested}'")
                table.add_row(name, f"{found}, not tested", f"tested: {tested}")

    if not wanted:
        row("mien", None, "pip install . where mien's pyproject.toml is", needed=True)
    packages(extras=False)
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
    packages(extras=True)
    if _installed("moderngl"):
        row("rendering", *_rendering(), needed=True)
    kind = torch.accelerator.current_accelerator(check_available=True)
    more = [f"{kind}:{i}" for i in range(torch.accelerator.device_count())] if kind else []
    row("devices", ", ".join(["cpu", *more]), "", needed=True)
    row("threads", str(torch.get_num_threads()), "", needed=True)
    console = Console()
    console.print(table)
    if outside:
        console.print(
            "mien was not tested with some of these releases; where something fails: "
            f"pip install {' '.join(outside)}",
            markup=False,
            soft_wrap=True,
        )
    return 1 if missing else 0
