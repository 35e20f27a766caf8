"""Tag schemes as they are learned: in which one the tags of some data are written, what to do where they break it."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from unisono.heads.base import MISSING
from unisono.runtime.scheme import ROLES, Name, Scheme, parse


def detect(tags: Collection[str], inside_starts: int = 0, starts: int = 0) -> Name:
    """The scheme that a set of tags is written in.

    Args:
        tags: every tag in the data.
        inside_starts: entities in the data that begin with I-.
        starts: all entities in the data. Both tell IOB1 from BIO, whose tags look the same.
    """
    parsed = [parse(t) for t in tags]
    roles = {p[0] for p in parsed if p is not None} - {"O"}
    bare = all(len(t) == 1 for t in tags)
    if None in parsed or not roles or (bare and not ("B" in roles and len(roles) > 1)):
        return "plain"
    if roles & {"E", "S"}:
        return "BIOES"
    return "IOB1" if 2 * inside_starts > starts else "BIO"


def closed(tags: Collection[str], name: Name) -> list[str]:
    """The tags, sorted, with those that the scheme needs and the data happened to lack."""
    if name == "plain":
        return sorted(tags)
    if wrong := [t for t in sorted(tags) if parse(t) is None]:
        raise ValueError(f'tag "{wrong[0]}" is not written in the scheme {name}; say head.scheme: plain')
    letters = _letters(tags)
    types = {tag[1:] for tag in tags if ROLES[tag[0]] != "O"}  # with the hyphen
    return sorted(set(tags) | {letters[r] + t for r in ("BI" if name != "BIOES" else "BIES") for t in types})


def feasible(scheme: Scheme, tags: np.ndarray) -> bool:
    """The same where some are MISSING: whether they can be filled in so that the sentence keeps to the scheme."""
    reach = scheme.first
    for tag in tags:
        if tag != MISSING:
            reach = reach & (np.arange(len(scheme.tags)) == tag)
        before, reach = reach, reach @ scheme.allowed
    return not len(tags) or bool((before & scheme.last).any())


def rewrite(scheme: Scheme, tags: np.ndarray) -> np.ndarray:
    """The same entities, spelled so that the sentence keeps to the scheme."""
    letters = _letters(scheme.tags)
    heads = np.arange(len(tags)) == 0
    out: np.ndarray = tags.copy()
    previous: tuple[str, int] = ("", -1)  # type and end of the entity before
    for i, j in zip(*scheme.spans(tags, heads), strict=True):
        tail = scheme.tags[tags[i]][1:]
        inner = scheme.number[letters["I"] + tail]
        out[i:j] = inner
        if scheme.name == "BIOES" and j - i == 1:
            out[i] = scheme.number[letters["S"] + tail]
        elif scheme.name != "IOB1" or previous == (tail, i):
            out[i] = scheme.number[letters["B"] + tail]
        if scheme.name == "BIOES" and j - i > 1:
            out[j - 1] = scheme.number[letters["E"] + tail]
        previous = (tail, j)
    return out


def _letters(tags: Collection[str]) -> dict[str, str]:
    """Role -> the letter that these tags write it with."""
    used = {tag[0] for tag in tags}
    return {
        "B": "B",
        "I": "M" if "M" in used else "I",
        "E": "L" if "L" in used else "E",
        "S": "U" if "U" in used else "S",
    }
