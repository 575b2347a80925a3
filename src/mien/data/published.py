"""How many samples publications and owners report, for `mien data check`.

A number is "certain" where the owners' paper or the public lists give it; a copy that differs is
then incomplete or another release. It is "reported" where publications agree on it but depend on a
rule that we cannot see whole; a small difference is then only remarked on, a large lack is not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal


@dataclass(frozen=True, slots=True)
class Published:
    """Counts of a dataset read in one way.

    Attributes:
        splits: split to number of samples; "all" is the whole set.
        classes: split to class to number of samples; empty where not known.
        source: who says so.
        certainty: see the module.
        options: reader's options for which this holds. Options that are not named do not matter.
        layouts: layouts of the reader for which this holds; empty for all.
        least: share of a reported number below which a copy counts as incomplete.
    """

    splits: Mapping[str, int]
    source: str
    certainty: Literal["certain", "reported"] = "certain"
    classes: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
    layouts: tuple[str, ...] = ()
    least: float = 0.9


def _classes(names: str, **counts: str) -> Mapping[str, Mapping[str, int]]:
    """Split to class to count, from words and numbers in one order."""
    words = names.split()
    return {
        split: dict(zip(words, map(int, numbers.split()), strict=True))
        for split, numbers in counts.items()
    }


_RAF = "surprise fear disgust happiness sadness anger neutral"
_AFFECT7 = "neutral happiness sadness surprise fear disgust anger"
_AFFECT8 = _AFFECT7 + " contempt"
_FER = "anger disgust fear happiness sadness surprise neutral"
_AFFECT_TRAIN7 = "74874 134415 25459 14090 6378 3803 24882"
_AFFECT_PAPER = "Mollahosseini et al. 2017, table of the manually annotated set"
_AFFECT_2021 = "release of 2021: the same training labels, 3,999 validation pictures"
_MANIFESTS = "the owners' lists, as counted in public copies of them"


def _dfew(fold: int, train: int, test: int) -> Published:
    return Published({"train": train, "test": test}, _MANIFESTS, options={"fold": str(fold)})


def _ferplus(rule: str, test: int, words: str = "") -> Published:
    return Published(
        {"train": 28709, "validation": 3589, "test": test},
        f"pictures of FER2013, of which the rule leaves some out{words}",
        "reported",
        options={"rule": rule},
        least=0.5,
    )


def _mafw(fold: int, labels: str, train: int, test: int) -> Published:
    classes: Mapping[str, Mapping[str, int]] = {}
    if labels == "single":
        classes = _classes(
            "anger disgust fear happiness neutral sadness surprise contempt anxiety helplessness"
            " disappointment",
            all="1390 639 625 1242 1138 1470 1072 236 916 262 182",
        )
    return Published(
        {"train": train, "test": test},
        _MANIFESTS,
        classes=classes,
        options={"fold": str(fold), "labels": labels},
    )


PUBLISHED: Mapping[str, tuple[Published, ...]] = MappingProxyType(
    {
        "rafdb": (
            Published(
                {"train": 12271, "test": 3068},
                "Li et al. 2017 and the owners' list",
                classes=_classes(
                    _RAF,
                    train="1290 281 717 4772 1982 705 2524",
                    test="329 74 160 1185 478 162 680",
                ),
            ),
        ),
        "rafdb_compound": (
            Published({"train": 3162, "test": 792}, "Li et al. 2017 and the owners' list"),
        ),
        "affectnet7": (
            Published(
                {"train": 283901, "val": 3500},
                _AFFECT_PAPER,
                classes=_classes(_AFFECT7, train=_AFFECT_TRAIN7, val="500 " * 7),
            ),
        ),
        "affectnet8": (
            Published(
                {"train": 287651, "val": 4000},
                _AFFECT_PAPER,
                classes=_classes(_AFFECT8, train=_AFFECT_TRAIN7 + " 3750", val="500 " * 8),
            ),
            Published(
                {"train": 287651, "val": 3999},
                _AFFECT_2021,
                classes=_classes(
                    _AFFECT8, train=_AFFECT_TRAIN7 + " 3750", val="500 " * 7 + "499"
                ),
                layouts=("2021",),
            ),
        ),
        "fer2013": (
            Published(
                {"train": 28709, "validation": 3589, "test": 3589},
                "Goodfellow et al. 2013 and the table of the challenge",
                classes=_classes(
                    _FER,
                    train="3995 436 4097 7215 4830 3171 4965",
                    validation="467 56 496 895 653 415 607",
                    test="491 55 528 879 594 416 626",
                ),
                layouts=("table", "parquet"),
            ),
            Published(
                {"train": 28709, "test": 7178},
                "the folders of Kaggle, with both test sets in one",
                classes=_classes(
                    _FER,
                    train="3995 436 4097 7215 4830 3171 4965",
                    test="958 111 1024 1774 1247 831 1233",
                ),
                layouts=("folders", "parquet"),
            ),
        ),
        "ferplus": (
            _ferplus("majority", 3589),
            _ferplus("probability", 3589),
            _ferplus("argmax", 3573, "; 3,573 are the test set of publications"),
        ),
        "ck+": (
            Published(
                {"all": 1186},
                "Lucey et al. 2010: 593 sequences, with a first and a peak frame of each",
                classes=_classes(
                    "anger contempt disgust fear happiness sadness surprise",
                    all="45 18 59 25 69 28 83",
                ),
                options={"neutral": "keep"},
            ),
            Published(
                {"all": 593},
                "Lucey et al. 2010: 593 sequences",
                classes=_classes(
                    "anger contempt disgust fear happiness sadness surprise",
                    all="45 18 59 25 69 28 83",
                ),
                options={"neutral": "drop"},
            ),
        ),
        "dfew": (
            _dfew(1, 9356, 2341),
            _dfew(2, 9356, 2341),
            _dfew(3, 9357, 2340),
            _dfew(4, 9358, 2339),
            _dfew(5, 9361, 2336),
        ),
        "ferv39k": (Published({"train": 31088, "test": 7847}, _MANIFESTS),),
        "mafw": (
            _mafw(1, "single", 7333, 1839),
            _mafw(2, "single", 7335, 1837),
            _mafw(3, "single", 7339, 1833),
            _mafw(4, "single", 7340, 1832),
            _mafw(5, "single", 7341, 1831),
            _mafw(1, "compound", 7178, 1818),
            _mafw(2, "compound", 7187, 1809),
            _mafw(3, "compound", 7198, 1798),
            _mafw(4, "compound", 7208, 1788),
            _mafw(5, "compound", 7213, 1783),
        ),
        "bp4d": (
            Published(
                {"all": 146847}, "number of coded frames in publications", "reported",
                options={"fold": "none"},
            ),
        ),
        "disfa": (
            Published(
                {"all": 130815}, "27 people with 4,845 graded frames each", "reported",
                options={"fold": "none"},
            ),
        ),
        "faba": (
            Published(
                {"train": 19474, "eval": 403}, "README of its authors",
                options={"task": "emotion"},
            ),
            Published(
                {"train": 15838, "eval": 325}, "README of its authors", options={"task": "units"}
            ),
            Published(
                {"train": 35312, "eval": 728}, "README of its authors", options={"task": "both"}
            ),
        ),
        "fea20k": (
            Published({"train": 17737, "test": 1688}, "counts of its authors", "reported"),
        ),
        "ferbench": (
            Published({"test": 11072}, "files of its authors", options={"part": "all"}),
            Published({"test": 3068}, "files of its authors", options={"part": "rafdb"}),
            Published({"test": 3573}, "files of its authors", options={"part": "ferplus"}),
            Published({"test": 4000}, "files of its authors", options={"part": "affectnet"}),
            Published({"test": 431}, "files of its authors", options={"part": "sfew_2.0"}),
        ),
    }
)  # fmt: skip
"""Dataset to what is published of it, for one or more ways of reading and releases."""


def published(
    name: str, options: Mapping[str, str], layout: str | None = None
) -> tuple[Published, ...]:
    """What is published of a dataset that is read with some options; empty where nothing is.

    Args:
        name: key of `readers.READERS`.
        options: all options of the reader, defaults filled in.
        layout: in which it lies on disk, where its reader tells several apart.
    """
    return tuple(
        entry
        for entry in PUBLISHED.get(name, ())
        if all(options.get(key) == value for key, value in entry.options.items())
        and (layout is None or not entry.layouts or layout in entry.layouts)
    )
