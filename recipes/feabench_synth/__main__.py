"""Makes FEABench-Synth v1 again, or checks that this machine renders what is shipped.

python -m recipes.feabench_synth --out DIR --ict PATH    makes the set from scratch
python -m recipes.feabench_synth --check [--ict PATH]    renders its scenes again and compares
python -m recipes.feabench_synth --out DIR --ict PATH --check    both at once

Without ICT-FaceKit --check looks at Anny's half only. Exit codes: 0 done, 1 the two differ or
nothing can be rendered, 2 wrong usage, 130 interrupted.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from mien.partfile import SinkError
from mien.synth.face_models import NAMES, Loader, SourceError, loader
from mien.synth.feabench import FeaBenchError, load_feabench
from mien.synth.produce import ProduceError, cores
from mien.terminal import Console, say
from recipes.feabench_synth.card import out_of_balance
from recipes.feabench_synth.compare import NEAR, Comparison, compare
from recipes.feabench_synth.make import SCENES, MakeError, made, renders, write

COMMAND = "python -m recipes.feabench_synth --out DIR --ict PATH"
"""As the card names it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the recipe and returns its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m recipes.feabench_synth",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--out", type=Path, help="folder for v1.parquet and its card")
    parser.add_argument("--ict", type=Path, help="ICT-FaceKit: checkout or .npz; or $MIEN_ICT")
    parser.add_argument("--check", action="store_true", help="compare with the shipped set")
    parser.add_argument("--processes", type=int, default=cores(), help="by default one a core")
    options = parser.parse_args(arguments)
    if options.out is None and not options.check:
        parser.error("give --out DIR to make the set, or --check to compare")
    if options.processes < 1:
        parser.error("--processes must be at least 1")
    errors = Console(stderr=True)
    try:
        models = _models(options.ict, errors, all_needed=options.out is not None)
        if options.out is not None:
            return _make(options.out, models, options.check, options.processes, errors)
        return _check(models, options.processes, errors)
    except SourceError as error:
        errors.print(f"error: {error}", markup=False, soft_wrap=True)
        return 2
    except (FeaBenchError, MakeError, ProduceError, SinkError) as error:
        errors.print(f"error: {error}", markup=False, soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        errors.print("interrupted; nothing was written", markup=False)
        return 130


def _models(ict: Path | None, errors: Console, *, all_needed: bool) -> dict[str, Loader]:
    models: dict[str, Loader] = {}
    for name in NAMES:
        try:
            models[name] = loader(name, ict=ict)
        except SourceError as error:
            if all_needed or name == "anny":
                raise
            errors.print(f"only Anny's half is checked: {error}", markup=False, soft_wrap=True)
    return models


def _make(
    out: Path, models: dict[str, Loader], check: bool, processes: int, errors: Console
) -> int:
    comparison = Comparison()
    shipped = load_feabench() if check else None
    total = SCENES * len(models)
    with errors.status("scenes rendered: 0") as status:
        pictures = renders(
            tuple(models.values()),
            processes=processes,
            each=lambda count: status.update(f"scenes rendered: {count:,} of {total:,}"),
        )
        status.update("pictures are encoded")
        chosen = [made(picture) for picture in pictures]
    for picture in pictures:
        if shipped is None:
            break
        if picture.index in shipped.scenes:
            comparison.add(shipped, shipped.scenes.index(picture.index), picture)
        else:
            comparison.differences.append(f"scene {picture.index} is not in the shipped set")
    card = write(out, chosen, command=COMMAND)
    say(
        f"{card['pictures']:,} pictures in {out}, {card['bytes'] / 1e6:.1f} MB, PSNR to the render "
        f"{card['psnr_to_render']['mean']} dB on average"
    )
    for problem in out_of_balance([one.picture.sample for one in chosen]):
        errors.print(f"out of balance: {problem}", markup=False)
    return _report(comparison) if shipped is not None else 0


def _check(models: dict[str, Loader], processes: int, errors: Console) -> int:
    with errors.status("pictures compared: 0") as status:
        comparison = compare(
            load_feabench(),
            models,
            processes=processes,
            each=lambda count: status.update(f"pictures compared: {count}"),
        )
    return _report(comparison)


def _report(comparison: Comparison) -> int:
    values = list(comparison.psnr.values())
    if values:
        finite = [min(value, 100.0) for value in values]  # equal pictures are infinitely near
        say(
            f"{len(values):,} pictures compared: PSNR {min(finite):.1f} dB at least, "
            f"{sum(finite) / len(finite):.1f} dB on average"
        )
    for name, value in comparison.below.items():
        say(f"{name}: {value:.1f} dB, less than {NEAR:g}")
    for line in comparison.differences:
        say(line)
    if comparison.same and values:
        say("the same labels, and pictures as near as they should be")
    return 0 if comparison.same and values else 1


if __name__ == "__main__":
    sys.exit(main())
