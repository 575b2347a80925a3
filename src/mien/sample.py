"""`Sample`: one labelled face or clip of a dataset, of which data, training and suites are made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

from mien.schema import (
    SCHEMA_VERSION,
    ActionUnit,
    Box,
    Expression,
    JsonRow,
    check_box,
    check_units,
    in_range,
    require,
)


@dataclass(frozen=True, slots=True)
class Sample(JsonRow):
    """One labelled face or clip of a dataset.

    Attributes:
        id: unique within the dataset.
        dataset: key of `datasets.DATASETS`, or the user's own name.
        image: path of the picture, relative to the dataset's root; None for a clip. Pictures
            inside of other files are named as `mien.data.pictures` says: ``faces.parquet#row=7``.
        frames: paths of the frames of a clip, in order; empty for a picture and a video file.
        video: path of the clip's file, where it is one file. Exactly one of image, frames and
            video is given.
        subject: who is shown, where the dataset says it; splits never share a subject.
        split: the dataset's own split.
        expression: None where unlabelled.
        action_units: None where unlabelled; units with `present` None are coded as unknown.
        valence, arousal: in [-1, 1].
        attributes: labelled attributes such as age, for reporting by group.
        box: where the face is, if the dataset says it.
        licence: terms of the source in a word, for example "research only".
        pseudo: True where another model made the labels.
    """

    tuple_fields: ClassVar[tuple[str, ...]] = ("frames",)

    id: str
    dataset: str
    image: str | None = None
    frames: tuple[str, ...] = ()
    video: str | None = None
    subject: str | None = None
    split: str | None = None
    expression: Expression | None = None
    action_units: tuple[ActionUnit, ...] | None = None
    valence: float | None = None
    arousal: float | None = None
    attributes: Mapping[str, str | float] = field(default_factory=dict)
    box: Box | None = None
    licence: str | None = None
    pseudo: bool = False

    def __post_init__(self) -> None:
        require(bool(self.id), "id is empty")
        require(bool(self.dataset), f"sample {self.id!r} names no dataset")
        require(
            (self.image is not None) + bool(self.frames) + (self.video is not None) == 1,
            f"sample {self.id!r} needs exactly one of image, frames and video",
        )
        check_box(self.box)
        check_units(self.action_units)
        in_range("valence", self.valence, -1, 1)
        in_range("arousal", self.arousal, -1, 1)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        row = {f.name: getattr(self, f.name) for f in fields(self)}
        row["frames"] = list(self.frames)
        row["attributes"] = dict(self.attributes)
        row["box"] = list(self.box) if self.box is not None else None
        row["expression"] = self.expression.to_dict() if self.expression is not None else None
        if self.action_units is not None:
            row["action_units"] = [u.to_dict() for u in self.action_units]
        return {"schema_version": SCHEMA_VERSION, **row}
