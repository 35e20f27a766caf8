"""read: sounds as samples, by the runtime's own code; and how a recipe says what is in files without a header."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from unisono.runtime.sounds import CHANNELS, HEADERLESS, HIGHEST, LOWEST, NotInstalled, Unreadable, read_sound

__all__ = ["HEADERLESS", "NotInstalled", "Pcm", "Unreadable", "read_sound"]


class Pcm(BaseModel):
    """How files without a header (.raw, .pcm) are to be read: nothing in them says it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rate: int = Field(ge=LOWEST, le=HIGHEST, description="samples a second")
    coding: Literal["s16le", "s16be", "s32le", "s32be", "f32le", "f32be", "u8"] = Field(
        "s16le", description="s: signed, u: unsigned, f: floating; bits; le: low byte first, be: high byte first"
    )
    channels: int = Field(1, ge=1, le=CHANNELS, description="channels, sample by sample in turn")
