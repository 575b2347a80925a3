"""The built-in priors: finder and encoder, faces that are not there, a photograph."""

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_emo_llama import build_emo
from transformers import AutoModelForImageTextToText, AutoProcessor

from mien.faces import crop_face
from mien.models import FeallmImageProcessor
from mien.models.priors import BuiltInPriors, CachedPriors, EncoderEmbedding, Picture
from mien.schema import Face, Pose
from mien.weights import verify

OWN_EMBEDDING = {"face_embedding_source": "own", "face_embedding_size": None}


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
    return EncoderEmbedding(build_emo("clip"), FeallmImageProcessor(size=32), batch_size=2)


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
        tokens = embedding.encoder(pixels).last_hidden_state[0]
        expected = tokens[1:].mean(0)  # without the class token
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


def test_the_identity_is_that_of_encoder_and_pictures(embedding, tmp_path):
    """What was kept of another encoder, or of pictures prepared otherwise, is not read."""
    model = build_emo("clip")
    same = EncoderEmbedding(model, FeallmImageProcessor(size=32))
    assert same.identity == embedding.identity
    larger = EncoderEmbedding(model, FeallmImageProcessor(size=32, native_size=16))
    next(model.model.language_model.parameters()).data += 1
    assert EncoderEmbedding(model, FeallmImageProcessor(size=32)).identity == same.identity
    for weights in model.model.vision_tower.parameters():
        weights.data *= 1.5
    other = EncoderEmbedding(model, FeallmImageProcessor(size=32))
    assert len({same.identity, larger.identity, other.identity}) == 3
    face = Face((4.0, 4.0, 28.0, 28.0))
    kept = []
    for one in (same, other, None):
        with CachedPriors(BuiltInPriors(OneFace(), one), tmp_path) as source:
            assert len(source) == 0
            kept += source.read([Picture(GREY, face=face)])
    assert not np.allclose(kept[0].embedding, kept[1].embedding)
    assert kept[2].embedding is None
    with CachedPriors(BuiltInPriors(OneFace(), same), tmp_path) as source:
        assert len(source) == 1


def test_sizes_that_do_not_fit_the_encoder():
    assert build_emo("clip", **OWN_EMBEDDING).config.face_embedding_size == 16
    with pytest.raises(ValueError, match="vision encoder, which is 16 wide"):
        build_emo("clip", **{**OWN_EMBEDDING, "face_embedding_size": 8})
    with pytest.raises(ValueError, match="FaceXFormer"):
        build_emo("clip", face_embedding_size=None, face_embedding_source="FaceXFormer")


@pytest.mark.slow
def test_nano_video_and_mediapipe_on_a_photograph():
    photo = np.asarray(Image.open("examples/astronaut.jpg").convert("RGB"))
    place = verify("nano_video")
    model = AutoModelForImageTextToText.from_pretrained(place, dtype=torch.float32)
    processor = AutoProcessor.from_pretrained(place)
    source = BuiltInPriors(embedding=EncoderEmbedding(model, processor.image_processor))
    found, again = source.read([Picture(photo), Picture(photo)])
    assert found.embedding.shape == (256,)
    assert np.array_equal(found.embedding, again.embedding)
    assert found.landmarks.shape == (478, 3)
    assert found.blendshapes["mouthSmileLeft"] > 0.5
    assert abs(found.pose.yaw) < 45
