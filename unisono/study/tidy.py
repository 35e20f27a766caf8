"""Tidy: what the runs of a study need not keep. A checkpoint is three times as large as its model."""

from __future__ import annotations

import shutil
from pathlib import Path


def drop_checkpoints(run: Path) -> None:
    """Deletes the checkpoints of a run that will not go on; its model, journal and recipe stay."""
    shutil.rmtree(run / "checkpoints", ignore_errors=True)


def drop_model(run: Path) -> None:
    """Deletes the model of a run that nobody will ask."""
    shutil.rmtree(run / "model", ignore_errors=True)
