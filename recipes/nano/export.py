"""The finished model into the package: half precision, figures, description, checksums."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch

from mien.engines.local_responder import LocalResponder
from mien.weights import weights_dir, write_manifest

LICENCE = "weights: research use (trained on the pictures of FER2013)"
TRAINED_ON = (
    "FERPlus train (26 k faces, web images, ten votes each); 15 k rendered faces of Anny and "
    "ICT-FaceKit; encoder from HSE-FaceRes (VGGFace2)"
)


def export(responder: LocalResponder, figures: dict[str, Any], run: Path) -> Path:
    """Writes `mien/weights/nano` and its manifest entry.

    Args:
        responder: the calibrated model.
        figures: from `score.figures`.
        run: folder of the run, for the curves.

    Returns:
        The folder in the package.
    """
    folder = weights_dir("nano")
    folder.mkdir(exist_ok=True)
    parameters = sum(p.numel() for p in responder.core.model.parameters())
    config = responder.core.model.config
    for part in (config, config.vision_config, config.text_config):
        part._name_or_path = ""  # the folder of this machine says nothing to others
    responder.core.model.to(torch.float16).save_pretrained(folder)
    responder.core.model.to(torch.float32)
    responder.core.processor.save_pretrained(folder)
    votes, text = figures["ferplus_validation"], figures["text"]
    bench = figures["feabench_synth"]["nano"]
    about = {
        "architecture": "FEALLM",
        "parameters": parameters,
        "licence": LICENCE,
        "trained_on": TRAINED_ON,
        "action_units": list(responder.action_units),
        "headline": {
            "FERPlus validation WAR": votes["war"],
            "FERPlus validation UAR": votes["uar"],
            "calibration error": votes["ece"],
            "AU macro-F1, FEABench-Synth": bench["macro_f1"],
            "AU AUC, FEABench-Synth": bench["auc"],
            "LFW UAR, classes of 100+": figures["lfw"]["mediapipe"]["uar_of_classes_with_100"],
            "parse rate": text["parse_rate"],
        },
    }
    (folder / "about.json").write_text(json.dumps(about, indent=1) + "\n")
    (folder / "figures.json").write_text(json.dumps(figures, indent=1) + "\n")
    for stage, place in (("encoder", "encoder"), ("multimodal", "multimodal/multimodal")):
        curves = run / place / "curves.png"
        if curves.exists():
            shutil.copy(curves, Path(__file__).parent / f"curves-{stage}.png")
    for file in folder.iterdir():
        file.chmod(0o644)
    write_manifest("nano")
    return folder
