"""sniff: a look at data, and a guess at what could be learned from them."""

from unisono.data.sniff.guess import Guess
from unisono.data.sniff.places import sniff

__all__ = ["Guess", "sniff"]
