import csv
import errno
import io
import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mien import facs, partfile, sinks
from mien.columns import OPENFACE_UNITS, column_names, merge_sides, openface_pose, row_cells
from mien.schema import ActionUnit, Analysis, Course, Expression, Pose, SchemaError
from mien.sinks import SinkError, open_sink, read_rows, to_frame

FORMATS = ("jsonl", "csv", "parquet")


def full_row(source="photo.jpg", face=0):
    names = facs.LABEL_SETS["basic7"]
    scores = {n: 0.94 if n == "happiness" else 0.01 for n in names}
    return Analysis(
        source,
        face=face,
        track=3,
        box=(1.5, 2.0, 30.25, 40.0),
        detection=0.98,
        pose=Pose(4.1, -2.0, 0.6),
        expression=Expression("happiness", "basic7", scores),
        action_units=(
            ActionUnit(6, True, 0.75, 2.5),
            ActionUnit(12, True, 0.97, 3.4),
            ActionUnit(14, True, 0.6, 1.0, "left"),
            ActionUnit(4, False, 0.02, 0.0),
            ActionUnit(25),
        ),
        valence=0.5,
        text='Happiness, "so to say".\nÜber die Wangen \u2028 笑 😀',
        model="mien/nano",
        warnings=("small face", "blurred; very"),
    )


ROWS = [
    full_row(),
    full_row("ünï, \"q\" 'x'.png", 1),
    Analysis("tree.jpg", status="no_face", warnings=("no face was found",)),
    Analysis("broken.jpg", status="unreadable", frame=None, time=None),
    Analysis(
        "clip.mp4",
        kind="track",
        time=1.5,
        track=0,
        start=0.5,
        end=2.25,
        expression=Expression(None),
        course=(
            Course(expression="anger", mean=0.2, peak=0.5, onset=0.75, apex=1.0),
            Course(expression="fear", mean=0.1, peak=0.6, onset=1.25, apex=1.5, offset=2.0),
            Course(au=4, side="left", mean=0.5, peak=3.0, apex=1.25),
        ),
    ),
    Analysis("empty.png", action_units=()),
]


def write(out, format, rows, **options):
    with open_sink(format, out, **options) as sink:
        for row in rows:
            sink.write(row)


def count(path, format):
    if format == "csv":
        return len(read_csv(path))
    return len(list(read_rows(path)))


