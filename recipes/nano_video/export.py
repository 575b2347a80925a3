"""The finished model into the package: weights in half precision, figures, checksums."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel

from mien.weights import weights_dir, write_manifest

from .low_rank import fold_low_rank
from .scripts import FPS, FRAMES

LICENCE = "weights: research use (trained on FER2013)"


def install(model: Any, processor: Any, figures: dict[str, Any], run: Path) -> Path:
    """Writes `mien/weights/nano_video` and its manifest entry.

    Args:
        model: trained and calibrated.
        processor: its processor.
        figures: from `score`.
        run: folder of the run, for the curves.

    Returns:
        The folder in the package.
    """
    folder = weights_dir("nano_video")
    config = model.config
    save_whole(model, folder)
    processor.save_pretrained(folder)
    clips, stills = figures["clips"], figures["fer_without_priors"]["nano-video"]
    about = {
        "architecture": "EMO-LLaMA",
        "parameters": sum(p.numel() for p in model.parameters()),
        "licence": LICENCE,
        "trained_on": (
            "rendered clips of Anny and ICT-FaceKit; FER2013 train; rendered faces; "
            "encoder and decoder of mien/nano"
        ),
        "action_units": list(config.action_units),
        "frames": FRAMES,
        "frames_per_second": FPS,
        "headline": {
            "UAR, rendered clips": clips["nano-video"]["uar"],
            "AU macro-F1, rendered clips": clips["nano-video"]["au_macro_f1"],
            "UAR, rendered clips, mean of mien/nano": clips["mean"]["uar"],
            "FER2013 validation WAR": stills["war"],
            "AU macro-F1, FEABench-Synth": figures["feabench"]["nano-video"]["au_macro_f1"],
        },
    }
    (folder / "about.json").write_text(json.dumps(about, indent=1) + "\n")
    (folder / "figures.json").write_text(json.dumps(figures, indent=1) + "\n")
    curves = run / "run-0" / "curves.png"
    if curves.exists():
        shutil.copy(curves, Path(__file__).parent / "curves.png")
    for file in folder.rglob("*"):
        if file.is_file():
            file.chmod(0o644)
    write_manifest("nano_video")
    return folder


def save_whole(model: PreTrainedModel, folder: Path) -> None:
    """Writes an ordinary folder, in half precision, which `from_pretrained` loads.

    Args:
        model: its low-rank differences, if any, are added in; it is in half precision afterwards.
        folder: to write to.
    """
    fold_low_rank(model)
    config: Any = model.config
    for part in (config, config.vision_config, config.text_config, config.qformer_config):
        part._name_or_path = ""  # the folder of this machine says nothing to others
    model.to(torch.float16).save_pretrained(folder)  # type: ignore[arg-type]
