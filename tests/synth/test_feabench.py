"""The shipped benchmark is whole, and read without a renderer."""

from __future__ import annotations

import hashlib
import io
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mien.synth.feabench import FeaBenchError, FeaBenchSynth, load_feabench
from mien.synth.feabench.benchmark import FOLDER


@pytest.fixture(scope="module")
def shipped() -> FeaBenchSynth:
    return load_feabench()


def test_the_pictures_are_whole(shipped: FeaBenchSynth) -> None:
    for position, digest in enumerate(shipped.hashes):
        data = shipped.encoded(position)
        assert hashlib.sha256(data).hexdigest() == digest
        with Image.open(io.BytesIO(data)) as picture:
            assert (picture.format, picture.size) == ("WEBP", (256, 256))
    sample, picture = next(iter(shipped))
    assert sample.id.startswith("anny-")
    assert (picture.shape, picture.dtype) == ((256, 256, 3), np.uint8)
    assert len(shipped[:3]) == 3


def test_damage_is_told(tmp_path: Path) -> None:
    for name in ("v1.parquet", "v1.json"):
        shutil.copy(FOLDER / name, tmp_path)
    file = tmp_path / "v1.parquet"
    with file.open("r+b") as content:
        content.seek(5000)
        content.write(b"\0\1\2\3")
    with pytest.raises(FeaBenchError, match=r"v1\.parquet: damaged"):
        FeaBenchSynth(tmp_path)
    file.unlink()
    with pytest.raises(FeaBenchError, match="cannot be read"):
        FeaBenchSynth(tmp_path)
    (tmp_path / "v1.json").write_text("[]")
    with pytest.raises(FeaBenchError, match="no card"):
        FeaBenchSynth(tmp_path)
    with pytest.raises(FeaBenchError, match="known: v1"):
        load_feabench("v0")


def test_reading_needs_no_renderer() -> None:
    code = (
        "import sys\n"
        "for name in ('torch', 'anny', 'moderngl'): sys.modules[name] = None\n"
        "from mien.synth.feabench import load_feabench\n"
        "print(load_feabench()[0][1].shape)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "(256, 256, 3)", done.stderr
