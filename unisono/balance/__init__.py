"""Balance: how losses or per-task gradients become one update. This face is light: torch comes with ``make``."""

from __future__ import annotations

from unisono.balance.methods import METHODS, Method, unknown_option

__all__ = ["METHODS", "Method", "unknown_option"]
