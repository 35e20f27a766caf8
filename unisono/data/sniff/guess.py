"""guess: what a place seems to hold, as a recipe would say it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Guess:
    """What a place seems to hold.

    Args:
        path: as given.
        format: the reader's name.
        kind: the kind of task; None when nothing suits.
        columns: role -> column, as a recipe has it under ``columns:``.
        data: what else to write under ``data:``, such as ``splits`` where names alone are ambiguous.
        head: what else to write under ``head:``.
        stems: what to write under ``stems:``, by their names; none for a task that reads text.
        why: one line: what was seen.
    """

    path: str
    format: str
    kind: str | None
    columns: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    why: str = ""
    head: dict[str, Any] = field(default_factory=dict)
    stems: dict[str, dict[str, Any]] = field(default_factory=dict)
