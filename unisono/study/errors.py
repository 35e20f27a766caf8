"""What a study cannot do, said in one line."""

from __future__ import annotations

import os


class StudyError(Exception):
    """A study that cannot go on; the message says why and what to do."""


def in_one_process(command: str) -> None:
    """Refuses to be one of several processes of a launcher, each of which would do the whole study.

    Raises:
        StudyError: there are several.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise StudyError(f"unisono {command} makes many runs, each in one process; start it without torchrun")