def read_csv(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("format", ["jsonl", "parquet"])
def test_rows_come_back_as_they_were(tmp_path, format):
    write(tmp_path / "out", format, ROWS)
    assert list(read_rows(tmp_path / "out")) == ROWS
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("format", FORMATS)
def test_no_rows_make_a_whole_file(tmp_path, format):
    write(tmp_path / "out", format, [])
    assert count(tmp_path / "out", format) == 0


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_what_was_finished_stays_after_an_interruption(tmp_path, format, error):
    out = tmp_path / "out"
    out.write_text("old")
    with pytest.raises(error), open_sink(format, out) as sink:  # noqa: PT012
        sink.write(ROWS[0])
        sink.write(ROWS[2])
        raise error
    assert count(out, format) == 2
    assert not (tmp_path / "out.part").exists()


@pytest.mark.parametrize("format", FORMATS)
def test_an_old_result_survives_a_run_that_finished_nothing(tmp_path, format):
    out = tmp_path / "out"
    out.write_text("old")
    with pytest.raises(KeyboardInterrupt), open_sink(format, out):
        raise KeyboardInterrupt
    assert out.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("format", ["jsonl", "csv"])
def test_rows_are_on_disk_before_the_end(tmp_path, format):
    with open_sink(format, tmp_path / "out") as sink:
        sink.write(ROWS[0])
        assert count(tmp_path / "out.part", format) == 1
        assert not (tmp_path / "out").exists()


def test_parquet_writes_in_groups_and_closes_with_a_footer(tmp_path, monkeypatch):
    pq = pytest.importorskip("pyarrow.parquet")
    monkeypatch.setattr(sinks, "_ROW_GROUP", 2)
    write(tmp_path / "out", "parquet", ROWS[:5])
    file = pq.ParquetFile(tmp_path / "out")
    assert file.num_row_groups == 3
    assert file.schema_arrow.metadata[b"mien_schema_version"] == b"1"
    assert str(file.schema_arrow.field("box").type).startswith("list<")


@pytest.mark.parametrize("format", FORMATS)
def test_bad_places_are_named_at_once(tmp_path, format):
    with pytest.raises(SinkError, match=r"no folder .*nowhere; create it"):
        open_sink(format, tmp_path / "nowhere" / "out")
    with pytest.raises(SinkError, match="it is a folder"):
        open_sink(format, tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(SinkError, match="no folder"):
        open_sink(format, tmp_path / "file" / "out")


@pytest.mark.parametrize("format", FORMATS)
def test_a_closed_folder_is_named(tmp_path, format, monkeypatch):
    # Root may write anywhere, so the answer of the system is put in its mouth.
    monkeypatch.setattr(partfile.os, "access", lambda path, mode: False)
    with pytest.raises(SinkError, match=r"cannot write .*out: permission denied; choose a folder"):
        open_sink(format, tmp_path / "out")


@pytest.mark.parametrize("format", ["jsonl", "csv"])
def test_full_disk_keeps_whole_lines(tmp_path, format, monkeypatch):
    real = partfile._write_all

    def half(file, data):
        real(file, data[: len(data) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    out = tmp_path / "out"
    with (  # noqa: PT012
        pytest.raises(SinkError, match="disk is full") as caught,
        open_sink(format, out) as sink,
    ):
        sink.write(ROWS[0])
        monkeypatch.setattr(partfile, "_write_all", half)
        sink.write(ROWS[1])
    assert caught.value.errno == errno.ENOSPC
    assert count(out, format) == 1


def test_full_disk_leaves_no_broken_parquet(tmp_path, monkeypatch):
    out = tmp_path / "out"
    out.write_text("old")
    monkeypatch.setattr(sinks, "_ROW_GROUP", 1)

    class Full:
        def write_table(self, table):
            raise OSError(errno.ENOSPC, "No space left on device")

        def close(self):
            raise OSError(errno.ENOSPC, "No space left on device")

    with (  # noqa: PT012
        pytest.raises(SinkError, match="disk is full"),
        open_sink("parquet", out) as sink,
    ):
        sink._writer.close()
        sink._writer = Full()
        sink.write(ROWS[0])
    assert out.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_devices_are_written_to_and_not_replaced():
    null = Path("/dev/null")
    write(null, "jsonl", ROWS)
    assert null.is_char_device()
    with pytest.raises(SinkError, match="ordinary file"):
        open_sink("parquet", null)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full")
@pytest.mark.parametrize("format", ["jsonl", "csv"])
def test_a_disk_that_is_really_full(format):
    with pytest.raises(SinkError, match="/dev/full: the disk is full; free some space"):
        write(Path("/dev/full"), format, ROWS)


def test_a_link_is_followed(tmp_path):
    (tmp_path / "real").mkdir()
    link = tmp_path / "link.jsonl"
    link.symlink_to(tmp_path / "real" / "out.jsonl")
    write(link, "jsonl", ROWS)
    assert link.is_symlink()
    assert len(list(read_rows(tmp_path / "real" / "out.jsonl"))) == len(ROWS)


def test_standard_output(capsysbinary):
    write(None, "jsonl", ROWS)
    lines = capsysbinary.readouterr().out.decode().split("\n")
    assert [Analysis.from_json(line) for line in lines if line] == ROWS
    write(None, "csv", ROWS)
    text = capsysbinary.readouterr().out.decode()
    faces = [row for row in ROWS if row.kind == "face"]
    assert len(list(csv.DictReader(io.StringIO(text, newline="")))) == len(faces)
    with pytest.raises(SinkError, match="standard output"):
        open_sink("parquet", None)


def test_standard_output_that_takes_only_text(monkeypatch):
    text = io.StringIO()
    monkeypatch.setattr(sys, "stdout", text)
    write(None, "jsonl", ROWS[:1])
    assert Analysis.from_json(text.getvalue()) == ROWS[0]


def test_csv_has_the_columns_of_openface(tmp_path):
    write(tmp_path / "out", "csv", ROWS)
    rows = read_csv(tmp_path / "out")
    first = rows[0]
    assert tuple(first) == column_names(None)
    assert tuple(first)[:3] == ("source", "frame", "face_id")
    assert (first["frame"], first["face_id"], first["timestamp"]) == ("1", "3", "0.0")
    assert (first["confidence"], first["success"], first["status"]) == ("0.98", "1", "ok")
    assert (first["AU12_r"], first["AU12_c"], first["AU12_p"]) == ("3.4", "1", "0.97")
    assert (first["AU04_r"], first["AU04_c"]) == ("0.0", "0")
    assert (first["AU25_r"], first["AU25_c"], first["AU25_p"]) == ("", "", "")
    assert first["AU01_c"] == ""
    assert first["AU14_c"] == "1"
    assert (first["box_x0"], first["box_y1"], first["pose_yaw"]) == ("1.5", "40.0", "4.1")
    assert (first["expression_happiness"], first["expression_contempt"]) == ("0.94", "")
    assert first["text"] == ROWS[0].text
    assert first["warnings"] == "small face; blurred; very"
    assert (rows[2]["success"], rows[2]["confidence"], rows[2]["expression"]) == ("0", "0.0", "")
    assert (rows[3]["frame"], rows[3]["timestamp"], rows[3]["success"]) == ("", "", "0")
    assert len(rows) == len(ROWS) - 1


def test_people_and_clips_have_a_csv_of_their_own(tmp_path):
    write(tmp_path / "rows.csv", "csv", ROWS)
    (person,) = read_csv(tmp_path / "rows.people.csv")
    assert tuple(person) == column_names(None, "people")
    assert not {"success", "confidence"} & set(person)
    assert [person[n] for n in ("kind", "face_id", "start", "end")] == ["track", "0", "0.5", "2.25"]
    # Of the expression whose apex is the row's time.
    assert [person[name] for name in ("onset", "apex", "offset")] == ["1.25", "1.5", "2.0"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["rows.csv", "rows.people.csv"]


def test_pictures_make_no_file_of_people_and_leave_no_old_one(tmp_path):
    write(tmp_path / "a.csv", "csv", ROWS[:2])
    assert [p.name for p in tmp_path.iterdir()] == ["a.csv"]
    write(tmp_path / "a.csv", "csv", ROWS)
    assert len(read_csv(tmp_path / "a.people.csv")) == 1
    write(tmp_path / "a.csv", "csv", ROWS[:2])
    assert read_csv(tmp_path / "a.people.csv") == []


def test_an_interruption_keeps_people_and_frames_that_belong_together(tmp_path):
    write(tmp_path / "a.csv", "csv", ROWS)
    with pytest.raises(KeyboardInterrupt), open_sink("csv", tmp_path / "a.csv"):
        raise KeyboardInterrupt
    assert len(read_csv(tmp_path / "a.people.csv")) == 1
    with pytest.raises(KeyboardInterrupt), open_sink("csv", tmp_path / "a.csv") as sink:  # noqa: PT012
        sink.write(ROWS[0])
        raise KeyboardInterrupt
    assert (len(read_csv(tmp_path / "a.csv")), len(read_csv(tmp_path / "a.people.csv"))) == (1, 0)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.csv", "a.people.csv"]


def test_a_clip_without_frames_stands_in_both(tmp_path):
    clip = Analysis("bad.mp4", kind="clip", frame=None, time=None, status="unreadable",
                    start=0.0, end=0.0, warnings=("bad.mp4: cut",))  # fmt: skip
    write(tmp_path / "a.csv", "csv", [clip])
    (row,) = read_csv(tmp_path / "a.csv")
    assert [row[n] for n in ("success", "status", "frame")] == ["0", "unreadable", ""]
    assert len(read_csv(tmp_path / "a.people.csv")) == 1


def test_what_has_no_place_on_standard_output_is_counted(capsysbinary):
    with open_sink("csv", None) as sink:
        for row in ROWS:
            sink.write(row)
    assert sink.left_out == 1


def test_a_script_for_openface_gets_right_means(tmp_path):
    pd = pytest.importorskip("pandas")
    rows = [
        Analysis("c.mp4", frame=n, time=n / 10, face=0, track=0, detection=0.9, pose=Pose(0, 0, 0),
                 action_units=(ActionUnit(12, True, 0.9, float(n)), ActionUnit(43, n > 2)))
        for n in range(5)
    ]  # fmt: skip
    blank = Analysis("c.mp4", frame=5, time=0.5, status="no_face")
    peak = Analysis("c.mp4", kind="track", frame=4, time=0.4, track=0, start=0.0, end=0.4,
                    action_units=(ActionUnit(12, True, 0.9, 5.0),))  # fmt: skip
    write(tmp_path / "a.csv", "csv", [*rows, blank, peak], action_units=(12, 43))
    frame = pd.read_csv(tmp_path / "a.csv")
    good = frame[(frame["success"] == 1) & (frame["confidence"] > 0.5)]
    assert list(good["frame"]) == [1, 2, 3, 4, 5]
    assert good["AU12_r"].mean() == 2.0
    assert good["AU45_c"].mean() == pytest.approx(0.4)
    assert frame["confidence"].min() == 0
    table = to_frame([*rows, blank, peak])
    assert table[table["success"] == 1]["AU12_r"].mean() == 2.0


def _turned(pose):
    """The rotation on OpenFace's axes, from what the angles of `Pose` say."""

    def about(axis, degrees):
        c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        a, b = [(1, 2), (2, 0), (0, 1)][axis]
        made = np.eye(3)
        made[a, a], made[a, b], made[b, a], made[b, b] = c, -s, s, c
        return made

    return about(1, -pose.yaw) @ about(0, -pose.pitch) @ about(2, pose.roll)


@pytest.mark.parametrize("angles", [(20, 0, 0), (0, 15, 0), (0, 0, 170), (-35, 25, -130)])
def test_pose_is_openfaces_rotation(angles):
    pose = Pose(*angles)
    rx, ry, rz = openface_pose(pose)
    turned = _turned(Pose(0, -math.degrees(rx), 0)) @ _turned(Pose(-math.degrees(ry), 0, 0))
    assert turned @ _turned(Pose(0, 0, math.degrees(rz))) == pytest.approx(_turned(pose))
    yaw, pitch, _ = (math.radians(v) for v in angles)
    # The nose, (0, 0, -1) when it points to the camera: right is yaw, up is pitch.
    nose = _turned(pose) @ [0, 0, -1]
    assert nose == pytest.approx(
        [math.sin(yaw) * math.cos(pitch), -math.sin(pitch), -math.cos(yaw) * math.cos(pitch)]
    )


def test_signs_of_pose_are_openfaces():
    assert openface_pose(Pose(30, 0, 0)) == pytest.approx((0, -math.pi / 6, 0))  # nose to the right
    assert openface_pose(Pose(0, 30, 0)) == pytest.approx((-math.pi / 6, 0, 0))  # looks up
    assert openface_pose(Pose(0, 0, 30)) == pytest.approx((0, 0, math.pi / 6))  # clockwise


def test_spreadsheets_run_no_cell(tmp_path):
    names = ("=cmd|' /C calc'!A0", "+1+1", "-2+3.jpg", "@SUM(1)", "\t=1", "\r=1", "\uff1d1")
    rows = [Analysis(n, text=n, warnings=(n,), valence=-0.5, detection=0.5) for n in names]
    write(tmp_path / "a.csv", "csv", rows)
    for row, name in zip(read_csv(tmp_path / "a.csv"), names, strict=True):
        assert {row["source"], row["text"], row["warnings"]} == {f"'{name}"}
        assert float(row["valence"]) == -0.5  # numbers stay numbers


def test_csv_holds_neither_nan_nor_none(tmp_path):
    write(tmp_path / "out", "csv", ROWS)
    cells = {cell.lower() for row in read_csv(tmp_path / "out") for cell in row.values()}
    assert not cells & {"nan", "none", "null", "inf"}


def test_csv_units_are_those_of_the_model(tmp_path):
    write(tmp_path / "out", "csv", ROWS, action_units=(12, 43))
    names = [n for n in read_csv(tmp_path / "out")[0] if n.startswith("AU")]
    assert {n[:4] for n in names} == {f"AU{au:02d}" for au in (*OPENFACE_UNITS, 43)}
    assert len(names) == 3 * (len(OPENFACE_UNITS) + 1)
    with pytest.raises(ValueError, match="unknown action unit 3"):
        open_sink("csv", tmp_path / "out", action_units=(3,))


@pytest.mark.parametrize(
    ("left", "right", "present"),
    [
        (True, None, True),
        (False, None, None),
        (False, False, False),
        (True, False, True),
    ],
)
def test_sides_are_merged_without_guessing(left, right, present):
    units = [ActionUnit(14, left, 0.4, 1.0, "left")]
    if right is not None:
        units.append(ActionUnit(14, right, 0.6, 2.0, "right"))
    (merged,) = merge_sides(units)
    assert merged.present is present
    if right is not None:
        assert (merged.probability, merged.intensity) == (0.6, 2.0)


def test_file_names_that_are_no_utf8(tmp_path):
    row = Analysis("bad\udcff.jpg", status="unreadable")
    write(tmp_path / "a", "jsonl", [row])
    assert list(read_rows(tmp_path / "a")) == [row]
    write(tmp_path / "b", "parquet", [row])
    assert next(read_rows(tmp_path / "b")).source == "bad\\udcff.jpg"
    write(tmp_path / "c", "csv", [row])
    assert read_csv(tmp_path / "c")[0]["source"] == "bad\\udcff.jpg"


def test_reading_names_the_bad_line(tmp_path):
    good = ROWS[0].to_json()
    (tmp_path / "a").write_text(good + "\n\n" + good[:40] + "\n", encoding="utf-8")
    rows = read_rows(tmp_path / "a")
    assert next(rows) == ROWS[0]
    with pytest.raises(SchemaError, match="line 3"):
        next(rows)
    (tmp_path / "b").write_bytes(b"PAR1 and no more")
    with pytest.raises(SchemaError, match="not a table of mien's rows"):
        list(read_rows(tmp_path / "b"))
    with pytest.raises(FileNotFoundError):
        list(read_rows(tmp_path / "c"))


def test_writing_outside_a_with_block_is_an_error(tmp_path):
    for format in FORMATS:
        with pytest.raises(ValueError, match="with block"):
            open_sink(format, tmp_path / "out").write(ROWS[0])
    with pytest.raises(ValueError, match="not jsonl, csv or parquet"):
        open_sink("xml", tmp_path / "out")


def test_frame():
    pytest.importorskip("pandas")
    frame = to_frame(ROWS)
    assert list(frame.columns) == list(column_names(None, "all"))
    assert frame["AU12_r"].dtype == float
    assert frame["AU12_r"][0] == 3.4
    assert math.isnan(frame["AU01_r"][0])
    assert frame["AU12_c"].sum() == 2
    assert frame["success"].isna().tolist() == [row.kind != "face" for row in ROWS]
    assert frame["success"].sum() == 3
    assert to_frame([]).shape == (0, len(column_names(None, "all")))


def test_frame_without_pandas_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r"pip install 'mien\[frame\]'"):
        to_frame(ROWS)


def test_cells_are_json_types():
    json.dumps(row_cells(ROWS[0]), allow_nan=False)


def test_imports_no_heavy_package():
    code = (
        "import sys, mien.sinks, mien.draw, mien.report, mien.table;"
        "print(sorted({'torch', 'pandas', 'pyarrow', 'mediapipe'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
