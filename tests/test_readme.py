"""The README tells the truth: its commands and its Python run, its links lead somewhere."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import pytest

from mien.weights import WeightsError, verify

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SECONDS = 300


def blocks(language: str) -> list[str]:
    """The fenced blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def commands(program: str, block: str) -> list[list[str]]:
    """Command lines of one program in a bash block, as words."""
    lines = block.replace("\\\n", " ").splitlines()
    found = (shlex.split(line, comments=True) for line in lines)
    return [words for words in found if words and words[0] == program]


def blocks_of(program: str) -> list[list[list[str]]]:
    """The command lines of one program, by the bash blocks that have some."""
    return [found for found in (commands(program, block) for block in blocks("bash")) if found]


def name_of(block: list[list[str]]) -> str:
    return shlex.join(block[-1])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of its own with the examples; fails where the embedded model is not there."""
    try:
        verify("nano")
    except WeightsError as error:
        pytest.fail(f"the README's commands need the embedded model: {error}")
    place = tmp_path_factory.mktemp("readme")
    shutil.copytree(ROOT / "examples", place / "examples")
    return place


def run(words: list[str], folder: Path) -> str:
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 0, f"{shlex.join(words)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def serve(words: list[str], folder: Path) -> None:
    """Starts a server on any free port, asks it for its page and ends it."""
    command = [*words, "--port", "0"]
    with subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        line = next(line for line in server.stderr if "http://" in line)
        with urlopen(line[line.index("http://") :].strip(), timeout=SECONDS) as answer:
            assert b"<h1>mien</h1>" in answer.read()
        server.terminate()
        server.stderr.read()
    assert server.returncode == 0


def expanded(words: list[str], folder: Path) -> list[str]:
    """What a shell makes of the words: globs become file names."""
    files = []
    for word in words:
        found = sorted(folder.glob(word)) if "*" in word else []
        files += [str(path.relative_to(folder)) for path in found] or [word]
    return files


def test_there_is_something_to_run() -> None:
    assert blocks_of("mien")
    assert blocks_of("make") == [[["make", "demo"], ["make", "test"]]]
    assert blocks("python")


@pytest.mark.slow
@pytest.mark.parametrize("block", blocks_of("mien"), ids=name_of)
def test_commands_run(block: list[list[str]], folder: Path) -> None:
    for words in block:
        if words[1] == "serve":
            serve([sys.executable, "-m", "mien", *words[1:]], folder)
            continue
        run([sys.executable, "-m", "mien", *expanded(words[1:], folder)], folder)
        for option in ("--out", "--overlay", "--report"):
            if option in words:
                assert (folder / words[words.index(option) + 1]).exists()


@pytest.mark.slow
def test_python_runs(folder: Path) -> None:
    run([sys.executable, "-c", "\n".join(blocks("python"))], folder)


@pytest.mark.parametrize("words", blocks_of("make")[0], ids=shlex.join)
def test_make_target_exists(words: list[str]) -> None:
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    run(["make", "--dry-run", *words[1:]], ROOT)


def test_links_lead_to_files() -> None:
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
    missing = []
    for page in pages:
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8")):
            if "://" not in target and not (page.parent / target).exists():
                missing.append(f"{page.name}: {target}")
    assert not missing
