"""trunk: Hugging Face encoders, pretrained or from a configuration, run on packs."""

from __future__ import annotations

from unisono.trunk.encoder import Trunk
from unisono.trunk.load import load_encoder

__all__ = ["Trunk", "load_encoder"]
