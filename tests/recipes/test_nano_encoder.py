"""The encoder of nano: its start, what it learns from, and what it learns."""

import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from recipes.nano import face_weights
from recipes.nano.augment import MEAN, STD
from recipes.nano.calibrate import votes_temperature
from recipes.nano.encoder import Batches, EncoderLearner, FaceEncoder, expression_scores, often
from recipes.nano.photographs import CLASSES, SINGLE_CLASSES, Photographs, read_ferplus
from recipes.nano.rendered import UNITS, Rendered
from torch import nn

STRIDES = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)
WIDTHS = (64, 128, 128, 256, 256, *[512] * 6, 1024, 1024)


def write_face_network(folder, monkeypatch):
    """A network of HSE-FaceRes' shape with chance weights; returns them."""
    rng = np.random.default_rng(0)
    tensors = {
        "conv1/convolution/merged_input": rng.normal(0, 0.002, (3, 3, 3, 32)),
        "conv1_bn/batchnorm_1/sub": rng.normal(0, 0.5, 32),
    }
    width = 32
    for block, out in enumerate(WIDTHS, 1):
        dw, pw = f"conv_dw_{block}", f"conv_pw_{block}"
        tensors[f"{dw}/depthwise_kernel"] = rng.normal(0, 0.4, (3, 3, width, 1))
        tensors[f"{dw}_bn/batchnorm_1/mul"] = rng.uniform(0.5, 1.5, width)
        tensors[f"{dw}_bn/batchnorm_1/sub"] = rng.normal(0, 0.3, width)
        scale = 1.2 / width**0.5
        tensors[f"{pw}/convolution/merged_input"] = rng.normal(0, scale, (1, 1, width, out))
        tensors[f"{pw}_bn/batchnorm_1/sub"] = rng.normal(0, 0.3, out)
        width = out
    halves = {name: array.astype(np.float16) for name, array in tensors.items()}
    data = b"".join(array.tobytes() for array in halves.values())
    entries = [
        {"name": n, "shape": a.shape, "dtype": "float32", "quantization": {"dtype": "float16"}}
        for n, a in halves.items()
    ]
    (folder / "faceres.bin").write_bytes(data)
    (folder / "faceres.json").write_text(json.dumps({"weightsManifest": [{"weights": entries}]}))
    monkeypatch.setattr(face_weights, "SHA256", face_weights.hashlib.sha256(data).hexdigest())
    return {name: torch.from_numpy(array.astype(np.float32)) for name, array in halves.items()}


