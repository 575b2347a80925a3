"""The figures of nano into README.md and its card: `python -m recipes.nano.write_figures`.

Tables go between `<!-- figures -->` and `<!-- /figures -->`; the README's example between
`<!-- example -->` and `<!-- /example -->` is what the installed model says of the example picture.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mien.weights import verify, weights_dir

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
SPEED = ROOT / "benchmarks" / "speed.json"
EXAMPLE = ROOT / "examples" / "astronaut.jpg"


def main() -> None:
    folder = weights_dir("nano")
    found = json.loads((folder / "figures.json").read_text(encoding="utf-8"))
    speed = json.loads(SPEED.read_text(encoding="utf-8")) if SPEED.exists() else None
    overview = [overview_table(found), lfw_sentence(found), text_sentence(found)]
    if speed is not None:
        overview.append(speed_table(speed))
    classes = ["### By class", class_table(found), lfw_class_table(found), confusion_table(found)]
    replace_between(README, "figures", "\n\n".join(overview))
    replace_between(README, "example", "```text\n" + example() + "\n```")
    replace_between(folder / "CARD.md", "figures", "\n\n".join(overview + classes))


def replace_between(path: Path, name: str, body: str) -> None:
    """Replaces what stands between `<!-- name -->` and `<!-- /name -->`.

    Raises:
        ValueError: if the file does not hold the pair exactly once.
    """
    text = path.read_text(encoding="utf-8")
    pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    if len(pattern.findall(text)) != 1:
        raise ValueError(f"{path}: needs one pair of {name} markers")
    changed = pattern.sub(lambda match: f"{match[1]}{body}\n{match[2]}", text)
    path.write_text(changed, encoding="utf-8")


def number(value: float | None, digits: int = 3) -> str:
    """A figure, or "-" where there is none."""
    return "-" if value is None or math.isnan(value) else f"{value:.{digits}f}"


def interval(ends: Sequence[float]) -> str:
    return f"[{number(ends[0])}, {number(ends[1])}]"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def overview_table(found: dict[str, Any]) -> str:
    """Nano and its rival on FER2013 validation."""
    fer, rival = found["fer2013_validation"], found.get("fer2013_validation_rival")
    war = f"{number(fer['war'])} {interval(fer['war_interval'])}"
    rows = [["mien/nano", war, number(fer["uar"]), number(fer["ece"])]]
    after = ""
    if rival is not None:
        rows.append([rival["network"], number(rival["war"]), number(rival["uar"]), "-"])
        paired = rival["paired_war_difference"]
        after = (
            f"\n\nDifference of accuracy on the same faces: {number(paired['difference'])}"
            f" {interval(paired['interval'])}."
        )
    before = (
        f"FER2013 `validation`, {fer['faces']} faces, seven classes, scored once. WAR is the"
        " accuracy, with its\n95 % bootstrap interval, UAR the mean recall of the classes.\n\n"
    )
    head = ("model", "WAR (accuracy)", "UAR", "calibration error")
    return before + table(head, rows) + after


def lfw_sentence(found: dict[str, Any]) -> str:
    """LFW expressions, which nano never saw."""
    lfw = found["lfw"]
    rows = [
        [
            name,
            str(scores["faces"]),
            str(scores["no_face"]),
            number(scores["war"]),
            number(scores["uar_of_classes_with_100"]),
        ]
        for name, scores in (("found by MediaPipe", lfw["mediapipe"]), ("as given", lfw["whole"]))
    ]
    before = (
        "LFW expressions (news photos, which nano never saw). The labels are noisy, those of"
        " disgust and\nneutral most of all, and fear is nearly absent; a face that was not found"
        " counts as wrong.\n\n"
    )
    head = ("faces", "count", "not found", "WAR", "UAR, classes of 100 and more")
    return before + table(head, rows)


def text_sentence(found: dict[str, Any]) -> str:
    """Do the answers parse and agree with the numbers?"""
    text = found["text"]
    return (
        f"Of {text['answers']} full answers {100 * text['parse_rate']:.1f} % parse;"
        f" {100 * text['expression_agrees']:.1f} % name the expression\nand"
        f" {100 * text['units_agree']:.1f} % exactly the action units of the numbers,"
        f"\n{100 * text['written_from_numbers']:.1f} % of them because contradicting words were"
        " replaced."
    )


def class_table(found: dict[str, Any]) -> str:
    """Recall and precision by class on FER2013."""
    rows = [
        [name, number(s["recall"]), number(s["precision"]), str(s["support"])]
        for name, s in found["fer2013_validation"]["per_class"].items()
    ]
    return "FER2013 `validation`:\n\n" + table(("class", "recall", "precision", "faces"), rows)


def lfw_class_table(found: dict[str, Any]) -> str:
    """Recall and precision by class on LFW."""
    rows = [
        [name, number(s["recall"]), number(s["precision"]), str(s["support"])]
        for name, s in found["lfw"]["mediapipe"]["per_class"].items()
    ]
    before = "LFW expressions, faces found by MediaPipe:\n\n"
    return before + table(("class", "recall", "precision", "faces"), rows)


def confusion_table(found: dict[str, Any]) -> str:
    """Counts: true class in rows, answer in columns."""
    scores = found["fer2013_validation"]
    names, matrix = list(scores["per_class"]), scores["confusion"]
    answers = [*names, *["none"] * (len(matrix[0]) - len(names))]
    rows = [[f"**{n}**", *map(str, counts)] for n, counts in zip(names, matrix, strict=False)]
    before = "Confusion on FER2013 `validation` (true class in rows, answer in columns):\n\n"
    return before + table(("", *answers), rows)


def speed_table(speed: dict[str, Any]) -> str:
    """Every number in the file, however nested, under its dotted name; words go into a sentence."""
    numbers: list[list[str]] = []
    words: list[str] = []

    def walk(name: str, value: Any) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                walk(f"{name}: {key}" if name else str(key), inner)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            numbers.append([name.replace("_", " "), f"{value:.4g}"])
        elif isinstance(value, str):
            words.append(f"{name.replace('_', ' ')}: {value}")

    walk("", {key: value for key, value in speed.items() if key != "figures"})
    walk("", speed["figures"])
    return f"Speed ({'; '.join(words)}):\n\n" + table(("measure", "median"), numbers)


def example() -> str:
    """What `mien analyze` prints for the example picture."""
    import io

    from rich.console import Console

    import mien
    from mien.table import render_table

    verify("nano")
    found = mien.load(device="cpu").analyze(EXAMPLE)
    rows = [replace(row, source=str(EXAMPLE.relative_to(ROOT))) for row in found]
    screen = io.StringIO()
    console = Console(file=screen, width=100, color_system=None)
    console.print(render_table(rows))
    for row in rows:
        console.print(f"\n{row.source} face {row.face}\n{row.text}", markup=False)
    return "\n".join(line.rstrip() for line in screen.getvalue().strip("\n").splitlines())


if __name__ == "__main__":
    main()
