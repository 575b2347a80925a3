"""The figures of nano-video into its card and docs/nano_video.md.

Tables go between `<!-- figures -->` and `<!-- /figures -->`, and in the page also between
`<!-- ablations -->` and `<!-- /ablations -->`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from mien.weights import weights_dir
from recipes.nano.write_figures import replace_between

PAGE = Path(__file__).parents[2] / "docs" / "nano_video.md"
STILLS = (
    ("fer", "FER2013 `validation`, priors of the finder"),
    ("fer_without_priors", "FER2013 `validation`, crops as they are (`--faces whole`)"),
    ("feabench", "FEABench-Synth v1"),
    ("feabench_without_priors", "FEABench-Synth v1, without priors"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--figures", type=Path, help="figures.json; that of the weights by default")
    parser.add_argument("--ablations", type=Path, help="ablations.json of the run")
    options = parser.parse_args()
    folder = weights_dir("nano_video")
    found = json.loads((options.figures or folder / "figures.json").read_text(encoding="utf-8"))
    text = "\n\n".join([clip_table(found), case_table(found), still_table(found)])
    pages = [page for page in (PAGE, folder / "CARD.md") if page.exists()]
    for page in pages:
        replace_between(page, "figures", text)
    if options.ablations:
        table = ablation_table(json.loads(options.ablations.read_text(encoding="utf-8")))
        replace_between(PAGE, "ablations", table)


def with_interval(value: float, interval: list[float]) -> str:
    """A value and its interval."""
    return f"{value:.3f} [{interval[0]:.3f}, {interval[1]:.3f}]"


def signed(part: dict[str, Any], name: str) -> str:
    """A difference and its interval."""
    low, high = part[f"{name}_interval"]
    return f"{part[name]:+.3f} [{low:+.3f}, {high:+.3f}]"


def clip_table(found: dict[str, Any]) -> str:
    """Clips: nano-video and the ways to pool nano's answers to the frames."""
    own = found["clips"]["nano-video"]
    lines = [
        f"{own['clips']} rendered clips of {own['people']} unseen people, {own['labelled']} of them"
        " with an expression of the seven. In brackets 95 % intervals by person; differences are"
        " paired.",
        "",
        "| who answers | UAR | WAR | AU macro-F1 | nano-video's lead in UAR | in AU macro-F1 |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in found["clips"].items():
        label = "mien/nano-video" if name == "nano-video" else f"mien/nano, {name} of the frames"
        cells = [
            label,
            with_interval(row["uar"], row["uar_interval"]),
            f"{row['war']:.3f}",
            with_interval(row["au_macro_f1"], row["au_interval"]),
        ]
        part = found["clips_difference"].get(name)
        cells += [signed(part, n) for n in ("uar", "au_macro_f1")] if part else ["", ""]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def case_table(found: dict[str, Any]) -> str:
    """WAR by kind of clip."""
    names = list(found["clips"])
    lines = [
        "WAR by kind of clip:",
        "",
        "| kind | clips | " + " | ".join(names) + " |",
        "|---|---|" + "---|" * len(names),
    ]
    for case, row in found["clips_by_case"].items():
        values = " | ".join(f"{row[name]['war']:.3f}" for name in names)
        lines.append(f"| {case} | {row['clips']} | {values} |")
    return "\n".join(lines)


def still_table(found: dict[str, Any]) -> str:
    """Stills: nano-video beside nano."""
    lines = [
        "Stills, as clips of one frame:",
        "",
        "| set | model | WAR | UAR | AU macro-F1 |",
        "|---|---|---|---|---|",
    ]
    for key, title in STILLS:
        for name in ("nano-video", "nano"):
            row = found[key][name]
            units = row["au_macro_f1"]
            f1 = "" if units != units else with_interval(units, row["au_interval"])
            war = with_interval(row["war"], row["war_interval"])
            lines.append(f"| {title} | mien/{name} | {war} | {row['uar']:.3f} | {f1} |")
    return "\n".join(lines)


def ablation_table(found: dict[str, Any]) -> str:
    """Each run on clips and stills; differences to the whole with intervals."""
    lines = [
        "| run | clips: UAR | less the whole | clips: AU macro-F1 | less the whole "
        "| FEABench-Synth: UAR | less the whole | FEABench-Synth: AU macro-F1 | less the whole |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, row in found.items():
        clips, bench = row["clips"], row["feabench"]
        less, bench_less = clips.get("less_whole"), bench.get("less_whole")
        cells = [
            name,
            f"{clips['uar']:.3f}",
            signed(less, "uar") if less else "",
            f"{clips['au_macro_f1']:.3f}",
            signed(less, "au_macro_f1") if less else "",
            f"{bench['uar']:.3f}",
            signed(bench_less, "uar") if bench_less else "",
            f"{bench['au_macro_f1']:.3f}",
            signed(bench_less, "au_macro_f1") if bench_less else "",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
