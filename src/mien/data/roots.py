"""Where a built set's pictures lie on this machine: `roots.json`, sealed by who built the set.

A set that was downloaded could else name any folder of its reader, whose pictures would then count
as its own.
"""

from __future__ import annotations

import contextlib
import hmac
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mien.partfile import write_whole
from mien.untrusted import read_json_object

ROOTS = "roots.json"
_SEAL = "seal"


def write_roots(folder: Path, roots: Mapping[str, Path]) -> None:
    """Writes where the sources of a set lie.

    Args:
        folder: of the set.
        roots: source to the folder of its pictures.

    Raises:
        mien.partfile.SinkError: if it cannot be written.
    """
    with contextlib.suppress(OSError):  # without a place for a key the roots are not read again
        _make_key(_key_file())
    places = {name: str(root) for name, root in roots.items()}
    text = json.dumps({"sources": places, _SEAL: _seal(places)}, indent=1)
    write_whole(folder / ROOTS, (text + "\n").encode())


def read_roots(folder: Path) -> dict[str, Path]:
    """Source to the folder of its pictures; empty where this user has not written it."""
    try:
        data = read_json_object(folder / ROOTS)
        places, seal = data["sources"], _seal(data["sources"])
        if seal is None or not hmac.compare_digest(data[_SEAL], seal):
            return {}
        return {name: Path(place) for name, place in places.items()}
    except (OSError, LookupError, ValueError, AttributeError, TypeError):
        return {}


def _seal(places: Any) -> str | None:
    """What only who has the key can write; None without a key."""
    try:
        key = _key_file().read_bytes()
    except OSError:
        return None
    return hmac.digest(key, json.dumps(places, sort_keys=True).encode(), "sha256").hex()


def _key_file() -> Path:
    home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(home) / "mien" / "key"


def _make_key(path: Path) -> None:
    """Makes the user's key where there is none; several processes may do so at once."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"key.{os.getpid()}")
    part.touch(0o600)
    try:
        part.write_bytes(secrets.token_bytes(32))
        os.link(part, path)
    finally:
        part.unlink()
