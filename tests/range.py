"""Prints pip's constraints for one end of the ranges that `pyproject.toml` allows.

Usage: python tests/range.py lowest|newest > constraints.txt

`newest` holds nothing but torch in the tested release: pip takes the newest of all others itself,
and another torch pulls gigabytes of GPU libraries.
"""

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
_RANGE = re.compile(r"(?P<name>[\w-]+)>=(?P<lowest>[\d.]+),<[\d.]+")


def lowest(pyproject: str) -> list[str]:
    """NAME==RELEASE for each dependency of the project and of its extras for users.

    Raises:
        ValueError: if a dependency names no lowest release, or allows releases that nobody ran.
    """
    project = tomllib.loads(pyproject)["project"]
    extras = [names for extra, names in project["optional-dependencies"].items() if extra != "dev"]
    own = f"{project['name']}["  # an extra that takes another one in
    wanted = [name for names in (project["dependencies"], *extras) for name in names]
    pins = []
    for one in wanted:
        if one.startswith(own):
            continue
        found = _RANGE.fullmatch(one)
        if found is None:
            raise ValueError(f"{one!r} needs the form NAME>=LOWEST,<NOT_RUN")
        pins.append(f"{found['name']}=={found['lowest']}")
    return pins


def newest(constraints: str) -> list[str]:
    """The pin of torch."""
    return [line for line in constraints.splitlines() if line.startswith("torch==")]


def main(end: str) -> None:
    """Prints one end."""
    if end == "lowest":
        pins = lowest((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    elif end == "newest":
        pins = newest((ROOT / "constraints.txt").read_text(encoding="utf-8"))
    else:
        raise SystemExit(f"{end}: no end of a range; name lowest or newest")
    print("\n".join(pins))  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:] or [""])
