"""A teacher on this machine that writes true texts, and now and then does something else."""

from __future__ import annotations

import json
import random
import re
import threading
from collections import Counter

from mien import facs
from mien.data.build.tasks import content_hash
from mien.language import describe
from tests.engines.bad_server import Answer, Seen, said

KINDS = ("timeout", "busy", "broken", "wrong label", "refusal")


class LocalTeacher:
    """Behaves as it is told; give it to `bad_server`.

    Args:
        faults: share of the first answers that are one of `KINDS`, evenly.
        delay: seconds that a "timeout" takes.
    """

    def __init__(self, faults: float = 0.0, delay: float = 1.0) -> None:
        self.faults, self.delay = faults, delay
        self.done: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()
        self._faulty: dict[int, int] = {}
        self._turns: Counter[int] = Counter()
        self._lock = threading.Lock()

    def __call__(self, seen: Seen) -> Answer:
        key = content_hash("fault", seen.prompt, pictures_of(seen))
        kind = ""
        again = "An earlier text of yours was refused" in seen.prompt
        if not again and key / 2**64 < self.faults:
            with self._lock:
                number = self._faulty.setdefault(key, len(self._faulty))
            kind = KINDS[number % len(KINDS)]
        self._turns[key] += 1
        if kind in ("timeout", "busy") and self._turns[key] > 1:
            kind = ""
        if kind:
            self.done[kind] += 1
        if kind == "timeout":
            return Answer(body=b"{}", delay=self.delay)
        if kind == "busy":
            return Answer(429, {"error": {"message": "slow down"}}, {"Retry-After": "0"})
        self.answered[f"{seen.prompt} {pictures_of(seen)}"] += 1
        return said(self.text(seen, kind))

    def text(self, seen: Seen, kind: str) -> str:
        """The words of an answer."""
        if kind == "broken":
            return '{"answer": "Happ'
        if kind == "refusal":
            return json.dumps({"answer": "I'm sorry, but I cannot help with that."})
        return true_text(seen.prompt, content_hash(pictures_of(seen)), wrong=kind == "wrong label")


def pictures_of(seen: Seen) -> str:
    """The pictures of a request, as they were sent."""
    return json.dumps([p for p in seen.body["messages"][-1]["content"] if p["type"] != "text"])


def true_text(prompt: str, seed: int, *, wrong: bool = False) -> str:
    """What a good teacher makes of a prompt, read from its lines of labels."""
    rng = random.Random(seed)
    if "Name no emotion" in prompt:
        return json.dumps({"answer": "The person turns the head and opens the mouth."})
    expression = re.findall(r"^Expression: (\w+)$", prompt, re.MULTILINE)
    name = expression[0] if expression and expression[0] in facs.EXPRESSIONS else None
    present = re.findall(r"^Action units present: (.*)$", prompt, re.MULTILINE)
    units = None
    if present:
        units = {int(number): None for number in re.findall(r"AU(\d+)", present[0])}
    if wrong:
        name = "fear" if name != "fear" else "anger"
    if '"turns"' in prompt:
        text = describe("conversation", expression=name, units=units, rng=rng)
        turns = [{"question": "What do you see?", "answer": text}]
        return json.dumps({"turns": turns})
    if "Begin with this line exactly" in prompt:
        text = describe("au_description", expression=None, units=units or {}, rng=rng)
        if wrong:
            text += " This is fear."
    elif "speak for it" in prompt:
        text = describe("reasoning", expression=name, units=units or {}, rng=rng)
    else:
        text = describe("expression_description", expression=name, units=units, rng=rng)
    return json.dumps({"answer": text})
