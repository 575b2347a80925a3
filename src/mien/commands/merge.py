"""`mien merge`: adapters folded into their base, with a model card; to the Hub when asked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mien.commands.init import Dtype, _failed
from mien.terminal import say


def merge(
    adapter: Annotated[
        Path, typer.Argument(help="Folder of a run of `mien train`, or of adapters.")
    ],
    out: Annotated[Path | None, typer.Option(help="New folder for the whole model.")] = None,
    base: Annotated[
        str | None, typer.Option(help="The base; default: the one that the adapters name.")
    ] = None,
    dtype: Annotated[
        Dtype | None, typer.Option(help="How weights are written. Default: the base's.")
    ] = None,
    bench: Annotated[
        list[Path] | None,
        typer.Option(help="Results of `mien bench` whose figures go on the card; repeatable."),
    ] = None,
    data: Annotated[
        list[Path] | None,
        typer.Option(help="Instruction data that it was trained on. Default: as the recipe says."),
    ] = None,
    licence: Annotated[
        str | None, typer.Option(help="Licence of the model, as the Hub writes it.")
    ] = None,
    card_only: Annotated[
        bool, typer.Option("--card-only", help="Write README.md into a whole model's folder.")
    ] = False,
    push: Annotated[
        str | None,
        typer.Option(help="Also send the folder to this private repository of the Hub: USER/NAME."),
    ] = None,
) -> None:
    """Fold what `mien train` learned into one model, which runs anywhere.

    Nothing is sent anywhere without --push.
    Exit codes: 0 done, 1 it cannot be written or sent, 2 adapters and base do not fit.
    """
    code = run_merge(
        adapter,
        out,
        base=base,
        dtype=dtype.value if dtype else None,
        bench=bench or [],
        data=data or [],
        licence=licence,
        card_only=card_only,
        push=push,
    )
    raise typer.Exit(code)


def run_merge(
    adapter: Path,
    out: Path | None,
    *,
    base: str | None,
    dtype: str | None,
    bench: list[Path],
    data: list[Path],
    licence: str | None,
    card_only: bool,
    push: str | None,
) -> int:
    """Runs `mien merge`; returns the exit code."""
    from mien.partfile import SinkError
    from mien.train.folders import check_new, new_folder
    from mien.train.merge import MergeError
    from mien.train.merge import merge as merged
    from mien.train.model_card import CardError, Facts, read_run, write_card

    if not card_only and out is None:
        return _failed(ValueError("give the new folder with --out"), 2)
    try:
        found = read_run(adapter)
        facts = Facts(
            base=found.base if found.recipe else base or found.base,
            recipe=found.recipe,
            data=tuple(data) or found.data,
            figures=tuple(figure for folder in bench for figure in _figures(folder)),
            licence=licence,
        )
        if card_only:
            target = adapter
            write_card(target, facts)
        else:
            assert out is not None
            target = out
            check_new(out)
            whole = merged(adapter, base=base, dtype=dtype)
            with new_folder(out) as folder:
                whole.model.save_pretrained(folder)
                whole.processor.save_pretrained(folder)
                write_card(folder, facts)
        if push is not None:
            _push(target, push)
    except (MergeError, CardError) as error:
        return _failed(error, 2)
    except (SinkError, ImportError, OSError) as error:
        return _failed(error, 1)
    say(str(target))
    return 0


def _figures(folder: Path) -> list[tuple[str, str, float, float | None, float | None]]:
    """Headline figures of a bench result: suite, figure, value, interval."""
    from mien.bench.result import ResultError, read_result
    from mien.train.model_card import CardError

    try:
        result = read_result(folder)
    except (ResultError, OSError) as error:
        raise CardError(f"--bench {folder}: {error}") from error
    rows = []
    for task in result.tasks:
        for name in task.headline:
            figure = task.figures.get(name)
            if figure is not None and figure.value is not None:
                rows.append(
                    (
                        f"{result.suite['name']}, {task.name}",
                        name,
                        figure.value,
                        figure.low,
                        figure.high,
                    )
                )
    return rows


def _push(folder: Path, repository: str) -> None:
    """Sends a folder to the Hub; a repository that is new is made private."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    try:
        api = HfApi()
        api.create_repo(repository, private=True, exist_ok=True)
        api.upload_folder(repo_id=repository, folder_path=folder)
    except (HfHubHTTPError, ValueError) as error:
        first = str(error).strip().splitlines()[0]
        raise OSError(f"{repository} could not be sent ({first}); `hf auth login` first") from error
