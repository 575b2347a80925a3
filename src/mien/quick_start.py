"""A sooner first answer: what a run of an embedded model does not need is not imported.

Transformers imports most of torch's compiler and its distributed tensors at its start. A command
that asks an embedded model on one device uses neither. They are held back while the block lasts;
whatever is imported later is the real thing.
"""

from __future__ import annotations

import gc
import importlib.abc
import importlib.util
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_COMPILER = "torch._dynamo"


@contextmanager
def quick_start(wanted: bool = True) -> Iterator[None]:
    """Imports and loads an embedded model without what only training and compiling need.

    For a process that does nothing else: Transformers' modules that are imported inside believe
    for good that they run on one process. Numbers are the same.

    Args:
        wanted: False does nothing.
    """
    if not wanted:
        yield
        return
    if "OMP_WAIT_POLICY" not in os.environ:
        # Threads that wait for the next layer would count as work; they look less often instead.
        os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    with _without_collector(), _without_compiler(), _on_one_process():
        yield


@contextmanager
def loaded_on_use(*names: str) -> Iterator[None]:
    """Modules of these names, where imported inside, are loaded when they are first used.

    They are the real modules and stay in place; whoever uses them later notices nothing.
    """
    finder = _Later([name for name in names if name not in sys.modules])
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


class _Later(importlib.abc.MetaPathFinder):
    def __init__(self, names: Sequence[str]):
        self.names = set(names)

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in self.names:
            return None
        self.names.remove(name)  # the search below asks this finder again
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            spec.loader = importlib.util.LazyLoader(spec.loader)
        return spec


@contextmanager
def _without_collector() -> Iterator[None]:
    """Nothing that an import makes is garbage; looking for it takes a fifth of the time."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if collecting:
            gc.enable()


@contextmanager
def _on_one_process() -> Iterator[None]:
    """Lets Transformers find no distributed torch."""
    import transformers.utils
    import transformers.utils.import_utils

    name = "is_torch_distributed_available"
    places = (transformers.utils, transformers.utils.import_utils)
    real = getattr(transformers.utils, name)
    for place in places:
        setattr(place, name, lambda: False)
    try:
        yield
    finally:
        for place in places:
            setattr(place, name, real)


class _CompilerNotYet(ModuleType):
    """`torch._dynamo` before it is imported: its marks on functions do nothing.

    Its modules can be imported, but for those that need the compiler itself.
    """

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_"):
            raise AttributeError(name)
        return _as_it_is


def _as_it_is(function: Any = None, *_: Any, **__: Any) -> Any:
    return function if callable(function) else _as_it_is


@contextmanager
def _without_compiler() -> Iterator[None]:
    """Lets modules that only mark functions for the compiler be imported without it."""
    import torch

    if _COMPILER in sys.modules:
        yield
        return
    stand_in = _CompilerNotYet(_COMPILER)
    stand_in.__path__ = [f"{place}/_dynamo" for place in torch.__path__]
    sys.modules[_COMPILER] = stand_in
    torch._dynamo = stand_in
    try:
        yield
    finally:
        if sys.modules.get(_COMPILER) is stand_in:
            del sys.modules[_COMPILER], torch._dynamo
