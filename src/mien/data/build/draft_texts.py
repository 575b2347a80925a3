"""Texts on their way into a set: written, checked, kept or set aside."""

from __future__ import annotations

import io
import json
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

from mien.data.build.embed import encoded_pictures
from mien.data.build.face_labels import Labels
from mien.data.build.instruction_row import TEMPLATE, make_row, parquet_schema, row_id, row_line
from mien.data.build.plan import Item
from mien.data.build.settings import BuildSettings
from mien.data.build.tasks import Turn, content_hash, write
from mien.data.checks.label_agreement import check_turns
from mien.data.checks.rules import Fault
from mien.media import MediaError
from mien.sample import Sample

UNREADABLE = "unreadable"
"""Rule that sets all rows about a face aside."""


@dataclass
class Draft:
    """One row to be.

    Attributes:
        source, sample, labels, task: of the row.
        turns: what is kept; None until a text passes.
        writer: "template" or a teacher's name.
        tries: refused texts, each with its faults.
        unreadable: why its picture cannot be read, which ends all rows about it.
    """

    source: str
    sample: Sample
    labels: Labels
    task: str
    turns: list[Turn] | None = None
    writer: str = TEMPLATE
    tries: list[tuple[str, list[Fault]]] = field(default_factory=list)
    unreadable: Fault | None = None

    @property
    def face(self) -> str:
        """Name of the Sample, with its source."""
        return f"{self.source}/{self.sample.id}"

    @property
    def name(self) -> str:
        """Name of the row."""
        return row_id(self.source, self.sample.id, self.task)

    @property
    def clip(self) -> bool:
        """Whether the face is shown in a clip."""
        return self.sample.image is None

    def rng(self, seed: int) -> random.Random:
        """Chance that depends on the row's name and the seed alone."""
        return random.Random(content_hash("text", self.name, seed))


def drafts_of(items: Sequence[Item]) -> list[Draft]:
    """A draft for each task of each item, in order."""
    return [
        Draft(item.source, item.sample, item.labels, task) for item in items for task in item.tasks
    ]


@dataclass(frozen=True)
class Made:
    """A shard's bytes.

    Attributes:
        data: of the file.
        rows: in it.
        stats: counts of the checks.
        aside: JSON lines of what was set aside.
    """

    data: bytes
    rows: int
    stats: Mapping[str, Any]
    aside: bytes


def write_template(draft: Draft, settings: BuildSettings) -> bool:
    """Writes a draft by templates, and reads some of them back.

    Returns:
        Whether it was read back.
    """
    turns = write(
        draft.task,
        draft.labels,
        dataset=draft.sample.dataset,
        clip=draft.clip,
        rng=draft.rng(settings.seed),
    )
    checked = content_hash("check", draft.name) < settings.check_share * 2**64
    if checked:
        answers = [answer for _, answer in turns]
        faults = check_turns(answers, draft.task, draft.labels, settings.rules)
        if faults:
            draft.tries.append(("\n".join(answers), faults))
            return True
    draft.turns = turns
    return checked


def template_shard(
    items: Sequence[Item], settings: BuildSettings, roots: Mapping[str, Path]
) -> Made:
    """A shard whose texts all come from templates."""
    drafts = drafts_of(items)
    stats: Counter[str] = Counter()
    for draft in drafts:
        stats["read_back"] += write_template(draft, settings)
    return finish(drafts, settings, roots, stats)


def finish(
    drafts: Sequence[Draft],
    settings: BuildSettings,
    roots: Mapping[str, Path],
    stats: Mapping[str, Any],
) -> Made:
    """Encodes what was kept and what was set aside; all rows of a face whose picture is broken are.

    Args:
        drafts: written and checked.
        settings: of the build.
        roots: folder of each source, for pictures that are embedded.
        stats: counts to which those of the drafts are added.
    """
    refused: Counter[str] = Counter()
    final: Counter[str] = Counter()
    rows, aside = [], []
    broken = {draft.face: draft.unreadable for draft in drafts if draft.unreadable}
    for face, group in groupby(drafts, key=lambda draft: draft.face):
        about = list(group)
        pictures = None
        if settings.embed_images and face not in broken:
            try:
                root = roots[about[0].source]
                pictures = encoded_pictures(about[0].sample, root, settings.clip_frames)
            except MediaError as error:
                broken[face] = unreadable(about[0], roots, error)
        for draft in about:
            if face in broken:
                draft.turns = None
                draft.tries.append(("", [broken[face]]))
            refused.update({fault.rule for _, faults in draft.tries for fault in faults})
            if draft.turns is None:
                final[draft.tries[-1][1][0].rule] += 1
                aside.append(_aside_line(draft))
            else:
                rows.append(_row(draft, settings, pictures))
    counts = {
        **stats,
        "texts": len(drafts),
        "kept": len(rows),
        "kept_after_retry": sum(d.turns is not None and bool(d.tries) for d in drafts),
        "refused": dict(sorted(refused.items())),
        "set_aside": dict(sorted(final.items())),
    }
    return Made(_encode(rows, settings), len(rows), counts, b"".join(aside))


def unreadable(draft: Draft, roots: Mapping[str, Path], error: MediaError) -> Fault:
    """Why a face is set aside whose picture cannot be read; names no folder of this machine."""
    return Fault(UNREADABLE, str(error).replace(f"{roots[draft.source]}/", f"{draft.source}/"))


def _row(draft: Draft, settings: BuildSettings, pictures: Sequence[bytes] | None) -> dict[str, Any]:
    return make_row(
        draft.sample,
        draft.labels,
        draft.turns or [],
        source=draft.source,
        task=draft.task,
        writer=draft.writer,
        clip_frames=settings.clip_frames,
        pictures=pictures,
    )


def _aside_line(draft: Draft) -> bytes:
    tries = [
        {
            "text": text,
            "faults": [{"rule": fault.rule, "reason": fault.reason} for fault in faults],
        }
        for text, faults in draft.tries
    ]
    fault = draft.tries[-1][1][0]
    row = {
        "id": draft.name,
        "task": draft.task,
        "rule": fault.rule,
        "reason": fault.reason,
        "text": draft.tries[-1][0],
        "labels": draft.labels.to_dict(),
        "tries": tries,
    }
    text = json.dumps(row, ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", "backslashreplace") + b"\n"


def _encode(rows: list[dict[str, Any]], settings: BuildSettings) -> bytes:
    if settings.format == "jsonl":
        return b"".join(map(row_line, rows))
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = parquet_schema(settings.embed_images)
    buffer = io.BytesIO()
    with pq.ParquetWriter(buffer, schema, compression="zstd") as writer:
        size = 100 if settings.embed_images else 5000
        for start in range(0, len(rows), size):
            part = pa.Table.from_pylist(rows[start : start + size], schema=schema)
            writer.write_table(part)
    return buffer.getvalue()
