"""placed: heads that read single tokens: the words of tag, the candidates of span."""

from __future__ import annotations

from torch import Tensor, nn

from unisono.deploy.graph import Graph
from unisono.deploy.heads.base import Exported, example
from unisono.heads.span import Span
from unisono.heads.tag import Tag


class _Placed(nn.Module):
    """``states`` and ``index`` -> ``logits`` of the tokens asked for."""

    def __init__(self, readout: nn.Module) -> None:
        super().__init__()
        self.readout = readout

    def forward(self, fields: dict[str, Tensor]) -> dict[str, Tensor]:
        return {"logits": self.readout(fields["states"].index_select(0, fields["index"]))}


def placed(readout: nn.Module, name: str) -> Graph:
    width = next(m.in_features for m in readout.modules() if isinstance(m, nn.Linear))
    inputs, dims = example(width, "places")
    return Graph(name, _Placed(readout), inputs, dims, {"logits": ("W", None)})


def tagged(head: Tag, name: str) -> Exported:
    """``logits`` (W, V) of the first tokens of words.

    ``decode``: the V ``tags`` and their ``scheme``; ``unseen``, the number of the tag of a word beyond the input's end;
    ``crf``, null or the learned scores ``follow`` (V, V), ``first`` and ``last`` (V,), without the scheme's rules.
    """
    learned = None
    if head.crf is not None:
        learned = {n: getattr(head.crf, n).float().tolist() for n in ("follow", "first", "last")}
    decode = {"tags": list(head.tags), "scheme": head.scheme.name, "unseen": head.unseen, "crf": learned}
    return Exported(
        placed(head.readout, name),
        "places",
        decode,
        lambda states, targets: {"logits": head.logits(states, targets)},
        index=lambda _, targets: targets["index"],
    )


def spanned(head: Span, name: str) -> Exported:
    """``logits`` (W, 2) of candidates, as the first and as the last token of the answer."""
    decode = {
        "longest": head.options.longest,
        "threshold": head.options.threshold,
        "unanswerable": bool(head.fitted["unanswerable"]),
    }
    return Exported(
        placed(head.readout, name),
        "places",
        decode,
        lambda states, targets: {"logits": head.readout(states.values)[targets["index"].flatten()]},
        index=lambda _, targets: targets["index"].flatten(),
    )
