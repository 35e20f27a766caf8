"""keep: a spoken prediction as a WAV file, and what is left to tell of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from unisono.sounds.analysis import Analysis
from unisono.sounds.write import write_wav


def kept(prediction: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Writes the sound of a prediction, and gives it back with ``path`` and ``rate`` in place of the frames.

    Args:
        prediction: with ``mel`` and ``analysis``, as the head that speaks has it.
        path: the file; its folder is made, an old file of that name is replaced.

    Raises:
        OSError: it could not be written.
    """
    analysis = Analysis.from_config(prediction["analysis"])
    samples = analysis.samples(torch.tensor(prediction["mel"]))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_wav(path, samples, analysis.rate)
    rest = {name: value for name, value in prediction.items() if name not in ("mel", "analysis")}
    return {"path": str(path), "rate": analysis.rate, **rest}
