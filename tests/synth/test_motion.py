"""Clips before they are rendered: what moves, when, and how fast."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.synth.combinations import Pattern, draw_pattern
from mien.synth.courses import (
    BLINK,
    FALL,
    HOLD,
    LAG,
    LOUDEST,
    RISE,
    SHORTEST,
    STEEPEST,
    draw_blinks,
    draw_timing,
    eased,
    smooth,
)
from mien.synth.draw_scene import draw_scene
from mien.synth.motion import HELD, TREMOR, TURNS, Motion, closure, draw_motion
from mien.synth.scene import Scene
from tests.synth.made_up import MadeUpFace

FPS = 25
CLIPS = 120


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    model = MadeUpFace()
    return [draw_scene(i, seed=5, split="train", model=model) for i in range(CLIPS)]


@pytest.fixture(scope="module")
def motions(scenes: list[Scene]) -> list[Motion]:
    return [draw_motion(scene, fps=FPS, seconds=3) for scene in scenes]


def moving(motions: list[Motion]) -> list[Motion]:
    return [m for m in motions if m.timing is not None]


def phases(motion: Motion) -> list[str]:
    found: list[str] = []
    for k in range(len(motion)):
        if not found or found[-1] != motion.phase(k):
            found.append(motion.phase(k))
    return found


def test_same_scene_same_motion(scenes: list[Scene]) -> None:
    first, second = (draw_motion(scenes[3], fps=FPS, seconds=3) for _ in range(2))
    assert [first.frame(k) for k in range(75)] == [second.frame(k) for k in range(75)]
    other = draw_motion(replace(scenes[3], seed=6), fps=FPS, seconds=3)
    assert other.frame(40) != first.frame(40)


def test_only_what_moves_changes(motions: list[Motion]) -> None:
    for motion in motions[:20]:
        scene = motion.scene
        for k in (0, 37, 74):
            frame = motion.frame(k)
            still = replace(
                frame,
                units=scene.units,
                extras=scene.extras,
                parting=scene.parting,
                pose=scene.pose,
                eyes=replace(frame.eyes, yaw=scene.eyes.yaw, pitch=scene.eyes.pitch),
                camera=replace(frame.camera, shift=scene.camera.shift),
                finish=replace(frame.finish, seed=scene.finish.seed),
            )
            assert still == scene
        seeds = {motion.frame(k).finish.seed for k in range(75)}
        assert len(seeds) == 75, "noise is new in every frame"


@pytest.mark.parametrize(("seconds", "fps"), [(2.0, 10), (3.0, 25), (3.0, 29.97), (8.0, 30)])
def test_length(scenes: list[Scene], seconds: float, fps: float) -> None:
    motion = draw_motion(scenes[0], fps=fps, seconds=seconds)
    assert len(motion) == round(seconds * fps)
    assert motion.times[-1] == pytest.approx((len(motion) - 1) / fps)


# ----------------------------------------------------------------------------------- the expression


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32), st.floats(SHORTEST, 12), st.floats(0, LAG), st.floats(0, LAG))
def test_timing(seed: int, seconds: float, lead: float, trail: float) -> None:
    timing = draw_timing(np.random.default_rng(seed), seconds, lead=lead, trail=trail)
    assert timing.onset < timing.apex < timing.offset < timing.end
    assert timing.apex - timing.onset == pytest.approx(timing.rise + lead)
    assert timing.end - timing.offset == pytest.approx(timing.fall + trail)
    assert RISE[0] - 1e-9 <= timing.rise <= RISE[1]
    assert FALL[0] - 1e-9 <= timing.fall <= FALL[1]
    assert timing.offset - timing.apex <= HOLD[1] + 1e-9
    if timing.cut == "whole":
        assert timing.offset - timing.apex >= HOLD[0] - 1e-9
        assert timing.onset > 0
        assert timing.end < seconds
    elif timing.cut == "begins":
        assert timing.apex < 0 < timing.offset < timing.end < seconds
    else:
        assert 0 < timing.onset < timing.apex < seconds < timing.offset


def test_too_short_a_clip_is_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        draw_timing(np.random.default_rng(0), 1.0)


def test_phases_come_in_order(motions: list[Motion]) -> None:
    allowed = {
        "whole": ["neutral", "onset", "apex", "offset", "neutral"],
        "begins": ["apex", "offset", "neutral"],
        "ends": ["neutral", "onset", "apex"],
    }
    seen = set()
    for motion in moving(motions):
        assert phases(motion) == allowed[motion.timing.cut]
        seen.add(motion.timing.cut)
        for moment, phase in (("onset", "onset"), ("apex", "apex"), ("offset", "offset")):
            at = motion.frame_at(getattr(motion.timing, moment))
            if at is not None:
                assert motion.phase(at) == phase
                assert motion.phase(at - 1) != phase
    assert seen == set(allowed)


def test_a_neutral_face_stays_neutral(motions: list[Motion]) -> None:
    neutral = [m for m in motions if m.scene.origin == "neutral"]
    assert neutral
    for motion in neutral:
        assert phases(motion) == ["neutral"]
        for (au, _), values in motion.units.items():
            assert au == 43 or values.max() < 1.6


def test_the_apex_is_the_scene(motions: list[Motion]) -> None:
    loudest = TREMOR * LOUDEST
    for motion in moving(motions):
        apex = [k for k in range(len(motion)) if motion.phase(k) == "apex"]
        closed = closure(motion.blinks, motion.times)[apex]
        for (au, side), wanted in motion.scene.units.items():
            values = motion.units[au, side][apex][closed == 0]
            assert np.abs(values - wanted).max(initial=0) <= loudest * wanted
        assert motion.parting[apex] == pytest.approx(motion.scene.parting)
        for name, weight in motion.scene.extras.items():
            assert motion.extras[name][apex] == pytest.approx(weight)


def test_before_and_after_nothing_shows(motions: list[Motion]) -> None:
    for motion in moving(motions):
        rest = [k for k in range(len(motion)) if motion.phase(k) == "neutral"]
        closed = closure(motion.blinks, motion.times)
        rest = [k for k in rest if closed[k] == 0]
        for values in motion.units.values():
            assert values[rest] == pytest.approx(HELD)


def test_intensities_are_continuous(motions: list[Motion]) -> None:
    for motion in motions:
        closed = closure(motion.blinks, motion.times)
        calm = (closed[1:] == 0) & (closed[:-1] == 0)
        for values in motion.units.values():
            step = np.abs(np.diff(values))
            tremor = 5 * TREMOR * LOUDEST * 2 * np.pi * 5 / FPS
            assert step[calm].max() <= 5 * STEEPEST / RISE[0] / FPS + tremor
        for name in motion.extras:
            assert np.abs(np.diff(motion.extras[name])).max() <= STEEPEST / RISE[0] / FPS


def test_units_start_with_small_lags(motions: list[Motion]) -> None:
    lags = []
    for motion in moving(motions):
        if motion.timing.cut == "begins":
            continue
        starts = [
            motion.times[int((values > 0.02 * motion.scene.units[unit]).argmax())]
            for unit, values in motion.units.items()
            if unit in motion.scene.units and motion.scene.units[unit] > 1 and unit[0] != 43
        ]
        lags.append(max(starts, default=0) - min(starts, default=0))
    assert 0.04 < np.mean(lags) < LAG
    assert max(lags) < LAG + 0.1


def test_the_onset_is_where_the_first_unit_begins(motions: list[Motion]) -> None:
    for motion in moving(motions):
        if motion.timing.cut == "begins":
            continue
        units = [u for u in motion.scene.units if u[0] != 43 and motion.scene.units[u] > 1]
        if len(units) == len(motion.scene.units) and not motion.extras and units:
            moved = np.max([motion.units[u] > 3 * HELD for u in units], axis=0)
            at = motion.frame_at(motion.timing.onset)
            assert at <= moved.argmax() <= at + 1


def test_asymmetry_is_kept() -> None:
    model = MadeUpFace()
    scene = replace(
        draw_scene(1, seed=0, split="train", model=model),
        origin="variant",
        units={(12, "left"): 4.0, (12, "right"): 2.0},
    )
    motion = draw_motion(scene, fps=FPS, seconds=3)
    left, right = motion.units[12, "left"], motion.units[12, "right"]
    high = left > 0.5
    assert right[high] / left[high] == pytest.approx(0.5, rel=0.08)


def test_patterns_are_what_stills_have(scenes: list[Scene]) -> None:
    """A clip is drawn from the same scenes as a still, blends and neutral faces among them."""
    rng = np.random.default_rng([5, 7, 0])
    assert isinstance(pattern := draw_pattern(rng), Pattern)
    assert scenes[7].units == pattern.units
    assert any(s.origin == "variant" and s.expression is None for s in scenes), "blends"


@pytest.mark.parametrize("kind", ["cubic", "sigmoid"])
def test_easing(kind: str) -> None:
    x = np.linspace(-0.5, 1.5, 2001)
    y = eased(x, kind)  # type: ignore[arg-type]
    assert y[x <= 0] == pytest.approx(0, abs=1e-12)
    assert y[x >= 1] == pytest.approx(1)
    slope = np.diff(y) / np.diff(x)
    assert slope.min() >= 0
    assert slope.max() <= STEEPEST


# ------------------------------------------------------------------------------------------- blinks


def test_blinks_are_short_whole_and_as_often_as_usual() -> None:
    rng = np.random.default_rng(0)
    per_minute = []
    for _ in range(200):
        blinks = draw_blinks(rng, 30.0)
        per_minute.append(2 * len(blinks))
        ends = [0.0]
        for blink in blinks:
            assert BLINK[0] <= blink.end - blink.start <= BLINK[1]
            assert blink.start >= ends[-1]
            assert 0.85 <= blink.depth <= 1
            ends.append(blink.end)
        assert ends[-1] <= 30
    assert 12 < np.mean(per_minute) < 22


def test_a_blink_closes_the_eyes_and_nothing_else_does(motions: list[Motion]) -> None:
    blinking = [m for m in motions if m.blinks]
    assert blinking
    for motion in blinking:
        own = max((v for (au, _), v in motion.scene.units.items() if au == 43), default=0.0)
        shut = np.max([v for (au, _), v in motion.units.items() if au == 43], axis=0)
        for k in range(len(motion)):
            if not motion.blinking(k):
                assert shut[k] <= max(own * 1.05, HELD)
        for blink in motion.blinks:
            frames = [k for k in range(len(motion)) if blink.start <= motion.times[k] < blink.end]
            assert shut[frames].max() > 3, "seen at 25 frames a second"
            assert BLINK[0] * FPS - 1 <= len(frames) <= BLINK[1] * FPS + 1
            if (5, "both") in motion.units:
                least = motion.units[5, "both"][frames].min()
                assert least < 0.4 * motion.scene.units[5, "both"]


def test_closed_eyes_do_not_blink(motions: list[Motion]) -> None:
    for motion in moving(motions):
        if max((v for (au, _), v in motion.scene.units.items() if au == 43), default=0) >= 1:
            for blink in motion.blinks:
                assert blink.end <= motion.timing.onset or blink.start >= motion.timing.end


def test_the_peak_is_at_the_apex_with_open_eyes(motions: list[Motion]) -> None:
    for motion in motions:
        assert motion.phase(motion.peak) == ("apex" if motion.timing else "neutral")
        assert closure(motion.blinks, motion.times)[motion.peak] < 0.05


# ---------------------------------------------------------------------------------- head and camera


def test_head_drifts_slowly_and_sometimes_turns(motions: list[Motion]) -> None:
    ranges = np.array([np.ptp(m.pose, axis=0) for m in motions])
    assert 1 < np.median(ranges[:, 0]) < 10
    assert ranges[:, 0].max() > 12, "some turn"
    assert ranges.min() > 0, "none is frozen"
    for motion in motions:
        assert (np.abs(motion.pose) <= TURNS).all()
        assert np.abs(np.diff(motion.pose, axis=0)).max() < 5, "degrees a frame"


def test_gaze_jumps_and_stays_in_the_eyes(motions: list[Motion]) -> None:
    assert sum(np.abs(np.diff(m.gaze, axis=0)).max() > 3 for m in motions) > CLIPS / 4
    for motion in motions:
        assert np.abs(motion.gaze[:, 0]).max() <= 25
        assert -15 <= motion.gaze[:, 1].min() <= motion.gaze[:, 1].max() <= 12


def test_some_cameras_shake_a_little(motions: list[Motion]) -> None:
    moved = np.array([np.ptp(m.shift, axis=0).max() for m in motions])
    assert 0.1 < (moved > 0).mean() < 0.45
    assert moved.max() < 0.03


def test_smooth_chance_has_its_size_and_band() -> None:
    rng = np.random.default_rng(1)
    times = np.arange(4000) / 100
    waves = np.stack([smooth(rng, times, (0.5, 2.0)) for _ in range(50)])
    assert waves.std() == pytest.approx(1, abs=0.05)
    assert np.abs(waves).max() <= LOUDEST
    spectrum = np.abs(np.fft.rfft(waves, axis=1)) ** 2
    frequency = np.fft.rfftfreq(len(times), 0.01)
    assert spectrum[:, (frequency > 0.4) & (frequency < 2.1)].sum() > 0.95 * spectrum.sum()
