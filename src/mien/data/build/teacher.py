"""Texts by a teacher model: asked, checked, asked again with the reason, kept or set aside."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mien.data.build import prompts
from mien.data.build.budget import ANSWER_TOKENS, Budget, BudgetSpentError
from mien.data.build.draft_texts import Draft, Made, drafts_of, finish, unreadable, write_template
from mien.data.build.instruction_row import turns_of
from mien.data.build.plan import Item
from mien.data.build.settings import BuildSettings
from mien.data.build.shards import Folder
from mien.data.build.tasks import Turn, ask
from mien.data.build.teacher_replies import Replies, request_key
from mien.data.checks.duplicates import Duplicates
from mien.data.checks.label_agreement import check_turns
from mien.data.checks.rules import Fault
from mien.data.pictures import open_frames
from mien.engines.request import Reply, Request, Responder
from mien.media import MediaError
from mien.untrusted import json_value

MAX_TOKENS = 700
SIDE = 512
"""Longest side in pixels of a picture that is sent."""
_MARGIN = 0.5
"""Of a labelled box, added on each side as a share of its own."""
_FENCE = re.compile(r"```(?:json)?\s*(.*?)```", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True)
class _Question:
    """One request and the draft that it is for; `attempt` is 0 for the first."""

    draft: Draft
    request: Request
    attempt: int
    key: str


class Teacher:
    """Makes shards with a teacher's texts; labels in a fixed form still come from templates.

    Args:
        responder: who is asked.
        replies: what was answered before.
        settings: of the build.
        roots: folder of each source.
        budget: what may be spent.
        said: told of each answer that comes.
    """

    def __init__(
        self,
        responder: Responder,
        replies: Replies,
        settings: BuildSettings,
        roots: Mapping[str, Path],
        *,
        budget: Budget,
        said: Callable[[], None] = lambda: None,
    ) -> None:
        self.responder, self.replies, self.settings = responder, replies, settings
        self.roots, self.budget, self.said = roots, budget, said
        self.identity = dict(responder.identity())
        self.name = responder.name
        self.kept = Duplicates(settings.rules.similar)
        self._captions: dict[str, str | None] = {}
        self._goes_on = len(replies) > 0

    def resume(self, folder: Folder, shard: int) -> None:
        """Remembers the texts of a finished shard, so that later ones are not like them."""
        for row in folder.rows_of(folder.shards[shard]):
            if row["writer"] == self.name:
                self._remember(row["id"], row["task"], [a for _, a in turns_of(row)])

    def shard(self, items: Sequence[Item]) -> Made:
        """Writes, checks and encodes a shard.

        Raises:
            BudgetSpentError: if the budget ended it; what was answered is kept.
            EngineError: if the teacher cannot answer at all.
        """
        drafts = drafts_of(items)
        stats: Counter[str] = Counter()
        asked = []
        for draft in drafts:
            if draft.task in prompts.TEACHER_TASKS:
                draft.writer = self.name
                asked.append(draft)
            else:
                stats["read_back"] += write_template(draft, self.settings)
        self._captions = self._caption(asked, stats)
        for attempt in range(self.settings.retries + 1):
            left = [draft for draft in asked if draft.turns is None and not _unanswered(draft)]
            answers = self._ask(left, attempt, stats)
            for draft in left:  # in order, so that of two alike the first is kept
                if draft.unreadable is None:
                    self._judge(draft, answers[draft.name])
        return finish(drafts, self.settings, self.roots, stats)

    def _ask(self, drafts: Sequence[Draft], attempt: int, stats: Counter[str]) -> dict[str, Reply]:
        questions = (self._readable(d, partial(self._question, d, attempt)) for d in drafts)
        return self._answers(questions, stats)

    def _readable(self, draft: Draft, make: Callable[[], _Question]) -> _Question | None:
        """A question, or None where the picture cannot be read; the draft then says why."""
        try:
            return make()
        except MediaError as error:
            draft.unreadable = unreadable(draft, self.roots, error)
            return None

    def _answers(
        self, questions: Iterator[_Question | None], stats: Counter[str]
    ) -> dict[str, Reply]:
        """A reply per draft, from the file where it is known."""
        found: dict[str, Reply] = {}
        open_: dict[str, tuple[_Question, float]] = {}
        alike: dict[str, list[str]] = {}  # by key, drafts that wait for the same answer
        refused: float | None = None

        def requests() -> Iterator[Request]:
            nonlocal refused
            for question in filter(None, questions):
                name = question.draft.name
                known = self._known(question)
                if known is not None:
                    found[name] = Reply(question.request.id, text=known)
                    self.said()
                    continue
                if question.key in alike:
                    alike[question.key].append(name)
                    continue
                price = self._expected(question)
                if not self.budget.reserve(price):
                    refused = price
                    return
                alike[question.key] = [name]
                open_[question.request.id] = question, price
                yield question.request

        for reply in self.responder.respond(requests()):
            question, price = open_.pop(reply.id)
            self._settle(question, price, reply)
            for name in alike.pop(question.key):
                found[name] = reply
            self.said()
        if refused is not None:
            raise BudgetSpentError(
                f"{self.budget.short(refused)}; every answer is kept. Give a larger --budget and "
                "the same command goes on"
            )
        stats["answers"] += len(found)
        return found

    def _known(self, question: _Question) -> str | None:
        """The reply that an earlier run got: to this request, or to the same words asked again."""
        known = self.replies.get(question.key)
        last = self.settings.retries if self._goes_on else question.attempt
        for attempt in range(question.attempt + 1, last + 1):
            if known is not None:
                break
            known = self.replies.get(self._key(question.request, attempt))
        return known

    def _settle(self, question: _Question, price: float, reply: Reply) -> None:
        if reply.status != "ok" or reply.text is None:
            self.budget.settle(price, 0, 0)
            return
        usage = dict(reply.usage) or {
            "prompt_tokens": len(question.request.prompt) // 4,
            "completion_tokens": len(reply.text) // 4,
        }
        sent, received = usage.get("prompt_tokens", 0), usage.get("completion_tokens", 0)
        self.replies.add(question.key, reply.text, id=reply.id, usage=usage)
        self.budget.settle(price, sent, received)

    def _expected(self, question: _Question) -> float:
        task = question.draft.task
        sent = len(question.request.prompt + (question.request.system or "")) / 4 + 300
        return self.budget.prices.of(sent, ANSWER_TOKENS[task])

    def _question(self, draft: Draft, attempt: int) -> _Question:
        words = prompts.prompt(
            draft.task,
            draft.labels,
            self._asked(draft),
            clip=draft.clip,
            caption=self._captions.get(draft.face),
        )
        if draft.tries and draft.tries[-1][0]:  # an empty text was no answer at all
            text, faults = draft.tries[-1]
            reasons = "; ".join(fault.reason for fault in faults)
            words = prompts.retry(words, text, reasons, clip=draft.clip)
        name = draft.name if attempt == 0 else f"{draft.name}#{attempt + 1}"
        return self._made(draft, name, words, prompts.schema_of(draft.task), attempt)

    def _made(
        self, draft: Draft, name: str, words: str, schema: Mapping[str, Any], attempt: int
    ) -> _Question:
        picture = shown(draft, self.roots[draft.source])
        request = Request(
            id=name,
            images=(picture,),
            prompt=words,
            system=prompts.system(draft.clip),
            schema=schema,
            max_tokens=MAX_TOKENS,
        )
        return _Question(draft, request, attempt, self._key(request, attempt))

    def _key(self, request: Request, attempt: int) -> str:
        return request_key(
            prompt=request.prompt,
            system=request.system,
            schema=request.schema,
            images=request.images,
            identity=self.identity,
            max_tokens=MAX_TOKENS,
            attempt=attempt,
        )

    def _asked(self, draft: Draft) -> str:
        """The question that stands in the row; the same as a template would ask."""
        return ask(
            draft.task,
            draft.labels,
            dataset=draft.sample.dataset,
            clip=draft.clip,
            rng=draft.rng(self.settings.seed),
        )

    def _caption(self, drafts: Sequence[Draft], stats: Counter[str]) -> dict[str, str | None]:
        """Words about each clip: its own caption, or else what the teacher sees in its frame."""
        captions: dict[str, str | None] = {}
        first: dict[str, Draft] = {}
        for draft in drafts:
            given = draft.sample.attributes.get("description")
            if given is not None:
                captions[draft.face] = str(given)
            elif draft.clip:
                first.setdefault(draft.face, draft)
        words = prompts.caption_prompt(), prompts.ANSWER, 0
        questions = (
            self._readable(
                d, partial(self._made, replace(d, task="caption"), f"{n}/caption", *words)
            )
            for n, d in first.items()
        )
        for name, reply in self._answers(questions, stats).items():
            turns, _ = read_turns(reply.text or "", "caption", "")
            captions[name.removesuffix("/caption")] = turns[0][1] if turns else None
        return captions

    def _judge(self, draft: Draft, reply: Reply) -> None:
        if reply.status != "ok" or reply.text is None:
            draft.tries.append(("", [Fault("no_answer", reply.error or "no answer came")]))
            return
        turns, faults = read_turns(reply.text, draft.task, self._asked(draft))
        answers = [answer for _, answer in turns]
        if not faults:
            faults = check_turns(answers, draft.task, draft.labels, self.settings.rules)
        text = "\n".join(answers) or reply.text
        if not faults and (like := self.kept.find(text, draft.task)):
            faults = [Fault("duplicate", f"it is nearly the same as the text of {like}")]
        if faults:
            draft.tries.append((text, faults))
            return
        draft.turns = turns
        self._remember(draft.name, draft.task, answers)

    def _remember(self, name: str, task: str, answers: Sequence[str]) -> None:
        self.kept.add(name, "\n".join(answers), task)


def _unanswered(draft: Draft) -> bool:
    """Whether nothing came: the responder has tried often enough, and the next run asks again."""
    return bool(draft.tries) and draft.tries[-1][1][0].rule == "no_answer"


def read_turns(text: str, task: str, question: str) -> tuple[list[Turn], list[Fault]]:
    """Question and answer in a teacher's JSON, or the fault that keeps them from being read."""
    fence = _FENCE.search(text)
    body = (fence[1] if fence else text).strip()
    try:
        data = json_value(body[body.index("{") : body.rindex("}") + 1])
        if task != "conversation":
            return [(question, _words(data["answer"]))], []
        turns = [(_words(turn["question"]), _words(turn["answer"])) for turn in data["turns"]]
    except (ValueError, KeyError, TypeError):
        return [], [Fault("json", f"it is not the JSON that was asked for: {text[:80]!r}")]
    if not 1 <= len(turns) <= 3:
        return [], [Fault("json", f"it has {len(turns)} turns; one to three are asked for")]
    return turns, []


def _words(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("no text")
    return value.strip()


def shown(draft: Draft, root: Path) -> NDArray[np.uint8]:
    """What the teacher sees: the picture or the centre frame, around the labelled box, not large.

    Returns:
        (H, W, 3) uint8, at most 512 pixels a side.

    Raises:
        MediaError: if it cannot be read.
    """
    frames = open_frames(draft.sample, root, 1)
    if not frames:
        raise MediaError(f"{root}: sample {draft.sample.id!r} has no frame. Copy it again")
    picture = Image.fromarray(np.ascontiguousarray(frames[0]))
    if draft.sample.box is not None:
        x0, y0, x1, y1 = draft.sample.box
        dx, dy = _MARGIN * (x1 - x0), _MARGIN * (y1 - y0)
        left, top = max(0, round(x0 - dx)), max(0, round(y0 - dy))
        right = min(picture.width, round(x1 + dx))
        bottom = min(picture.height, round(y1 + dy))
        if right > left and bottom > top:
            picture = picture.crop((left, top, right, bottom))
    picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    return np.asarray(picture)
