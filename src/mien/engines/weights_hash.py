"""Hashes of what decides an answer: the weights in a folder, a file of recorded answers."""

from __future__ import annotations

import hashlib
from pathlib import Path

_FILES = (
    *("*.safetensors", "*.bin", "config.json"),
    *("*.jinja", "tokenizer*.json", "*processor*.json"),
)


def folder_hash(folder: Path) -> str:
    """SHA-256 over the names and contents of what decides a model's answers, 16 digits of it."""
    found = {path for pattern in _FILES for path in folder.glob(pattern) if path.is_file()}
    total = hashlib.sha256()
    for path in sorted(found):
        total.update(f"{path.name} {file_hash(path)}\n".encode())
    return total.hexdigest()[:16]


def file_hash(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
