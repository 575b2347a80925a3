"""What each dataset codes: classes and action units in the order of its own files.

Labels travel as names and action units as integers; a number or a position means something only
together with the dataset that defines it, and those lists stand here once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class DatasetLabels:
    """What a dataset codes, in the order of its own files.

    Attributes:
        expressions: the dataset's own class number to canonical name.
        action_units: coded units, in column order; empty where it codes none.
        benchmark_units: the units that publications average over, where they differ from the coded
            ones.
        compounds: the dataset's own number of a compound class to its name.
        note: what to know before comparing numbers.
    """

    expressions: Mapping[int, str] = field(default_factory=dict)
    action_units: tuple[int, ...] = ()
    benchmark_units: tuple[int, ...] = ()
    compounds: Mapping[int, str] = field(default_factory=dict)
    note: str = ""


def _ordered(names: str, *, start: int = 0) -> Mapping[int, str]:
    return MappingProxyType(dict(enumerate(names.split(), start=start)))


_AFFECTNET = "neutral happiness sadness surprise fear disgust anger"

DATASETS: Mapping[str, DatasetLabels] = MappingProxyType(
    {
        "fer2013": DatasetLabels(_ordered("anger disgust fear happiness sadness surprise neutral")),
        "ferplus": DatasetLabels(
            _ordered("neutral happiness surprise sadness anger disgust fear contempt"),
            note="columns of fer2013new.csv; two further columns count 'unknown' and 'no face'",
        ),
        "rafdb": DatasetLabels(
            _ordered("surprise fear disgust happiness sadness anger neutral", start=1)
        ),
        "rafdb_compound": DatasetLabels(
            compounds=MappingProxyType(
                {
                    1: "happily surprised",
                    2: "happily disgusted",
                    3: "sadly fearful",
                    4: "sadly angry",
                    5: "sadly surprised",
                    6: "sadly disgusted",
                    7: "fearfully angry",
                    8: "fearfully surprised",
                    9: "angrily surprised",
                    10: "angrily disgusted",
                    11: "disgustedly surprised",
                }
            ),
            note="two expressions in one; no label set of mien, so a label stands in attributes",
        ),
        "affectnet7": DatasetLabels(
            _ordered(_AFFECTNET), note="2017 csv; classes 7 to 10 are left out"
        ),
        "affectnet8": DatasetLabels(
            _ordered(_AFFECTNET + " contempt"),
            note="2017 csv; 8 is none, 9 uncertain, 10 no face",
        ),
        "dfew": DatasetLabels(
            _ordered("happiness sadness neutral anger surprise disgust fear", start=1)
        ),
        "ferv39k": DatasetLabels(
            _ordered("happiness sadness neutral anger surprise disgust fear"),
            note="the owners' lists carry names; the numbers are those of the common list files",
        ),
        "mafw": DatasetLabels(
            _ordered(
                "anger disgust fear happiness neutral sadness surprise contempt anxiety"
                " helplessness disappointment",
                start=1,
            )
        ),
        "affwild2": DatasetLabels(
            _ordered("neutral anger disgust fear happiness sadness surprise other"),
            (1, 2, 4, 6, 7, 10, 12, 15, 23, 24, 25, 26),
            note="-1 is unlabelled in both annotations",
        ),
        "ck+": DatasetLabels(
            _ordered("neutral anger contempt disgust fear happiness sadness surprise"),
            (
                *(1, 2, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 20, 23, 24, 25, 26),
                *(27, 28, 43),
            ),
            note="whole FACS at the peak, of which these are in mien's vocabulary; an intensity of"
            " 0 means present and not graded",
        ),
        "bp4d": DatasetLabels(
            action_units=(1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24),
            note="occurrence; 9 is unknown; subject-exclusive three folds",
        ),
        "disfa": DatasetLabels(
            action_units=(1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26),
            benchmark_units=(1, 2, 4, 6, 9, 12, 25, 26),
            note="intensity 0 to 5; publications count 2 and above as present",
        ),
        "gft": DatasetLabels(action_units=(1, 2, 4, 6, 10, 12, 14, 15, 23, 24)),
        "emotionet": DatasetLabels(action_units=(1, 2, 4, 5, 6, 9, 12, 17, 20, 25, 26, 43)),
        "faba": DatasetLabels(
            _ordered("happiness sadness surprise anger neutral disgust fear"),
            action_units=(
                *(1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 16, 17, 20, 23, 24, 25, 26, 27, 43),
            ),
            benchmark_units=(1, 2, 4, 5, 6, 10, 12, 17, 24, 25, 26, 43),
            note="the numbers are those of the published scorer; training texts have no labels",
        ),
        "fea20k": DatasetLabels(note="labels and units are lists of names in each row"),
        "ferbench": DatasetLabels(note="every row brings its own list of candidate labels"),
    }
)
"""Class and unit orders of the datasets that mien reads."""
