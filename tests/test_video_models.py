"""Tracks of videos answered as a whole by a model that reads clips."""

import gc
import json
import shutil
import weakref
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

import mien
from mien import weights
from mien.analyzer import Analyzer
from mien.cli import app
from mien.commands.models import installed_models
from mien.engines import Answer, EngineError, load_responder
from mien.engines.track_clips import ClipFrames
from mien.facs import LABEL_SETS
from mien.media import Picture, Sampling
from mien.models.priors import FacePriors
from mien.schema import Expression, Pose
from mien.sinks import read_rows
from tests.engines.conftest import tiny_folder  # noqa: F401
from tests.engines.tiny_clips import save_emo_llama
from tests.media.clips import write_clip
from tests.test_clips import Patches, Redness, patches


class Counting(Redness):
    """Reads clips: says how many frames it was shown, and how red the reddest was."""

    name, clip_frames = "counting", 4

    def __init__(self, fails=False):
        super().__init__()
        self.fails, self.clips, self.priors, self.asked_priors = fails, [], [], 0

    def face_priors(self, image, faces):
        self.asked_priors += len(faces)
        return [FacePriors(pose=Pose(face.box[0] % 90, 0.0, 0.0)) for face in faces]

    def answer_clips(self, clips, priors, *, numbers_only=False):
        if self.fails:
            raise EngineError("out of memory")
        self.clips += clips
        self.priors += priors
        scores = dict.fromkeys(LABEL_SETS["basic7"], 0.0) | {"surprise": 1.0}
        return [
            Answer(
                expression=Expression("surprise", scores=scores),
                text=None if numbers_only else f"{len(clip)} frames",
            )
            for clip in clips
        ]


@pytest.fixture
def clip(tmp_path):
    """Two seconds at ten frames a second: a red person, and from frame 5 on a blue one."""
    path = tmp_path / "walk.mp4"
    write_clip(path, 20, size=(160, 64), rate=10, draw=patches, options={"crf": "1"})
    return path


EVERY = Sampling(every=1)


def looked_at(clip, engine, clips=None, **options):
    made = Analyzer(engine, Patches(), clips=(lambda: clips) if clips else None, **options)
    return made.analyze(clip, sampling=EVERY)


def test_frames_by_the_one_and_tracks_by_the_other(clip):
    pictures, clips = Redness(), Counting()
    rows = looked_at(clip, pictures, clips)
    summaries = looked_at(clip, Redness())
    faces = [r for r in rows if r.kind == "face"]
    assert faces == [r for r in summaries if r.kind == "face"]
    assert {r.model for r in faces} == {"redness"}
    red, blue, whole = rows[-3:]
    assert [r.model for r in (red, blue, whole)] == ["counting"] * 3
    assert [r.text for r in (red, blue, whole)] == ["4 frames"] * 3
    assert {r.expression.label for r in (red, blue, whole)} == {"surprise"}
    # Place, time and courses stay those of the frames.
    for row, summary in zip((red, blue, whole), summaries[-3:], strict=True):
        kept = replace(row, expression=summary.expression, action_units=summary.action_units)
        assert replace(kept, model="redness", text=summary.text) == summary
    assert not [b for b in pictures.batches if not b[1]]  # no words by the model of pictures


def test_the_frames_that_it_is_shown_and_their_priors(clip):
    engine = Counting()
    looked_at(clip, Redness(), engine)
    assert [len(c) for c in engine.clips] == [4, 4]
    reds = [float(crop[..., 0].mean()) for crop in engine.clips[0]]
    assert reds == sorted(reds)  # the red person brightens
    assert reds[-1] - reds[0] > 6 * 9  # spread over its 20 frames, of 6 levels each
    boxes = [known.pose.yaw for known in engine.priors[0]]
    assert boxes == sorted(boxes)  # it walks to the right
    assert engine.asked_priors < 40  # of what is not kept nothing is computed


def test_around_the_apex(clip):
    engine = Counting()
    looked_at(clip, Redness(), engine, clip_frames=ClipFrames(3, "apex"))
    reds = [float(crop[..., 0].mean()) for crop in engine.clips[0]]
    assert len(reds) == 3
    assert reds[-1] > 120 + 6 * 18  # the brightest is the last of the clip
    assert reds[0] > 120 + 6 * 15


def test_a_model_that_reads_clips_reads_pictures_as_clips_of_one(clip):
    engine = Counting()
    picture = Picture("a.png", patches(0, 160, 64))
    (looked,) = Analyzer(engine, Patches()).stream_pictures([picture])
    assert looked.rows[0].text == "1 frames"
    assert [len(c) for c in engine.clips] == [1]
    assert engine.priors[0][0].pose.yaw == 4
    rows = looked_at(clip, Counting())  # and is the model of clips by itself
    assert (rows[0].text, rows[-1].text) == (None, "4 frames")


def test_no_answer_leaves_the_summary_and_says_so(clip):
    rows = looked_at(clip, Redness(), Counting(fails=True))
    summaries = looked_at(clip, Redness())
    for row, summary in zip(rows[-3:], summaries[-3:], strict=True):
        assert (row.model, row.status) == ("redness", "ok")
        assert row.expression == summary.expression
        assert "counting gave no answer (out of memory); this is the summary" in row.warnings[-1]


def test_numbers_alone(clip):
    made = Analyzer(Redness(), Patches(), clips=Counting)
    assert {r.text for r in made.analyze(clip, numbers=True)} == {None}


