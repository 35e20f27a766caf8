"""Stems in a graph: what of each kind of input is exported, one file a stem."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from unisono.deploy.errors import ExportError
from unisono.deploy.stems.audio import audio, samples
from unisono.deploy.stems.base import VALUES, ExportedStem
from unisono.deploy.stems.image import image, whole_image
from unisono.deploy.stems.sequence import sequence
from unisono.deploy.stems.table import table
from unisono.deploy.stems.text import text
from unisono.stems import AudioEncoder, AudioStem, ImageEncoder, ImageStem, SequenceStem, Stem, TableStem, TextStem

__all__ = ["KNOWN", "VALUES", "ExportedStem", "exported_stem", "unfit"]

# A stem -> its graph. A class that extends one of these may do something else, so it is not meant.
KNOWN: dict[type[Stem], Callable[[Any, Tensor | None, str], ExportedStem]] = {
    TextStem: text,
    ImageStem: image,
    ImageEncoder: whole_image,
    SequenceStem: sequence,
    AudioStem: audio,
    AudioEncoder: samples,
    TableStem: table,
}


def unfit(stem: Stem, name: str) -> str:
    """Why a stem cannot be exported; empty if it can."""
    if type(stem) in KNOWN:
        return ""
    if stem.config().get("options", {}).get("encoder"):
        return f"its {name} goes through a pretrained encoder, which cannot be exported"
    return f"input of the stem {name} cannot be exported"


def exported_stem(stem: Stem, mark: Tensor | None, name: str) -> ExportedStem:
    """The graph of a stem in evaluation mode, under its name.

    Args:
        mark: (D_in,) of its kind of input; text has none.

    Raises:
        ExportError: nothing is known of how to export such a stem.
    """
    if reason := unfit(stem, name):
        raise ExportError(reason)
    return KNOWN[type(stem)](stem, None if mark is None else mark.detach(), name)
