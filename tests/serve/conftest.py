"""A server of a tiny random model, asked in this process."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from starlette.testclient import TestClient

from mien.engines.local_responder import LocalResponder
from mien.faces import WholeFinder
from mien.serve.app import create_app
from mien.serve.limits import Limits
from mien.serve.service import Service
from tests.engines.conftest import tiny_folder  # noqa: F401
from tests.media.clips import write_clip

LIMITS = Limits(
    body_bytes=2_000_000,
    all_bytes=4_000_000,
    body_seconds=0.5,
    files=6,
    pixels=150_000,
    animation_pixels=200_000,
    video_seconds=5,
    frames=20,
    requests=8,
)


def png(seed: int = 0, size: tuple[int, int] = (48, 48)) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def mp4(count: int = 20, rate: int = 25) -> bytes:
    file = io.BytesIO()
    write_clip(file, count, rate=rate, form="mp4")
    return file.getvalue()


@pytest.fixture(scope="session")
def responder(tiny_folder):  # noqa: F811
    return LocalResponder.from_folder(tiny_folder, name="tiny", device=torch.device("cpu"))


@pytest.fixture(scope="session")
def service(responder):
    made = Service([responder], finder=WholeFinder, limits=LIMITS)
    yield made
    made.close()


@pytest.fixture
def client(service):
    return TestClient(create_app(service), base_url="http://localhost")
