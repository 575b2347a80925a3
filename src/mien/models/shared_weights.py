"""Models inside the package that store only what differs from another one beside them.

Such a folder has a model's config and processor, `shared.json` (whose weights it is built on) and
`own.safetensors`: tensors of its own under their names, and low-rank differences as NAME plus
".low_rank_a" (r, in) and ".low_rank_b" (out, r). It has no `model.safetensors`, so that nobody
loads it by half. `mien.weights` holds such folders; `export_full` makes an ordinary one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor, PreTrainedModel
from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING

from mien.partfile import write_whole
from mien.weights import WeightsError, verify

ABOUT, OWN, WHOLE = "shared.json", "own.safetensors", "model.safetensors"
_A, _B = ".low_rank_a", ".low_rank_b"


def is_shared(folder: Path) -> bool:
    """Whether a folder stores only what differs from other weights."""
    return (folder / ABOUT).is_file()


def save_shared(model: PreTrainedModel, folder: Path, *, base: str) -> None:
    """Writes config, `shared.json` and `own.safetensors`, in half precision.

    Args:
        model: may hold `LowRankLinear` layers.
        folder: to write to.
        base: name of the weights (`mien.weights`) that it shares.
    """
    folder.mkdir(parents=True, exist_ok=True)
    place = verify(base)
    shared = load_file(place / WHOLE)
    own: dict[str, Tensor] = {}
    for name, tensor in model.state_dict().items():
        half = tensor.detach().to(torch.float16) if tensor.is_floating_point() else tensor
        same = name in shared and shared[name].shape == half.shape
        if same and torch.equal(shared[name], half.to(shared[name].dtype)):
            continue
        if name == "lm_head.weight" and model.config.tie_word_embeddings:
            continue
        own[name] = half.contiguous()
    for name in [n for n in own if n.endswith((_A, _B))]:
        stem = name.removesuffix(_A).removesuffix(_B)
        own[stem + ".weight" + name[len(stem) :]] = own.pop(name)
    save_file(own, folder / OWN)
    about = {"base": base, "sha256": _sha256(place / WHOLE)}
    write_whole(folder / ABOUT, (json.dumps(about, indent=1) + "\n").encode())
    model.config.save_pretrained(folder)


def load_shared(folder: Path, *, dtype: torch.dtype, **settings: Any) -> PreTrainedModel:
    """The whole model of such a folder, in eval mode.

    Args:
        folder: with `shared.json`.
        dtype: of the weights.
        **settings: for `from_pretrained`.

    Raises:
        WeightsError: if it was made on other weights than those that are installed.
    """
    about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    base = verify(about["base"]) / WHOLE
    if _sha256(base) != about["sha256"]:
        raise WeightsError(
            f"{folder / ABOUT}: made on other weights of {about['base']!r} than those installed; "
            "reinstall mien, or make these weights again"
        )
    config = AutoConfig.from_pretrained(folder)
    with torch.device("meta"):
        names = set(_class_of(config)(config).state_dict())
    shared = {name: tensor for name, tensor in load_file(base).items() if name in names}
    state = merged(shared, load_file(folder / OWN))
    model: Any = _class_of(config).from_pretrained(
        None, config=config, state_dict=state, dtype=dtype, **settings
    )
    return model.eval()


def merged(shared: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of both, low-rank differences added in; float32 where something is added."""
    state = dict(shared)
    for name, tensor in own.items():
        if name.endswith(_A):
            stem = name.removesuffix(_A)
            low, high = tensor.float(), own[stem + _B].float()
            state[stem] = shared[stem].float() + high @ low
        elif not name.endswith(_B):
            state[name] = tensor
    return state


def export_full(folder: Path, out: Path) -> None:
    """Writes such a model as an ordinary folder, which `from_pretrained` loads.

    Args:
        folder: with `shared.json`.
        out: to write to.
    """
    model = load_shared(folder, dtype=torch.float32)
    model.to(torch.float16).save_pretrained(out)  # type: ignore[arg-type]
    AutoProcessor.from_pretrained(folder).save_pretrained(out)


def _class_of(config: Any) -> Any:
    import mien.models  # noqa: F401  registers the architectures with the Auto classes

    assert AutoModelForImageTextToText is not None
    return MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING[type(config)]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
