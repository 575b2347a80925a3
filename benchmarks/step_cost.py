"""What a step of each stage of a recipe costs: parameters, operations and bytes.

    python benchmarks/step_cost.py RECIPE [--set field=value ...]

The step is counted without weights: it runs forward and backward on tensors that have a shape and
no numbers, so that models of any size are counted in seconds on any machine. `full_size.py` counts
the 7B models with it.
"""

from __future__ import annotations

import argparse
import sys
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count
from transformers import AutoConfig

from mien.engines.load import EMBEDDED, own_folder
from mien.models import EmoLlamaForConditionalGeneration, FeallmForConditionalGeneration
from mien.terminal import say
from mien.train.fields import RecipeError
from mien.train.recipe import Recipe, Stage, load_recipe
from mien.train.stages import PartCount, base_of, checkpoint_activations, count_parts, prepare_stage

_ADAM = 8  # bytes of AdamW's two moments for each trained number


@dataclass(frozen=True)
class Account:
    """The cost of one step of one batch on one device.

    Attributes:
        parts: parameters of each part, trained and frozen.
        forward: floating point operations of the forward pass (a multiply-add counts as two).
        step: of forward and backward pass.
        weights: bytes of all parameters and buffers.
        gradients: bytes of the gradients.
        optimizer: bytes of AdamW's state.
        activations: bytes at the peak beside weights and gradients: what is kept for the backward
            pass and what is there for a moment.
    """

    parts: Mapping[str, PartCount]
    forward: int
    step: int
    weights: int
    gradients: int
    optimizer: int
    activations: int

    @property
    def memory(self) -> int:
        """Bytes of all of it."""
        return self.weights + self.gradients + self.optimizer + self.activations

    @property
    def trained(self) -> int:
        """Trained parameters."""
        return sum(part.trained for part in self.parts.values())

    @property
    def parameters(self) -> int:
        """All parameters."""
        return sum(part.trained + part.frozen for part in self.parts.values())


class LiveBytes(TorchDispatchMode):
    """Follows the bytes of tensors made within it, as they come and go.

    Attributes:
        now: bytes that are held.
        peak: most bytes that were held at a time.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._held: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(out):
            if isinstance(leaf, Tensor):
                self._see(leaf.untyped_storage())
        return out

    def known(self, module: nn.Module) -> None:
        """Leaves a module's own tensors out."""
        for tensor in (*module.parameters(), *module.buffers()):
            self._held.add(tensor.untyped_storage()._cdata)

    def _see(self, storage: Any) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key in self._held:
            return
        self._held.add(key)
        self.now += size
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._gone, key, size)

    def _gone(self, key: int, size: int) -> None:
        self._held.discard(key)
        self.now -= size


def account(
    model: nn.Module, run: Callable[[], Tensor], *, parts: Mapping[str, PartCount] | None = None
) -> Account:
    """Counts one step; the tensors may be real or without numbers.

    Args:
        model: whose trained parameters have `requires_grad`.
        run: the forward pass to the loss.
        parts: parameters by part; counted by `count_parts` where not given.
    """
    trained = [p for p in model.parameters() if p.requires_grad]
    live = LiveBytes()
    live.known(model)
    with _counter() as flops, live:
        loss = run()
        forward = flops.get_total_flops()
        loss.backward()
        del loss
    gradients = sum(p.grad.nbytes for p in trained if p.grad is not None)
    model.zero_grad(set_to_none=True)
    held = {t.untyped_storage()._cdata: t.untyped_storage().nbytes() for t in _tensors(model)}
    return Account(
        parts=count_parts(model) if parts is None else parts,
        forward=forward,
        step=flops.get_total_flops(),
        weights=sum(held.values()),
        gradients=gradients,
        optimizer=_ADAM * sum(p.numel() for p in trained),
        activations=max(live.peak - gradients, 0),
    )


def account_stage(
    config: Any,
    stage: Stage,
    *,
    text_tokens: int = 256,
    frames: int = 1,
) -> Account:
    """Counts a step of a stage of `mien train`.

    Args:
        config: of the model; no weights are needed.
        stage: what trains, batch size, precision.
        text_tokens: of question and answer.
        frames: of each clip, for models that read clips.
    """
    kind: Any = (
        FeallmForConditionalGeneration
        if config.model_type == "feallm"
        else EmoLlamaForConditionalGeneration
    )
    dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(stage.precision, torch.float32)
    _ = config.num_image_tokens  # probed outside, where shapes are numbers
    with torch.device("meta"):
        network = prepare_stage(kind(config).to(dtype), stage)
    if stage.gradient_checkpointing:
        checkpoint_activations(network)
    network.train()
    with FakeTensorMode(allow_non_fake_inputs=True):
        without_numbers(network)
        run = picture_step(
            network, batch=stage.batch_size, text_tokens=text_tokens, frames=frames, half=dtype
        )
        return account(network, run)


