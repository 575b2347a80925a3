"""What cannot be one set: names given twice, people and pictures in two splits, labels at odds."""

from __future__ import annotations

from mien.data.build.face_labels import Labels
from mien.data.build.settings import BuildError
from mien.data.build.splits import published_split
from mien.data.build.tasks import content_hash
from mien.sample import Sample

_BITS = 64
"""More than the largest number of an action unit."""


class Guard:
    """Names given once; persons and pictures in one split only. A few bytes a sample."""

    def __init__(self) -> None:
        self._names: set[int] = set()
        self._split_of: dict[int, str] = {}
        self._labels_of: dict[int, int] = {}
        self._expressions: list[str] = [""]

    def check(self, source: str, sample: Sample, labels: Labels) -> None:
        """Takes note of the next sample.

        Raises:
            BuildError: if it cannot stand beside those before it.
        """
        name = content_hash(source, sample.id)
        if name in self._names:
            raise BuildError(
                f"source {source} names sample {sample.id!r} twice; remove the duplicate row or "
                "file (`mien data check` lists them)"
            )
        self._names.add(name)
        own = published_split(sample.split)
        shown = [("picture", path) for path in (sample.image, sample.video) if path]
        if sample.frames:
            shown.append(("picture", sample.frames[0]))
        if sample.subject is not None:
            shown.append(("person", sample.subject))
        for kind, value in shown:
            key = content_hash(kind, sample.dataset if kind == "person" else source, value)
            split = self._split_of.setdefault(key, own)
            if split != own:
                raise BuildError(
                    f"source {source}: {kind} {value!r} stands in the splits {split!r} and "
                    f"{own!r}, which would leak; build one split at a time (--split), and "
                    "mend the dataset's lists if it remains"
                )
        self._agree(source, sample, labels)

    def _agree(self, source: str, sample: Sample, labels: Labels) -> None:
        """Notices a face that two rows label otherwise.

        Rows about one picture are fine where they agree, and where each says what the other leaves
        open, as in FABA-Instruct. A box tells the faces of one picture apart.
        """
        shown = sample.image or sample.video or sample.frames
        key = content_hash("face", source, shown, sample.box)
        known = self._labels_of.get(key)
        if known is None:
            self._labels_of[key] = self._packed(labels)
            return
        expression, present, absent = self._unpacked(known)
        odds = ""
        if expression and labels.expression and expression != labels.expression:
            odds = f"{labels.expression}, and an earlier row says {expression}"
        for au in sorted(absent.intersection(labels.present or ())):
            odds = odds or f"that AU{au} is present, and an earlier row that it is absent"
        for au in sorted(present & labels.absent):
            odds = odds or f"that AU{au} is absent, and an earlier row that it is present"
        if odds:
            picture = sample.image or sample.video or sample.frames[0]
            raise BuildError(
                f"source {source}: of {picture!r}, sample {sample.id!r} says {odds}; correct the "
                "labels or remove one of the rows (boxes tell the faces of one picture apart)"
            )
        whole = Labels(
            expression or labels.expression,
            present=dict.fromkeys(present | set(labels.present or ())),
            absent=absent | labels.absent,
        )
        self._labels_of[key] = self._packed(whole)

    def _packed(self, labels: Labels) -> int:
        """Labels as one number, because there are as many as samples."""
        name = labels.expression or ""
        if name not in self._expressions:
            self._expressions.append(name)
        present, absent = labels.masks
        return (absent << _BITS | present) << 8 | self._expressions.index(name)

    def _unpacked(self, packed: int) -> tuple[str, frozenset[int], frozenset[int]]:
        """Expression, empty if unknown; units that are present; units that are absent."""
        present, absent = packed >> 8 & (1 << _BITS) - 1, packed >> 8 + _BITS
        units = [
            frozenset(au for au in range(_BITS) if mask >> au & 1) for mask in (present, absent)
        ]
        return self._expressions[packed & 255], units[0], units[1]
