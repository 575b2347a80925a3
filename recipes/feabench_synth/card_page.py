"""The benchmark's card as a page to read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

_GROUPS = {
    "gender": "gender (Anny)",
    "ancestry": "ancestry (Anny)",
    "age": "age (Anny)",
    "skin_tone": "skin tone, 0 light to 1 dark",
    "hair": "hair",
    "occluder": "thing in front",
    "origin": "how the units were drawn",
}


def page(card: Mapping[str, Any]) -> str:
    """Markdown with the figures of a card.

    Args:
        card: as in `v1.json`.
    """
    total = card["pictures"]
    models = card["by_face_model"]
    near = card["psnr_to_render"]
    lines = [
        f"# {card['name']} {card['version']} in figures",
        "",
        f"{total:,} pictures of {card['people']:,} people, {card['size']} x {card['size']} pixels, "
        f"{card['bytes'] / 1e6:.1f} MB, seed {card['seed']}.",
        "",
        "SHA-256 of the Parquet file:",
        "",
        f"    {card['sha256']}",
        "",
        f"PSNR of the stored pictures to their renders: {near['mean']} dB on average, "
        f"{near['least']} dB at least.",
        "",
        "## Action units",
        "",
        "In % of all pictures; a trace (A) and a hidden unit are masked. On the right, in how many "
        "pictures of each face model the unit is present.",
        "",
        *_table(
            ["unit", "present", "trace", "hidden", "absent", *models],
            (
                [
                    f"{au} {unit['name']}",
                    *(
                        f"{100 * unit[state] / total:.1f}"
                        for state in ("present", "trace", "hidden", "absent")
                    ),
                    *(str(part["present"][au]) for part in models.values()),
                ]
                for au, unit in card["action_units"].items()
            ),
        ),
        "## Expressions",
        "",
        *_table(
            ["expression", "pictures", *models],
            (
                [name, str(count), *(str(p["expressions"].get(name, 0)) for p in models.values())]
                for name, count in card["expressions"].items()
            ),
        ),
        "## Groups",
        "",
        *_table(
            ["group", "pictures"],
            [
                *([said, _counts(card["groups"][name])] for name, said in _GROUPS.items()),
                ["yaw in degrees", _counts(card["yaw"])],
            ],
        ),
        "## Made with",
        "",
        *_table(["part", "version"], ([name, said] for name, said in card["versions"].items())),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _table(head: list[str], rows: Iterable[list[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return [*(f"| {' | '.join(cells)} |" for cells in lines), ""]


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name}: {count}" for name, count in counts.items() if name != "unknown")
