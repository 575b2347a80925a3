"""Pictures of a sample as encoded files, unchanged where the dataset has them as files."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from mien.bench.source import FEABENCH, Source, open_source
from mien.bench.suite import Suite
from mien.sample import Sample

Encode = Callable[[Sample], list[bytes]]

AS_THEY_ARE = (".jpg", ".jpeg", ".png", ".webp")
"""Suffixes of files that every harness reads; other pictures are stored as PNG."""


def opened(suite: Suite, root: Path | None) -> tuple[Source, Encode]:
    """The data of a suite, and what encodes the pictures of its samples.

    Pictures are the dataset's own, whole: no face is searched or cut out. Of a clip there are
    `suite.frames`, evenly spread.

    Raises:
        SourceError: as `open_source`.
    """
    source = open_source(suite, root)
    if suite.source.reader == FEABENCH:
        from mien.synth.feabench import load_feabench

        benchmark = load_feabench()
        place = {sample.id: index for index, sample in enumerate(benchmark.samples)}
        return source, lambda sample: [benchmark.encoded(place[sample.id])]
    assert root is not None  # open_source has checked it
    folder = root.parent if root.is_file() else root
    return source, lambda sample: _encoded(sample, suite, source, folder)


def _encoded(sample: Sample, suite: Suite, source: Source, folder: Path) -> list[bytes]:
    if sample.image is not None and sample.image.lower().endswith(AS_THEY_ARE):
        return [(folder / sample.image).read_bytes()]
    return [_png(picture) for picture in source.pictures(sample, suite.frames)]


def _png(picture: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG", compress_level=3)  # type: ignore[arg-type]
    return buffer.getvalue()
