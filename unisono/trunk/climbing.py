"""climb: a trunk's layers one by one, between which sequences may leave the pack. BERT's family."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

from torch import Tensor

from unisono.packed import Layout, Packed
from unisono.trunk.encoder import Trunk
from unisono.trunk.slim import layers_of


def climb(
    trunk: Trunk, packed: Packed, types: Tensor | None = None, *, first: bool = False
) -> Generator[Packed, Sequence[int], None]:
    """The states after each layer in turn; the last are those of the whole trunk.

    What is sent back are the numbers of the sequences that go on, counted in the pack of the last states; ``next`` lets
    all go on, and with none left there are no more states.

    Args:
        packed: (N, D_in), and ``types`` (N,), as for the trunk.
        first: of the last states, those of first tokens alone are wanted: (B, D), sequences of length 1.

    Raises:
        ValueError: the trunk is of another family, or a sequence is longer than its position table.
    """
    layers = layers_of(trunk.encoder)
    states = packed.like(trunk.below(packed, types))
    for at, layer in enumerate(layers):
        short = first and at + 1 == len(layers)
        more: dict[str, Any] = {"first": True} if short and trunk.offers_first else {}
        values = layer(states.values[None], None, layout=states.layout, **more)[0]
        if short:
            count = states.layout.count
            values = values if more else states.like(values).first()
            states = Packed(values, Layout([1] * count))
        else:
            states = states.like(values)
        going = yield states
        if going is not None:
            if not len(going):
                return
            if at + 1 < len(layers):
                states = states.select(going)
