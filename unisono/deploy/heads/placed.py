"""placed: heads that read single tokens: the words of tag, the candidates of span."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from unisono.deploy.graph import Graph
from unisono.deploy.heads.base import Exported, example
from unisono.heads.span import Span
from unisono.heads.tag import Tag
from unisono.runtime.scheme import Scheme


class _Placed(nn.Module):
    """``states`` and ``index`` -> ``logits`` of the tokens asked for."""

    def __init__(self, readout: nn.Module) -> None:
        super().__init__()
        self.readout = readout

    def forward(self, fields: dict[str, Tensor]) -> dict[str, Tensor]:
        return {"logits": self.readout(fields["states"].index_select(0, fields["index"]))}


def _graph(readout: nn.Module, name: str) -> Graph:
    width = next(m.in_features for m in readout.modules() if isinstance(m, nn.Linear))
    inputs, dims = example(width, "places")
    return Graph(name, _Placed(readout), inputs, dims, {"logits": ("W", None)})


def tagged(head: Tag, name: str) -> Exported:
    """``logits`` (W, V) of the first tokens of words.

    ``decode``: the V ``tags``; ``unseen``, the number of the tag of a word beyond the input's end; ``blank`` (V,) the
    logits of a word without token; ``best``, whether each word's best tag is the answer where the sequence of them is
    valid, without the scores below being added; ``follow`` (V, V), ``first`` and ``last`` (V,) scores of one tag after
    another, at the beginning and at the end, null where the scheme forbids it; ``entities``, how tags spell them, or
    null: ``types`` (V,), ``outside`` (V,), and ``starts`` (V + 1, V), 1 where an entity begins with tag j after tag i,
    or in the last row at the beginning.
    """
    if head.crf is not None:
        follow, first, last = head.crf.scores(-torch.inf)
    else:
        follow, first, last = (head.get_buffer(f"_{n}") for n in ("follow", "first", "last"))
    decode = {
        "tags": list(head.tags),
        "scheme": head.scheme.name,
        "unseen": head.unseen,
        "blank": head.get_buffer("_blank").tolist(),
        "best": head.crf is None,
        "follow": [_scores(row) for row in follow],
        "first": _scores(first),
        "last": _scores(last),
        "entities": None if head.scheme.plain else _entities(head.scheme),
    }
    return Exported(
        _graph(head.readout, name),
        "places",
        decode,
        lambda states, targets: {"logits": head.logits(states, targets)},
        index=lambda targets: targets["index"],
    )


def spanned(head: Span, name: str) -> Exported:
    """``logits`` (W, 2) of candidates, as the first and as the last token of the answer."""
    decode = {
        "longest": head.options.longest,
        "threshold": head.options.threshold,
        "unanswerable": bool(head.fitted["unanswerable"]),
    }
    return Exported(
        _graph(head.readout, name),
        "places",
        decode,
        lambda states, targets: {"logits": head.readout(states.values)[targets["index"].flatten()]},
        index=lambda targets: targets["index"].flatten(),
    )


def _scores(scores: Tensor) -> list[float | None]:
    return [value if np.isfinite(value) else None for value in scores.tolist()]


def _entities(scheme: Scheme) -> dict[str, Any]:
    v = len(scheme.tags)
    before, after = np.divmod(np.arange(v * v), v)
    pairs = np.stack([before, after], 1).flatten()  # every tag after every tag, each pair as if a sentence
    inner = scheme.starts(pairs, np.arange(len(pairs)) % 2 == 0)[1::2].reshape(v, v)
    ahead = scheme.starts(np.arange(v), np.ones(v, dtype=bool))
    return {
        "types": scheme.types.tolist(),
        "outside": scheme.outside.tolist(),
        "starts": np.vstack([inner, ahead]).astype(int).tolist(),
    }
