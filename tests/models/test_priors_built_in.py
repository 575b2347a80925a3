"""The built-in priors: finder and encoder, faces that are not there, nano on a photograph."""

import numpy as np
import pytest
import torch
from conftest import build
from PIL import Image

from mien.faces import crop_face
from mien.models import FeallmImageProcessor
from mien.models.priors import BuiltInPriors, EncoderEmbedding, Picture
from mien.schema import Face, Pose


class OneFace:
    """Finds a face wherever the picture is not black."""

    name = "one"

    def find(self, image):
        points = np.random.default_rng(0).normal(16, 4, (478, 3)).astype(np.float32)
        face = Face((8.0, 8.0, 24.0, 24.0), 0.9, points, {"jawOpen": 0.5}, Pose(1.0, 2.0, 3.0))
        return [face] if image.any() else []

    def close(self):
        pass


@pytest.fixture(scope="module")
def embedding():
    return EncoderEmbedding(
        build("resnet"), FeallmImageProcessor(size=64), identity="tiny", batch_size=2
    )


GREY, BLACK = np.full((32, 32, 3), 90, np.uint8), np.zeros((32, 32, 3), np.uint8)


def test_priors_of_a_found_face(embedding):
    source = BuiltInPriors(OneFace(), embedding)
    noise = np.random.default_rng(1).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    found, empty, other = source.read([Picture(noise), Picture(BLACK), Picture(GREY)])
    assert empty.is_empty
    assert found.layout == "mediapipe478"
    assert found.pose == Pose(1.0, 2.0, 3.0)
    assert found.blendshapes == {"jawOpen": 0.5}
    assert found.attributes == {}
    crop = crop_face(noise, OneFace().find(noise)[0], embedding.crop_spec)
    pixels = embedding.image_processor([crop], return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        expected = embedding.model.model.vision_levels(pixels)[-1].mean((2, 3))[0]
    assert np.allclose(found.embedding, expected.numpy(), atol=1e-5)
    assert not np.allclose(found.embedding, other.embedding, atol=1e-4)


def test_a_given_face_is_not_sought(embedding):
    face = Face((4.0, 4.0, 28.0, 28.0))
    (found,) = BuiltInPriors(OneFace(), embedding).read([Picture(GREY, face=face)])
    assert found.embedding is not None
    assert (found.landmarks, found.pose, found.blendshapes) == (None, None, None)


def test_whole_pictures_have_an_embedding_without_a_face(embedding):
    source = BuiltInPriors(OneFace(), embedding, whole=True)
    black, grey = source.read([Picture(BLACK), Picture(GREY)])
    assert black.embedding is not None
    assert black.landmarks is None
    assert grey.landmarks is not None
    assert source.identity != BuiltInPriors(OneFace(), embedding).identity


@pytest.mark.slow
def test_nano_and_mediapipe_on_a_photograph():
    photo = np.asarray(Image.open("examples/astronaut.jpg").convert("RGB"))
    source = BuiltInPriors()
    found, again = source.read([Picture(photo), Picture(photo)])
    assert found.embedding.shape == (256,)
    assert np.array_equal(found.embedding, again.embedding)
    assert found.landmarks.shape == (478, 3)
    assert found.blendshapes["mouthSmileLeft"] > 0.5
    assert abs(found.pose.yaw) < 45
    assert "mien/nano" in source.identity
