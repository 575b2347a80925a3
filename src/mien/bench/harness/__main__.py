"""Writes a suite for another harness: ``python -m mien.bench.harness lmms-eval SUITE ...``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from mien.bench.harness.encoded import opened
from mien.bench.harness.lmms_files import group_name, write_folder
from mien.bench.harness.question import QuestionError
from mien.bench.harness.vlmevalkit import write_tsv
from mien.bench.source import SourceError, choose
from mien.bench.suite import SuiteError, list_suites, load_suite
from mien.partfile import SinkError


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command.

    Returns:
        0 done, 1 something could not be read or written; wrong usage exits with 2.
    """
    options = _parser().parse_args(arguments)
    try:
        suite = load_suite(options.suite)
        source, encode = opened(suite, options.data)
        chosen = choose(suite, source, options.limit)
        if options.harness == "lmms-eval":
            count = write_folder(suite, chosen.samples, encode, options.out)
            _say(f"{count} samples; tasks are the group {group_name(suite)}")
            _say(f"lmms-eval eval --include_path {options.out} --tasks {group_name(suite)} ...")
        else:
            counts = write_tsv(suite, chosen.samples, encode, options.out)
            for name, count in counts.items():
                _say(f"{count} questions of {name}")
            _say(
                f"LMUData={options.out} python -m mien.bench.harness.vlmevalkit"
                f" --data {' '.join(counts)} --model ..."
            )
    except (SuiteError, SourceError, QuestionError, SinkError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m mien.bench.harness",
        description="Writes a suite of mien for lmms-eval or VLMEvalKit.",
    )
    parser.add_argument("harness", choices=("lmms-eval", "vlmevalkit"))
    parser.add_argument(
        "suite", help=f"one of {', '.join(list_suites())}, or the path of a .toml file"
    )
    parser.add_argument("--data", type=Path, help="the dataset's folder, if it is on your disk")
    parser.add_argument("--out", type=Path, required=True, help="folder that is written")
    parser.add_argument(
        "--limit",
        type=int,
        metavar="N",
        help="only N samples, spread over the set and the same for every model",
    )
    return parser


def _say(text: str) -> None:
    print(text)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
