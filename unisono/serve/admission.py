"""Admission: how long passes take, how large the next may be, and whether what comes now can be answered in time."""

from __future__ import annotations

from collections import deque

_SHARE = 0.2  # of the patience, that a pass of requests that answer at once may take
_WORTH = 3.0  # times what a pass costs whatever is in it, that it may take at least
_MOST = 0.4  # of the patience, that it may take for that reason
_MARGIN = 0.4  # of the patience, kept free while nothing is known of how far expectations were off
_SPARE = 0.05  # of the patience, kept free beside what they were off
_LEAST, _LARGEST = 0.3, 0.5  # of the patience, bounds of both
_FIRST = 1024.0  # cost that may be on its way while nothing is known of how long it takes
_LONGEST = 30.0  # seconds after which a refused request may come again, at most
_MEMORY = 30.0  # passes
_ALIKE = 0.03  # of the mean cost: passes that differ by less tell nothing of what a unit costs
_MISSES = 300  # passes handed out, the latest of which says how far expectations are off
_KNOWN = 20  # of these, from which on they count


class Pace:
    """Seconds for a unit of cost: the mean of about ten runs, the last. The very first, a warming up, is forgotten."""

    def __init__(self) -> None:
        self.mean = 0.0
        self._runs = 0

    def learn(self, cost: float, seconds: float) -> None:
        self._runs += 1
        self.mean += max(0.1, 1 / max(1, self._runs - 1)) * (seconds / cost - self.mean)


class Passes:
    """Seconds of a pass, ``fixed + each * cost``: least squares over about the last thirty; the first is forgotten.

    Where passes are alike in size, the two cannot be told apart, and what is seen counts as fixed. The next pass may
    then be larger, by what it takes they are told apart. The other way round small passes, most of whose time is fixed,
    would make all work look slow, and the next ones smaller still.
    """

    def __init__(self) -> None:
        self.fixed = self.each = 0.0
        self.largest = 0.0  # cost of those that are remembered
        self._runs = 0
        self._sums: tuple[float, ...] = (0.0,) * 5

    def __bool__(self) -> bool:
        return self._runs > 0

    def learn(self, cost: float, seconds: float) -> None:
        keep = 0.0 if self._runs < 2 else 1 - 1 / _MEMORY
        self._runs += 1
        new = (1.0, cost, seconds, cost * cost, cost * seconds)
        self._sums = tuple(keep * old + more for old, more in zip(self._sums, new, strict=True))
        self.largest = max(cost, keep * self.largest)
        number, *sums = self._sums
        costs, times, squares, products = (total / number for total in sums)
        slope = (products - costs * times) / (squares - costs * costs + (_ALIKE * costs) ** 2)
        self.each = min(max(0.0, slope), times / costs)
        self.fixed = times - self.each * costs

    def seconds(self, cost: float) -> float:
        return self.fixed + self.each * cost


class Admission:
    """Decides about requests that are answered at once. It reads no clock: all times are told to it, in seconds.

    Args:
        patience: in which a request has to be answered. ``pass_size``: cost of a pass, at most.
    """

    def __init__(self, patience: float, pass_size: float) -> None:
        self.patience, self.pass_size = patience, pass_size
        self.passes = Passes()
        self._due = 0.0  # when the pass that is running should be over
        self._back = 0.0  # when the last of those that were refused may come again
        self._misses: deque[float] = deque(maxlen=_MISSES)

    def begin(self, now: float, cost: float) -> None:
        """A pass begins; a cost of 0: one of requests that take steps, which gives way."""
        self._due = now + (self.passes.seconds(cost) if cost else 0.0)

    def missed(self, seconds: float) -> None:
        """Answers were handed out so much later than was expected of them when they were let in."""
        self._misses.append(seconds)

    @property
    def margin(self) -> float:
        """Seconds of the patience that are not given away: passes are uneven, and there is a way to and from them."""
        if len(self._misses) < _KNOWN:
            return _MARGIN * self.patience
        off = max(self._misses) + _SPARE * self.patience
        return min(max(off, _LEAST * self.patience), _LARGEST * self.patience)

    @property
    def room(self) -> float:
        """The cost that the next pass may have, beyond one request."""
        passes = self.passes
        if not passes:
            return min(_FIRST, self.pass_size)
        long = min(max(_SHARE * self.patience, _WORTH * passes.fixed), _MOST * self.patience)
        long = max(long, 2 * passes.fixed)  # a machine that is too slow for the patience is at least not idle
        fits = (long - passes.fixed) / passes.each if passes.each else self.pass_size
        return min(self.pass_size, 2 * passes.largest, fits)

    def ahead(self, now: float, waiting: float) -> float:
        """Seconds for the pass that is running, and for passes of a cost that waits."""
        room = self.room
        return max(0.0, self._due - now) + self.passes.seconds(room) * waiting / room

    def expected(self, now: float, waiting: float, cost: float) -> float:
        """Seconds until a request is answered if it comes now. Its own pass may be a whole one: those who come after it
        are taken with it.

        Args:
            waiting: cost of all that wait before it. ``cost``: of the request.
        """
        if not self.passes:
            return self.patience if waiting > _FIRST else 0.0
        return self.ahead(now, waiting) + self.passes.seconds(max(self.room, cost))

    def late(self, expected: float) -> bool:
        """Whether what is expected to take so long should be refused."""
        return expected + self.margin > self.patience

    def again(self, now: float, expected: float, cost: float) -> float:
        """Seconds until there may be room for a request that is refused. Each is given a time of its own, after those
        refused before it: all at once they would find no room again, and keep the processor from what was let in.
        """
        room = now + max(0.0, expected + self.margin - self.patience)
        pace = self.passes.seconds(self.room) / self.room if self.passes else 0.0
        self._back = min(max(room, self._back) + pace * cost, now + _LONGEST)
        return self._back - now
