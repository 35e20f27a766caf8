"""DataError: data that cannot be used, said so that a user can mend it."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class DataError(Exception):
    """The data of a task cannot be read. The message names the task, the file, the row, and a next step."""


def nearest(name: object, known: Iterable[object]) -> str:
    """``; did you mean "x"?`` for a misspelt name, or nothing when no known name is near."""
    by_text = {str(k): str(k) for k in known}
    by_text.update({k.lower(): v for k, v in by_text.items() if k.lower() not in by_text})
    close = get_close_matches(str(name), by_text, n=1, cutoff=0.6) or get_close_matches(
        str(name).lower(), by_text, n=1, cutoff=0.6
    )
    return f'; did you mean "{by_text[close[0]]}"?' if close else ""
