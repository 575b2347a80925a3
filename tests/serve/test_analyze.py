"""Rows of `mien analyze` over HTTP."""

import base64
import csv
import io
import json

import pyarrow.parquet as pq
import pytest
from PIL import Image
from starlette.testclient import TestClient

from mien.analyzer import Analyzer
from mien.engines import EngineError
from mien.faces import CropSpec, WholeFinder
from mien.schema import Analysis
from mien.serve.app import create_app
from mien.serve.service import Service
from tests.responders import Answering
from tests.serve.conftest import LIMITS, mp4, png


@pytest.fixture(scope="module")
def clip():
    return mp4()


def post(client, *files, status=200, accept="application/json", **fields):
    parts = [("files", (name, data)) for name, data in files]
    answer = client.post("/v1/analyze", files=parts, data=fields, headers={"Accept": accept})
    assert answer.status_code == status, answer.text
    return answer


def code(*given, **more):
    return post(*given, **more).json()["error"]["code"]


def test_rows_are_those_of_the_analyzer(client, responder):
    answer = post(client, ("a.png", png(1)), ("b.png", png(2))).json()
    rows = [Analysis.from_dict(row) for row in answer["data"]]
    assert [row.source for row in rows] == ["a.png", "b.png"]
    same = Analyzer(responder, WholeFinder()).analyze([png(1), png(2)])
    for row, other in zip(rows, same, strict=True):
        assert row.text == other.text
        assert row.expression.scores == pytest.approx(other.expression.scores, abs=1e-5)
        assert row.model == "tiny"


def test_numbers_alone(client):
    (row,) = post(client, ("a.png", png(1)), numbers="true").json()["data"]
    assert row["text"] is None
    assert row["expression"]["scores"]


def test_tables(client):
    files = (("=1+1.png", png(1)), ("b.png", png(2)))
    answer = post(client, *files, accept="text/csv", numbers="1")
    table = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["source"] for row in table] == ["'=1+1.png", "b.png"]
    assert all(0 <= float(row["AU12_r"]) <= 5 for row in table)
    parquet = post(client, *files, accept="application/vnd.apache.parquet", numbers="1")
    assert pq.read_table(io.BytesIO(parquet.content)).num_rows == 2
    lines = post(client, *files, accept="application/x-ndjson", numbers="1").text.splitlines()
    assert [Analysis.from_json(line).source for line in lines] == ["=1+1.png", "b.png"]


def test_overlays_are_pictures(client):
    (overlay,) = post(client, ("a.png", png(1)), overlay="true").json()["overlays"]
    head, _, data = overlay["image"].partition(",")
    assert (overlay["source"], head) == ("a.png", "data:image/jpeg;base64")
    assert Image.open(io.BytesIO(base64.b64decode(data))).width >= 48


def events(text):
    for block in text.strip().split("\n\n"):
        kind, data = block.split("\n")
        yield kind.removeprefix("event: "), json.loads(data.removeprefix("data: "))


def test_a_video_streams_its_rows(client, clip):
    answer = post(client, ("clip.mp4", clip), accept="text/event-stream", every="5", numbers="1")
    *rows, (last, counted) = events(answer.text)
    kinds = [row["kind"] for name, row in rows if name == "row"]
    assert kinds == ["face"] * 4 + ["track", "clip"]
    assert (last, counted) == ("done", {"rows": 6})


def test_a_video_in_one_piece_has_people_in_its_table(client, clip):
    answer = post(client, ("clip.mp4", clip), accept="text/csv", frames="2", numbers="1")
    table = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["kind"] for row in table] == ["face", "face", "track", "clip"]


def test_a_broken_file_leaves_the_others_alone(client):
    rows = post(client, ("a.png", b"nothing"), ("b.png", png(2))).json()["data"]
    assert [row["status"] for row in rows] == ["unreadable", "ok"]
    assert code(client, ("a.png", b"nothing"), status=422) == "unreadable"


class Failing(Answering):
    name, crop_spec = "failing", CropSpec(8)

    def answer(self, crops, *, numbers_only):
        raise EngineError("the model is out of order")


def test_a_model_that_answers_nothing_is_an_error():
    service = Service([Failing()], finder=WholeFinder, limits=LIMITS)
    client = TestClient(create_app(service), base_url="http://localhost")
    answer = post(client, ("a.png", png(1)), status=502).json()
    assert "out of order" in answer["error"]["message"]
    service.close()


@pytest.mark.parametrize(
    ("name", "shown"),
    [("../../etc/passwd", "passwd"), ("C:\\x\\y.png", "y.png"), ("<b>.png", "<b>.png"), ("..", "")],
)
def test_names_are_never_paths(client, name, shown):
    (row,) = post(client, (name, png(1)), numbers="1").json()["data"]
    assert row["source"] == (shown or "file-0")


def test_limits(client, clip):
    assert code(client, ("a.png", png(size=(400, 400))), status=413) == "too_many_pixels"
    many = [(f"{n}.png", png(n)) for n in range(7)]
    assert code(client, *many, status=413) == "too_many_files"
    assert code(client, ("v.mp4", clip), ("w.mp4", clip), status=400) == "too_many_videos"
    assert code(client, ("v.mp4", clip), frames="21", status=413) == "too_many_frames"
    assert code(client, ("v.mp4", mp4(30, rate=4)), status=413) == "video_too_long"
    more = mp4(30)
    told = code(client, ("v.mp4", more), every="1", numbers="1", status=413)
    assert told == "too_many_frames"
    streamed = post(
        client, ("v.mp4", more), every="1", numbers="1", accept="text/event-stream"
    ).text
    assert list(events(streamed))[-1][1]["error"]["code"] == "too_many_frames"


def test_an_animation_is_bounded_as_a_whole(client, service):
    file = io.BytesIO()
    first, *rest = (Image.new("L", (100, 100), n) for n in range(30))
    first.save(file, "GIF", save_all=True, append_images=rest)
    assert code(client, ("a.gif", file.getvalue()), status=413) == "too_many_pixels"
    first.save(file := io.BytesIO(), "GIF", save_all=True, append_images=rest[:5])
    rows = post(client, ("a.gif", file.getvalue()), frames="2", numbers="1").json()["data"]
    assert rows[-1]["kind"] == "clip"


def test_wrong_forms(client):
    file = ("a.png", png(1))
    assert code(client, file, fps="x", status=400) == "invalid_value"
    assert code(client, file, fps="-1", status=400) == "invalid_value"
    assert code(client, file, fps="1", every="2", status=400) == "invalid_value"
    assert code(client, file, numbers="maybe", status=400) == "invalid_value"
    assert code(client, file, faces="x", status=400) == "invalid_value"
    assert code(client, file, path="/etc", status=400) == "unknown_field"
    assert code(client, file, model="x", status=404) == "model_not_found"
    assert code(client, file, accept="image/png", status=406) == "not_acceptable"
    assert client.post("/v1/analyze", data={"numbers": "1"}).status_code in (400, 415)
    assert client.post("/v1/analyze", json={}).status_code == 415
    broken = {"Content-Type": "multipart/form-data; boundary=x"}
    assert client.post("/v1/analyze", content=b"--y\r\n", headers=broken).status_code == 400
    assert client.post("/v1/analyze", content=b"", headers=broken).status_code == 400
