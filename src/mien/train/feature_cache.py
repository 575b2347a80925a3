"""Features of the frozen vision encoder, computed once for each face and its fixed views.

What is kept is what no weight that trains takes part in: FEALLM's levels, pooled to the grid that
their adapters bring them to, and the regions that the Local Clue Aggregator cuts out; EMO-LLaMA's
vision tokens.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from mien.models.vision import weights_digest
from mien.partfile import sink_error
from mien.train.collate import CLIP_MODELS, augmented_pixels, plain_pixels
from mien.train.feature_store import KEY_BYTES, Store
from mien.train.items import TrainItems
from mien.train.rows import RowsError
from mien.train.seeding import draw

if TYPE_CHECKING:
    from mien.train.recipe import CacheSpec

log = logging.getLogger(__name__)

_VERSION = 1
_BATCH = 64
_GB = 1e9


class FrozenFeatures:
    """Runs the frozen part of a model on face crops.

    Args:
        model: a FEALLM or EMO-LLaMA with a frozen vision encoder, or one wrapped by PEFT.
        processor: its processor.

    Raises:
        RowsError: if the vision encoder is not frozen.
    """

    def __init__(self, model: Any, processor: Any) -> None:
        base = model.get_base_model() if hasattr(model, "get_base_model") else model
        if not base.config.freeze_vision:
            raise RowsError(
                "data.cache: this model's vision encoder trains (freeze_vision is false), so its "
                "features change; leave the cache out"
            )
        self.base, self.processor = base, processor
        self.clips = base.config.model_type in CLIP_MODELS
        self.grey = bool(getattr(processor.image_processor, "do_grayscale", False))

    @torch.no_grad()
    def __call__(self, pixel_values: Tensor) -> dict[str, Tensor]:
        """Features of (R, 3, S, S) by name, on the CPU."""
        inner = self.base.model
        pixels = pixel_values.to(self.base.device)
        if self.clips:
            return {"vision_tokens": inner.vision_tokens(pixels).cpu()}
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        levels = inner.vision_levels(pixels)
        adapters = inner.multi_level_feature.adapters
        found: dict[str, Tensor] = {}
        for number, adapter in enumerate(adapters):
            level = levels[len(levels) - len(adapters) + number]
            if level.shape[-2:] != adapter.grid:
                level = F.adaptive_avg_pool2d(level, adapter.grid)
            found[f"level_{number}"] = level.cpu()
        crops = inner.local_crops(pixels)
        if crops is not None:  # a grey picture has three equal channels
            found["crops"] = (crops[:, :, :1] if self.grey else crops).cpu()
        return found

    def identity(self) -> dict[str, Any]:
        """What the features depend on, beside the crop."""
        config = self.base.config
        fields = ("tap_levels", "use_fs", "crop_boxes", "crop_size", "vision_layer", "image_size")
        prepare = self.processor.image_processor.to_dict()
        return {
            "version": _VERSION,
            "model_type": config.model_type,
            "encoder": weights_digest(self.base.model.vision_tower),
            "config": {name: getattr(config, name) for name in fields if hasattr(config, name)},
            "picture": {k: v for k, v in sorted(prepare.items()) if _plain(v)},
        }

    def shapes(self) -> tuple[dict[str, tuple[int, ...]], dict[str, torch.dtype]]:
        """Shape and type of one picture's features, by name."""
        side = self.base.config.image_size
        found = self(torch.zeros(1, 3, side, side))
        return (
            {name: tuple(v.shape[1:]) for name, v in found.items()},
            {name: v.dtype for name, v in found.items()},
        )