def picture_step(
    network: nn.Module, *, batch: int, text_tokens: int, frames: int = 1, half: torch.dtype
) -> Callable[[], Tensor]:
    """The forward pass of a batch to the loss, each row one picture or clip and its text.

    Args:
        network: a model of mien, perhaps within PEFT's wrapper.
        batch: rows.
        text_tokens: of each row's text, all of them learned.
        frames: of each clip, for models that read clips.
        half: dtype of the mixed precision; float32 is none.
    """
    model: Any = base_of(network)
    config, device = model.config, next(network.parameters()).device
    size = config.image_size
    shape: tuple[int, ...] = (batch, 3, size, size)
    given: dict[str, Tensor] = {}
    if config.model_type == "emo_llama":
        shape = (batch, frames, 3, size, size)
        words = torch.ones(batch, 32, dtype=torch.long, device=device)
        given = {"qformer_input_ids": words, "qformer_attention_mask": words}
    pixels = torch.rand(shape, device=device)
    ids = torch.ones(batch, text_tokens, dtype=torch.long, device=device)

    def run() -> Tensor:
        with torch.autocast(device.type, half, enabled=half != torch.float32):
            features = model.encode_images(pixels, **given).flatten(1, -2)  # (B, N, D_lm)
            return text_loss(network, features, ids, model.get_input_embeddings())

    return run


def text_loss(network: nn.Module, features: Tensor, ids: Tensor, table: Any) -> Tensor:
    """Loss of text behind picture tokens.

    Args:
        network: any language model with `inputs_embeds` and `labels`.
        features: (B, N, D_lm).
        ids: (B, T).
        table: the token embedding.
    """
    words = table(ids)  # (B, T, D_lm)
    embeds = torch.cat((features.to(words.dtype), words), dim=1)
    unseen = torch.full(features.shape[:2], -100, dtype=ids.dtype, device=ids.device)
    labels = torch.cat((unseen, ids), dim=1)
    loss: Tensor = network(inputs_embeds=embeds, labels=labels, use_cache=False).loss
    return loss


def without_numbers(model: nn.Module) -> None:
    """Puts fake CPU tensors in place of a meta model's; within a `FakeTensorMode`.

    On fake CPU tensors attention is the kernel that keeps no matrix of scores, as on a GPU; on meta
    tensors it is not.
    """
    made: dict[int, Any] = {}
    replaced = list(model.parameters())  # kept, so that no number of theirs is given out again
    for module in model.modules():
        for name, tensor in module._parameters.items():
            if tensor is not None:
                if id(tensor) not in made:
                    values = torch.empty(tensor.shape, dtype=tensor.dtype)
                    made[id(tensor)] = nn.Parameter(values, requires_grad=tensor.requires_grad)
                module._parameters[name] = made[id(tensor)]
        for name, buffer in module._buffers.items():
            if buffer is not None:
                module._buffers[name] = torch.empty(buffer.shape, dtype=buffer.dtype)
    del replaced


def _tensors(model: nn.Module) -> list[Tensor]:
    return [*model.parameters(), *model.buffers()]


def _counter() -> FlopCounterMode:
    """PyTorch's counter, with the attention kernel that CPUs have."""
    ops: Any = torch.ops.aten

    def forward(q: Any, k: Any, v: Any, *_: Any, out_shape: Any = None, **__: Any) -> int:
        return int(sdpa_flop_count(q, k, v))

    def backward(g: Any, q: Any, k: Any, v: Any, *_: Any, out_shape: Any = None, **__: Any) -> int:
        return int(sdpa_backward_flop_count(g, q, k, v))

    return FlopCounterMode(
        display=False,
        custom_mapping={
            ops._scaled_dot_product_flash_attention_for_cpu: forward,
            ops._scaled_dot_product_flash_attention_for_cpu_backward: backward,
        },
    )


def recipe_lines(recipe: Recipe) -> Iterator[str]:
    """A few lines a stage: parameters, operations and memory of a step on one device.

    Args:
        recipe: whose start model's configuration can be read; weights are not needed.
    """
    folder = own_folder(recipe.start) if recipe.start in EMBEDDED else None
    config = AutoConfig.from_pretrained(recipe.start if folder is None else folder)
    for stage in recipe.stages:
        frames = (stage.data or recipe.data).frames
        found = account_stage(config, stage, frames=frames)
        yield (
            f"{stage.name}: {found.parameters / 1e6:,.1f} M parameters, "
            f"{found.trained / 1e6:,.1f} M of them trained"
        )
        yield (
            f"{stage.name}: {found.step / 1e12:.3g} TFLOP for a batch of {stage.batch_size}, "
            "each a picture or clip with 256 tokens of text"
        )
        kinds = ("weights", "gradients", "optimizer", "activations")
        yield (
            f"{stage.name}: {found.memory / 1e9:.2f} GB = "
            + " + ".join(f"{getattr(found, kind) / 1e9:.2f} {kind}" for kind in kinds)
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the cost of a recipe's stages and returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recipe", help="file, or name of a recipe of mien")
    parser.add_argument("--set", action="append", default=[], help="field=value; repeatable")
    options = parser.parse_args(arguments)
    try:
        for line in recipe_lines(load_recipe(options.recipe, options.set)):
            say(line)
    except (RecipeError, OSError, ValueError) as error:
        say(f"error: {str(error).splitlines()[0]}", err=True)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
