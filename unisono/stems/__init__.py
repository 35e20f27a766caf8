"""stems: one kind of raw input each -> a run of vectors for the trunk."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from importlib.metadata import entry_points
from typing import Any

from unisono.runtime.stems.tiling import Tiling
from unisono.stems.audio import AudioStem
from unisono.stems.audio_encoder import AudioEncoder
from unisono.stems.base import Options as StemOptions
from unisono.stems.base import Stem, Tokens
from unisono.stems.hiding import Contents, Hiding
from unisono.stems.image import ImageStem
from unisono.stems.image_encoder import ImageEncoder
from unisono.stems.sequence import SequenceStem
from unisono.stems.table import TableStem
from unisono.stems.text import TextStem

__all__ = [
    "ENCODERS", "STEMS", "AudioEncoder", "AudioStem", "Contents", "Hiding", "ImageEncoder", "ImageStem", "SequenceStem",
    "Stem", "StemOptions", "TableStem", "TextStem", "Tiling", "Tokens", "find_stem",
]  # fmt: skip

STEMS: dict[str, type[Stem]] = {
    "text": TextStem,
    "image": ImageStem,
    "sequence": SequenceStem,
    "audio": AudioStem,
    "table": TableStem,
}

# What stands in for a stem where its options name a pretrained ``encoder``.
ENCODERS: dict[str, type[Stem]] = {"image": ImageEncoder, "audio": AudioEncoder}


def find_stem(name: str, said: Mapping[str, Any] | None = None) -> type[Stem]:
    """The stem of that name: one of ours, or one that another package offers under the entry points ``unisono.stems``.

    Args:
        said: its options.

    Raises:
        KeyError: no such stem, with the nearest name.
    """
    if name in ENCODERS and "encoder" in (said or {}):
        return ENCODERS[name]
    if name in STEMS:
        return STEMS[name]
    offered = {point.name: point for point in entry_points(group="unisono.stems")}
    if name in offered:
        found: type[Stem] = offered[name].load()
        return found
    near = get_close_matches(name, [*STEMS, *offered], n=1)
    hint = f'did you mean "{near[0]}"?' if near else f"there are {sorted({*STEMS, *offered})}"
    raise KeyError(f'no stem "{name}"; {hint}')
