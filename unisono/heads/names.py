"""Names of labels: what to say when a row carries one that the head does not know."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches

from unisono.heads.base import UnfitRow


def unknown(what: str, name: str, known: Collection[str]) -> UnfitRow:
    """The error for a name that is none of ``known``, with the nearest one, or else a few of them.

    Args:
        what: what the name names ("label", "tag").
    """
    near = get_close_matches(name, known, n=1)
    if near:
        return UnfitRow(f'unknown {what} "{name}"; did you mean "{near[0]}"?')
    some = ", ".join(f'"{k}"' for k in list(known)[:5])
    return UnfitRow(f'unknown {what} "{name}"; known are {some}{", …" if len(known) > 5 else ""}')
