"""Everything that depends on mien/nano and never changes in training: computed once.

`python -m recipes.nano_video.features` goes over the clips and the stills again after nano was
trained anew. Files that are there already are kept; delete the folder for new weights.
"""

from __future__ import annotations

import argparse
import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mien.engines.local_model import LocalModel
from mien.models.branches import score_branches
from mien.synth.feabench import load_feabench
from mien.weights import verify
from recipes.nano.augment import augment, plain
from recipes.nano.encoder import MILD
from recipes.nano.rendered import load_rendered

from .clips import CROP, NATIVE, found_face
from .fer2013_faces import CLASSES, read_fer2013
from .landmarks import find_landmarks
from .looked import POINTS, Looked, clip_units, estimated_pose, face_frame, fit_pose, joined

log = logging.getLogger("recipes.nano_video")

STILLS = {"fer-fit": 8000, "fer-select": 1000, "rendered-fit": 8000, "rendered-select": 600}
"""Faces that are drawn of each kind; they teach what clips are too few for."""
SHAPES = 51
VIEWS = 2
"""Of each training clip: as it is, and augmented."""


class Nano:
    """mien/nano: the frozen encoder, and the answers that are compared with and learned from."""

    def __init__(self) -> None:
        device = torch.device("cpu")
        self.core = LocalModel.from_folder(verify("nano"), name="mien/nano", device=device)
        self.size = self.core.model.config.image_size
        if self.core.crop_spec != CROP:
            raise ValueError(f"nano reads {self.core.crop_spec}, but clips are cut as {CROP}")

    @torch.inference_mode()
    def look(
        self,
        crops: NDArray[np.uint8],
        *,
        ask: bool = True,
        mirror: bool = False,
        strength: float = 0.0,
        clips: NDArray[np.int64] | None = None,
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Features and answers.

        Args:
            crops: (N, 48, 48).
            ask: also score the candidate answers, which takes most of the time.
            mirror: answers are the mean over a face and its mirror image, as nano ships.
            strength: of augmentation.
            clips: (N,) number of each picture's clip, whose frames are augmented alike, but not
                mirrored, as landmarks are not; None for stills.

        Returns:
            (N, V, C) float16, (N, 7) and (N, 19, 6) log-likelihoods, NaN if not asked.
        """
        chance = torch.Generator().manual_seed(0)
        parts = []
        for start in range(0, len(crops), 64):
            images = torch.from_numpy(np.ascontiguousarray(crops[start : start + 64]))
            strengths = torch.full((len(images),), strength)
            if strength and clips is not None:
                seeds = clips[start : start + 64].tolist()
                own = [torch.Generator().manual_seed(int(seed)) for seed in seeds]
                x = augment(images, self.size, own, strengths, mirror=False)
            elif strength:
                x = augment(images, self.size, chance, strengths)
            else:
                x = plain(images, self.size)
            parts.append(self._batch(x, ask, mirror))
        tokens, expression, levels = zip(*parts, strict=True)
        return np.concatenate(tokens), np.concatenate(expression), np.concatenate(levels)

    def _batch(self, x: torch.Tensor, ask: bool, mirror: bool) -> tuple[Any, Any, Any]:
        model, units = self.core.model, len(self.core.action_units)
        fast = bool(torch.cpu._is_avx512_bf16_supported())
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=fast):
            views = torch.cat((x, x.flip(-1))) if mirror and ask else x
            views = views.contiguous(memory_format=torch.channels_last)
            levels = model.model.vision_levels(views)
            tokens = levels[-1][: len(x)].flatten(2).transpose(1, 2)
            if not ask:
                empty = np.full((len(x), units, 6), np.nan, np.float32)
                return _half(tokens), empty[:, 0, 0:1].repeat(7, 1), empty
            features = model.encode_images(views, levels=levels)
            prompt = self.core.prompts([self.core.question] * len(views))
            scores = score_branches(model, self.core.tree, image_features=features, **prompt)
        groups = [g.float().unflatten(0, (-1, len(x))).mean(0).numpy() for g in scores]
        return _half(tokens), groups[0], np.stack(groups[1:], 1)


def _half(tokens: torch.Tensor) -> NDArray[np.float16]:
    return tokens.float().numpy().astype(np.float16)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=Path, required=True, help="folder of `clips`")
    parser.add_argument("--data", type=Path, required=True, help="folder with fer2013.parquet")
    parser.add_argument("--nano", type=Path, required=True, help="run folder of recipes.nano")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    compute(options.clips, options.data, options.nano, options.out)


def compute(clips: Path, data: Path, nano_run: Path, out: Path) -> None:
    """Writes a file of `Looked` for each set that `out` lacks.

    Args:
        clips: shards of `clips.make_clips`.
        data: with `fer2013.parquet`.
        nano_run: with `landmarks.npz` and `rendered/*.npz`, as recipes.nano leaves them.
        out: folder to write to.
    """
    out.mkdir(parents=True, exist_ok=True)
    nano = Nano()
    _all_clips(nano, clips, out, "train")
    weights = _pose_weights(out)
    for name in ("fer-fit", "rendered-fit", "fer-select", "rendered-select", "fer-validation"):
        path = out / f"{name}.npz"
        if not path.exists():
            _stills(nano, name, data, nano_run, weights).save(path)
            log.info("%s", path.stem)
    _all_clips(nano, clips, out, "test")
    if not (out / "feabench.npz").exists():
        _feabench(nano).save(out / "feabench.npz")
        log.info("feabench")


def _all_clips(nano: Nano, clips: Path, out: Path, split: str) -> None:
    for shard in sorted(clips.glob(f"{split}-*-???.npz")):
        for view in range(VIEWS if split == "train" else 1):
            path = out / f"clips-{shard.stem}-{view}.npz"
            if not path.exists():
                _clips(nano, shard, view).save(path)
                log.info("%s", path.stem)


def load_clips(out: Path, split: str) -> Looked:
    """All clips of a split that are there."""
    return joined([Looked.load(path) for path in sorted(out.glob(f"clips-{split}-*.npz"))])


def _clips(nano: Nano, shard: Path, view: int) -> Looked:
    with np.load(shard) as stored:
        clip = {name: stored[name] for name in stored.files}
    found = clip["found"]
    test = shard.name.startswith("test")
    numbers = np.repeat(clip["number"] + 100_000 * view, found.sum(1))
    flat = nano.look(
        clip["crops"][found],
        ask=test,
        mirror=True,
        strength=MILD if view else 0.0,
        clips=numbers,
    )
    tokens, expression, levels = (_scattered(found, values) for values in flat)
    marks = np.full((*found.shape, POINTS, 3), np.nan, np.float16)
    marks[found] = face_frame(clip["landmarks"][found], np.ones(int(found.sum()), bool))
    names = clip["expression"]
    return Looked(
        tokens=tokens,
        found=found,
        landmarks=marks,
        blendshapes=np.where(found[..., None], clip["blendshapes"], np.nan).astype(np.float16),
        pose=clip["pose"],
        labels=np.array([CLASSES.index(n) if n in CLASSES else -1 for n in names]),
        units=clip_units(clip["intensities"], clip["visible"], clip["blink"]),
        frame_units=np.where(clip["visible"], clip["intensities"], np.nan).astype(np.float32),
        expression=expression,
        levels=levels,
        person=np.char.add(np.char.add(clip["face_model"], "-"), clip["person"].astype(str)),
        case=clip["case"],
        attributes=clip["attributes"],
    )


def _scattered(found: NDArray[np.bool_], values: NDArray[Any]) -> NDArray[Any]:
    """(R, ...) of the found frames to (N, F, ...)."""
    fill = 0 if values.dtype == np.float16 else np.nan
    result = np.full((*found.shape, *values.shape[1:]), fill, values.dtype)
    result[found] = values
    return result


def _pose_weights(out: Path) -> NDArray[np.float64]:
    """The regression of pose from landmarks, over the frames of training clips."""
    clips = load_clips(out, "train")
    marks, pose = clips.landmarks[clips.found], clips.pose[clips.found]
    known = np.isfinite(marks).all((1, 2)) & np.isfinite(pose).all(1)
    return fit_pose(marks[known][:6000], pose[known][:6000])


def _stills(
    nano: Nano, name: str, data: Path, nano_run: Path, weights: NDArray[np.float64]
) -> Looked:
    kind, _, part = name.partition("-")
    rng = np.random.default_rng(len(name))
    if kind == "fer":
        parquet = data / "fer2013.parquet"
        cache = nano_run / "landmarks.npz"
        if not cache.exists():
            find_landmarks(parquet, cache)
        faces = read_fer2013(parquet)
        with np.load(cache) as found:
            rows = _drawn(rng, faces.where(part), name)
            marks, shapes = found["L"][rows], found["B"][rows]
        images, labels = faces.images[rows], faces.labels[rows]
        units = np.full((len(rows), len(nano.core.action_units)), np.nan, np.float32)
        people = np.char.add("photograph-", rows.astype(str))
        strength = 1.0
    else:
        rendered = load_rendered(*sorted((nano_run / "rendered").glob("*-train.npz")))
        rows = _drawn(rng, rendered.where(part), name)
        images, labels = rendered.images[rows], rendered.labels[rows]
        labels = np.where(labels < len(CLASSES), labels, -1)  # contempt is none of nano-video's
        marks, shapes = rendered.landmarks[rows], rendered.blendshapes[rows]
        units = rendered.known()[rows]
        people = np.char.add(
            rendered.face_model[rows], np.char.add("-", rendered.people[rows].astype(str))
        )
        strength = MILD
    tokens, expression, levels = nano.look(
        images,
        mirror=part == "validation",
        strength=strength if part == "fit" else 0.0,
    )
    known = np.isfinite(marks).all((1, 2))
    placed = face_frame(marks, known)
    return _one_frame(
        tokens=tokens,
        landmarks=placed,
        blendshapes=shapes,
        pose=estimated_pose(placed, marks, weights),
        labels=labels,
        units=units,
        expression=expression,
        levels=levels,
        person=people,
        case="photograph" if kind == "fer" else "rendered",
    )


def _drawn(rng: np.random.Generator, rows: NDArray[np.int64], name: str) -> NDArray[np.int64]:
    count = min(STILLS.get(name, len(rows)), len(rows))
    return np.sort(rng.permutation(rows)[:count])


def _feabench(nano: Nano) -> Looked:
    """FEABench-Synth's pictures, faces found as `mien analyze` finds them; all are kept."""
    from mien.faces import make_finder

    finder = make_finder("mediapipe")
    crops, marks, shapes, pose, labels, units, found = [], [], [], [], [], [], []
    order = nano.core.action_units
    for sample, image in load_feabench():
        face, crop = found_face(finder, image, CROP)
        found.append(face is not None)
        crops.append(np.zeros((NATIVE, NATIVE), np.uint8) if crop is None else crop)
        blank = np.full((POINTS, 3), np.nan, np.float32)
        marks.append(blank if face is None else face.landmarks)
        scores = list(face.blendshapes.values()) if face is not None else []
        shapes.append(scores or [np.nan] * SHAPES)
        at = face.pose if face is not None else None
        pose.append([np.nan] * 3 if at is None else [at.yaw, at.pitch, at.roll])
        label = sample.expression.label if sample.expression else None
        labels.append(CLASSES.index(label) if label in CLASSES else -1)
        known = {u.au: u for u in sample.action_units or () if u.present is not None}
        units.append([known[au].intensity if au in known else np.nan for au in order])
    tokens, expression, levels = nano.look(np.stack(crops), mirror=True)
    raw, seen = np.array(marks, np.float32), np.array(found)
    looked = _one_frame(
        tokens=tokens,
        landmarks=face_frame(raw, seen & np.isfinite(raw).all((1, 2))),
        blendshapes=np.array(shapes),
        pose=np.array(pose, np.float32),
        labels=np.array(labels),
        units=np.array(units, np.float32),
        expression=expression,
        levels=levels,
        person=np.arange(len(seen)).astype(str),
        case="rendered",
    )
    looked.found[:, 0] = seen
    return looked


def _one_frame(*, case: str, **values: Any) -> Looked:
    """Stills as clips of one frame."""
    framed = ("tokens", "landmarks", "blendshapes", "pose", "expression", "levels")
    count = len(values["labels"])
    data = {k: v[:, None] if k in framed else v for k, v in values.items()}
    data["blendshapes"] = data["blendshapes"].astype(np.float16)
    data["frame_units"] = data["units"][:, None]
    return Looked(
        **data,
        found=np.ones((count, 1), bool),
        case=np.full(count, case),
        attributes=np.full(count, json.dumps({})),
    )


if __name__ == "__main__":
    main()
