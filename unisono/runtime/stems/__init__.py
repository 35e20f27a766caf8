"""stems: one file for each kind of input: what is read of it, without PyTorch."""

from __future__ import annotations

from collections.abc import Mapping

from .audio import Audio
from .base import Stem, Tokens
from .image import Image
from .sequence import Symbols
from .table import Table
from .text import Text
from .whole import WholeImage

STEMS: Mapping[str, type[Stem]] = {each.kind: each for each in (Text, Image, Symbols, Audio, Table, WholeImage)}

__all__ = ["STEMS", "Audio", "Image", "Stem", "Symbols", "Table", "Text", "Tokens", "WholeImage"]
