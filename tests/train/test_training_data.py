"""Built-in priors in training come from the start model's own encoder."""

from pathlib import Path

import torch

from mien.models import FeallmImageProcessor
from mien.models.priors import EncoderEmbedding
from mien.train.recipe import DataSpec, Source
from mien.train.training_data import _priors
from tests.train.tiny import tiny_emo_llama

OWN = {"face_embedding_source": "own", "face_embedding_size": None}


class Processor:
    image_processor = FeallmImageProcessor(size=32)


def made(folder: Path, model):
    source = Source(folder / "rows.jsonl", priors="built-in")
    return _priors(source, DataSpec(train=(source,), faces="given"), model, Processor())


def test_the_embedding_is_that_of_the_start_models_encoder(tmp_path):
    (tmp_path / "rows.jsonl").touch()
    model = tiny_emo_llama(**OWN)
    first = made(tmp_path, model)
    own = EncoderEmbedding(model, Processor.image_processor)
    assert own.identity in first.identity
    with torch.no_grad():
        next(model.model.vision_tower.parameters()).add_(1)
    other = made(tmp_path, model)
    assert other.folder != first.folder  # what was kept of another encoder is not read
    assert made(tmp_path, tiny_emo_llama()).source.embedding is None
