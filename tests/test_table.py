import io

from rich.console import Console

from mien import facs
from mien.schema import ActionUnit, Analysis, Expression
from mien.table import render_table


def shown(rows, width=80):
    file = io.StringIO()
    Console(file=file, width=width, force_terminal=False).print(render_table(rows))
    return file.getvalue()


def smile(source="photo.jpg", **more):
    scores = {n: 0.94 if n == "happiness" else 0.01 for n in facs.LABEL_SETS["basic7"]}
    units = (ActionUnit(25, True, 0.8, 3.0), ActionUnit(6, True, 0.8, 2.1),
             ActionUnit(4, False, 0.1, 0.0), ActionUnit(12, True, 0.9, 4.0),
             ActionUnit(14, True, side="right"))  # fmt: skip
    return Analysis(source, face=0, expression=Expression("happiness", scores=scores),
                    action_units=units, **more)  # fmt: skip


def test_a_face_is_a_line():
    text = shown([smile()])
    assert "photo.jpg" in text
    assert "happiness 94 %" in text
    assert "6B 12D R14 25C" in text


def test_unknown_is_a_dash_and_no_unit_is_none():
    line = shown([Analysis("a.jpg", face=1)]).splitlines()[-2]
    assert line.split() == ["a.jpg", "1", "-", "-"]
    assert "none" in shown([Analysis("a.jpg", face=1, action_units=())])


def test_reasons_are_shown():
    text = shown([Analysis("b.jpg", status="unreadable", warnings=("the file is cut",))], 120)
    assert "could not be read; the file is cut" in text


def test_names_are_no_markup_and_reach_no_terminal_control():
    text = shown([smile("[bold]x[/] \x1b[2J.jpg"), smile("bad\udcff.jpg")])
    assert "[bold]x[/]" in text
    assert "\x1b" not in text
    assert "bad\\udcff.jpg" in text


def test_fits_80_columns_however_long_the_names():
    rows = [smile("/home/" + "very_long_folder/" * 9 + "picture.jpg", time=4.0),
            smile("n" * 300, warnings=("w" * 200,))]  # fmt: skip
    text = shown(rows)
    assert max(map(len, text.splitlines())) <= 80
    assert "picture.jpg" in text


def test_a_long_common_folder_is_said_once():
    folder = "/home/someone/a/very/long/folder/of/a/study/session_07/"
    text = shown([smile(folder + f"p{n:02d}/face_{n}.jpg") for n in range(5)])
    assert text.count("session_07") == 1
    assert text.splitlines()[0].strip() == f"in {folder}"
    assert all(f"p{n:02d}/face_{n}.jpg" in text for n in range(5))
    assert len(text.splitlines()) == 1 + 3 + 5 + 1  # a line each


def test_short_names_stand_as_they_were_given():
    text = shown([smile("a/photo.jpg"), smile("a/other.jpg")])
    assert "a/photo.jpg" in text
    assert " in a/" not in text


def test_a_long_name_is_a_line_that_shows_its_end():
    text = shown([smile("x" * 100 + "_1.jpg"), smile("x" * 100 + "_2.jpg")])
    lines = [line for line in text.splitlines() if ".jpg" in line]
    assert [line.split()[0][-6:] for line in lines] == ["_1.jpg", "_2.jpg"]
    assert len(text.splitlines()) == 3 + 2 + 1


def test_names_that_differ_in_the_middle_only_are_whole():
    names = [f"{'a' * 30}{n}{'b' * 30}.jpg" for n in range(2)]
    text = shown([smile(name) for name in names])
    told = "".join(line.split("  ")[0].strip() for line in text.splitlines()[2:])
    assert all(name in told for name in names)


def test_videos_have_a_time():
    assert " at " not in shown([smile()])
    assert "4.00 s" in shown([smile(frame=120, time=4.0)])
    assert "0.5-2.0 s" in shown([smile(kind="track", start=0.5, end=2.0)])


def test_no_rows():
    assert "source" in shown([])
