"""Base: the weights that never learn in a run, which its checkpoints vouch for by a fingerprint and do not hold.

Of a frozen pretrained trunk a hundred megabytes would else lie in each of them, the same each time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn


class OtherWeights(ValueError):
    """The frozen weights are not those that a run began with; one line."""


def without(state: Mapping[str, Tensor], fixed: Iterable[str]) -> dict[str, Tensor]:
    """A model's tensors without the fixed ones."""
    left_out = set(fixed)
    return {name: tensor for name, tensor in state.items() if name not in left_out}


def fingerprint(state: Mapping[str, Tensor], fixed: Iterable[str]) -> str:
    """SHA-256 of the names, types, shapes and bytes of the fixed tensors."""
    digest = hashlib.sha256()
    for name in sorted(fixed):
        tensor = state[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def give_back(model: nn.Module, fixed: Iterable[str], tensors: Mapping[str, Tensor], known: str | None) -> None:
    """Loads what ``without`` left into a model that has the fixed weights already.

    Args:
        known: the fingerprint of the fixed weights of then; None: they are among ``tensors``.

    Raises:
        OtherWeights: the model's fixed weights are others.
    """
    state = model.state_dict()
    missing = set(fixed) - set(tensors)
    if missing and known != fingerprint(state, fixed):
        raise OtherWeights(
            "the pretrained weights of the trunk are not those that this run began with, and its checkpoints hold the "
            "adapters alone; put the weights back in their place, or start again with --fresh"
        )
    model.load_state_dict({**{name: state[name] for name in missing}, **tensors})
