"""A row of instruction data: one exchange about one face, in the columns that trainers read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from mien.data.build.face_labels import Labels
from mien.data.build.tasks import Turn
from mien.data.pictures import spread
from mien.sample import Sample

if TYPE_CHECKING:
    import pyarrow as pa

TEMPLATE = "template"
"""Writer of the texts that `mien.language` makes."""


def row_id(source: str, sample: str, task: str) -> str:
    """Name of a row, unique within a set."""
    return f"{source}/{sample}/{task}"


def media_of(sample: Sample, source: str, clip_frames: int) -> tuple[list[str], list[str]]:
    """Paths of the pictures and of the videos of a Sample, each below the name of its source."""
    if sample.video is not None:
        return [], [f"{source}/{sample.video}"]
    if sample.image is not None:
        return [f"{source}/{sample.image}"], []
    chosen = spread(len(sample.frames), clip_frames)
    return [f"{source}/{sample.frames[i]}" for i in chosen], []


def make_row(
    sample: Sample,
    labels: Labels,
    turns: Sequence[Turn],
    *,
    source: str,
    task: str,
    writer: str = TEMPLATE,
    clip_frames: int = 8,
    pictures: Sequence[bytes] | None = None,
) -> dict[str, Any]:
    """A row as plain values.

    Args:
        sample: the face or clip.
        labels: what its text is true to.
        turns: questions and answers.
        source: name of the source, the first part of all paths.
        task: one of `tasks.TASKS`.
        writer: who wrote the answers: "template", or the name of a teacher.
        clip_frames: most frames that a clip is shown with.
        pictures: encoded pictures that go into the row itself; a video is then shown by them.
    """
    images, videos = media_of(sample, source, clip_frames)
    if pictures is not None:
        named = images or [f"{videos[0]}#part={k}" for k in range(len(pictures))]
        kept: list[Any] = [
            {"bytes": data, "path": path} for data, path in zip(pictures, named, strict=True)
        ]
        videos = []
    else:
        kept = list(images)
    parts: list[dict[str, Any]] = [{"type": "image", "text": None} for _ in kept]
    parts += [{"type": "video", "text": None} for _ in videos]
    messages = []
    for question, answer in turns:
        content = [*parts, {"type": "text", "text": question}]
        messages.append({"role": "user", "content": content})
        messages.append({"role": "assistant", "content": [{"type": "text", "text": answer}]})
        parts = []
    return {
        "id": row_id(source, sample.id, task),
        "messages": messages,
        "images": kept,
        "videos": videos,
        "source": source,
        "dataset": sample.dataset,
        "sample": sample.id,
        "subject": sample.subject,
        "split": sample.split,
        "task": task,
        "writer": writer,
        "pseudo": sample.pseudo,
        "labels": labels.to_dict(),
        "licence": sample.licence,
    }


def row_line(row: dict[str, Any]) -> bytes:
    """A row as a line of JSON; parts of a message without text carry none."""
    messages = [
        {
            "role": message["role"],
            "content": [
                {name: value for name, value in part.items() if value is not None}
                for part in message["content"]
            ],
        }
        for message in row["messages"]
    ]
    text = json.dumps({**row, "messages": messages}, ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", "surrogateescape") + b"\n"


def turns_of(row: dict[str, Any]) -> list[Turn]:
    """The questions and answers of a row."""
    texts = [
        "".join(part.get("text") or "" for part in message["content"])
        for message in row["messages"]
    ]
    return list(zip(texts[::2], texts[1::2], strict=True))


@cache
def parquet_schema(embedded: bool) -> pa.Schema:
    """Columns and types of Parquet files.

    Args:
        embedded: whether `images` holds the pictures themselves, which Hugging Face's datasets
            then decode, or their paths.
    """
    import pyarrow as pa

    text, real = pa.string(), pa.float64()
    part = pa.struct([("type", text), ("text", text)])
    message = pa.struct([("role", text), ("content", pa.list_(part))])
    unit = pa.struct([("au", pa.int16()), ("present", pa.bool_()), ("intensity", real)])
    labels = pa.struct(
        [("expression", text), ("label_set", text), ("action_units", pa.list_(unit))]
    )
    picture = pa.struct([("bytes", pa.binary()), ("path", text)]) if embedded else text
    columns = [
        ("id", text),
        ("messages", pa.list_(message)),
        ("images", pa.list_(picture)),
        ("videos", pa.list_(text)),
        *((name, text) for name in ("source", "dataset", "sample", "subject", "split")),
        *(("task", text), ("writer", text), ("pseudo", pa.bool_())),
        ("labels", labels),
        ("licence", text),
    ]
    if not embedded:
        return pa.schema(columns)
    features = {"info": {"features": {"images": [{"_type": "Image"}]}}}
    return pa.schema(columns, metadata={"huggingface": json.dumps(features)})
