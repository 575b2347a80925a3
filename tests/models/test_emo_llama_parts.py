"""EMO-LLaMA out of trained parts, and its parameters at seven billion."""

import pytest
import torch
from tiny_emo_llama import QFORMER, clips, eva_config, qformer_config
from transformers import (
    AutoModel,
    AutoModelForImageTextToText,
    InstructBlipConfig,
    InstructBlipForConditionalGeneration,
    LlamaConfig,
    LlamaForCausalLM,
)

from conftest import feallm_config, vision_config
from mien.models import EmoLlamaConfig, EmoLlamaForConditionalGeneration
from mien.models.parts import parameter_counts

OWN = {
    "face_embedding_source": "made up",
    "face_embedding_size": 8,
    "landmark_layout": "ibug68",
    "landmark_dim": 2,
    "blendshapes": ["jawOpen", "browInnerUp"],
    "hidden_size": 16,
    "clue_heads": 2,
}


@pytest.fixture(scope="module")
def instructblip():
    torch.manual_seed(0)
    config = InstructBlipConfig(
        vision_config=eva_config(),
        qformer_config=qformer_config(),
        text_config=feallm_config().text_config,
        num_query_tokens=5,
        image_token_index=4,
    )
    model = InstructBlipForConditionalGeneration(config).eval()
    torch.nn.init.normal_(model.query_tokens)
    return model


def test_from_instructblip_takes_the_weights_over(instructblip, tmp_path):
    instructblip.save_pretrained(tmp_path / "whole")
    model = EmoLlamaForConditionalGeneration.from_instructblip(str(tmp_path / "whole"), **OWN)
    assert not any(p.is_meta for p in [*model.parameters(), *model.buffers()])
    assert model.config.image_token_id == 4
    assert model.config.num_query_tokens == 5
    for ours, theirs in [
        (model.model.vision_tower, instructblip.vision_model),
        (model.model.qformer, instructblip.qformer),
        (model.model.language_model, instructblip.language_model.model),
        (model.lm_head, instructblip.language_model.lm_head),
    ]:
        kept = ours.state_dict()
        assert all(torch.equal(kept[k], v) for k, v in theirs.state_dict().items())
    assert torch.equal(model.model.qformer_queries.weight, instructblip.query_tokens[0])
    inputs = clips(model)
    logits = model(**inputs).logits
    model.save_pretrained(tmp_path / "ours")
    again = AutoModelForImageTextToText.from_pretrained(tmp_path / "ours")
    assert torch.allclose(again(**inputs).logits, logits, atol=1e-5)


def test_the_queries_become_what_they_become_in_instructblip(instructblip):
    model = EmoLlamaForConditionalGeneration.from_instructblip(instructblip, **OWN)
    pixels, words = torch.randn(2, 3, 32, 32), torch.randint(7, 20, (2, 6))
    theirs = instructblip.get_image_features(pixels, qformer_input_ids=words)
    expected = theirs.qformer_outputs.last_hidden_state[:, :5]
    queries = model.model._queries(model.model.vision_tokens(pixels), words, None)
    assert torch.allclose(queries, expected, atol=1e-5)


def test_from_parts_with_a_fresh_qformer(tmp_path):
    vision = AutoModel.from_config(vision_config("clip"))
    text = LlamaForCausalLM(feallm_config().text_config)
    vision.save_pretrained(tmp_path / "vision")
    text.save_pretrained(tmp_path / "text")
    model = EmoLlamaForConditionalGeneration.from_parts(
        str(tmp_path / "vision"), str(tmp_path / "text"), qformer_config=QFORMER, **OWN
    )
    assert not any(p.is_meta for p in [*model.parameters(), *model.buffers()])
    assert model.model.qformer.config.encoder_hidden_size == 16
    ids = torch.tensor([[7, 8, 9]])
    assert torch.allclose(model(input_ids=ids).logits, text(input_ids=ids).logits, atol=1e-6)


def test_a_qformer_of_another_encoder_is_refused(instructblip):
    wide = AutoModel.from_config(eva_config(hidden_size=32))
    text = LlamaForCausalLM(feallm_config().text_config)
    kept = {"qformer": instructblip.qformer, "query_tokens": instructblip.query_tokens}
    with pytest.raises(ValueError, match="width 16, but this encoder gives width 32"):
        EmoLlamaForConditionalGeneration.from_parts(wide, text, **kept, **OWN)
    with pytest.raises(ValueError, match="go together"):
        EmoLlamaForConditionalGeneration.from_parts(wide, text, qformer=instructblip.qformer)


def test_parameters_at_seven_billion():
    """The parts of instructblip-vicuna-7b, without weights: who has how many parameters."""
    config = EmoLlamaConfig(text_config=LlamaConfig(vocab_size=32001))
    assert config.image_size == 224
    assert config.vision_shape == (1408, 16, 16, 1)
    assert config.qformer_config.encoder_hidden_size == 1408
    assert config.num_image_tokens == 1 + 1 + 4
    with torch.device("meta"):
        model = EmoLlamaForConditionalGeneration(config)
    names = [name for name, _ in model.model.named_children()]
    counts = {n: round(c / 1e6, 1) for n, c in parameter_counts(model.model, names).items()}
    assert counts == {
        "vision_tower": 986.0,
        "qformer": 185.7,
        "qformer_queries": 0.0,  # 24,576
        "context_token": 25.6,
        "content_tokens": 22.6,
        "face_info_mining": 49.3,
        "language_model": 6607.3,
    }
    features = model.encode_images(torch.zeros(2, 3, 3, 224, 224, device="meta"))
    assert features.shape == (2, 3, 6, 4096)
