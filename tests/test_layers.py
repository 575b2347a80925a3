"""Imports run in one direction, some parts need no torch, and files stay small and portable."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "mien"
MODULES = sorted(PACKAGE.rglob("*.py"))

# A part may import the parts of lower lines, and itself.
ORDER = (
    ("_version", "quiet", "untrusted"),
    (
        "facs",
        "arkit",
        "checks",
        "datasets",
        "model_options",
        "partfile",
        "quick_start",
        "terminal",
        "weights",
    ),
    ("schema", "page"),
    ("sample", "media", "language", "metrics", "notation", "timeline"),
    ("faces", "synth", "columns", "draw", "table", "rewards"),
    ("apex", "models", "sinks", "report"),
    ("engines",),
    ("looked",),
    ("data", "analyzer"),
    ("train",),
    ("bench", "chat"),
    ("serve",),
    ("commands",),
    ("cli",),
    ("__main__",),
)
RANK = {part: rank for rank, parts in enumerate(ORDER) for part in parts}


def _is_type_checking(node: ast.AST) -> bool:
    if not isinstance(node, ast.If):
        return False
    test = node.test
    name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", None)
    return name == "TYPE_CHECKING"


def _nodes(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those that only a type checker reads."""
    yield node
    for child in ast.iter_child_nodes(node):
        if _is_type_checking(child):
            assert isinstance(child, ast.If)
            for other in child.orelse:
                yield from _nodes(other)
        else:
            yield from _nodes(child)


def _imports(path: Path) -> Iterator[str]:
    """Dotted names that a module imports; relative ones begin with a dot."""
    for node in _nodes(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = "." * node.level + (node.module or "")
            yield from (f"{start}.{alias.name}" for alias in node.names)


def _part(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_run_in_one_direction(path: Path) -> None:
    part = _part(path)
    if part == "__init__":
        assert [n for n in _imports(path) if n.startswith("mien")] == ["mien._version.__version__"]
        return
    assert part in RANK, f"give {part!r} a place in the order of this test"
    for name in _imports(path):
        assert not name.startswith("."), f"{path.name} imports {name}: write it in full"
        pieces = name.split(".")
        if pieces[0] != "mien" or len(pieces) == 1 or pieces[1] == part:
            continue
        assert pieces[1] in RANK, f"give {pieces[1]!r} a place in the order of this test"
        assert RANK[pieces[1]] < RANK[part], f"{part} imports {name}, which stands above it"


@pytest.mark.parametrize("module", ["facs", "schema", "language", "metrics", "rewards"])
def test_imports_without_torch(module: str) -> None:
    code = f"import sys; sys.modules['torch'] = None; import mien.{module}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def _tracked() -> list[Path]:
    """Files under version control; every file of the known folders where git does not answer."""
    try:
        done = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
        )
        names = [n for n in done.stdout.split("\0") if n]
    except (OSError, subprocess.CalledProcessError):
        names = []
    if names:
        return [ROOT / n for n in names if (ROOT / n).is_file()]
    folders = ("src", "tests", "docs", "recipes", "examples", "benchmarks")
    found = [p for folder in folders for p in (ROOT / folder).rglob("*")]
    return [p for p in (*found, *ROOT.iterdir()) if p.is_file() and "__pycache__" not in p.parts]


def _text(path: Path) -> str | None:
    data = path.read_bytes()
    if b"\0" in data:
        return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None


def test_nothing_imports_torchvision() -> None:
    users = [
        str(path.relative_to(ROOT))
        for path in _tracked()
        if path.suffix == ".py"
        and any(name.split(".")[0] == "torchvision" for name in _imports(path))
    ]
    assert not users


def test_no_machine_path_in_any_file() -> None:
    names = "|".join(("work", "root"))
    pattern = re.compile(rf"(?<![\w.)}}>*-])/(?:{names})" + "/")
    found = []
    for path in _tracked():
        for number, line in enumerate((_text(path) or "").splitlines(), 1):
            if pattern.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}")
    assert not found, "\n".join(found)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_files_are_small(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400
