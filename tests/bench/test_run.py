import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from mien.bench.answer_log import ANSWERS_FILE, StoreError, read_records
from mien.bench.run import item_id, model_slug
from mien.bench.sample_faces import NoFaceError, cut_faces, overlap
from mien.bench.source import SourceError, choose, open_source
from mien.bench.suite import load_suite
from mien.engines import EngineError
from mien.engines.local_responder import LocalResponder
from mien.engines.request import Reply
from mien.faces import CropSpec, WholeFinder
from mien.schema import Face
from tests.bench.helpers import SAMPLES, SUITE, TRUE_ANSWERS, Scripted, run, sample, source


def test_every_question_is_asked_once_and_all_about_a_face_in_a_row(tmp_path):
    outcome, responder = run(tmp_path)
    assert responder.asked == [item_id(s, t) for s in SAMPLES for t in SUITE.tasks]
    assert outcome.items == 12
    assert outcome.statuses == {"ok": 12}
    assert outcome.complete


def test_crops_of_a_face_are_one_object_for_all_its_questions(tmp_path):
    seen = []

    def make(request, text):
        seen.append(request.images)  # kept alive, so that ids stay different
        return Reply(request.id, text=text)

    run(tmp_path, responder=Scripted(TRUE_ANSWERS, make=make))
    assert [len(set(map(id, seen[k : k + 3]))) for k in (0, 3, 6, 9)] == [1, 1, 1, 1]
    assert len(set(map(id, seen))) == 4


def test_a_run_goes_on_after_any_line_without_asking_again(tmp_path):
    run(tmp_path / "whole")
    lines = (tmp_path / "whole" / ANSWERS_FILE).read_bytes().splitlines(keepends=True)
    for kept in range(len(lines) + 1):
        folder = tmp_path / f"cut{kept}"
        folder.mkdir()
        half = lines[kept][:9] if kept < len(lines) else b""
        (folder / ANSWERS_FILE).write_bytes(b"".join(lines[:kept]) + half)
        outcome, responder = run(folder)
        assert len(responder.asked) == 12 - max(0, kept - 1)
        assert outcome.complete
        assert (folder / ANSWERS_FILE).read_bytes() == b"".join(lines)


def test_an_interruption_loses_nothing(tmp_path):
    class Interrupted(Scripted):
        def respond(self, requests):
            for k, reply in enumerate(super().respond(requests)):
                if k == 5:
                    raise KeyboardInterrupt
                yield reply

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, responder=Interrupted(TRUE_ANSWERS))
    assert len(list(read_records(tmp_path))) == 5
    _, responder = run(tmp_path)
    assert len(responder.asked) == 7


def test_a_model_that_gives_up_leaves_the_rest_missing(tmp_path):
    class Refused(Scripted):
        def respond(self, requests):
            yield next(super().respond(requests))
            raise EngineError("the key was refused; set OPENAI_API_KEY")

    outcome, _ = run(tmp_path, responder=Refused(TRUE_ANSWERS))
    assert outcome.error == "the key was refused; set OPENAI_API_KEY"
    assert outcome.statuses == {"ok": 1, "missing": 11}
    assert not outcome.complete


def test_failed_answers_are_asked_again_unless_kept(tmp_path):
    answers = {**TRUE_ANSWERS, "b#expression": None}
    outcome, _ = run(tmp_path, answers)
    assert outcome.statuses == {"ok": 11, "failed": 1}
    _, responder = run(tmp_path, answers, keep_failed=True)
    assert responder.asked == []
    outcome, responder = run(tmp_path)
    assert responder.asked == ["b#expression"]
    assert outcome.complete


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"suite": replace(SUITE, tasks=SUITE.tasks[:2])}, "prompts reasoning"),
        ({"samples": SAMPLES[:3]}, "data"),
        ({"samples": (*SAMPLES[:3], sample("d", "fear", "s3"))}, "data"),
        ({"responder": Scripted(TRUE_ANSWERS, weights="2")}, "identity weights was 1, now 2"),
        ({"scoring": "likelihood"}, "scoring was text, now likelihood"),
    ],
)
def test_what_decides_answers_may_not_change(tmp_path, change, words):
    run(tmp_path)
    before = (tmp_path / ANSWERS_FILE).read_bytes()
    with pytest.raises(StoreError, match=words):
        run(tmp_path, **change)
    assert (tmp_path / ANSWERS_FILE).read_bytes() == before


def test_a_changed_title_does_not_matter(tmp_path):
    run(tmp_path)
    outcome, responder = run(tmp_path, suite=replace(SUITE, title="A better title"))
    assert responder.asked == []
    assert outcome.complete


