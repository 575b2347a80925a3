"""Makes the benchmark: renders candidates, selects, and writes the file with its card."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mien.partfile import sink_error, write_whole
from mien.synth.face_models import NAMES, Loader
from mien.synth.feabench import VERSION, decode_picture
from mien.synth.picture_row import row_of, schema
from mien.synth.produce import Picture, Plan, produce
from recipes.feabench_synth.card import card
from recipes.feabench_synth.card_page import page
from recipes.feabench_synth.encoding import encode, psnr
from recipes.feabench_synth.selection import Candidate, candidate, select

DATASET = f"feabench-synth-{VERSION}"
SEED = 20261
SIZE = 256
PER_MODEL = 500
SCENES = 2000
"""Of each face model that are looked at."""


class MakeError(RuntimeError):
    """The benchmark cannot be made; the message says why."""


@dataclass(frozen=True)
class Made:
    """A picture of the benchmark.

    Attributes:
        picture: with the sample's name and place in the benchmark, and the encoded WebP.
        near: PSNR in decibels of the WebP to the render.
    """

    picture: Picture
    near: float


def plan(models: tuple[Loader, ...]) -> Plan:
    """What the pictures have in common; candidates are kept without loss until they are chosen."""
    return Plan(models, seed=SEED, split="test", size=SIZE, image_format="png")


def renders(
    models: Sequence[Loader],
    *,
    processes: int,
    per_model: int = PER_MODEL,
    scenes: int = SCENES,
    each: Callable[[int], None] = lambda count: None,
) -> list[Picture]:
    """The chosen pictures, losslessly encoded.

    Args:
        models: what loads each face model, in the order of `sources.NAMES`; scenes take them by
            turns.
        processes: how many render.
        per_model: how many are chosen of each face model.
        scenes: how many of each are looked at.
        each: called with the number of scenes looked at so far.

    Raises:
        MakeError: if the candidates do not suffice.
        ProduceError: if nothing can be rendered.
    """
    found: list[dict[int, tuple[Candidate, Picture]]] = [{} for _ in models]
    numbers = range(scenes * len(models))
    for picture in produce(plan(tuple(models)), numbers, processes=processes):
        if (offered := candidate(picture)) is not None:
            found[picture.index % len(models)][picture.index] = (offered, picture)
        each(picture.index + 1)
    chosen = []
    for name, qualified in zip(NAMES, found, strict=False):
        try:
            indices = select([offered for offered, _ in qualified.values()], per_model)
        except ValueError as error:
            raise MakeError(f"{name}: {error}") from error
        chosen += [qualified[index][1] for index in indices]
    return chosen


def made(picture: Picture) -> Made:
    """A chosen picture as it is stored."""
    name = f"{picture.sample.attributes['face_model']}-{picture.index:05d}"
    image = decode_picture(picture.data)
    data = encode(image)
    sample = replace(picture.sample, id=name, dataset=DATASET, image=f"{name}.webp")
    return Made(replace(picture, sample=sample, data=data), psnr(decode_picture(data), image))


def write(folder: Path, pictures: Sequence[Made], *, command: str) -> dict[str, Any]:
    """Writes `v1.parquet`, `v1.json` and `v1.md`, and returns what the second holds.

    Args:
        folder: where to; it is made if need be.
        pictures: all of them; Anny's come first in the file.
        command: that made them, for the card.

    Raises:
        SinkError: if they cannot be written.
    """
    ordered = sorted(pictures, key=lambda m: (NAMES.index(_model(m.picture)), m.picture.index))
    content = _table([m.picture for m in ordered])
    described = {
        "name": "FEABench-Synth",
        "version": VERSION,
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "psnr_to_render": {
            "mean": round(sum(m.near for m in ordered) / len(ordered), 2),
            "least": round(min(m.near for m in ordered), 2),
        },
        **card(
            [m.picture.sample for m in ordered],
            recipe={"seed": SEED, "split": "test", "size": SIZE},
            command=command,
            scenes=[m.picture.index for m in ordered],
            looked_at=SCENES * len(NAMES),
        ),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise sink_error(folder, error) from error
    write_whole(folder / f"{VERSION}.parquet", content)
    write_whole(folder / f"{VERSION}.json", (json.dumps(described, indent=1) + "\n").encode())
    write_whole(folder / f"{VERSION}.md", page(described).encode())
    return described


def _table(pictures: Sequence[Picture]) -> bytes:
    """The Parquet file: what every set of rendered pictures has, and three columns more."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = schema()
    for name, kind in (("face_model", pa.string()), ("sha256", pa.string()), ("scene", pa.int32())):
        columns = columns.append(pa.field(name, kind))
    rows = [
        {
            **row_of(picture),
            "face_model": _model(picture),
            "sha256": hashlib.sha256(picture.data).hexdigest(),
            "scene": picture.index,
        }
        for picture in pictures
    ]
    data = pa.BufferOutputStream()
    table = pa.Table.from_pylist(rows, schema=columns)
    pq.write_table(table, data, compression="zstd", row_group_size=250)
    return data.getvalue().to_pybytes()


def _model(picture: Picture) -> str:
    return str(picture.sample.attributes["face_model"])
