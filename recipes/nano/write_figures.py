"""The figures of nano into README.md and its card: `python -m recipes.nano.write_figures`.

Tables go between `<!-- figures -->` and `<!-- /figures -->`; the README's example between
`<!-- example -->` and `<!-- /example -->` is what the installed model says of the example picture.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mien.weights import verify, weights_dir

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
SPEED = ROOT / "benchmarks" / "speed.json"
PREVIOUS = Path(__file__).with_name("previous_figures.json")
"""What the weights before scored on the same faces, by the same code."""
EXAMPLE = ROOT / "examples" / "astronaut.jpg"


def main() -> None:
    folder = weights_dir("nano")
    found = json.loads((folder / "figures.json").read_text(encoding="utf-8"))
    speed = json.loads(SPEED.read_text(encoding="utf-8")) if SPEED.exists() else None
    previous = json.loads(PREVIOUS.read_text(encoding="utf-8")) if PREVIOUS.exists() else None
    overview = [
        overview_table(found),
        units_overview(found),
        photo_sentence(found),
        lfw_sentence(found),
        text_sentence(found),
    ]
    if speed is not None:
        overview.append(speed_table(speed))
    classes = [
        *(
            []
            if previous is None
            else ["### Beside the weights before", comparison(previous, found)]
        ),
        "### By unit",
        unit_table(found),
        group_table(found),
        "### By class",
        class_table(found),
        lfw_class_table(found),
        confusion_table(found),
    ]
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
    """Expressions on FERPlus validation."""
    votes, single = found["ferplus_validation"], found["fer2013_validation"]
    rows = [
        [
            "FERPlus, majority of ten votes, eight classes",
            str(votes["faces"]),
            f"{number(votes['war'])} {interval(votes['war_interval'])}",
            f"{number(votes['uar'])} {interval(votes['uar_interval'])}",
        ],
        [
            "the same pictures, FER2013's own labels, seven classes, by the head for them",
            str(single["faces"]),
            f"{number(single['war'])} {interval(single['war_interval'])}",
            number(single["uar"]),
        ],
    ]
    before = (
        "Official `validation` part, scored once. WAR is the accuracy, UAR the mean recall of the"
        " classes, in\nbrackets 95 % bootstrap intervals.\n\n"
    )
    neutral, by_votes = votes["per_class"]["neutral"]["recall"], single["war_by_votes"]
    crossed, own = number(votes["votes_cross_entropy"]), number(votes["votes_entropy"])
    after = (
        "\n\nFER2013's own labels mean something else than the votes, so a head of their own tells"
        f" them\n(`mien bench fer2013`); the expression by votes meets {number(by_votes)} of them."
        f"\nRecall of neutral {number(neutral)}. The scores are shares of votes, on average lower"
        f" than the share of right\nanswers (calibration error {number(votes['ece'])}); their cross"
        f" entropy to the votes is {crossed},\nof which {own} is the voters' own disagreement."
    )
    return before + table(("labels", "faces", "WAR (accuracy)", "UAR"), rows) + after


def comparison(before: dict[str, Any], found: dict[str, Any]) -> str:
    """The main figures of two sets of weights, on the same faces."""
    rows = []
    for name, read in _COMPARED.items():
        rows.append([name, *(number(read(one)) for one in (before, found))])
    intro = (
        "The weights of commit 237948e (no contempt), scored by the same code on the same faces:"
    )
    return f"{intro}\n\n" + table(("figure", "before", "now"), rows)


_COMPARED: dict[str, Callable[[dict[str, Any]], float]] = {
    "FERPlus `validation`, WAR": lambda f: f["ferplus_validation"]["war"],
    "FERPlus `validation`, UAR": lambda f: f["ferplus_validation"]["uar"],
    "recall of neutral there": lambda f: f["ferplus_validation"]["per_class"]["neutral"]["recall"],
    "calibration error there": lambda f: f["ferplus_validation"]["ece"],
    "FER2013's own labels there, WAR": lambda f: f["fer2013_validation"]["war"],
    "LFW expressions as given, WAR": lambda f: f["lfw"]["whole"]["war"],
    "LFW expressions as given, UAR of classes of 100 and more": lambda f: f["lfw"]["whole"][
        "uar_of_classes_with_100"
    ],
    "FEABench-Synth, AU macro-F1": lambda f: f["feabench_synth"]["nano"]["macro_f1"],
    "FEABench-Synth, AU AUC": lambda f: f["feabench_synth"]["nano"]["auc"],
    "FEABench-Synth, PCC": lambda f: f["feabench_synth"]["nano"]["pcc"],
    "FEABench-Synth, ICC(3,1)": lambda f: f["feabench_synth"]["nano"]["icc_3_1"],
    "rendered prototypes, WAR": lambda f: f["feabench_synth"]["expression"]["war_of_prototypes"],
    "LFW: AU12 on happy faces": lambda f: f["lfw_units"]["au12_of_happiness"],
    "LFW: AU12 on sad or angry ones with closed lips": lambda f: f["lfw_units"][
        "au12_of_sadness_and_anger_closed"
    ],
    "texts replaced": lambda f: f["text"]["written_from_numbers"],
}


def units_overview(found: dict[str, Any]) -> str:
    """Nano and two baselines on rendered faces of unseen people."""
    bench = found["feabench_synth"]
    rows = [
        [name, *(number(bench[key][column]) for column in ("macro_f1", "auc"))]
        for name, key in (
            ("mien/nano", "nano"),
            ("ridge regression on MediaPipe's points and blendshapes", "ridge"),
            ("MediaPipe's raw blendshapes, best threshold of each unit", "blendshapes"),
        )
    ]
    rows.append(["every unit always present", number(bench["nano"]["always_on_f1"]), "0.500"])
    nano, expression = bench["nano"], bench["expression"]
    before = (
        f"FEABench-Synth v1, {bench['faces']} rendered faces of unseen people, 19 action units,"
        f" present at B or more.\nA face that was not found ({bench['no_face']} of them) counts as"
        " wrong.\n\n"
    )
    after = (
        f"\n\nIntensities of nano, means over the units: PCC {number(nano['pcc'])}, ICC(3,1)"
        f" {number(nano['icc_3_1'])}, MAE {number(nano['mae'])} of 5.\nExpression right on"
        f" {100 * expression['war']:.1f} % of the {expression['faces']} faces that show one of its"
        f" eight, and on {100 * expression['war_of_prototypes']:.1f} % of the"
        f"\n{expression['prototypes']} that are whole prototypes or neutral."
    )
    return before + table(("units by", "macro-F1", "AUC"), rows) + after


def photo_sentence(found: dict[str, Any]) -> str:
    """Units on photographs, checked by labels and landmarks."""
    units = found["lfw_units"]

    def pair(name: str) -> str:
        nano, mediapipe = (number(units[f"{name}_{who}"], 2) for who in ("nano", "mediapipe"))
        return f"{nano} ({mediapipe})"

    return (
        "On LFW photographs, which have no unit labels: AU12 is called on"
        f" {100 * units['au12_of_happiness']:.1f} % of {units['happiness']} happy faces\nand on"
        f" {100 * units['au12_of_sadness_and_anger_closed']:.1f} % of"
        f" {units['sadness_and_anger_closed']} sad or angry ones with closed lips. Rank correlation"
        " with landmarks that\nlabelled nothing (MediaPipe's blendshapes beside it): AU25 with the"
        f" gap of the lips {pair('au25_gap')}, AU26 with\nthe lower lip's distance from the nose"
        f" {pair('au26_lower_lip')} and with the chin's {pair('au26_chin')}, AU43 with the closure"
        f"\nof the eyes {pair('au43_closure')}."
    )


def unit_table(found: dict[str, Any]) -> str:
    """Each unit on FEABench-Synth, beside the baselines."""
    bench = found["feabench_synth"]
    rows = [
        [
            f"AU{au}",
            f"{unit['present']} of {unit['known']}",
            *(number(unit[key], 2) for key in ("f1", "auc", "always_on_f1")),
            number(bench["ridge"]["units"][au]["f1"], 2),
            number(bench["blendshapes"]["units"][au]["f1"], 2),
            *(number(unit[key], 2) for key in ("pcc", "icc_3_1", "mae")),
        ]
        for au, unit in bench["nano"]["units"].items()
    ]
    head = (
        *("unit", "present", "F1", "AUC", "always-on F1", "ridge F1", "blendshape F1"),
        *("PCC", "ICC(3,1)", "MAE"),
    )
    return "FEABench-Synth v1:\n\n" + table(head, rows)


def group_table(found: dict[str, Any]) -> str:
    """Units by group of the rendered people."""
    rows = [
        [name, str(group["faces"]), number(group["macro_f1"])]
        for name, group in found["feabench_synth"]["by_group"].items()
    ]
    before = "Units by group on FEABench-Synth (gender and ancestry are Anny's sliders):\n\n"
    return before + table(("group", "faces", "macro-F1"), rows)


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
    """Recall and precision by class on FERPlus."""
    rows = [
        [name, number(s["recall"]), number(s["precision"]), str(s["support"])]
        for name, s in found["ferplus_validation"]["per_class"].items()
    ]
    return "FERPlus `validation`:\n\n" + table(("class", "recall", "precision", "faces"), rows)


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
    scores = found["ferplus_validation"]
    names, matrix = list(scores["per_class"]), scores["confusion"]
    answers = [*names, *["none"] * (len(matrix[0]) - len(names))]
    rows = [[f"**{n}**", *map(str, counts)] for n, counts in zip(names, matrix, strict=False)]
    before = "Confusion on FERPlus `validation` (true class in rows, answer in columns):\n\n"
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
