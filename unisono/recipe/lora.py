"""LoRA of a recipe: which projections of the trunk get an adapter, and of which size."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from unisono.recipe.section import Section

Projection = Literal["query", "key", "value", "output", "feedforward"]
ATTENTION: list[Projection] = ["query", "key", "value", "output"]


class Lora(Section):
    """The trunk's weights stand still, and small adapters beside them learn. Hu et al. 2021."""

    rank: int = Field(8, ge=1, description="rank r of each adapter")
    alpha: float = Field(16.0, gt=0, description="α: an adapter's part counts α / r times")
    dropout: float = Field(0.0, ge=0, lt=1, description="dropout on what goes into an adapter")
    targets: Literal["attention", "all"] | list[Projection] = Field(
        ["query", "value"],
        min_length=1,
        description="projections that get an adapter; attention: its four, all: those and the feed-forward ones",
    )

    @property
    def projections(self) -> list[Projection]:
        """``targets`` written out."""
        if isinstance(self.targets, list):
            return self.targets
        return ATTENTION if self.targets == "attention" else [*ATTENTION, "feedforward"]
