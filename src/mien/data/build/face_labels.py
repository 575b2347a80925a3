"""What a Sample's labels say about its face, as the words need it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mien import facs
from mien.columns import merge_sides
from mien.datasets import DATASETS
from mien.sample import Sample


@dataclass(frozen=True, slots=True)
class Labels:
    """Labels of one face; what is not known is None or in neither set.

    Attributes:
        expression: canonical name; None where unlabelled.
        label_set: key of `facs.LABEL_SETS` that the expression comes from.
        present: present units with intensity in (0, 5], or None ungraded; None where no unit is
            labelled at all.
        absent: units that are labelled as absent.
        compound: two expressions in one, as "happily surprised", out of the dataset's own list; no
            label set of mien has it, so that `expression` is None beside it.
    """

    expression: str | None = None
    label_set: str | None = None
    present: Mapping[int, float | None] | None = None
    absent: frozenset[int] = frozenset()
    compound: str | None = None

    @property
    def unknown(self) -> frozenset[int]:
        """Units that the labels say nothing about."""
        return frozenset(facs.ACTION_UNITS) - self.absent - frozenset(self.present or ())

    @property
    def masks(self) -> tuple[int, int]:
        """Present and absent units, a bit each."""
        return sum(1 << au for au in self.present or ()), sum(1 << au for au in self.absent)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types; units in ascending order, present and absent ones.

        A compound stands in the texts alone: rows of all sets have the same columns.
        """
        units = [(au, True, intensity) for au, intensity in (self.present or {}).items()]
        units += [(au, False, None) for au in self.absent]
        return {
            "expression": self.expression,
            "label_set": self.label_set,
            "action_units": None
            if self.present is None
            else [{"au": au, "present": there, "intensity": i} for au, there, i in sorted(units)],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Labels:
        """Reads what `to_dict` wrote."""
        units = data["action_units"]
        present = None
        if units is not None:
            present = {u["au"]: u["intensity"] for u in units if u["present"]}
        absent = frozenset(u["au"] for u in units or () if not u["present"])
        return cls(data["expression"], data["label_set"], present, absent)


def labels_of(sample: Sample) -> Labels:
    """The labels of a Sample, left and right sides merged.

    An intensity of 0 beside a unit that is labelled as present is taken as not graded.
    """
    name = sample.expression.label if sample.expression is not None else None
    label_set = sample.expression.label_set if name and sample.expression else None
    present: dict[int, float | None] = {}
    absent = []
    for unit in merge_sides(sample.action_units or ()):
        if unit.present:
            present[unit.au] = unit.intensity or None
        elif unit.present is False:
            absent.append(unit.au)
    known = dict(sorted(present.items())) if present or absent else None
    return Labels(name, label_set, known, frozenset(absent), _compound(sample))


def _compound(sample: Sample) -> str | None:
    """A compound of a dataset whose list of them is known."""
    name = sample.attributes.get("compound")
    listed = DATASETS[sample.dataset].compounds.values() if sample.dataset in DATASETS else ()
    return str(name) if name in listed else None
