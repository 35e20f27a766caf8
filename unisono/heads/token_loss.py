"""token_loss: label-smoothed cross-entropy over a large vocabulary, in bounded memory. Szegedy et al. 2016, section 7.

The logits of a few hundred tokens at a time are made, turned into their own gradient in place, and dropped: as in Liger
kernels (Hsu et al. 2024), without the (M, V) matrix and without a second pass over the vocabulary in backward.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

_AT_ONCE = 1 << 22  # logits in memory at a time


def token_loss(hidden: Tensor, vectors: Tensor, labels: Tensor, *, smoothing: float = 0.0) -> Tensor:
    """The sum over M tokens of ``cross_entropy(hidden @ vectors.T, labels, label_smoothing=smoothing)``.

    Args:
        hidden: (M, D).
        vectors: (V, D), one per vocabulary entry.
        labels: (M,) int64, none missing.
        smoothing: the share of the probability that is spread evenly over the vocabulary.
    """
    total: Tensor = _TokenLoss.apply(hidden, vectors, labels, smoothing)  # type: ignore[no-untyped-call]
    return total


class _TokenLoss(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, vectors: Tensor, labels: Tensor, smoothing: float) -> Tensor:
        device = hidden.device.type
        mixed = torch.is_autocast_enabled(device)
        dtype = torch.get_autocast_dtype(device) if mixed else hidden.dtype
        with torch.autocast(device, enabled=False):
            narrow, kernel = hidden.to(dtype), vectors.to(dtype)
            wide = torch.promote_types(hidden.dtype, vectors.dtype)
            learn = ctx.needs_input_grad[0] or ctx.needs_input_grad[1]
            each = smoothing / vectors.shape[0]
            everything = kernel.sum(0, dtype=wide)  # the sum of a token's logits is hidden @ everything
            total = hidden.new_zeros((), dtype=wide)
            d_hidden = torch.empty_like(hidden) if learn else None
            d_vectors = torch.zeros_like(vectors) if learn else None
            rows = max(16, _AT_ONCE // vectors.shape[0])
            for part, label, at in zip(
                torch.split(narrow, rows), torch.split(labels, rows), range(0, len(labels), rows), strict=True
            ):
                logits = (part @ kernel.t()).to(wide)
                of_label = logits.gather(1, label[:, None])[:, 0]
                logs = F.log_softmax(logits, 1)
                log_label = logs.gather(1, label[:, None])[:, 0]
                normalizer = of_label - log_label  # log-sum-exp
                sum_of_logs = part.to(wide) @ everything - len(vectors) * normalizer
                total -= ((1 - smoothing) * log_label + each * sum_of_logs).sum()
                if d_hidden is None or d_vectors is None:
                    continue
                # The gradient is softmax - (1 - smoothing) * one-hot - each; the constant comes off after the product.
                logs.exp_()
                logs[torch.arange(len(label), device=label.device), label] -= 1 - smoothing
                slope = logs.to(dtype)
                d_hidden[at : at + rows] = (slope @ kernel).to(wide) - each * everything
                if mixed:
                    d_vectors += slope.t() @ part
                else:
                    d_vectors.addmm_(slope.t(), part)
                d_vectors -= each * part.sum(0, dtype=wide)
        ctx.save_for_backward(d_hidden, d_vectors)
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        d_hidden, d_vectors = ctx.saved_tensors
        return d_hidden * grads[0], d_vectors * grads[0], None, None
