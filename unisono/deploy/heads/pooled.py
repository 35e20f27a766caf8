"""pooled: heads that read one vector a sequence: classify and regress."""

from __future__ import annotations

from torch import Tensor, nn

from unisono.deploy.graph import Graph
from unisono.deploy.heads.base import Exported, Reads, example
from unisono.heads.classify import Classify
from unisono.heads.readout import Pool
from unisono.heads.regress import Regress


def pooled(states: Tensor, index: Tensor, how: Pool) -> Tensor:
    """(N, D) -> (B, D), as ``unisono.heads.readout.pool``.

    Args:
        index: (B,) first tokens; for the mean (B, L) the token at each place of each sequence, N where there is none.
    """
    if how == "first":
        return states.index_select(0, index)
    total = states.shape[0]
    real = (index < total).to(states.dtype)  # (B, L)
    grid = states.index_select(0, index.clamp(max=total - 1).flatten()).unflatten(0, index.shape)
    return (grid * real[..., None]).sum(1) / real.sum(1, keepdim=True)


def reads(how: Pool) -> Reads:
    return "first" if how == "first" else "grid"


class _Pooled(nn.Module):
    """``states`` and ``index`` -> one output of the readout."""

    def __init__(self, readout: nn.Module, how: Pool, output: str, single: bool) -> None:
        super().__init__()
        self.readout, self.how, self.output, self.single = readout, how, output, single

    def forward(self, fields: dict[str, Tensor]) -> dict[str, Tensor]:
        out = self.readout(pooled(fields["states"], fields["index"], self.how))
        return {self.output: out.squeeze(-1) if self.single else out}


def classified(head: Classify, name: str) -> Exported:
    """``logits`` (B, V)."""
    how = head.options.pool
    inputs, dims = example(_width(head.readout), reads(how))
    graph = Graph(name, _Pooled(head.readout, how, "logits", False), inputs, dims, {"logits": ("B", None)})
    decode = {"labels": list(head.labels), "multi": head.options.multi, "threshold": head.options.threshold}
    return Exported(graph, reads(how), decode, lambda states, _: {"logits": head.logits(states)})


def regressed(head: Regress, name: str) -> Exported:
    """``values`` (B,), in deviations from the mean."""
    how = head.options.pool
    inputs, dims = example(_width(head.readout), reads(how))
    graph = Graph(name, _Pooled(head.readout, how, "values", True), inputs, dims, {"values": ("B",)})
    decode = {"mean": head.mean, "deviation": head.deviation}
    return Exported(graph, reads(how), decode, lambda states, _: {"values": head.values(states)})


def _width(module: nn.Module) -> int:
    """D, from the first linear map."""
    return next(m.in_features for m in module.modules() if isinstance(m, nn.Linear))
