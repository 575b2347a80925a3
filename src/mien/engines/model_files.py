"""Whether a model's folder is whole and fits together, before and after it is loaded.

Transformers fills tensors that a file lacks with random numbers, and builds whatever size the
configuration names. Both are errors here, which name the file.
"""

from __future__ import annotations

import json
import math
import pickle
import struct
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeGuard

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError

from mien.engines.base import EngineError
from mien.facs import ACTION_UNITS, LABEL_SETS
from mien.untrusted import TextError, json_object, read_json_object

BROKEN = (
    *(OSError, ValueError, RuntimeError, ImportError, SafetensorError, pickle.UnpicklingError),
    *(TypeError, AttributeError, KeyError, IndexError, ArithmeticError, MemoryError, EOFError),
    *(AssertionError, StrictDataclassError),
)
"""What Transformers raises on folders that are damaged or do not fit together."""

_AGAIN = "copy the folder again, or make the model again"
_LAYERS = ("num_hidden_layers", "num_layers", "n_layer", "depth")
_WIDTHS = ("hidden_size", "intermediate_size", "embedding_size", "d_model", "n_embd", "hidden_dim")
_MOST_HEADER = 100_000_000
_PICTURE = (8, 4096)

Header = Mapping[str, Any]


def loading_error(name: str, error: BaseException) -> EngineError:
    """The error for a model that could not be loaded, in one line."""
    if isinstance(error, pickle.UnpicklingError):
        what = "its weights are pickled, which may run code; give model.safetensors"
        return EngineError(f"model {name!r} could not be loaded: {what}")
    lines = str(error).strip().splitlines()
    if len(lines) > 1 and lines[0].endswith(":"):  # the reason stands below
        lines[:2] = [f"{lines[0]} {lines[1].strip()}"]
    first = lines[0].rstrip(".") if lines else type(error).__name__
    kind = "" if isinstance(error, OSError | ValueError) else f" ({type(error).__name__})"
    return EngineError(f"model {name!r} could not be loaded: {first[:400]}{kind}; {_AGAIN}")


def check_folder(folder: Path, *, own: bool) -> None:
    """Looks at configuration and heads of weights, without loading anything.

    Args:
        folder: of a model.
        own: whether it is one of mien's.

    Raises:
        EngineError: naming the file that is damaged, missing or does not fit.
    """
    config = _config(folder)
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        pickled = sorted(p.name for p in folder.glob("*.bin"))
        if own and pickled:
            raise EngineError(
                f"{folder / pickled[0]}: pickled weights may run code and are not read; give "
                "model.safetensors, which `save_pretrained` writes"
            )
        if own:
            raise EngineError(f"{folder}: no model.safetensors in it; {_AGAIN}")
        return
    headers = [_header(path) for path in files]
    _check_sizes(folder / "config.json", config, headers, own=own)
    if own:
        _check_own(folder / "config.json", config)


def loaded_whole(
    load: Callable[..., Any], source: str | Path, *, own: bool, **settings: Any
) -> Any:
    """A model by ``from_pretrained``, none of whose tensors were made up.

    Args:
        load: ``from_pretrained`` of a class.
        source: folder or repository.
        own: whether surplus tensors are an error, too.
        **settings: for it.

    Raises:
        EngineError: if tensors are missing, of other shapes, surplus or not finite.
    """
    model, info = load(source, output_loading_info=True, **settings)
    check_info(info, source, own=own)
    check_finite(model, source)
    return model


def check_info(info: Mapping[str, Any], source: str | Path, *, own: bool) -> None:
    """Looks at what ``from_pretrained`` says of the tensors.

    Raises:
        EngineError: if some are missing, of other shapes or (of mien's own models) surplus.
    """
    kinds = {"missing_keys": "missing", "mismatched_keys": "of another shape"}
    if own:
        kinds["unexpected_keys"] = "no part of this model"
    for key, words in kinds.items():
        names = sorted(str(k if isinstance(k, str) else k[0]) for k in info.get(key) or ())
        if names:
            listed = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
            raise EngineError(
                f"{source}: {len(names)} tensors of its weights are {words} ({listed}); {_AGAIN}"
            )


def check_finite(model: Any, source: str | Path) -> None:
    """Looks whether all weights are numbers.

    Raises:
        EngineError: if some are not.
    """
    for name, tensor in model.named_parameters():
        if tensor.is_floating_point() and not tensor.is_meta:
            total = float(tensor.detach().sum(dtype=torch.float32))
            if not math.isfinite(total):
                raise EngineError(f"{source}: {name} holds values that are no numbers; {_AGAIN}")


