"""One row in each trainer's own form. The number of placeholders equals the number of pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mien.data.build.instruction_row import turns_of

IMAGE, VIDEO = "<image>", "<video>"


def texts(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Role and text of each message, with a placeholder for each picture and video."""
    found = []
    for message in row["messages"]:
        marks = {"image": IMAGE, "video": VIDEO}
        heads = [marks[part["type"]] for part in message["content"] if part["type"] in marks]
        words = "".join(part.get("text") or "" for part in message["content"])
        found.append((message["role"], "\n".join([*heads, words])))
    return found


def llava(row: Mapping[str, Any], images: Sequence[str]) -> dict[str, Any]:
    """LLaVA: ``id``, ``image`` (a list where there are several) and ``conversations``."""
    names = {"user": "human", "assistant": "gpt"}
    made: dict[str, Any] = {"id": row["id"]}
    if images:
        made["image"] = images[0] if len(images) == 1 else list(images)
    if row["videos"]:
        made["video"] = row["videos"][0]
    made["conversations"] = [{"from": names[role], "value": text} for role, text in texts(row)]
    return made


def sharegpt(row: Mapping[str, Any], images: Sequence[str]) -> dict[str, Any]:
    """ShareGPT as LLaMA-Factory reads it, with `dataset_info` beside."""
    names = {"user": "human", "assistant": "gpt"}
    made: dict[str, Any] = {
        "id": row["id"],
        "conversations": [{"from": names[role], "value": text} for role, text in texts(row)],
    }
    return {**made, "images": list(images), "videos": list(row["videos"])}


def dataset_info(name: str, file: str, *, images: bool, videos: bool) -> dict[str, Any]:
    """Entry of LLaMA-Factory's `dataset_info.json`."""
    columns = {"messages": "conversations"}
    columns |= {"images": "images"} if images else {}
    columns |= {"videos": "videos"} if videos else {}
    return {name: {"file_name": file, "formatting": "sharegpt", "columns": columns}}


def ms_swift(row: Mapping[str, Any], images: Sequence[str]) -> dict[str, Any]:
    """ms-swift: ``messages`` with plain text, ``images`` and ``videos``."""
    messages = [{"role": role, "content": text} for role, text in texts(row)]
    return {"messages": messages, "images": list(images), "videos": list(row["videos"])}


def trl(row: Mapping[str, Any], images: Sequence[str]) -> dict[str, Any]:
    """TRL: ``messages`` with parts of content, and ``images``.

    Raises:
        ValueError: for a video, which TRL does not take.
    """
    if row["videos"]:
        raise ValueError(f"row {row['id']!r} has a video, which TRL does not take")
    messages = [
        {
            "role": message["role"],
            "content": [
                {k: v for k, v in part.items() if v is not None} for part in message["content"]
            ],
        }
        for message in row["messages"]
    ]
    return {"messages": messages, "images": list(images)}


def vlmevalkit(row: Mapping[str, Any], index: int, picture: str) -> tuple[str, ...]:
    """Cells of VLMEvalKit's table for questions: the first turn of a row, the picture in base64.

    Columns are `VLMEVALKIT`.
    """
    question, answer = turns_of(dict(row))[0]
    return (str(index), picture, question, answer, row["task"], row["id"])


VLMEVALKIT = ("index", "image", "question", "answer", "category", "row")


def openface(row: Mapping[str, Any], units: Sequence[int]) -> list[str]:
    """Cells of OpenFace's columns for the labels of a row; what is unknown is empty.

    Columns are those of `openface_columns`.
    """
    labelled = {u["au"]: u for u in row["labels"]["action_units"] or ()}
    cells = [row["source"] + "/" + row["sample"], "1", "0", "0", "", "1"]
    for au in units:
        unit = labelled.get(au)
        value = None if unit is None else unit["intensity"] if unit["present"] else 0.0
        cells.append("" if value is None else f"{value:g}")
    for au in units:
        unit = labelled.get(au)
        cells.append("" if unit is None else str(int(unit["present"])))
    return [*cells, row["labels"]["expression"] or "", row["subject"] or "", row["split"] or ""]


def openface_columns(units: Sequence[int]) -> list[str]:
    """``AU12_r`` is an intensity in [0, 5] and ``AU12_c`` presence, 0 or 1."""
    return [
        *("source", "frame", "face_id", "timestamp", "confidence", "success"),
        *(f"AU{au:02d}_r" for au in units),
        *(f"AU{au:02d}_c" for au in units),
        *("expression", "subject", "split"),
    ]
