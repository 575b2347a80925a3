"""Teachers: true texts only, each paid for once, stops that go on, pictures that stay here."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mien.data.build import prompts
from mien.data.build.budget import Budget, BudgetSpentError, Prices, estimate
from mien.data.build.build_set import build
from mien.data.build.draft_texts import Draft
from mien.data.build.face_labels import Labels
from mien.data.build.permission import check_upload
from mien.data.build.plan import items
from mien.data.build.settings import BuildError, BuildSettings
from mien.data.build.shards import Folder
from mien.data.build.sources import Terms
from mien.data.build.tasks import content_hash
from mien.data.build.teacher import Teacher, read_turns, shown
from mien.data.build.teacher_replies import Replies, request_key
from mien.data.checks.rules import CheckRules
from mien.engines.base import EngineError
from mien.engines.endpoint import EndpointResponder
from mien.engines.request import Reply, Request, Responder
from mien.faces import CropSpec
from tests.data.build.local_teacher import KINDS, LocalTeacher, pictures_of, true_text
from tests.data.build.made_up import MadeUp, prepare, sample, samples, survey
from tests.engines.bad_server import Answer, Seen, bad_server

SETTINGS = BuildSettings(
    per_shard=60,
    tasks=("category", "expression_description", "au_description", "reasoning", "conversation"),
    rules=CheckRules(similar=2),
)


class Fake(Responder):
    """Answers in this process; what it was asked is kept."""

    name = "fake"
    crop_spec = CropSpec(size=64)

    def __init__(self, say=None, stop_after: int | None = None) -> None:
        self.say = say or (lambda request: true_text(request.prompt, len(self.asked)))
        self.asked: list[Request] = []
        self.stop_after = stop_after

    def identity(self) -> Mapping[str, str]:
        return {"model": self.name}

    def respond(self, requests: Iterable[Request]) -> Iterator[Reply]:
        for request in requests:
            if self.stop_after is not None and len(self.asked) >= self.stop_after:
                raise EngineError("the quota is used up")
            self.asked.append(request)
            usage = {"prompt_tokens": 1000, "completion_tokens": 100}
            yield Reply(request.id, text=self.say(request), usage=usage)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    (folder / "faces").mkdir(parents=True)
    for number in range(60):
        pixels = np.full((6, 6, 3), number, np.uint8)
        Image.fromarray(pixels).save(folder / "faces" / f"{number}.png")
    return folder


def _run(
    responder, root: Path, out: Path, *, count: int = 8, settings=SETTINGS, made=None, budget=None
) -> Folder:
    sources = [MadeUp(made or samples(count), folder=root)]
    whole, found = prepare(sources, replace(settings, teacher=dict(responder.identity())))
    with Replies(out / "replies.jsonl") as replies:
        prices = Prices(1.0, 10.0) if budget is not None else Prices()
        spending = Budget(prices, budget)
        spending.settle(0, replies.prompt_tokens, replies.completion_tokens)
        teacher = Teacher(responder, replies, whole, {"rafdb": root}, budget=spending)
        build(sources, whole, found, out, writer=lambda: nullcontext(teacher))
    return Folder.open(out)


def test_teacher_writes_its_tasks_and_templates_the_others(root: Path, tmp_path: Path) -> None:
    fake = Fake()
    rows = list(_run(fake, root, tmp_path / "out").rows())
    assert {r["writer"] for r in rows if r["task"] == "category"} == {"template"}
    assert {r["writer"] for r in rows if r["task"] != "category"} == {"fake"}
    assert len(fake.asked) == sum(r["task"] != "category" for r in rows)
    assert fake.asked[0].system is not None
    assert fake.asked[0].images[0].shape == (6, 6, 3)


def test_a_refused_text_is_asked_again_with_the_reason(root: Path, tmp_path: Path) -> None:
    made = [sample(0, units={6: True, 12: True, 4: False})]
    settings = replace(SETTINGS, tasks=("reasoning",))

    def say(request: Request) -> str:
        wrong = "The lowered brows (AU4) speak for happiness."
        right = "The raised cheeks (AU6) and the raised mouth corners (AU12) speak for happiness."
        again = "AU4 is labelled as absent" in request.prompt and wrong in request.prompt
        return json.dumps({"answer": f"Happiness. {right if again else wrong}"})

    fake = Fake(say)
    folder = _run(fake, root, tmp_path / "out", made=made, settings=settings)
    assert [r.id for r in fake.asked] == ["rafdb/face0/reasoning", "rafdb/face0/reasoning#2"]
    [row] = folder.rows()
    assert "AU12" in row["messages"][1]["content"][0]["text"]
    stats = folder.shards[0].stats
    assert stats["refused"] == {"absent_unit": 1, "reasons": 1}
    assert (stats["kept_after_retry"], stats["set_aside"]) == (1, {})


def test_a_broken_picture_is_set_aside_with_all_rows_about_it(root: Path, tmp_path: Path) -> None:
    (root / "faces" / "1.png").write_bytes(b"no picture")
    made = [sample(0), sample(1), sample(2, image=None, frames=("faces/none.png",)), sample(3)]
    fake = Fake()
    folder = _run(fake, root, tmp_path / "out", made=made)
    aside = list(folder.set_aside())
    assert {row["id"].split("/")[1] for row in aside} == {"face1", "face2"}
    assert {row["rule"] for row in aside} == {"unreadable"}
    assert "category" in {row["task"] for row in aside}  # which a template writes
    assert {row["sample"] for row in folder.rows()} == {"face0", "face3"}
    paid = len(fake.asked)
    assert paid == 4
    _run(fake, root, tmp_path / "out", made=made)
    assert len(fake.asked) == paid


def test_what_stays_wrong_is_set_aside_with_its_reason(root: Path, tmp_path: Path) -> None:
    made = [sample(0, units={6: True, 12: True})]
    settings = replace(SETTINGS, tasks=("category", "expression_description"))
    fake = Fake(lambda request: '{"answer": "Anger. The brows are low."}')
    folder = _run(fake, root, tmp_path / "out", made=made, settings=settings)
    assert len(fake.asked) == 3
    assert [row["task"] for row in folder.rows()] == ["category"]
    [aside] = map(json.loads, (tmp_path / "out" / "set_aside.jsonl").read_text().splitlines())
    assert (aside["id"], aside["rule"]) == ("rafdb/face0/expression_description", "expression")
    assert aside["reason"] == "it says anger; the label is happiness"
    assert len(aside["tries"]) == 3
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["checks"]["set_aside"] == {"expression": 1}


def test_of_two_texts_alike_the_first_is_kept(root: Path, tmp_path: Path) -> None:
    made = [sample(n, units={6: True, 12: True}) for n in range(3)]
    settings = replace(
        SETTINGS, tasks=("expression_description",), rules=CheckRules(), retries=0, per_shard=1
    )
    fake = Fake(lambda _: '{"answer": "Happiness. The cheeks are raised (AU6) and it shows."}')
    folder = _run(fake, root, tmp_path / "out", made=made, settings=settings)
    assert [row["sample"] for row in folder.rows()] == ["face0"]
    asides = list(folder.set_aside())
    assert [row["rule"] for row in asides] == ["duplicate", "duplicate"]
    assert "rafdb/face0/expression_description" in asides[1]["reason"]


def test_a_stopped_run_asks_nothing_twice_and_ends_the_same(root: Path, tmp_path: Path) -> None:
    one = Fake()
    _run(one, root, tmp_path / "one")
    total = len(one.asked)
    texts = {r.id: true_text(r.prompt, k) for k, r in enumerate(one.asked, 1)}
    asked: list[str] = []
    for stop in (5, 4, None):
        part = Fake(lambda request: texts[request.id], stop_after=stop)
        try:
            _run(part, root, tmp_path / "parts")
        except EngineError:
            assert stop is not None
        asked += [r.id for r in part.asked]
    assert len(asked) == len(set(asked)) == total
    for name in ("data/train-00000.jsonl", "report.json", "replies.jsonl"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "parts" / name).read_bytes()


def test_the_budget_stops_cleanly_and_a_larger_one_goes_on(root: Path, tmp_path: Path) -> None:
    # each request: 1,000 tokens at 1 and 100 at 10 a million: 0.002
    fake = Fake()
    with pytest.raises(BudgetSpentError, match="every answer is kept"):
        _run(fake, root, tmp_path / "out", budget=0.010)
    paid = len(fake.asked)
    assert 3 <= paid <= 5
    with pytest.raises(BudgetSpentError):
        _run(fake, root, tmp_path / "out", budget=0.010)
    assert len(fake.asked) == paid
    folder = _run(fake, root, tmp_path / "out", budget=1.0)
    assert folder.complete
    assert len({r.id for r in fake.asked}) == len(fake.asked)
    with pytest.raises(BuildError, match="a budget needs prices"):
        Budget(Prices(), 1.0)
    assert Budget(Prices(1.0), 1.0).short(0.9) == (
        "of the budget of 1, 0.0000 is spent and the next request may cost 0.9000"
    )


def test_estimate_counts_requests_and_tokens() -> None:
    made = [sample(0, units={6: True}), sample(1), sample(2, image=None, video="a.mp4")]
    source = [MadeUp(made)]
    cost = estimate(items(source, SETTINGS, survey(source, SETTINGS)))
    assert cost.requests == {
        **{"expression_description": 3, "au_description": 1, "reasoning": 1, "conversation": 3},
        "caption": 1,
    }
    assert cost.received == 3 * 80 + 110 + 120 + 3 * 180 + 60
    assert Prices(2.0, 8.0).of(1_000_000, 500_000) == 6.0


def test_pictures_leave_this_machine_only_when_allowed() -> None:
    terms = {"rafdb": Terms("RAF-DB", "non-commercial research only", "ask by mail", "http://x")}
    remote = EndpointResponder("m", "https://api.example.com/v1", name="openai:m")
    local = EndpointResponder("m", "http://localhost:1/v1", name="openai:m")
    with pytest.raises(BuildError, match=r"send pictures to api\.example\.com.*non-commercial"):
        check_upload(remote, terms, allowed=False)
    assert any("non-commercial" in line for line in check_upload(remote, terms, allowed=True))
    assert check_upload(local, terms, allowed=False) == []
    assert check_upload(Fake(), terms, allowed=False) == []


def test_replies_outlive_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "replies.jsonl"
    with Replies(path) as replies:
        replies.add("aa", "one", id="1", usage={"prompt_tokens": 5})
        replies.add("bb", "zw\u00f6lf", id="2", usage={})
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"key": "cc", "te')
    with Replies(path) as replies:
        assert (replies.get("aa"), replies.get("bb"), replies.get("cc")) == (
            "one",
            "zw\u00f6lf",
            None,
        )
        assert replies.prompt_tokens == 5
        replies.add("cc", "three", id="3", usage={})
    with Replies(path) as replies:
        assert replies.get("cc") == "three"
    path.write_bytes(b"nonsense\n" + whole)
    with pytest.raises(BuildError, match="byte 0: no reply"):
        Replies(path)


def test_a_key_depends_on_all_that_decides_a_reply() -> None:
    image = np.zeros((4, 4, 3), np.uint8)
    base = {
        **{"prompt": "a", "system": None, "schema": None, "images": (image,)},
        **{"identity": {"model": "m"}, "max_tokens": 5, "attempt": 0},
    }
    changes = [
        {"prompt": "b"},
        {"system": "s"},
        {"schema": {}},
        {"images": (image + 1,)},
        {"images": (image.reshape(2, 8, 3),)},
        {"images": ()},
        {"identity": {"model": "n"}},
        {"max_tokens": 6},
        {"attempt": 1},
    ]
    keys = {request_key(**{**base, **change}) for change in [{}, *changes]}  # type: ignore[arg-type]
    assert len(keys) == len(changes) + 1
    assert request_key(**base) == request_key(**base)  # type: ignore[arg-type]


def test_a_clip_is_shown_by_its_centre_frame_and_its_caption(root: Path, tmp_path: Path) -> None:
    frames = tuple(f"faces/{n}.png" for n in range(9))
    clips = [
        sample(0, image=None, frames=frames, attributes={"description": "They step back."}),
        sample(1, image=None, frames=frames[3:6]),
    ]
    settings = replace(SETTINGS, tasks=("expression_description",), clip_frames=3)
    fake = Fake()
    folder = _run(fake, root, tmp_path / "out", made=clips, settings=settings)
    by_id = {r.id: r for r in fake.asked}
    assert set(by_id) == {
        "rafdb/face1/caption",
        "rafdb/face0/expression_description",
        "rafdb/face1/expression_description",
    }
    first = by_id["rafdb/face0/expression_description"]
    assert "They step back." in first.prompt
    assert first.images[0][0, 0, 0] == 4  # the middle one of nine
    assert "turns the head" in by_id["rafdb/face1/expression_description"].prompt
    rows = list(folder.rows())
    assert rows[0]["images"] == [f"rafdb/faces/{n}.png" for n in (1, 4, 7)]
    assert [p["type"] for p in rows[0]["messages"][0]["content"]] == ["image"] * 3 + ["text"]


def test_what_is_sent_is_cut_around_the_box_and_small(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((1200, 900, 3), np.uint8)).save(tmp_path / "a.png")
    whole = Draft("x", sample(image="a.png"), Labels("happiness"), "reasoning")
    assert shown(whole, tmp_path).shape == (512, 384, 3)
    boxed = Draft(
        "x", sample(image="a.png", box=(100.0, 100.0, 200.0, 300.0)), Labels("anger"), "reasoning"
    )
    assert shown(boxed, tmp_path).shape == (400, 200, 3)


def test_prompts_hold_the_labels_and_fill_every_place() -> None:
    labels = Labels("anger", "basic7", {4: 2.0, 7: None}, frozenset({12}))
    for clip in (False, True):
        for task in prompts.TEACHER_TASKS:
            text = prompts.prompt(task, labels, "Why?", clip=clip, caption="A {brace}.")
            assert "Expression: anger" in text
            assert "AU4 (brow lowerer, level B), AU7 (lid tightener)" in text
            assert "Action units absent: AU12" in text
            assert "A {brace}." in text
            assert "{Expression}" not in text
            assert '{"answer"' in text or '{"turns"' in text
    assert "AU4 and AU7" in prompts.prompt("reasoning", labels, "?", clip=False)
    assert "name none" in prompts.label_words(Labels("anger"))


@pytest.mark.parametrize(
    ("text", "task", "turns", "rule"),
    [
        ('{"answer": " Yes. "}', "reasoning", [("q", "Yes.")], None),
        ('Here:\n```json\n{"answer": "Yes."}\n```', "reasoning", [("q", "Yes.")], None),
        ('{"answer": ""}', "reasoning", [], "json"),
        ('{"answer": ["a"]}', "reasoning", [], "json"),
        ("Yes.", "reasoning", [], "json"),
        ('{"turns": []}', "conversation", [], "json"),
        ('{"turns": [{"question": "a", "answer": "b"}]}', "conversation", [("a", "b")], None),
    ],
)
def test_json_of_answers(text: str, task: str, turns: list, rule: str | None) -> None:
    found, faults = read_turns(text, task, "q")
    assert found == turns
    assert [fault.rule for fault in faults] == ([rule] if rule else [])


def test_what_got_no_answer_is_asked_again_by_the_next_run(root: Path, tmp_path: Path) -> None:
    """A server is silent to some for one run, which asks none of them the same thing twice."""
    good = LocalTeacher()
    silent = True
    refused = []

    def behave(seen: Seen) -> Answer:
        if silent and content_hash(seen.prompt, pictures_of(seen)) % 3 == 0:
            refused.append(seen)
            return Answer(400, {"error": {"message": "this one never"}})
        return good(seen)

    made = [sample(n, units={6: n % 3 > 0, 12: True}) for n in range(12)]
    settings = replace(SETTINGS, per_shard=10, retries=1)
    out = tmp_path / "out"
    with bad_server(behave) as server:
        responder = EndpointResponder("tiny", server.url, name="openai:tiny", concurrency=4)
        try:
            first = _run(responder, root, out, made=made, settings=settings)
            aside = {row["id"] for row in first.set_aside()}
            kept = {row["id"]: row for row in first.rows()}
            assert {row["rule"] for row in first.set_aside()} == {"no_answer"}
            assert aside
            bodies = [json.dumps(seen.body, sort_keys=True) for seen in refused]
            assert len(set(bodies)) == len(bodies)
            assert set(kept).isdisjoint(aside)
            silent = False
            asked = len(server.seen)
            second = _run(responder, root, out, made=made, settings=settings)
            asked = len(server.seen) - asked
            third = len(server.seen)
            assert _run(responder, root, out, made=made, settings=settings).complete
            assert len(server.seen) == third  # nothing is left to ask
        finally:
            responder.close()
    assert list(second.set_aside()) == []
    assert not (out / "set_aside.jsonl").exists()
    assert asked == len(aside)
    assert {row["id"] for row in second.rows()} == set(kept) | aside
    assert {row["id"]: row for row in second.rows() if row["id"] in kept} == kept


def _against_faults(count: int, root: Path, out: Path) -> None:
    teacher = LocalTeacher(0.05, delay=0.6)
    made = [
        sample(n, units={6: n % 3 > 0, 12: True, 4: n % 2 > 0}, image=f"faces/{n % 60}.png")
        for n in range(count // 4)
    ]
    with bad_server(teacher) as server:
        responder = EndpointResponder(
            "tiny", server.url, name="openai:tiny", concurrency=8, timeout=0.3
        )
        try:
            folder = _run(responder, root, out, made=made)
        finally:
            responder.close()
    asked = sum(len(folder.shards[k].stats) > 0 for k in range(len(folder.shards)))
    assert asked == len(folder.shards)
    rows = {row["id"] for row in folder.rows() if row["writer"] == "openai:tiny"}
    aside = {row["id"] for row in folder.set_aside()}
    assert len(rows | aside) == count
    assert not rows & aside
    assert all(row["reason"] for row in folder.set_aside())
    stored = [json.loads(line) for line in (out / "replies.jsonl").read_text().splitlines()]
    assert len({row["key"] for row in stored}) == len(stored)
    assert len({row["id"] for row in stored}) == len(stored)
    assert set(teacher.done) == set(KINDS)
    for row in folder.rows():
        assert row["labels"]["expression"] == "happiness"


def test_a_teacher_with_faults_ends_complete(root: Path, tmp_path: Path) -> None:
    _against_faults(400, root, tmp_path / "out")


@pytest.mark.slow
def test_two_thousand_samples_by_a_teacher_with_faults(root: Path, tmp_path: Path) -> None:
    _against_faults(8000, root, tmp_path / "out")
