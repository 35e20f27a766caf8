"""hidden: how far the student's states are from its teacher's, layer by layer.

TinyBERT's transformer distillation (Jiao et al. 2020, https://arxiv.org/abs/1909.10351), its states: the sum of L_hidn
(equation 8) over layers and L_embd (equation 9), under the uniform map g(m) = m L' / L. Not L_attn (equation 7).
As there, one learned matrix maps all layers and one the embeddings; there is none where both trunks are as wide.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from unisono.heads import Head
from unisono.model import BESIDE
from unisono.packed import Packed
from unisono.trunk import Trunk


class Hidden:
    """The distance of one task.

    Args:
        head: of the student. It gets the matrices, which learn at its rate and are not saved with the model.
        trunk: the student's, of L layers. ``teacher``: its teacher's, of L' ≥ 1.
    """

    def __init__(self, head: Head, trunk: Trunk, teacher: Trunk) -> None:
        own, other = len(trunk.layers) - 1, len(teacher.layers) - 1
        self.map = [round(at * other / own) for at in range(own + 1)]
        self._project: nn.ModuleList | None = None
        if trunk.width != teacher.width:
            pair = [nn.Linear(trunk.width, teacher.width, bias=False) for _ in ("embeddings", "layers")]
            self._project = nn.ModuleList(pair).to(next(head.parameters()).device)
            head.add_module(BESIDE, self._project)

    def __call__(self, ours: Sequence[Packed], theirs: Sequence[Packed]) -> Tensor:
        """The sum over layers of the mean squared difference: L + 1 packs (N, D) and L' + 1 packs (N, D')."""
        total = ours[0].values.new_zeros(())
        for at, states in enumerate(ours):
            values = states.values
            if self._project is not None:
                values = self._project[min(at, 1)](values)
            total = total + F.mse_loss(values.float(), theirs[self.map[at]].values.float())
        return total
