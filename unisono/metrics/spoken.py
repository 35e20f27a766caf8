"""Scores of spoken texts: how far their mel frames are from those of a real recording of the same text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from unisono.metrics.gold import Prediction, Row, Scores, labelled

_DECIBELS = 10 / np.log(10)  # of a natural logarithm of power
_LONGEST = 300.0  # seconds of a recording that is compared


def score_spoken(predictions: Sequence[Prediction], rows: Sequence[Row]) -> Scores:
    """Compares the log-mel frames ``mel`` with those of the rows' ``audio``, laid beside each other by dynamic time
    warping.

    ``mel_distance``: mean absolute difference in decibels, over all pairs of frames of the best ways and all bands.
    ``mel_fit``: 1 - ``mel_distance`` / the same of one frame said all the time, the mean of these rows' real frames: 0
    is no better than that, 1 is the recording itself. ``length_error``: mean of |seconds said - real| / real. ``rows``
    counts the rows with a sound that can be read; without any, no scores.
    """
    from unisono.sounds import Analysis, Unreadable  # torch comes with them

    found: list[tuple[np.ndarray, np.ndarray]] = []
    lengths: list[float] = []
    opened: dict[str, Analysis] = {}
    for prediction, sound in labelled(predictions, rows, "audio"):
        sizes = prediction["analysis"]
        analysis = opened.setdefault(repr(sizes), Analysis.from_config(sizes))
        try:
            real = analysis.frames(sound, seconds=_LONGEST).numpy()
        except Unreadable:
            continue
        found.append((np.array(prediction["mel"], np.float32), real))
        lengths.append(abs(prediction["seconds"] - (seconds := analysis.seconds(len(real)))) / seconds)
    if not found:
        return {}
    sums = np.array([(along * pairs, pairs) for along, pairs in (warped(said, real) for said, real in found)])
    distance = float(sums[:, 0].sum() / sums[:, 1].sum())
    frames = np.concatenate([real for _, real in found]).astype(np.float64)
    still = float(np.abs(frames - frames.mean(0)).mean())
    return {
        "mel_distance": float(distance * _DECIBELS),
        "mel_fit": float(1 - distance / still) if still else 0.0,
        "length_error": float(np.mean(lengths)),
        "rows": float(len(found)),
    }


def warped(said: np.ndarray, real: np.ndarray) -> tuple[float, int]:
    """(S, M), (T, M) -> the mean over a path of |said - real|, a mean over bands, and how many pairs the path has.

    The path goes from both beginnings to both ends by one frame in either or in both, and has the least sum (Sakoe &
    Chiba 1978, https://doi.org/10.1109/TASSP.1978.1163055, without their weights and window).
    """
    cost = np.stack([np.abs(real - frame).mean(1, dtype=np.float64) for frame in said])  # (S, T)
    # Of each pair: the least sum on a way there and how many pairs that takes. Pairs (i, k - i) need only those of
    # k - 1 and k - 2, so each diagonal is worked on at once.
    rows, columns = cost.shape
    none = np.inf
    one, two = np.full((2, rows), none), np.full((2, rows), none)  # sums and pairs of diagonals k - 1 and k - 2
    for k in range(rows + columns - 1):
        i = np.arange(max(0, k - columns + 1), min(rows, k + 1))
        now = np.full((2, rows), none)
        if k == 0:
            now[:, 0] = cost[0, 0], 1
        else:
            ways = np.stack([_shifted(two), _shifted(one), one])[:, :, i]  # (3, 2, n): both, the next of said, of real
            best = np.argmin(ways[:, 0], 0)
            taken = ways[best, :, np.arange(len(i))].T
            now[:, i] = taken + np.stack([cost[i, k - i], np.ones(len(i))])
        one, two = now, one
    return float(one[0, -1] / one[1, -1]), int(one[1, -1])


def _shifted(diagonal: np.ndarray) -> np.ndarray:
    """(2, S): what stands at i - 1, at i."""
    return np.concatenate([np.full((2, 1), np.inf), diagonal[:, :-1]], 1)
