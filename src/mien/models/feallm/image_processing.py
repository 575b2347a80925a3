"""Face crops to ``pixel_values``, with PIL and numpy alone."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from transformers.image_processing_backends import PilBackend
from transformers.image_processing_utils import BatchFeature
from transformers.image_utils import PILImageResampling, SizeDict
from transformers.processing_utils import ImagesKwargs


class FeallmImageProcessorKwargs(ImagesKwargs, total=False):
    native_size: int | None
    do_grayscale: bool


class FeallmImageProcessor(PilBackend):
    """Prepares face crops: grey, native size, size, rescale, normalise.

    Takes PIL pictures and uint8 arrays (H, W, 3), one or a list.

    Args:
        size: side of ``pixel_values``.
        native_size: side to which pictures are brought first, antialiased, so that sources of
            every sharpness look alike to the model; ``None`` leaves it out.
        do_grayscale: drop the colours (three equal channels).
        resample: PIL's resampling filter.
        image_mean: mean per channel, after rescaling to [0, 1].
        image_std: standard deviation per channel.
    """

    valid_kwargs = FeallmImageProcessorKwargs
    model_input_names = ["pixel_values"]  # noqa: RUF012
    size = {"height": 224, "width": 224}  # noqa: RUF012
    native_size: int | None = None
    do_grayscale = False
    do_convert_rgb = True
    do_resize = True
    resample = PILImageResampling.BICUBIC
    do_rescale = True
    rescale_factor = 1 / 255
    do_normalize = True
    image_mean = [0.5, 0.5, 0.5]  # noqa: RUF012
    image_std = [0.5, 0.5, 0.5]  # noqa: RUF012

    def _preprocess(  # type: ignore[override]
        self,
        images: list[NDArray[np.uint8]],
        *,
        size: SizeDict,
        resample: PILImageResampling | int,
        native_size: int | None = None,
        do_grayscale: bool = False,
        do_resize: bool = True,
        do_rescale: bool = True,
        rescale_factor: float = 1 / 255,
        do_normalize: bool = True,
        image_mean: list[float] | None = None,
        image_std: list[float] | None = None,
        return_tensors: str | None = None,
        **kwargs: Any,
    ) -> BatchFeature:
        """Process pictures (3, H, W), uint8, into ``pixel_values`` (B, 3, S, S), float32."""
        side = (int(size.width or 0), int(size.height or 0))
        batch = []
        for array in images:
            if array.dtype != np.uint8 or array.ndim != 3 or array.shape[0] != 3:
                raise ValueError(
                    f"pictures must be PIL or uint8 (H, W, 3), got {array.dtype} {array.shape}"
                )
            picture = Image.fromarray(np.ascontiguousarray(array.transpose(1, 2, 0)))
            if do_grayscale:
                picture = picture.convert("L").convert("RGB")
            if native_size:
                picture = picture.resize((native_size, native_size), resample)
            if do_resize and picture.size != side:
                picture = picture.resize(side, resample)
            batch.append(np.asarray(picture))
        values = np.stack(batch).transpose(0, 3, 1, 2).astype(np.float32)  # (B, 3, S, S)
        if do_rescale:
            values *= np.float32(rescale_factor)
        if do_normalize:
            values -= np.asarray(image_mean, np.float32)[:, None, None]
            values /= np.asarray(image_std, np.float32)[:, None, None]
        return BatchFeature(data={"pixel_values": values}, tensor_type=return_tensors)
