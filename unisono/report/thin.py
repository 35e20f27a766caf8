"""Thin: lines and shares over the steps, in a size that does not grow with the run's length; extremes are kept."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

MOST = 256  # buckets of a line: half of that at least, once a run is long

Points = Sequence[tuple[float, float]]


@dataclass(slots=True)
class Bucket:
    """Neighbouring points: where the least and the greatest stand, and their sum."""

    first: float  # x of the first
    last: float
    low: tuple[float, float]  # (x, y) of the least
    high: tuple[float, float]
    total: float  # sum of y
    count: int

    def add(self, point: tuple[float, float]) -> None:
        """Takes in the point that follows."""
        self.last, y = point
        if y < self.low[1]:
            self.low = point
        elif y > self.high[1]:
            self.high = point
        self.total += y
        self.count += 1

    def take(self, other: Bucket) -> None:
        """Takes in the points of the bucket that follows."""
        self.last = other.last
        self.low = min(self.low, other.low, key=lambda p: p[1])
        self.high = max(self.high, other.high, key=lambda p: p[1])
        self.total += other.total
        self.count += other.count


class Line:
    """One quantity over the steps, point by point. Buckets of neighbours double in size whenever there are too many.

    Args:
        most: how many buckets are kept, an even number.
    """

    def __init__(self, most: int = MOST) -> None:
        self.buckets: list[Bucket] = []
        self._most, self._size = most, 1
        self._first = self._latest = (0.0, 0.0)

    def __len__(self) -> int:
        """How many points were added."""
        return sum(bucket.count for bucket in self.buckets)

    def add(self, x: float, y: float | None) -> None:
        """Adds the next point; one that is not finite, or None as the journal writes it, is not drawn."""
        if y is None or not math.isfinite(y):
            return
        point = self._latest = (x, y)
        if self.buckets and self.buckets[-1].count < self._size:
            self.buckets[-1].add(point)
            return
        if not self.buckets:
            self._first = point
        elif len(self.buckets) == self._most:
            for left, right in zip(self.buckets[::2], self.buckets[1::2], strict=True):
                left.take(right)
            del self.buckets[1::2]
            self._size *= 2
        self.buckets.append(Bucket(x, x, point, point, y, 1))

    @property
    def low(self) -> float:
        return min(bucket.low[1] for bucket in self.buckets)

    @property
    def high(self) -> float:
        return max(bucket.high[1] for bucket in self.buckets)

    @property
    def last(self) -> float:
        """The latest y."""
        return self._latest[1]

    @property
    def constant(self) -> bool:
        return not self.buckets or self.low == self.high

    def points(self) -> Points:
        """The least and the greatest point of each bucket, the first and the last of all: at most ``2 most + 2``."""
        kept = {*(b.low for b in self.buckets), *(b.high for b in self.buckets)}
        return sorted(kept | {self._first, self._latest}) if kept else []

    def means(self) -> Points:
        """Each bucket's mean, in its middle."""
        return [((b.first + b.last) / 2, b.total / b.count) for b in self.buckets]

    def smooth(self, share: float = 0.06) -> Points:
        """Its course: at each bucket, a straight line fitted to the nearest ``share`` of all, near ones counting more.

        Cleveland 1979, "Robust locally weighted regression and smoothing scatterplots", without its robust rounds.
        """
        reach = max(1, round(len(self.buckets) * share / 2))
        means = self.means()
        out = []
        for i, (x, _) in enumerate(means):
            start = max(0, min(i - reach, len(means) - 2 * reach - 1))
            near = range(start, min(len(means), start + 2 * reach + 1))
            out.append((x, _fit(x, [(*means[j], self.buckets[j].count) for j in near])))
        return out


def _fit(at: float, points: Sequence[tuple[float, float, float]]) -> float:
    """The value at ``at`` of the line nearest to points (x, y, weight): least squares under the tricube weight."""
    reach = 1.001 * max(abs(x - at) for x, _, _ in points) or 1.0
    near = [(x, y, w * (1 - (abs(x - at) / reach) ** 3) ** 3) for x, y, w in points]
    weight = sum(w for _, _, w in near)
    mean_x, mean_y = sum(w * x for x, _, w in near) / weight, sum(w * y for _, y, w in near) / weight
    spread = sum(w * (x - mean_x) ** 2 for x, _, w in near)
    slope = sum(w * (x - mean_x) * (y - mean_y) for x, y, w in near) / spread if spread else 0.0
    # Where a line falls steeply towards its end, a straight one would shoot past all that was measured.
    return min(max(mean_y + slope * (at - mean_x), min(y for _, y, _ in near)), max(y for _, y, _ in near))


@dataclass(slots=True)
class Stretch:
    """Neighbouring steps and what each task had of them, together."""

    first: float
    last: float
    parts: dict[str, float] = field(default_factory=dict)
    count: int = 1

    def take(self, other: Stretch) -> None:
        self.last, self.count = other.last, self.count + other.count
        for name, part in other.parts.items():
            self.parts[name] = self.parts.get(name, 0.0) + part


class Shares:
    """How steps were divided among tasks. Like ``Line``, in at most ``most`` stretches of neighbouring steps."""

    def __init__(self, most: int = 64) -> None:
        self.stretches: list[Stretch] = []
        self._most, self._size = most, 1

    def add(self, x: float, parts: Mapping[str, float]) -> None:
        """Adds the next step."""
        new = Stretch(x, x, {name: float(part) for name, part in parts.items()})
        if self.stretches and self.stretches[-1].count < self._size:
            self.stretches[-1].take(new)
            return
        if len(self.stretches) == self._most:
            for left, right in zip(self.stretches[::2], self.stretches[1::2], strict=True):
                left.take(right)
            del self.stretches[1::2]
            self._size *= 2
        self.stretches.append(new)

    def totals(self) -> dict[str, float]:
        """What each task had of all steps together."""
        out: dict[str, float] = {}
        for stretch in self.stretches:
            for name, part in stretch.parts.items():
                out[name] = out.get(name, 0.0) + part
        return out
