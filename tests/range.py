"""Prints pip constraints: the lowest release that `pyproject.toml` allows of each dependency.

Usage: python tests/range.py > lowest.txt
"""

import re
import tomllib
from pathlib import Path

PROJECT = Path(__file__).parents[1] / "pyproject.toml"


def lowest(text: str) -> list[str]:
    """NAME==RELEASE for each dependency of the project and of its extras for users."""
    project = tomllib.loads(text)["project"]
    extras = project["optional-dependencies"]
    wanted = [
        *project["dependencies"],
        *(one for e in ("train", "frame", "openai", "synth") for one in extras[e]),
    ]
    found = [re.fullmatch(r"([\w-]+)>=([\d.]+),<[\d.]+", one) for one in wanted]
    if None in found:
        raise SystemExit(f"{PROJECT}: each dependency needs the form NAME>=LOWEST,<NOT_RUN")
    return [f"{one[1]}=={one[2]}" for one in found if one]


if __name__ == "__main__":
    print("\n".join(lowest(PROJECT.read_text(encoding="utf-8"))))  # noqa: T201
