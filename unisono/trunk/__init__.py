"""trunk: Hugging Face encoders, pretrained or from a configuration, run on packs."""

from __future__ import annotations

from unisono.trunk.attention import refuse_unknown
from unisono.trunk.climbing import climb
from unisono.trunk.encoder import Trunk
from unisono.trunk.kept import rebuilt
from unisono.trunk.load import load_encoder
from unisono.trunk.lora import merged_state
from unisono.trunk.slim import layers_of, sizes

__all__ = ["Trunk", "climb", "layers_of", "load_encoder", "merged_state", "rebuilt", "refuse_unknown", "sizes"]
