"""Parts: which parameters a stage's ``freeze`` means, by their names alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from unisono.recipe.staged import layers_of


def frozen(name: str, parts: Iterable[str], depth: Callable[[str], int]) -> bool:
    """Whether a parameter does not learn.

    Args:
        name: of the parameter: ``stems.*``, ``trunk.*`` or ``heads.<task>.*``.
        parts: ``embeddings`` (stems, and what the trunk adds to their vectors); ``trunk`` (embeddings and all layers:
            all that tasks share); ``trunk.2``, ``trunk.0-2`` (layers, the last included); ``heads``; ``heads.<task>``.
        depth: the depth of a trunk parameter: 0 for its embeddings, i + 1 for layer i.
    """
    room, _, rest = name.partition(".")
    if room == "heads":
        task = rest.split(".", 1)[0]
        return any(part in ("heads", f"heads.{task}") for part in parts)
    level = depth(name) if room == "trunk" else 0
    return any(_covers(part, level) for part in parts)


def _covers(part: str, level: int) -> bool:
    if part == "trunk":
        return True
    if part == "embeddings":
        return level == 0
    return level - 1 in (layers_of(part) or ())