def test_faces_that_are_not_found_or_cannot_be_read_are_counted_and_not_asked(tmp_path):
    class Blind(WholeFinder):
        name = "blind"

        def find(self, image):
            return [] if image[0, 0, 0] == first else super().find(image)

    first = source().pictures(SAMPLES[1], 1)[0][0, 0, 0]
    outcome, responder = run(tmp_path, finder=Blind(), broken="c")
    assert outcome.items == 12
    assert outcome.statuses == {"ok": 6, "no_face": 3, "unreadable": 3}
    assert not [name for name in responder.asked if name[0] in "bc"]
    errors = {r.id: r.error for r in read_records(tmp_path) if r.error}
    assert errors["b#expression"] == "blind found no face in the picture"
    assert "c.png" in errors["c#reasoning"]
    outcome, responder = run(tmp_path)  # the file is back
    assert {name[0] for name in responder.asked} == {"c"}


def test_an_answer_that_nobody_asked_for_stops_the_run(tmp_path):
    responder = Scripted(TRUE_ANSWERS, make=lambda request, text: Reply("z#1", text=text))
    outcome, _ = run(tmp_path, responder=responder)
    assert outcome.error is not None
    assert "'z#1'" in outcome.error


def test_a_limit_takes_the_same_faces_for_all_and_grows_to_the_whole(tmp_path):
    many = [sample(f"{k:03}", "fear", f"s{k}") for k in range(50)]
    parts = [
        [s.id for s in choose(SUITE, source(many), limit).samples] for limit in (5, 20, 50, 99)
    ]
    assert [len(p) for p in parts] == [5, 20, 50, 50]
    assert set(parts[0]) < set(parts[1]) < set(parts[2])
    assert all(part == sorted(part) for part in parts)  # in the order of the dataset
    assert parts[0] != [s.id for s in many[:5]]
    assert choose(SUITE, source(many), 5).fingerprint == choose(SUITE, source(many)).fingerprint
    run(tmp_path, limit=2)
    outcome, responder = run(tmp_path)
    assert outcome.complete
    assert len(responder.asked) == 6


def test_samples_outside_of_the_suite_are_counted():
    other = sample("e", None)
    blank = replace(other, action_units=None)
    chosen = choose(SUITE, source([*SAMPLES, blank]))
    assert chosen.total == 4
    assert chosen.left_out == {"without a label that the suite asks for": 1}
    with pytest.raises(SourceError, match="no sample"):
        choose(SUITE, source([blank]))
    with pytest.raises(SourceError, match="occurs twice"):
        choose(SUITE, source([*SAMPLES, SAMPLES[0]]))


def test_data_that_is_not_there(tmp_path):
    with pytest.raises(SourceError, match="--data DIR"):
        open_source(load_suite("rafdb"), None)
    with pytest.raises(SourceError, match="no such file or folder"):
        open_source(load_suite("rafdb"), tmp_path / "nowhere")
    with pytest.raises(SourceError):  # an empty folder is no RAF-DB
        list(open_source(load_suite("rafdb"), tmp_path).samples())


def test_the_labelled_face_is_taken_and_no_other():
    picture = np.zeros((100, 100, 3), np.uint8)
    spec = CropSpec(size=8)

    class Two:
        name = "two"

        def find(self, image):
            return [Face((0, 0, 60, 60), 0.9), Face((70, 70, 90, 90), 0.8)]

        def close(self):
            pass

    picture[70:90, 70:90] = 255
    small = replace(SAMPLES[0], box=(71.0, 71.0, 91.0, 91.0))
    assert cut_faces(small, [picture], Two(), spec)[0].mean() > 150
    assert cut_faces(SAMPLES[0], [picture], Two(), spec)[0].max() == 0
    nobody = replace(SAMPLES[0], box=(0.0, 80.0, 20.0, 100.0))
    with pytest.raises(NoFaceError, match="two found no face where the dataset has it"):
        cut_faces(nobody, [picture], Two(), spec)
    assert cut_faces(small, [picture], None, spec)[0].mean() > 150  # the dataset's own box
    assert overlap((0, 0, 2, 2), (1, 0, 3, 2)) == pytest.approx(2 / 6)


def test_names_of_folders():
    assert model_slug("mien/nano") == "mien-nano"
    assert model_slug("openai:qwen2.5-vl@http://localhost:8000/v1") == (
        "openai-qwen2.5-vl-http-localhost-8000-v1"
    )
    assert model_slug("../..") == "model"


def test_batch_size_changes_no_answer(tmp_path, tiny_folder):
    texts = {}
    for size in (1, 16):
        responder = LocalResponder.from_folder(
            tiny_folder, name="tiny", device=torch.device("cpu"), batch_size=size
        )
        run(tmp_path / str(size), responder=responder)
        texts[size] = {r.id: r.text for r in read_records(tmp_path / str(size))}
    assert len(texts[1]) == 12
    assert texts[1] == texts[16]


def test_numbers_are_kept_beside_the_words(tmp_path, tiny_folder):
    responder = LocalResponder.from_folder(tiny_folder, name="tiny", device=torch.device("cpu"))
    run(tmp_path, responder=responder)
    record = next(iter(read_records(tmp_path)))
    assert sum(record.expression.values()) == pytest.approx(1, abs=1e-5)
    probability, intensity = record.units["12"]
    assert 0 <= probability <= 1
    assert 0 <= intensity <= 5
    assert json.loads(record.to_json())["id"] == record.id
