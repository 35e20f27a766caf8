"""What a study cannot do, said in one line."""

from __future__ import annotations


class StudyError(Exception):
    """A study that cannot go on; the message says why and what to do."""
