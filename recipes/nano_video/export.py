"""The finished model into the package: what differs from mien/nano, figures, checksums."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from mien.models.shared_weights import save_shared
from mien.weights import weights_dir, write_manifest

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
    for part in (config, config.vision_config, config.text_config, config.qformer_config):
        part._name_or_path = ""  # the folder of this machine says nothing to others
    config.dtype = "float16"
    save_shared(model, folder, base="nano")
    model.generation_config.save_pretrained(folder)
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
