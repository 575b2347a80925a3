"""A suite as tasks of lmms-eval: a folder of YAML with its data, loaded by ``--include_path``."""

from __future__ import annotations

import errno
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, get_args

from mien.bench.harness.encoded import Encode
from mien.bench.harness.question import QuestionError, metrics_of, questions
from mien.bench.suite import Kind, Suite, TaskSpec
from mien.partfile import PartFile, SinkError, sink_error, write_whole
from mien.sample import Sample

COMMON = "_mien_common"
UTILS = "utils.py"
_ROWS = 64  # pictures in memory at a time


def task_name(suite: Suite, task: TaskSpec) -> str:
    """Name of a task in lmms-eval."""
    return f"{group_name(suite)}_{task.name}"


def group_name(suite: Suite) -> str:
    """Name of the group of a suite's tasks."""
    return "mien_" + suite.name.replace("-", "_")


def task_files(suite: Suite) -> dict[str, str]:
    """File name to content of all that a suite's tasks need, but for the data.

    Raises:
        QuestionError: if a task is not called by its kind.
    """
    files = {UTILS: _UTILS, COMMON: _COMMON, f"{group_name(suite)}.yaml": _group(suite)}
    for task in suite.tasks:
        if task.name != task.kind:
            raise QuestionError(
                f"suite {suite.name!r}: task {task.name!r} is of kind {task.kind!r}; in lmms-eval"
                " each task is called by its kind, so put the other one into a suite of its own"
            )
        files[f"{task_name(suite, task)}.yaml"] = _task(suite, task)
    return files


def write_folder(suite: Suite, samples: Iterable[Sample], encode: Encode, out: Path) -> int:
    """Writes tasks and data of a suite into a folder, which may hold other suites as well.

    Args:
        suite: what is asked.
        samples: the labelled samples.
        encode: gives the files of a sample's pictures.
        out: the folder, made where it is missing.

    Returns:
        How many samples were written.

    Raises:
        OSError, ValueError: if a picture cannot be read; the message names the file.
        mien.partfile.SinkError: if a file cannot be written.
    """
    files = task_files(suite)
    out.mkdir(parents=True, exist_ok=True)
    count = write_parquet(suite, samples, encode, out / f"{suite.name}.parquet")
    for name, text in files.items():
        write_whole(out / name, text.encode())
    return count


def write_parquet(suite: Suite, samples: Iterable[Sample], encode: Encode, path: Path) -> int:
    """Writes a row for each sample: its pictures, and a question for each task or null."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    place = PartFile(path)  # says early if the file cannot be written
    if place.direct:
        raise SinkError(f"cannot write {path}: Parquet needs an ordinary file")
    schema = _schema(suite)
    count = 0
    try:
        with pq.ParquetWriter(str(place.part), schema, compression="zstd") as writer:
            for rows in _batches(suite, samples, encode):
                writer.write_table(pa.Table.from_pylist(rows, schema=schema))
                count += len(rows)
        place.part.replace(place.target)
    except BaseException as error:
        place.part.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise sink_error(path, error) from error
        raise
    return count


def _batches(
    suite: Suite, samples: Iterable[Sample], encode: Encode
) -> Iterator[list[dict[str, Any]]]:
    """Rows, some at a time, so that a large set stays small in memory."""
    tasks = [task.name for task in suite.tasks]
    rows: list[dict[str, Any]] = []
    for sample in samples:
        asked = questions(sample, suite)
        if not asked:
            continue
        row: dict[str, Any] = {"id": sample.id}
        row |= {task: asked[task].to_json() if task in asked else None for task in tasks}
        pictures = encode(sample)
        for k, column in enumerate(_image_columns(suite)):
            row[column] = {"bytes": pictures[k], "path": None} if k < len(pictures) else None
        rows.append(row)
        if len(rows) == _ROWS:
            yield rows
            rows = []
    if rows:
        yield rows


def _image_columns(suite: Suite) -> list[str]:
    """One column a frame, for the harness keeps pictures out of its logs by their column."""
    return ["image"] if suite.frames == 1 else [f"frame_{k:02d}" for k in range(suite.frames)]


def _schema(suite: Suite) -> Any:
    import pyarrow as pa

    picture = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    names = _image_columns(suite)
    columns = [("id", pa.string()), *((task.name, pa.string()) for task in suite.tasks)]
    features = {name: {"_type": "Image"} for name in names} | {
        name: {"dtype": "string", "_type": "Value"} for name, _ in columns
    }
    return pa.schema(
        [*columns, *((name, picture) for name in names)],
        metadata={"huggingface": json.dumps({"info": {"features": features}})},
    )


def _group(suite: Suite) -> str:
    tasks = "".join(f"  - {task_name(suite, task)}\n" for task in suite.tasks)
    return f"group: {group_name(suite)}\ntask:\n{tasks}metadata:\n  version: {suite.version}\n"


def _task(suite: Suite, task: TaskSpec) -> str:
    lines = [
        f"include: {COMMON}",
        f"task: {task_name(suite, task)}",
        "dataset_kwargs:",
        "  data_files:",
        f"    test: {suite.name}.parquet",
        f"process_docs: !function utils.{task.kind}_docs",
        "generation_kwargs:",
        f"  max_new_tokens: {task.max_tokens}",
        "  temperature: 0",
        "  top_p: 1.0",
        "  num_beams: 1",
        "  do_sample: false",
        "metric_list:",
    ]
    for metric in metrics_of(task, suite):
        better = "false" if metric.startswith("rmse") else "true"
        lines += [
            f"  - metric: {metric}",
            f"    aggregation: !function utils.{metric}",
            f"    higher_is_better: {better}",
        ]
    lines += ["metadata:", f"  version: {suite.version}"]
    return "\n".join(lines) + "\n"


_NAMES = sorted(
    [
        *(f"{kind}_docs" for kind in get_args(Kind)),
        *("doc_to_target", "doc_to_text", "doc_to_visual", "process_results"),
        *("uar", "war", "macro_f1", "au_macro_f1", "au_micro_f1", "au_accuracy", "au_fold_f1"),
        *("au_shared_f1", "rouge_l", "bleu", "rege", "rationale_precision", "rationale_recall"),
        *("rationale_f1", "expression_match", "consistency", "ccc_valence", "ccc_arousal"),
        *("rmse_valence", "rmse_arousal", "parse_rate", "war_fold_mean", "uar_fold_mean"),
    ]
)

_UTILS = (
    '"""What the YAML files of this folder name; all of it is mien\'s (`pip install mien`)."""\n\n'
    "from mien.bench.harness.lmms_eval import (\n"
    + "".join(f"    {name},\n" for name in _NAMES)
    + ")\n\n__all__ = [\n"
    + "".join(f'    "{name}",\n' for name in _NAMES)
    + "]\n"
)

_COMMON = """\
dataset_path: parquet
test_split: test
output_type: generate_until
cluster_key: cluster
doc_to_visual: !function utils.doc_to_visual
doc_to_text: !function utils.doc_to_text
doc_to_target: !function utils.doc_to_target
process_results: !function utils.process_results
"""