def same(x, kernel, stride, groups=1):
    """TensorFlow's padding SAME: what is missing is shared out, the odd pixel at the end."""
    size, side = x.shape[-1], kernel.shape[-1]
    missing = max((-(-size // stride) - 1) * stride + side - size, 0)
    before = missing // 2
    x = F.pad(x, (before, missing - before, before, missing - before))
    return F.conv2d(x, kernel, stride=stride, groups=groups)


def by_hand(tensors, picture):
    """The graph as TensorFlow.js runs it, on 0..255 less the means."""
    x = picture - torch.tensor(face_weights.INPUT_MEANS)[:, None, None]
    kernel = tensors["conv1/convolution/merged_input"].permute(3, 2, 0, 1)
    bias = tensors["conv1_bn/batchnorm_1/sub"]
    x = (same(x, kernel, 2) + bias[:, None, None]).clamp(0, 6)
    for block, stride in enumerate(STRIDES, 1):
        name = f"conv_dw_{block}"
        kernel = tensors[f"{name}/depthwise_kernel"].permute(2, 3, 0, 1)
        x = same(x, kernel, stride, groups=x.shape[1])
        x = x * tensors[f"{name}_bn/batchnorm_1/mul"][:, None, None]
        x = (x + tensors[f"{name}_bn/batchnorm_1/sub"][:, None, None]).clamp(0, 6)
        name = f"conv_pw_{block}"
        x = same(x, tensors[f"{name}/convolution/merged_input"].permute(3, 2, 0, 1), 1)
        x = (x + tensors[f"{name}_bn/batchnorm_1/sub"][:, None, None]).clamp(0, 6)
    return x


def test_the_face_network_computes_what_its_file_says(tmp_path, monkeypatch):
    tensors = write_face_network(tmp_path, monkeypatch)
    network = face_weights.load_face_network(tmp_path)
    grey = torch.full((2, 3, 96, 96), 255 * MEAN) + 40 * torch.randn(2, 1, 96, 96)
    with torch.inference_mode():
        expected = by_hand(tensors, grey)
        found = network(pixel_values=(grey / 255 - MEAN) / STD).last_hidden_state
    # at the rim zeros are padded before the means are taken off here, and after there
    inner = (..., slice(1, 2), slice(1, 2))
    assert expected.std() > 0.05
    torch.testing.assert_close(found[inner], expected[inner], atol=0.05, rtol=0.05)


def test_weights_of_another_version_are_refused(tmp_path, monkeypatch):
    write_face_network(tmp_path, monkeypatch)
    monkeypatch.setattr(face_weights, "SHA256", "0" * 64)
    with pytest.raises(ValueError, match=r"faceres\.bin"):
        face_weights.load_face_network(tmp_path)


def test_norms_adopt_statistics_without_changing_the_function(tmp_path, monkeypatch):
    write_face_network(tmp_path, monkeypatch)
    network = face_weights.load_face_network(tmp_path)
    x = torch.randn(8, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        before = network(pixel_values=x).last_hidden_state
        face_weights.adopt_statistics(network, list(x.split(4)))
        after = network(pixel_values=x).last_hidden_state
        training = network.train()(pixel_values=x).last_hidden_state
    torch.testing.assert_close(after, before, atol=1e-3, rtol=1e-3)
    # in training the norms take the batch's own statistics, which are now the stored ones
    torch.testing.assert_close(training, before, atol=0.1, rtol=0.1)


def votes(*counts):
    return [*counts, *[0] * (10 - len(counts))]


def test_votes_become_shares_majorities_and_parts(tmp_path):
    faces = [
        (votes(1, 6, 3), "happiness", "train"),  # a single vote is dropped: 6 of 9
        (votes(4, 0, 0, 4, 2), "sadness", "train"),  # no class has more than half
        (votes(0, 0, 0, 0, 0, 0, 0, 10), None, "validation"),  # contempt
        (votes(1, 0, 0, 0, 0, 0, 0, 0, 0, 9), "neutral", "train"),  # no face
    ]
    rows = []
    for shade, (counted, word, split) in enumerate(faces):
        buffer = io.BytesIO()
        Image.new("L", (48, 48), 40 * shade).save(buffer, "PNG")
        image = {"bytes": buffer.getvalue(), "path": None}
        rows.append({"image": image, "votes": counted, "fer2013": word, "split": split})
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "ferplus.parquet")
    found = read_ferplus(tmp_path / "ferplus.parquet")
    assert found.images[:, 0, 0].tolist() == [0, 40, 80]
    np.testing.assert_allclose(found.votes.sum(1), 1, rtol=1e-6)
    assert found.votes[0, CLASSES.index("surprise")] == pytest.approx(0.3)
    named = [CLASSES[i] if i >= 0 else None for i in found.majority]
    assert named == ["happiness", None, "contempt"]
    assert [SINGLE_CLASSES[i] if i >= 0 else None for i in found.single] == [
        *("happiness", "sadness", None)
    ]
    assert found.part[2] == "validation"
    assert set(found.part[:2]) <= {"fit", "select"}


def photographs(count=6):
    rng = np.random.default_rng(1)
    shares = rng.dirichlet(np.ones(len(CLASSES)), count).astype(np.float32)
    return Photographs(
        images=rng.integers(0, 255, (count, 48, 48), np.uint8),
        votes=shares,
        majority=shares.argmax(1),
        single=np.full(count, -1),
        part=np.array(["fit"] * count),
    )


def rendered(count=4):
    rng = np.random.default_rng(2)
    return Rendered(
        images=rng.integers(0, 255, (count, 112, 112), np.uint8),
        intensities=np.full((count, len(UNITS)), 3.0, np.float32),
        visible=np.ones((count, len(UNITS)), bool),
        labels=np.array([1, -1, 7, 0][:count]),
        landmarks=np.zeros((count, 478, 3), np.float32),
        blendshapes=np.zeros((count, 52), np.float32),
        face_model=np.full(count, "ict"),
        people=np.arange(count),
        part=np.full(count, "fit"),
    )


def test_a_batch_keeps_faces_and_labels_together():
    real, drawn = photographs(), rendered()
    batches = Batches(real, drawn, seed=0, mixup=0.0)
    batch = batches([(8, False), (2, False), (7, False), (0, False)])
    assert batch["real"].tolist() == [True, True, False, False]
    torch.testing.assert_close(batch["votes"][:2], torch.from_numpy(real.votes[[2, 0]]))
    assert batch["votes"][2].argmax() == 7
    assert batch["votes"][3].sum() == 0  # a rendered face without an expression
    assert batch["units"][:2].isnan().all()
    assert (batch["units"][2:] == 3).all()
    expected = torch.from_numpy(real.images[2]).float()[None, None] / 255
    shown = F.interpolate(expected, (112, 112), mode="bilinear", align_corners=False)
    torch.testing.assert_close(batch["pixel_values"][0, :1], (shown[0] - MEAN) / STD)


def test_the_loss_falls_when_the_answers_are_right():
    class Says(nn.Module):
        """Answers what it is told to."""

        def __init__(self, answers):
            super().__init__()
            self.answers = answers

        def forward(self, pixel_values):
            return self.answers

    def loss(*, good):
        sign = 4.0 if good else -4.0
        truth = torch.zeros(2, 8)
        truth[:, 3] = 1
        own = F.one_hot(torch.tensor([2, 2]), 7).float()
        units = torch.tensor([[5.0] * len(UNITS), [float("nan")] * len(UNITS)])
        learner = EncoderLearner(FaceEncoder(), torch.ones(len(UNITS)))
        level = torch.full((2, len(UNITS)), 1.0 if good else 0.0)
        learner.student = Says((sign * truth, sign * own, sign * torch.ones_like(units), level))
        learner.training = True
        return learner(
            torch.zeros(2, 3, 8, 8),
            votes=truth,
            single=torch.tensor([2, -1]),
            units=units,
            majority=torch.tensor([3, 3]),
            real=torch.tensor([True, False]),
        )["loss"]

    assert torch.isfinite(loss(good=True))
    assert loss(good=True) < 0.5 < loss(good=False)


def test_rare_classes_come_more_often():
    faces = photographs(1000)
    top = np.array([0] * 990 + [7] * 10)
    faces = Photographs(
        faces.images, np.eye(8, dtype=np.float32)[top], top, faces.single, faces.part
    )
    times = np.bincount(often(faces, np.arange(1000)), minlength=1000)
    assert (times[:990] == 1).all()
    assert (times[990:] == 2).all()  # the root of 0.05 / 0.01


def test_expression_scores_leave_out_what_has_no_label():
    logits = np.eye(3)[[0, 1, 2, 0]]
    found = expression_scores(logits, np.array([0, 1, 1, -1]), ("neutral", "a", "b"))
    assert found["war"] == pytest.approx(2 / 3)
    assert found["neutral"] == 1.0


def test_the_temperature_finds_back_what_the_scores_were_divided_by():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (500, 8))
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert votes_temperature(1.7 * logits, shares) == pytest.approx(1.7, rel=0.03)
