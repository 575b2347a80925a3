"""Checks that an output folder belongs to this run, and what may change on the way."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mien.partfile import write_whole
from mien.train.checkpoints import checkpoints
from mien.train.fields import RecipeError, plain
from mien.train.model_card import RUN_RECIPE
from mien.train.processes import is_main, processes, wait
from mien.train.recipe import Recipe
from mien.train.rows import fingerprint
from mien.untrusted import TextError, read_json_object

log = logging.getLogger(__name__)

MODEL = "model"
RUN = "run"
"""What else `recipe.json` holds: processes, fingerprints of the rows, and changes on the way."""

# What may change between a run and its continuation: none of it moves a weight.
_FREE = ("out", "report", "data.workers", f"{RUN}.changes")
_FREE_IN_STAGE = ("log_every", "keep", "gradient_checkpointing", "data.workers")
# What may not even where a change is asked for: the weights would be of another model.
_FIXED = ("start", "stages")
_FIXED_IN_STAGE = ("name", "train", "lora")


def claim(recipe: Recipe, out: Path, *, resume: bool = True, change: bool = False) -> None:
    """Makes a folder this run's, or refuses one that is another's.

    A folder in which nothing was trained yet is nobody's.

    Args:
        recipe: of the run.
        out: its folder; made if need be.
        resume: go on from what is there; else it is removed.
        change: go on although the recipe, the rows or the number of processes are others. The
            changes are written down in `recipe.json`.

    Raises:
        RecipeError: naming what differs, or because the folder holds a model of no such run.
        mien.partfile.SinkError: if the folder cannot be written to.
    """
    if is_main():
        known, record = out / RUN_RECIPE, plain(recipe)
        record[RUN] = {"processes": processes(), "rows": _fingerprints(recipe), "changes": []}
        old = _read(known) if known.is_file() else None
        if old is None and (out / MODEL).exists():
            raise RecipeError(f"{out} holds a model that is not of such a run; give another --out")
        if old is not None and not resume:
            _clear(old, out)
        elif old is not None and _begun(old, out):
            record[RUN]["changes"] = _changes(old, record, out, change=change)
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RecipeError(f"cannot make {out}: {error.strerror}; give another --out") from None
        write_whole(known, (json.dumps(record, indent=1) + "\n").encode())
    wait()


def _read(file: Path) -> dict[str, Any]:
    try:
        return read_json_object(file, remedy="give another --out, or --fresh to begin again")
    except TextError as error:
        raise RecipeError(str(error)) from None


def _fingerprints(recipe: Recipe) -> dict[str, str]:
    specs = {"data": recipe.data}
    specs |= {f"{s.name}.data": s.data for s in recipe.stages if s.data is not None}
    return {
        f"{place}.{part}.{number}": fingerprint(source.rows)
        for place, spec in specs.items()
        for part in ("train", "validation")
        for number, source in enumerate(getattr(spec, part))
    }


def _begun(old: dict[str, Any], out: Path) -> bool:
    folders = [out / str(stage["name"]) for stage in old.get("stages", ())]
    return any((f / MODEL).exists() for f in (out, *folders)) or any(map(checkpoints, folders))


def _clear(old: dict[str, Any], out: Path) -> None:
    """Removes what an earlier run wrote, and nothing else."""
    for stage in old.get("stages", ()):
        shutil.rmtree(out / str(stage["name"]), ignore_errors=True)
    shutil.rmtree(out / MODEL, ignore_errors=True)
    for name in (RUN_RECIPE, "speed.json"):
        (out / name).unlink(missing_ok=True)


def _changes(old: dict[str, Any], new: dict[str, Any], out: Path, *, change: bool) -> list[str]:
    """What was changed since the run began, this time too; refuses what may not change."""
    made = list(old.get(RUN, {}).get("changes", ()))
    if RUN not in old:  # begun before processes and rows were written down
        old = {**old, RUN: new[RUN]}
    for place, before, now in _differences(old, new, ""):
        stage, _, inner = place.partition("].")
        inner = inner if stage.startswith("stages[") else ""
        if place in _FREE or inner in _FREE_IN_STAGE:
            continue
        what = f"{place} {before!r}, and now it is {now!r}"
        if place in _FIXED or inner.partition(".")[0] in _FIXED_IN_STAGE:
            raise RecipeError(
                f"{out} holds a run with {what}, which makes another model: give another --out, "
                "or --fresh to begin again"
            )
        if not change:
            raise RecipeError(
                f"{out} holds a run with {what}: a run goes on with the recipe, rows and processes "
                "it began with; --change goes on with the new ones, --fresh begins again, or give "
                "another --out"
            )
        log.warning("changed on the way: %s", what)
        made.append(what)
    return made


def _differences(old: Any, new: Any, place: str) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(old, dict) and isinstance(new, dict):
        for name in sorted({*old, *new}):
            inner = f"{place}.{name}" if place else name
            yield from _differences(old.get(name), new.get(name), inner)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for number, (before, now) in enumerate(zip(old, new, strict=True)):
            yield from _differences(before, now, f"{place}[{number}]")
    elif old != new:
        yield place, old, new
