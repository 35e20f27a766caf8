"""matched: vectors of inputs in one space, of the head match."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from unisono.deploy.graph import Graph
from unisono.deploy.heads.base import Exported, example
from unisono.deploy.heads.pooled import pooled, reads
from unisono.heads.match import PROJECTION, Match
from unisono.heads.readout import Pool, pool


class _Matched(nn.Module):
    """``states`` and ``index`` -> ``vectors.PROJECTION`` (B, E), each sequence by every projection."""

    def __init__(self, projections: nn.ModuleDict, how: Pool) -> None:
        super().__init__()
        self.projections, self.how = projections, how

    def forward(self, fields: dict[str, Tensor]) -> dict[str, Tensor]:
        found = pooled(fields["states"], fields["index"], self.how)
        return {f"vectors.{n}": F.normalize(p(found), dim=-1) for n, p in self.projections.items()}


def matched(head: Match, name: str) -> Exported:
    """``decode``: ``sides``, input role -> the output that holds its vectors."""
    sides = {side: f"vectors.{PROJECTION[side]}" for side in head.sides}
    first = next(iter(head.projections.values()))
    assert isinstance(first, nn.Linear)
    how = head.options.pool
    inputs, dims = example(first.in_features, reads(how))
    outputs = dict.fromkeys(dict.fromkeys(sides.values()), ("B", None))
    graph = Graph(name, _Matched(head.projections, how), inputs, dims, outputs)
    return Exported(
        graph,
        reads(how),
        {"sides": sides},
        lambda states, _: {out: head.vectors(pool(states, how), side) for side, out in sides.items()},
    )
