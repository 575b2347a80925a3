"""Hugging Face's Trainer with what mien adds: whole checkpoints, exact resume, early stops."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.utils.data import Sampler

from mien.train.checkpoints import PART, free_space, rotate, settle, write_error
from mien.train.counts import CountingTrainer
from mien.train.empty_batches import LEFT_OUT, StandIn
from mien.train.interrupts import nan_error, save_nan_batch
from mien.train.manifest import STATE, size_of
from mien.train.rows import RowsError
from mien.train.speed import SpeedMeter
from mien.train.stages import part_of

TARGETS = ("expression_targets", "unit_targets")
IDS = "ids"
"""Key of a batch that names its rows; it is not for the model."""


class StageTrainer(CountingTrainer):
    """Trains an objective, which gives "loss" and, where numbers are scored, "logits".

    Args:
        sampler: of the training items.
        speed: times the steps.
        face_learning_rate: that of mien's own modules and the Q-Former, where it is another.
        keep: last checkpoints that stay.
        **kwargs: for `transformers.Trainer`.
    """

    def __init__(
        self,
        *,
        sampler: Sampler[int],
        speed: SpeedMeter,
        face_learning_rate: float | None = None,
        keep: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.sampler, self.speed, self.keep = sampler, speed, keep
        self.face_learning_rate = face_learning_rate
        self.out = Path(str(self.args.output_dir))
        self._part: Path | None = None
        self._why = ""  # nothing is left of a validation batch
        self._stand_in = StandIn(
            self.train_dataset,
            self.data_collator,
            size=self.args.per_device_train_batch_size,
            seed=self.args.seed,
        )
        self._step: Sequence[Mapping[str, Any]] = ()  # batches of the step under way
        self._parts: dict[str, Tensor] = {}
        self._parts_since = self.state.global_step

    # --- data and optimiser

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler[int]:
        return self.sampler

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """AdamW, with a rate of its own for the face modules where one is given."""
        if self.optimizer is not None or self.face_learning_rate is None:
            return super().create_optimizer(model)
        network = self.model if model is None else model
        assert network is not None
        decayed = set(self.get_decay_parameter_names(network))
        groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
        for name, parameter in network.named_parameters():
            if parameter.requires_grad:
                face = part_of(name) in ("face", "qformer")
                groups.setdefault((face, name in decayed), []).append(parameter)
        kind, settings = self.get_optimizer_cls_and_kwargs(self.args)
        self.optimizer = kind(
            [
                {
                    "params": parameters,
                    "weight_decay": self.args.weight_decay if decays else 0.0,
                    "lr": self.face_learning_rate if face else self.args.learning_rate,
                }
                for (face, decays), parameters in groups.items()
            ],
            **settings,
        )
        return self.optimizer

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        """As Trainer's, but rates and decay stay the recipe's: `--change` may have moved them."""
        groups = [] if self.is_deepspeed_enabled else self._groups()
        wanted = [{k: v for k, v in group.items() if k != "params"} for group in groups]
        super()._load_optimizer_and_scheduler(checkpoint)
        scheduler: Any = getattr(self.lr_scheduler, "scheduler", self.lr_scheduler)
        for number, (group, fresh) in enumerate(zip(self._groups(), wanted, strict=False)):
            if all(group.get(k) == v for k, v in fresh.items() if k != "lr"):
                continue
            factor = scheduler.lr_lambdas[number](scheduler.last_epoch)
            group.update({**fresh, "lr": fresh["initial_lr"] * factor})
            scheduler.base_lrs[number] = fresh["initial_lr"]
            scheduler._last_lr[number] = group["lr"]  # what is logged

    def _groups(self) -> list[dict[str, Any]]:
        assert self.optimizer is not None
        return self.optimizer.param_groups

    def get_batch_samples(self, epoch_iterator: Any, num_batches: int, device: Any) -> Any:
        """The batches of one step, with others in the place of those of which nothing is left.

        The time that they are waited for is taken.
        """
        with self.speed.waiting():
            batches, counts = super().get_batch_samples(epoch_iterator, num_batches, device)
            self._step = [self._stand_in(batch) for batch in batches]
            return self._step, counts

    # --- steps

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        """The loss; one that is NaN or infinite ends the run, its batch kept.

        Raises:
            TrainingError: naming the file of the batch.
        """
        batch = dict(inputs)
        weight = 0 if inputs.pop(LEFT_OUT, None) else 1
        inputs.pop(IDS, None)
        if weight:
            self.speed.count(inputs)
        # What is left out is in no count, so it is divided by its own.
        counts = num_items_in_batch if weight else None
        loss, outputs = super().compute_loss(
            model, inputs, return_outputs=True, num_items_in_batch=counts
        )
        if not self._parts:
            self._parts_since = self.state.global_step  # not from 0 where a run goes on
        for name, part in {**outputs.get("parts", {}), "batches": 1}.items():
            self._parts[name] = self._parts.get(name, 0) + weight * torch.as_tensor(part).detach()
        if not bool(torch.isfinite(loss.detach()).all()):
            self._stop("the loss", [batch])
        loss = loss * weight
        return (loss, outputs) if return_outputs else loss

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """As Trainer's, with the parts of the loss beside their sum."""
        steps = self.state.global_step - self._parts_since
        if "loss" in logs and steps > 0:
            # Each batch holds its share of a step's loss; so batches and devices are summed up.
            parts = self._summed_parts()
            padding, batches = parts.pop("padding", None), parts.pop("batches")
            logs |= {f"loss_{name}": value / steps for name, value in parts.items()}
            if padding is not None:
                logs["padding"] = padding / max(batches, 1)
            self._parts, self._parts_since = {}, self.state.global_step
        super().log(logs, start_time)

    def _summed_parts(self) -> dict[str, float]:
        """The parts over all devices; one that has no text in its batches has no such part."""
        parts = {name: float(value) for name, value in self._parts.items()}
        if self.args.world_size <= 1:
            return parts
        everyone: list[Any] = [None] * self.args.world_size
        torch.distributed.all_gather_object(everyone, parts)
        names = dict.fromkeys(name for each in everyone for name in each)
        return {name: sum(each.get(name, 0.0) for each in everyone) for name in names}

    def _get_grad_norm(self, model: nn.Module, grad_norm: Any = None) -> Any:
        # Asked for at every step, clipped or not, before the optimiser moves a weight.
        norm = super()._get_grad_norm(model, grad_norm=grad_norm)
        # With fp16 the scaler itself skips steps whose gradients overflow.
        if norm is not None and not self.args.fp16 and not np.isfinite(float(norm)):
            self._stop("the gradient", self._step)
        return norm

    def _stop(self, what: str, batches: Sequence[Mapping[str, Any]]) -> None:
        """Ends the run; a gradient is of all batches of its step, so all of them are kept."""
        step, rows = self.state.global_step + 1, [list(batch.get(IDS) or ()) for batch in batches]
        path = save_nan_batch(self.out, batches, rows, step, process=self.args.process_index)
        raise nan_error(what, path, rows, step)

    # --- evaluation

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        """As Trainer's; the random state is the same after it as before it.

        Raises:
            mien.train.rows.RowsError: if nothing is left of any validation batch.
        """
        with self.speed.pause(), kept_random_state():
            found = super().evaluate(*args, **kwargs)
        if "eval_loss" not in found:
            raise RowsError(f"the validation rows cannot be scored: {self._why}")
        return found

    def prediction_step(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        prediction_loss_only: bool,
        ignore_keys: list[str] | None = None,
    ) -> tuple[Any, Any, Any]:
        """Loss, and logits with their targets where numbers are scored."""
        if LEFT_OUT in inputs:
            self._why = inputs[LEFT_OUT]
            if self.args.world_size <= 1:
                return None, None, None
            # Processes gather their scores together, so each must have some; these are of no row.
            unknown = {"expression_targets": 0.0, "unit_targets": torch.nan}
            inputs = dict(self._stand_in(inputs))
            inputs |= {k: torch.full_like(inputs[k], v) for k, v in unknown.items() if k in inputs}
        inputs = self._prepare_inputs(inputs)
        for name in (IDS, LEFT_OUT):
            inputs.pop(name, None)
        with torch.no_grad(), self.compute_loss_context_manager():
            outputs = model(**inputs)
        loss = outputs["loss"].detach().mean()
        logits = outputs.get("logits")
        if prediction_loss_only or logits is None or any(inputs.get(k) is None for k in TARGETS):
            return loss, None, None
        return loss, tuple(x.detach() for x in logits), tuple(inputs[k] for k in TARGETS)

    # --- checkpoints

    def _get_output_dir(self, trial: Any) -> str:
        return str(self._part) if self._part is not None else super()._get_output_dir(trial)

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        """Writes a checkpoint beside its place and renames it when it is whole.

        Raises:
            CheckpointError: if it cannot be written; the one before stays.
        """
        name = f"checkpoint-{self.state.global_step}"
        part, final = self.out / PART, self.out / name
        main = self.args.should_save
        with self.speed.pause():
            if main:
                shutil.rmtree(part, ignore_errors=True)
            self.accelerator.wait_for_everyone()
            self._part = part
            try:
                super()._save_checkpoint(model, trial)
                self.accelerator.wait_for_everyone()  # each process writes its random state
                if main:
                    self.state.best_model_checkpoint = self._best()
                    self.state.save_to_json(str(part / name / STATE))
                    settle(part / name, final)
            except (OSError, RuntimeError, SafetensorError) as error:
                free, written = free_space(self.out), size_of(part)
                if main:
                    shutil.rmtree(part, ignore_errors=True)
                raise write_error(final, error, free=free, written=written) from error
            finally:
                self._part = None
            if main:
                rotate(self.out, keep=self.keep, best=self.state.best_model_checkpoint)
            self.accelerator.wait_for_everyone()

    def _best(self) -> str | None:
        step = self.state.best_global_step
        if not step:
            return None
        place = self.out / f"checkpoint-{step}"
        return str(place) if step == self.state.global_step or place.is_dir() else None

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        """Writes what trains and the buffers; the rest is in the model of the start."""
        if not self.args.should_save:
            return
        from safetensors.torch import save_file

        folder = Path(output_dir or self.out)
        folder.mkdir(parents=True, exist_ok=True)
        network = self.accelerator.unwrap_model(self.model)
        kept = trained_state(network, state_dict)
        save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})

    def _issue_warnings_after_load(self, load_result: Any) -> None:
        """Frozen weights are missing on purpose; a name that is not known is a mistake."""
        if load_result.unexpected_keys:
            raise RuntimeError(
                f"the checkpoint has weights that the model lacks: {load_result.unexpected_keys[0]}"
            )


def trained_state(
    network: nn.Module, state: Mapping[str, Tensor] | None = None
) -> dict[str, Tensor]:
    """Weights that train, once each, and buffers.

    Args:
        network: what trains.
        state: its whole state where it was gathered from several devices.
    """
    given = network.state_dict() if state is None else state
    names = {n for n, p in network.named_parameters() if p.requires_grad}
    names |= set(given) - {n for n, _ in network.named_parameters(remove_duplicate=False)}
    return {n: v.detach().contiguous().cpu() for n, v in given.items() if n in names}


@contextmanager
def kept_random_state() -> Iterator[None]:
    """What runs inside draws no numbers from those that training will draw."""
    plain, array = random.getstate(), np.random.get_state()
    devices: Sequence[int] = range(torch.cuda.device_count()) if torch.cuda.is_available() else ()
    with torch.random.fork_rng(devices=devices):
        yield
    random.setstate(plain)
    np.random.set_state(array)
