"""boxed: heads that find objects in an image, by guesses at its patches or by queries over them: detect."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from unisono.deploy.attention import HIDDEN
from unisono.deploy.graph import Graph
from unisono.deploy.heads.base import Exported, example
from unisono.deploy.heads.patched import patches, spread
from unisono.heads import Targets
from unisono.heads.detect import Detect
from unisono.heads.detect_dense import DetectDense
from unisono.heads.detect_set import DetectSet
from unisono.heads.queries import waves
from unisono.packed import Packed
from unisono.runtime.patches import every


class _Guessed(nn.Module):
    """``states`` and ``index`` -> ``logits`` (W, V), ``sides`` (W, 4), ``centred`` (W,) of the patches asked for."""

    def __init__(self, head: DetectDense) -> None:
        super().__init__()
        self.head = head

    def forward(self, fields: dict[str, Tensor]) -> dict[str, Tensor]:
        return _named(*self.head.of_patches(fields["states"].index_select(0, fields["index"])))


def guessed(head: DetectDense, name: str) -> Exported:
    """``logits`` (W, V), ``sides`` (W, 4) in patches and ``centred`` (W,) of all patches.

    ``decode``: that the ``decoder`` is dense, ``labels``, ``threshold``, ``overlap`` and ``most``.
    """
    cpu = torch.device("cpu")
    first = next(m for m in head.hidden if isinstance(m, nn.Linear))
    inputs, dims = example(first.in_features, "places")
    outputs: Any = {"logits": ("W", None), "sides": ("W", None), "centred": ("W",)}
    return Exported(
        Graph(name, _Guessed(head), inputs, dims, outputs),
        "places",
        {**_decode(head), "overlap": head.options.overlap},
        lambda states, _: _named(*head.guesses(states)[:3]),
        index=lambda layout, targets: torch.from_numpy(every(layout.starts(cpu).numpy(), targets["grid"].numpy())),
    )


def _named(logits: Tensor, sides: Tensor, centred: Tensor) -> dict[str, Tensor]:
    return {"logits": logits, "sides": sides, "centred": centred}


class _Padded:
    """What was laid out as a grid before: in place of ``unisono.heads.grid.Grid``.

    Args:
        real: (B, L) whether a place has a patch.
    """

    def __init__(self, real: Tensor) -> None:
        self.shape = real.shape
        self.mask = torch.where(real, 0.0, HIDDEN)[:, None, None]  # (B, 1, 1, L)

    def spread(self, values: Tensor) -> Tensor:
        """(B * L, D) -> (B, L, D)."""
        return values.view(*self.shape, -1)


class _Queried(nn.Module):
    """``states`` and ``index`` -> ``logits`` (B, Q, V + 1) and ``boxes`` (B, Q, 4), after the last layer."""

    def __init__(self, head: DetectSet) -> None:
        super().__init__()
        self.head = head

    def forward(self, fields: dict[str, Tensor]) -> dict[str, Tensor]:
        states, real = spread(fields["states"], fields["index"])  # (B, H, W, D), (B, H, W)
        height, width = real.shape[1:]
        half = (states.shape[3] + 1) // 2
        shares = [
            (torch.arange(count) + 0.5) / inside.sum(1, keepdim=True)  # (B, count)
            for count, inside in ((height, real[:, :, 0]), (width, real[:, 0]))
        ]
        y = waves(shares[0], half)[:, :, None].expand(-1, -1, width, -1)
        x = waves(shares[1], half)[:, None].expand(-1, height, -1, -1)
        keys = states + torch.cat([y, x], -1)[..., : states.shape[3]]
        found = self.head.decoder.over(
            real.shape[0], keys.flatten(0, 2), states.flatten(0, 2), _Padded(real.flatten(1))
        )[-1]
        return {"logits": self.head.classes(found), "boxes": self.head.sides(found).sigmoid()}


def queried(head: DetectSet, name: str) -> Exported:
    """``logits`` (B, Q, V + 1), the last for none, and ``boxes`` (B, Q, 4): middle, width and height, as shares.

    ``decode``: that the ``decoder`` is set, ``labels``, ``threshold`` and ``most``.
    """
    inputs, dims = example(head.classes.in_features, "patches")

    def expected(states: Packed, targets: Targets) -> dict[str, Tensor]:
        logits, boxes = (guess[-1] for guess in head.guesses(states, targets))
        return {"logits": logits, "boxes": boxes}

    outputs: Any = {"logits": ("B", None, None), "boxes": ("B", None, None)}
    graph = Graph(name, _Queried(head), inputs, dims, outputs)
    return Exported(graph, "patches", _decode(head), expected, index=patches)


def _decode(head: Detect) -> dict[str, Any]:
    options = head.options
    return {
        "decoder": options.decoder,
        "labels": list(head.labels),
        "threshold": options.threshold,
        "most": options.most,
    }
