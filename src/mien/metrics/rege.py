"""REGE of FABA-Bench: recognition plus the wording of the description, each in percent.

S_rege = S_re + S_ge, with S_re the accuracy of emotion or the mean F1 of units and S_ge the mean
ROUGE-L F1, each times 100, so the sum runs from 0 to 200. The published figures use the ROUGE-L of
the package `rouge` (`emola_rouge_l`) and leave out texts that it cannot score; with `rouge_l` the
number is mien's own and says so.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from mien.metrics.action_units import UnitCounts, unit_macro_f1
from mien.metrics.classification import Confusion, war


@dataclass(frozen=True, slots=True)
class Rege:
    """REGE and its parts.

    Attributes:
        recognition: S_re in [0, 100].
        generation: S_ge in [0, 100], over the texts with a score.
        unscored: texts whose ROUGE-L is NaN, left out of `generation`.
    """

    recognition: float
    generation: float
    unscored: int

    @property
    def total(self) -> float:
        """S_rege in [0, 200]."""
        return self.recognition + self.generation


def rege_emotion(counts: Confusion, rouge: ArrayLike) -> Rege:
    """REGE of the emotion task; S_re is accuracy, unparsed answers being wrong.

    Args:
        counts: truth against answers.
        rouge: (N,) ROUGE-L F1 of each description in [0, 1], NaN where it has none.

    Raises:
        ValueError: if a score is outside [0, 1].
    """
    return _rege(war(counts), rouge)


def rege_units(counts: UnitCounts, rouge: ArrayLike) -> Rege:
    """REGE of the action unit task; S_re is the mean F1 of the units that occur.

    Args:
        counts: of the benchmark's units.
        rouge: as for `rege_emotion`.

    Raises:
        ValueError: if a score is outside [0, 1].
    """
    return _rege(unit_macro_f1(counts), rouge)


def _rege(recognition: float, rouge: ArrayLike) -> Rege:
    scores = np.asarray(rouge, np.float64)
    known = scores[~np.isnan(scores)]
    if known.size and (known.min() < 0 or known.max() > 1):
        raise ValueError("a ROUGE-L is outside [0, 1]; give F1 as a share, not in percent")
    generation = 100 * float(known.mean()) if known.size else float("nan")
    return Rege(100 * recognition, generation, int(np.isnan(scores).sum()))
