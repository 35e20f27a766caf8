"""trunk: Hugging Face encoders, pretrained or from a configuration, run on packs."""

from __future__ import annotations

from unisono.trunk.encoder import Trunk
from unisono.trunk.load import load_encoder
from unisono.trunk.lora import merged_state

__all__ = ["Trunk", "load_encoder", "merged_state"]