def check_tokenizer(processor: Any, model: Any, source: str | Path) -> None:
    """Looks whether the tokenizer's ids are those that the model knows.

    Raises:
        EngineError: if they are not.
    """
    tokenizer, rows = processor.tokenizer, model.get_input_embeddings().weight.shape[0]
    highest = max(tokenizer.get_vocab().values(), default=0)
    if highest >= rows:
        raise EngineError(
            f"{source}: its tokenizer has the id {highest}, the model only {rows} words; {_AGAIN}"
        )
    image = tokenizer.convert_tokens_to_ids(processor.image_token)
    if image != model.config.image_token_id:
        raise EngineError(
            f"{source}: {processor.image_token} has the id {image} in its tokenizer, and "
            f"{model.config.image_token_id} in config.json; {_AGAIN}"
        )


def _config(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    try:
        return read_json_object(path, remedy=_AGAIN)
    except TextError as error:
        raise EngineError(str(error)) from None
    except OSError as error:
        raise EngineError(f"{path}: cannot be read ({error.strerror}); {_AGAIN}") from None


def _header(path: Path) -> Header:
    """What a safetensors file says it holds, which is as long as the file."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = struct.unpack("<Q", file.read(8))[0]
            if length > min(size - 8, _MOST_HEADER):
                raise EngineError(f"{path}: cut off, or no safetensors file; {_AGAIN}")
            header = json_object(file.read(length))
        header.pop("__metadata__", None)
        end = max((entry["data_offsets"][1] for entry in header.values()), default=0)
        shapes = [math.prod(entry["shape"]) for entry in header.values()]
    except OSError as error:
        raise EngineError(f"{path}: cannot be read ({error.strerror}); {_AGAIN}") from None
    except (TextError, struct.error, KeyError, TypeError, IndexError) as error:
        raise EngineError(f"{path}: no safetensors file ({error}); {_AGAIN}") from None
    if end != size - 8 - length or any(count > end for count in shapes):
        raise EngineError(f"{path}: damaged, it is not as long as its head says; {_AGAIN}")
    return header


def _check_sizes(
    path: Path, config: Mapping[str, Any], headers: list[Header], *, own: bool
) -> None:
    """Refuses sizes that the weights cannot have: building them would take all memory."""
    tensors = [entry["shape"] for header in headers for entry in header.values()]
    widest = max((side for shape in tensors for side in shape), default=0)
    most_layers = len(tensors) if own else max(len(tensors), 1000)
    most_wide = 8 * widest if own else max(8 * widest, 1 << 16)
    bounds = {
        **dict.fromkeys(_LAYERS, most_layers),
        **dict.fromkeys(_WIDTHS, most_wide),
        "vocab_size": most_wide if own else max(most_wide, 1 << 20),
    }
    for name, value in _numbers(config):
        most = bounds.get(name)
        if most is not None and (value > most or (own and value < 1)):
            raise EngineError(f"{path}: {name} is {value}, which its weights do not have; {_AGAIN}")


def _numbers(value: Any, name: str = "") -> Iterator[tuple[str, int]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _numbers(inner, key)
    elif isinstance(value, int) and not isinstance(value, bool):
        yield name, value


def _check_own(path: Path, config: Mapping[str, Any]) -> None:
    """The fields that say what a model of mien knows."""
    units, names = config.get("action_units"), config.get("expressions")
    if units != [] and not (_distinct(units) and set(units) <= set(ACTION_UNITS)):
        raise _wrong(path, "action_units", "a list of FACS numbers that mien knows, each once")
    if not _distinct(names) or set(names) not in map(set, LABEL_SETS.values()):
        raise _wrong(path, "expressions", f"one of mien's sets ({', '.join(LABEL_SETS)})")
    calibration = config.get("calibration", {})
    if not isinstance(calibration, dict):
        raise _wrong(path, "calibration", "an object of temperatures")
    for kind in ("units", "absence"):
        inner = calibration.get(kind, {})
        if not isinstance(inner, dict) or not all(_finite(v) for v in inner.values()):
            raise _wrong(path, f"calibration.{kind}", "numbers by unit")
    temperatures = (calibration.get("expression", 1.0), *calibration.get("units", {}).values())
    if not all(_finite(value) and value > 0 for value in temperatures):
        raise _wrong(path, "calibration", "temperatures above 0")
    low, high = _PICTURE
    for name in ("native_size", "image_size"):
        side = config.get(name)
        if side is not None and not (type(side) is int and low <= side <= high):
            if name == "image_size" and side == 0:
                continue  # the vision encoder's own
            raise _wrong(path, name, f"pixels, {low} to {high}")
    if "crop_spec" in config:
        raise _wrong(path, "crop_spec", "left out: it follows from face_scale and face_shift")
    for name in ("vision_config", "text_config"):
        if not isinstance(config.get(name), dict):
            raise _wrong(path, name, "an object")


def _distinct(values: Any) -> TypeGuard[list[Any]]:
    try:
        return isinstance(values, list) and bool(values) and len(set(values)) == len(values)
    except TypeError:
        return False


def _finite(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _wrong(path: Path, name: str, wanted: str) -> EngineError:
    found = json.dumps(json.loads(path.read_bytes()).get(name))
    short = found if len(found) <= 60 else f"{found[:57]}..."
    return EngineError(f"{path}: {name} is {short}; it must be {wanted}")