class FeatureCache:
    """Features of all faces of some items, as `TrainItems.features` needs them.

    View 0 of a face is the plain picture, view 1 its mirror image, further ones are augmented as
    strongly as its source says; a visit draws one of them. `fill` computes what is not kept yet.

    Args:
        items: whose faces are kept.
        model: see `FrozenFeatures`.
        processor: of the model.
        spec: folder, views, budget, precision.

    Raises:
        RowsError: if the size is above the budget, or views and data do not fit together.
        ValueError: if the folder holds something else.
        mien.partfile.SinkError: if the folder cannot be written to.
    """

    def __init__(self, items: TrainItems, model: Any, processor: Any, spec: CacheSpec) -> None:
        self.features = FrozenFeatures(model, processor)
        self.views, self.seed, self.train = spec.views, items.seed, items.train
        self.clips, self.grey = self.features.clips, self.features.grey
        _check_views(items, spec)
        shapes, dtypes = self.features.shapes()
        if spec.precision != "model":
            dtypes = dict.fromkeys(dtypes, getattr(torch, spec.precision))
        about = {**self.features.identity(), "types": {k: str(v) for k, v in dtypes.items()}}
        digest = hashlib.sha256(repr(sorted(about.items())).encode()).hexdigest()[:16]
        self.store = Store(spec.folder / digest, about=about, shapes=shapes, dtypes=dtypes)
        self.bytes_a_view = self.store.row_bytes
        self._refuse_large(items, spec)
        self._places: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []

    def _refuse_large(self, items: TrainItems, spec: CacheSpec) -> None:
        """Says how large the cache will be at most, and refuses it above the budget."""
        views = sum(
            items.sources[s].rows.pictures[items.faces(s)].clip(max=items.clip_frames).sum()
            if not _has_videos(items, s)
            else items.clip_frames * len(items.faces(s))
            for s in range(len(items.sources))
        )
        size = int(views) * self.views * self.bytes_a_view
        text = (
            f"features of {int(views)} pictures in {self.views} view(s) of "
            f"{self.bytes_a_view / 1e6:.2f} MB: {size / _GB:.2f} GB"
        )
        log.info("%s in %s", text, self.store.folder)
        if size > spec.budget * _GB:
            raise RowsError(
                f"data.cache: {text}, above the budget of {spec.budget:g} GB; raise budget, take "
                "fewer views or precision: float16, or leave the cache out"
            )

    def fill(self, items: TrainItems) -> FeatureCache:
        """Computes what is missing; a run that was stopped goes on where it was.

        Of several processes one computes, the others wait for it.

        Raises:
            RowsError: if a picture cannot be read.
            mien.partfile.SinkError: if the disk is full; what was computed is kept.
        """
        try:
            lock = os.open(self.store.folder, os.O_RDONLY)
        except OSError as error:
            raise sink_error(self.store.folder, error) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.store.load_keys()
            self._places = [self._fill_source(items, s) for s in range(len(items.sources))]
        finally:
            os.close(lock)
        return self

    def _fill_source(
        self, items: TrainItems, source: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Places of each face's frames: those of face f are `places[starts[f]:starts[f + 1]]`."""
        places, counts = [], []
        strength = items.sources[source].augment
        waiting: dict[bytes, NDArray[np.uint8]] = {}
        for crops in _crops(items, source):
            counts.append(len(crops))
            for crop in crops:
                key = _key(crop, strength if self.views > 2 else 0.0)
                places.append(key)
                if _view_key(key, self.views - 1) not in self.store.places:
                    waiting[key] = crop
            if len(waiting) >= max(1, _BATCH // self.views):
                self._compute(waiting, strength)
                waiting = {}
        if waiting:
            self._compute(waiting, strength)
        found = [self.store.places[_view_key(key, 0)] for key in places]
        return np.array(found, np.int64), np.concatenate([[0], np.cumsum(counts)])

    def _compute(self, crops: dict[bytes, NDArray[np.uint8]], strength: float) -> None:
        """All views of some faces; those of a face stand together."""
        plain = plain_pixels(self.features.processor, list(crops.values()))  # (R, 3, S, S)
        views = [plain]
        if self.views > 1:
            views.append(plain.flip(-1))
        for view in range(2, self.views):
            seeds = [int.from_bytes(_view_key(key, view)[:7], "big") for key in crops]
            made = augmented_pixels(
                self.features.processor,
                self.features.base.config,
                list(crops.values()),
                seeds,
                torch.full((len(crops),), strength),
            )
            views.append(made)
        pixels = torch.stack(views, 1).flatten(0, 1)  # (R * V, 3, S, S)
        keys = [_view_key(key, view) for key in crops for view in range(self.views)]
        self.store.append(keys, self.features(pixels))

    def of(self, source: int, face: int, n: int) -> dict[str, Any] | None:
        """Features of a face in one of its views; None where no face was found."""
        places, starts = self._places[source]
        mine = places[starts[face] : starts[face + 1]]
        if not len(mine):
            return None
        view = int(draw(self.seed, n, "view") % np.uint64(self.views)) if self.train else 0
        rows = [self.store.row(int(place) + view) for place in mine]
        if self.clips:
            return {"vision_tokens": torch.stack([row["vision_tokens"] for row in rows])}
        levels = tuple(rows[0][name] for name in rows[0] if name.startswith("level_"))
        found: dict[str, Any] = {"vision_levels": levels}
        if "crops" in rows[0]:
            crops = rows[0]["crops"]
            found["crops"] = crops.expand(-1, 3, -1, -1) if self.grey else crops
        return found

    def __getstate__(self) -> dict[str, Any]:
        """Without the model, which only computes."""
        return {k: v for k, v in self.__dict__.items() if k != "features"}


def _crops(items: TrainItems, source: int) -> Iterator[Sequence[NDArray[np.uint8]]]:
    """Crops of each face of a source, in the order of the faces; none where no face is found."""
    rows = items.sources[source].rows
    for number, at in enumerate(items.faces(source)):
        if number and number % 5000 == 0:
            log.info("features: %d of %d faces", number, len(items.faces(source)))
        seen = items.look(source, rows[int(at)], priors=False)
        yield [] if seen is None else seen[0]


def _check_views(items: TrainItems, spec: CacheSpec) -> None:
    if spec.views > 1 and any(source.priors is not None for source in items.sources):
        raise RowsError(
            "data.cache: priors are of the face as it is, not of its mirror image; set views to 1"
        )
    if spec.views > 2 and any(source.augment == 0 for source in items.sources):
        raise RowsError(
            f"data.cache: views is {spec.views}, but a source has augment 0, so all views beyond "
            "its mirror image would be the same; set augment, or views to 2"
        )


def _has_videos(items: TrainItems, source: int) -> bool:
    rows = items.sources[source].rows
    return len(rows) > 0 and bool(rows[0]["videos"])


def _key(crop: NDArray[np.uint8], strength: float) -> bytes:
    digest = hashlib.blake2b(repr((crop.shape, strength)).encode(), digest_size=KEY_BYTES)
    digest.update(np.ascontiguousarray(crop).data)
    return digest.digest()


def _view_key(key: bytes, view: int) -> bytes:
    return hashlib.blake2b(key + bytes([view % 256, view // 256]), digest_size=KEY_BYTES).digest()


def _plain(value: Any) -> bool:
    return isinstance(value, str | int | float | bool | list | tuple | dict | type(None))
