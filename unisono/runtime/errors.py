"""Errors: an export that cannot be used, or a question that it cannot answer. Each is one line with the next step."""

from __future__ import annotations


class ExportedError(RuntimeError):
    """What is wrong with an exported folder or file, or with what is asked of it."""


class Damaged(ExportedError):
    """Files that are missing, changed, or not what an export may hold. Nothing of them is run."""


class NoTask(ExportedError):
    """The export has no task of that name."""


class BadRow(Exception):
    """One row of a request cannot be used, whatever was asked: ``at``, its number, and ``reason``."""

    def __init__(self, task: str, at: int, reason: str) -> None:
        super().__init__(f'task "{task}": row {at}: {reason}')
        self.task, self.at, self.reason = task, at, reason


class BadInput(BadRow, ExportedError):
    """The same, of an export."""
