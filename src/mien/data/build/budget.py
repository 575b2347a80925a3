"""What a teacher costs: an estimate before, and a stop when enough is spent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from mien.data.build.plan import Item
from mien.data.build.prompts import TEACHER_TASKS, prompt, system
from mien.data.build.settings import BuildError

PICTURE_TOKENS = 300
"""Rough price of a picture; endpoints count between 85 and 1,500 for one of 512 pixels."""
ANSWER_TOKENS = {
    "expression_description": 80,
    "au_description": 110,
    "reasoning": 120,
    "conversation": 180,
    "caption": 60,
}
"""What an answer takes on average, as JSON."""
_CHARACTERS = 4.0
"""Of English text a token."""


class BudgetSpentError(RuntimeError):
    """The budget is spent; everything that was paid for is kept."""


@dataclass(frozen=True, slots=True)
class Prices:
    """Per million tokens, in any currency.

    Attributes:
        input, output: of tokens sent and received.
    """

    input: float = 0.0
    output: float = 0.0

    def __post_init__(self) -> None:
        for name in ("input", "output"):
            if getattr(self, name) < 0:
                raise BuildError(f"price of {name} tokens is below 0")

    def of(self, sent: float, received: float) -> float:
        """Price of so many tokens."""
        return (sent * self.input + received * self.output) / 1e6


@dataclass
class Estimate:
    """What a run would ask for, if no text had to be asked for twice.

    Attributes:
        requests: per task; "caption" for clips without one.
        sent, received: tokens.
    """

    requests: Counter[str] = field(default_factory=Counter)
    sent: float = 0.0
    received: float = 0.0

    def add(self, task: str, characters: int) -> None:
        """Counts one request."""
        self.requests[task] += 1
        self.sent += characters / _CHARACTERS + PICTURE_TOKENS
        self.received += ANSWER_TOKENS[task]


def estimate(items: Iterable[Item]) -> Estimate:
    """What the teacher's part of some items costs, from their labels alone."""
    found = Estimate()
    for item in items:
        clip = item.sample.image is None
        tasks = [task for task in item.tasks if task in TEACHER_TASKS]
        if clip and tasks and "description" not in item.sample.attributes:
            found.add("caption", 400)
        for task in tasks:
            text = prompt(task, item.labels, "?" * 45, clip=clip, caption=None)
            found.add(task, len(text) + len(system(clip)))
    return found


class Budget:
    """Spending of a set over all runs.

    Args:
        prices: per million tokens.
        limit: most that may be spent; None is no limit.
    """

    def __init__(self, prices: Prices, limit: float | None) -> None:
        if limit is not None and not (prices.input or prices.output):
            raise BuildError("a budget needs prices: give --price-in and --price-out")
        self.prices, self.limit = prices, limit
        self.spent = 0.0
        self._reserved = 0.0

    def reserve(self, price: float) -> bool:
        """Whether a request of about this price may be sent; if so, it is set apart."""
        if self.limit is not None and self.spent + self._reserved + price > self.limit:
            return False
        self._reserved += price
        return True

    def short(self, price: float) -> str:
        """Why a request of about this price may not be sent, in words."""
        return (
            f"of the budget of {self.limit:g}, {self.spent:.4f} is spent and the next request may "
            f"cost {price:.4f}"
        )

    def settle(self, price: float, sent: float, received: float) -> None:
        """Puts what requests really cost in the place of what was set apart for them."""
        self._reserved = max(0.0, self._reserved - price)
        self.spent += self.prices.of(sent, received)
