"""Quarantine: where bad rows are kept, counted and, when they are too many, made an error."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from unisono.data.errors import DataError

SHOWN = 200  # characters of a bad row that are kept


@dataclass(frozen=True)
class BadRow:
    """One row that could not be used."""

    file: str
    row: int
    reason: str
    text: str
    counts: str = "row"  # what ``row`` counts: "line", "row", "question" or "file"

    @property
    def where(self) -> str:
        return self.file if self.counts == "file" else f"{self.file} {self.counts} {self.row}"


class Quarantine:
    """Bad rows of all tasks of a run, as JSON lines {task, split, file, row, reason, text}.

    Args:
        path: the file, begun anew by the first report; None keeps counts only (all ranks but the first).
        max_bad_rows: the share of a split's rows that may be bad.
    """

    def __init__(self, path: Path | None, max_bad_rows: float = 0.01) -> None:
        self.path, self.max_bad_rows = path, max_bad_rows
        self.counts: dict[str, dict[str, Counter[str]]] = {}  # task -> split -> reason -> how many
        self._reported: dict[str, str | None] = {}  # what was reported -> its verdict

    def total(self, task: str | None = None) -> int:
        """How many bad rows there are, of one task or of all."""
        tasks = self.counts.values() if task is None else [self.counts.get(task, {})]
        return sum(sum(reasons.values()) for splits in tasks for reasons in splits.values())

    def reasons(self, task: str, split: str) -> dict[str, int]:
        """Reason -> how many bad rows, the commonest first.

        Where validation is cut from the training rows, what reading them met counts under train.
        """
        return dict(self.counts.get(task, {}).get(split, Counter()).most_common())

    def report(self, task: str, split: str, bad: Iterable[BadRow], rows: int, *, key: str) -> None:
        """Takes in the bad rows of one pass over a split.

        Args:
            rows: how many rows the pass saw, bad ones included.
            key: names the pass; the same pass reported again (from a cache, say) counts once.

        Raises:
            DataError: more than ``max_bad_rows`` of them are bad.
        """
        if key not in self._reported:
            self._reported[key] = self._verdict(task, self._take(task, split, bad), rows)
        verdict = self._reported[key]
        if verdict is not None:
            raise DataError(verdict)

    def leave_out(self, task: str, split: str, rows: Iterable[BadRow]) -> None:
        """Takes in good rows that the recipe wants left out: however many, they are no error."""
        self._take(task, split, rows)

    def _take(self, task: str, split: str, bad: Iterable[BadRow]) -> tuple[BadRow | None, int]:
        """Counts and keeps rows: the first of them, and how many there are."""
        first: BadRow | None = None
        count = 0
        out: IO[str] | None = None
        try:
            for b in bad:
                first = first or b
                count += 1
                self.counts.setdefault(task, {}).setdefault(split, Counter())[b.reason] += 1
                if self.path is not None:
                    out = out or self._open(self.path)
                    entry = {
                        "task": task,
                        "split": split,
                        "file": b.file,
                        "row": b.row,
                        "reason": b.reason,
                        "text": b.text[:SHOWN],
                    }
                    out.write(json.dumps(entry, ensure_ascii=True) + "\n")
        finally:
            if out is not None:
                out.close()
        return first, count

    def _verdict(self, task: str, found: tuple[BadRow | None, int], rows: int) -> str | None:
        first, count = found
        if first is None or count <= self.max_bad_rows * rows:
            return None
        kept = f", kept in {self.path}" if self.path is not None else ""
        return (
            f'task "{task}": {first.where}: {first.reason} — {count} of {rows} rows bad '
            f"({_percent(count / rows)}, max_bad_rows {_percent(self.max_bad_rows)}){kept}"
        )

    def _open(self, path: Path) -> IO[str]:
        path.parent.mkdir(parents=True, exist_ok=True)
        mode = "a" if self._begun else "w"
        self._begun = True
        return path.open(mode, encoding="utf-8")

    _begun = False


def _percent(share: float) -> str:
    return f"{share * 100:.2g} %" if share < 0.1 else f"{share * 100:.0f} %"
