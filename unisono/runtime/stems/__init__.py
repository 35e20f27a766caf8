"""stems: one file for each kind of input: what is read of it, without PyTorch."""

from __future__ import annotations

from collections.abc import Mapping

from .audio import Audio
from .base import Stem, Tokens
from .image import Image
from .samples import Samples
from .sequence import Symbols
from .table import Table
from .text import Text
from .whole import WholeImage

_ALL: tuple[type[Stem], ...] = (Text, Image, WholeImage, Symbols, Audio, Samples, Table)
STEMS: Mapping[str, type[Stem]] = {each.kind: each for each in _ALL}

__all__ = ["STEMS", "Audio", "Image", "Samples", "Stem", "Symbols", "Table", "Text", "Tokens", "WholeImage"]