def test_crops_of_ended_tracks_are_let_go(tmp_path):
    """A face that leaves and comes back anew, again and again: memory does not count them up."""
    path = tmp_path / "many.mp4"

    def blinks(index, width, height):
        return patches(0, width, height) if index % 8 < 3 else patches(0, width, height) * 0 + 90

    write_clip(path, 160, size=(160, 64), rate=2, draw=blinks, options={"crf": "1"})

    class Watched(Counting):
        def __init__(self):
            super().__init__()
            self.tags, self.most_alive, self.count = weakref.WeakSet(), 0, 0

        def face_priors(self, image, faces):
            gc.collect(0)
            self.most_alive = max(self.most_alive, len(self.tags))
            found = [Tagged(pose=Pose(1.0, 0.0, 0.0)) for _ in faces]
            for one in found:
                self.tags.add(one)
            return found

        def answer_clips(self, clips, priors, *, numbers_only=False):
            answers = super().answer_clips(clips, priors, numbers_only=numbers_only)
            self.count += len(clips)
            self.clips, self.priors = [], []
            return answers

    engine = Watched()
    made = Analyzer(Redness(), Patches(), batch_size=4, clips=lambda: engine)
    rows = made.analyze(path, numbers=True, sampling=EVERY)
    tracks = [r for r in rows if r.kind == "track"]
    assert len(tracks) == engine.count == 20
    assert {r.model for r in tracks} == {"counting"}
    assert engine.most_alive <= 24  # of 60; tracks end some seconds after they are last seen


class Tagged(FacePriors):
    """Priors that can be weakly referred to."""

    __slots__ = ("__weakref__",)


def test_which_frames_is_checked():
    with pytest.raises(ValueError, match="at least one"):
        ClipFrames(0)
    with pytest.raises(ValueError, match="around is 'onset'; use track or apex"):
        ClipFrames(4, "onset")


@pytest.fixture
def installation(tmp_path, monkeypatch, tiny_folder):  # noqa: F811
    """Weights of tiny models in place of those of the package; call it to add the video model."""
    root = tmp_path / "weights"
    shutil.copytree(tiny_folder, root / "nano")
    monkeypatch.setattr(weights, "ROOT", root)
    monkeypatch.setattr(weights, "_verified", set())
    about = {"parameters": 1, "licence": "none", "trained_on": "nothing", "headline": {}}
    (root / "nano" / "about.json").write_text(json.dumps(about))
    weights.write_manifest("nano")

    def add():
        save_emo_llama(root / "nano_video")
        (root / "nano_video" / "about.json").write_text(json.dumps(about))
        weights.write_manifest("nano_video")

    return add


def run(*arguments):
    return CliRunner().invoke(app, ["analyze", *map(str, arguments), "--device", "cpu"])


def test_videos_go_to_the_model_for_videos_where_it_is_installed(installation, clip, tmp_path):
    out = tmp_path / "rows.jsonl"
    arguments = (clip, "--faces", "whole", "--frames", "4", "--out", out)

    def models_of():
        rows = list(read_rows(out))
        return {kind: {r.model for r in rows if r.kind == kind} for kind in ("face", "track")}

    assert run(*arguments).exit_code == 0
    assert models_of() == {"face": {"mien/nano"}, "track": {"mien/nano"}}
    with pytest.raises(EngineError, match="mien/nano-video is not part of this installation"):
        load_responder("mien/nano-video", device="cpu")
    missing = run(*arguments, "--model", "mien/nano-video")
    assert missing.exit_code == 2
    assert "use mien/nano" in " ".join(missing.output.split())
    assert installed_models()[1] == {
        "model": "mien/nano-video",
        "state": "not in this installation",
    }

    installation()
    assert load_responder("mien/nano-video", device="cpu").clip_frames is not None
    assert [m["state"] for m in installed_models()] == ["ok", "ok"]
    assert run(*arguments).exit_code == 0
    assert models_of() == {"face": {"mien/nano"}, "track": {"mien/nano-video"}}
    assert all(r.text for r in read_rows(out) if r.kind == "track")
    assert run(*arguments, "--model", "mien/nano").exit_code == 0
    assert models_of() == {"face": {"mien/nano"}, "track": {"mien/nano"}}
    video = (*arguments, "--model", "mien/nano-video", "--clip-frames", "2", "--around-apex")
    assert run(*video).exit_code == 0
    assert models_of() == {"face": {"mien/nano-video"}, "track": {"mien/nano-video"}}


def test_a_damaged_video_model_is_told_before_anything_is_looked_at(installation, clip):
    installation()
    (weights.ROOT / "nano_video" / "model.safetensors").write_bytes(b"half")
    weights._verified.clear()
    result = run(clip, "--faces", "whole")
    assert result.exit_code == 2
    assert "damaged" in result.output
    with pytest.raises(EngineError, match="damaged"):
        mien.load(device="cpu", faces="whole")


def test_pictures_do_not_load_the_video_model(installation, monkeypatch):
    installation()
    analyzer = mien.load(device="cpu", faces="whole")
    picture = Picture("a.png", np.full((48, 48, 3), 90, np.uint8))
    (looked,) = analyzer.stream_pictures([picture])
    assert looked.rows[0].model == "mien/nano"
    assert "clip_responder" not in vars(analyzer)
