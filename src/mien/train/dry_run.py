"""Reads every text as it will be learned, before a run: finds what would end it in the night."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mien.data.pictures import folder_of, split_reference
from mien.train.items import TrainItems
from mien.train.rows import InstructionRows, RowsError

if TYPE_CHECKING:
    from mien.train.collate import Collator


@dataclass
class Rehearsal:
    """What the rows of a stage hold.

    Attributes:
        rows: that were read.
        longest: tokens of the longest conversation that is learned, pictures included.
        dropped: conversations that are longer than `max_length` and left out.
    """

    rows: int = 0
    longest: int = 0
    dropped: int = 0


def rehearse(
    items: TrainItems, collator: Collator, *, each: Callable[[], None] = lambda: None
) -> Rehearsal:
    """Encodes every conversation and looks for every picture; opens none.

    Args:
        items: of a stage.
        collator: of the stage.
        each: called for each row.

    Raises:
        RowsError: naming the first row that would end the run: no picture, a picture that is not
            there, no learned token, or too long.
    """
    found = Rehearsal()
    for one in items.sources:
        for number in range(len(one.rows)):
            row = one.rows[number]
            talk = collator.talk(items.unseen(one, row))
            _look_for_pictures(one.rows, row)
            found.rows += 1
            if talk is None:
                found.dropped += 1
            else:
                found.longest = max(found.longest, len(talk.ids))
            each()
    return found


def _look_for_pictures(rows: InstructionRows, row: dict[str, Any]) -> None:
    images, videos = rows.shown(row)
    for image in (*images, *videos):
        if isinstance(image, dict) and image.get("bytes") is not None:
            continue
        path, root = rows.locate(image["path"] if isinstance(image, dict) else image)
        whole = folder_of(root) / split_reference(path)[0]
        if not whole.exists():
            raise RowsError(
                f"{rows.name_of(row)}: {whole} is not there. Is the `root` of this "
                "source right? `mien data check` lists missing files"
            )
