"""Waits: when a question that found no room is asked again."""

from __future__ import annotations

import random
import time

FIRST = 0.1  # seconds of the first wait, at most
LONGEST = 10.0  # of any wait that the server did not ask for
TRIES = 5  # to find a server at all: one that starts anew is back in a second or two


class Waits:
    """The waits of one question, all within its time.

    Without a word from the server they double, and each is drawn between nothing and its bound, so that clients that
    were refused together do not come back together ("full jitter": Brooker 2015). A ``Retry-After`` is kept, and up
    to a tenth of it added for the same reason.

    Args:
        seconds: that the question may take, all tries and waits together.
    """

    def __init__(self, seconds: float) -> None:
        self._until = time.monotonic() + seconds
        self._tries = self._missed = 0

    @property
    def left(self) -> float:
        """Seconds of the question's time that are left; not below 0."""
        return max(0.0, self._until - time.monotonic())

    def wait(self, retry_after: float | None) -> bool:
        """Waits until the next try; at once False if that would be too late.

        Args:
            retry_after: seconds, where the server said so.
        """
        bound = min(LONGEST, FIRST * 2 ** min(self._tries, 20))
        if retry_after is None:
            seconds = random.uniform(0, bound)
        else:
            seconds = retry_after + random.uniform(0, max(0.1 * retry_after, FIRST))
        if seconds >= self.left:
            return False
        self._tries += 1
        time.sleep(seconds)
        return True

    def wait_for_server(self) -> bool:
        """As ``wait``, after a try that found no server."""
        self._missed += 1
        return self._missed < TRIES and self.wait(None)


def retry_after(header: str | None) -> float | None:
    """Seconds of a header ``Retry-After``; a date, which our server does not send, counts as none."""
    try:
        seconds = float(header) if header else -1.0
    except ValueError:
        return None
    return seconds if 0 <= seconds < float("inf") else None
