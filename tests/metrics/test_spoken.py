"""Scores of spoken texts, against a plain dynamic time warping and by hand."""

from __future__ import annotations

import numpy as np
import pytest

from unisono.metrics.spoken import score_spoken, warped
from unisono.sounds import Analysis, wav_bytes

pytest.importorskip("soundfile")
ANALYSIS = Analysis(rate=8000, bands=16, low=20, high=4000, window=256, hop=128, floor=-16)


def slowly(said: np.ndarray, real: np.ndarray) -> float:
    """The least sum over all paths."""
    least = np.full((len(said) + 1, len(real) + 1), np.inf)
    least[0, 0] = 0
    for i, a in enumerate(said):
        for j, b in enumerate(real):
            least[i + 1, j + 1] = np.abs(a - b).mean() + min(least[i, j], least[i, j + 1], least[i + 1, j])
    return float(least[-1, -1])


@pytest.mark.parametrize(("s", "t"), [(1, 1), (1, 6), (7, 1), (9, 5), (12, 20)])
def test_warping_finds_the_least_sum(s: int, t: int) -> None:
    draw = np.random.default_rng(s)
    said, real = draw.normal(size=(s, 4)), draw.normal(size=(t, 4))
    mean, pairs = warped(said, real)
    assert mean * pairs == pytest.approx(slowly(said, real))
    assert max(s, t) <= pairs <= s + t - 1


def sound(hertz: float, seconds: float) -> tuple[dict[str, bytes], np.ndarray]:
    at = np.arange(int(8000 * seconds)) / 8000
    content = {"bytes": wav_bytes(0.3 * np.sin(2 * np.pi * (hertz + 900 * at) * at), 8000)}
    return content, ANALYSIS.frames(content, seconds=2).numpy()


def said(frames: np.ndarray) -> dict[str, object]:
    return {"mel": frames.tolist(), "seconds": ANALYSIS.seconds(len(frames)), "analysis": ANALYSIS.config()}


def test_the_recording_itself_is_without_fault_also_when_said_more_slowly() -> None:
    rows, frames = zip(*[sound(400, 0.4), sound(900, 0.3)], strict=True)
    audio = [{"audio": row} for row in rows]
    exact = score_spoken([said(f) for f in frames], audio)
    assert exact == {"mel_distance": 0, "mel_fit": 1, "length_error": 0, "rows": 2}
    slow = score_spoken([said(np.repeat(f, 2, 0)) for f in frames], audio)
    assert slow["mel_fit"] == 1
    assert slow["length_error"] > 0.8


def test_the_mean_frame_is_worth_nothing_and_decibels_are_decibels() -> None:
    row, frames = sound(400, 0.4)
    mean = np.repeat(frames.mean(0, keepdims=True), len(frames), 0)
    assert score_spoken([said(mean)], [{"audio": row}])["mel_fit"] == pytest.approx(0, abs=1e-5)
    louder = score_spoken([said(frames[5:6] + np.log(10))], [{"audio": row}])
    assert louder["mel_distance"] > 0
    one = score_spoken([said(frames[:1] + np.log(10))], [{"audio": {"bytes": wav_bytes(np.zeros(256), 8000)}}])
    assert one["mel_distance"] == pytest.approx((frames[0] + np.log(10) + 16).mean() * 10 / np.log(10), rel=1e-4)


def test_rows_without_a_sound_are_left_out() -> None:
    row, frames = sound(400, 0.4)
    rows = [{"audio": row}, {"audio": None}, {"audio": {"bytes": b"junk"}}]
    assert score_spoken([said(frames)] * 3, rows)["rows"] == 1
    assert score_spoken([said(frames)], [{"audio": None}]) == {}
