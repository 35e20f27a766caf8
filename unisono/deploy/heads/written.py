"""written: heads that write: what is read as keys and values, and one step of the decoder with its cache."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from unisono.deploy.attention import HIDDEN
from unisono.deploy.encoder import laid_out
from unisono.deploy.graph import Dims, Graph
from unisono.deploy.heads.base import Exported, Run, example
from unisono.heads.decoder import Decoder
from unisono.heads.writer import Writer
from unisono.packed import Packed

_WALK = 12  # steps of a decoder that a check takes


class _Memory(nn.Module):
    """``states`` and ``index``, the grid (B, L) -> ``memory.k.i`` and ``memory.v.i`` (B, H, L, K), 0 at no token."""

    def __init__(self, decoder: Decoder) -> None:
        super().__init__()
        self.source, self.heads, self.count = decoder.source, decoder.heads, len(decoder.layers)

    def forward(self, fields: dict[str, Tensor]) -> dict[str, Tensor]:
        states, grid = fields["states"], fields["index"]
        total = states.shape[0]
        memory = self.source(states).index_select(0, grid.clamp(max=total - 1).flatten())
        memory = memory * (grid < total).flatten()[:, None]
        memory = memory.view(*grid.shape, self.count, 2, self.heads, -1).permute(2, 3, 0, 4, 1, 5)
        return {f"memory.{n}.{i}": memory[i, at] for i in range(self.count) for at, n in enumerate("kv")}


class _Cache:
    """In place of ``unisono.heads.decoder.Cache``, for one hypothesis a row: what was written is handed in and out.

    Args:
        fields: the inputs of the step.
    """

    path = None  # a row's hypothesis sees all that was written in its row

    def __init__(self, fields: Mapping[str, Tensor], layers: int) -> None:
        self.past = [tuple(fields[f"self.{n}.{i}"] for n in "kv") for i in range(layers)]
        self.memory = [tuple(fields[f"memory.{n}.{i}"] for n in "kv") for i in range(layers)]
        self.mask = fields["memory.mask"][:, None, None]  # (R, 1, 1, M)
        self.steps = fields["position"] + 1
        self.grown: dict[str, Tensor] = {}

    def grow(self, hypotheses: int) -> None:
        assert hypotheses == 1

    def add(self, layer: int, keys_and_values: Tensor) -> tuple[Tensor, ...]:
        """(R, 1, 2, H, K) of the newest token -> keys and values of all, (R, H, S + 1, K) each."""
        new = keys_and_values.permute(2, 0, 3, 1, 4)
        out = tuple(torch.cat([old, one], 2) for old, one in zip(self.past[layer], new, strict=True))
        self.grown |= {f"grown.{n}.{layer}": one for n, one in zip("kv", out, strict=True)}
        return out


class _Step(nn.Module):
    """One more token of each of R hypotheses -> ``logits`` (R, V) of the next, and the cache grown by one."""

    def __init__(self, decoder: Decoder) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(self, fields: dict[str, Tensor]) -> dict[str, Tensor]:
        cache: Any = _Cache(fields, len(self.decoder.layers))
        hidden = self.decoder.step(fields["token"][:, None], cache)[:, 0]
        return {"logits": hidden @ self.decoder.vectors.t(), **cache.grown}


def written(head: Writer, name: str) -> Exported:
    """As ``decoded``. ``decode`` names the file of the ``pieces`` and how they are searched, too."""
    options = head.options
    decode = {
        "pieces": f"{name}.pieces.json",
        "languages": list(head.pieces.languages),
        "beams": options.beams,
        "length_penalty": options.length_penalty,
    }
    files = {f"{name}.pieces.json": head.fitted["tokenizer"]}
    begin = head.pieces.begin(next(iter(head.pieces.languages), None))
    return decoded(head.decoder, name, begin, options.max_length, decode, files)


def decoded(
    decoder: Decoder,
    name: str,
    begin: int,
    longest: int,
    decode: Mapping[str, Any],
    files: Mapping[str, str] | None = None,
) -> Exported:
    """``memory.k.i`` and ``memory.v.i`` of the layers i, and the step ``NAME.step``.

    Args:
        begin: the token that a text begins with. ``longest``: the most that follow.
        decode: what is said beside the decoder's ``layers``, ``heads``, ``width`` and ``max_length``.
    """
    count = len(decoder.layers)
    inputs, dims = example(decoder.source.in_features, "grid")
    names = [f"{n}.{i}" for i in range(count) for n in "kv"]
    return Exported(
        Graph(name, _Memory(decoder), inputs, dims, {f"memory.{n}": ("B", None, "L", None) for n in names}),
        "grid",
        {**decode, "layers": count, "heads": decoder.heads, "width": decoder.width, "max_length": longest},
        lambda states, _: _memory(decoder, states),
        steps={"step": _step(decoder, f"{name}.step", names)},
        files=files or {},
        walk=_walker(decoder, begin, longest),
    )


def _step(decoder: Decoder, name: str, names: list[str]) -> Graph:
    rows, written, read = 3, 2, 5
    shape = (decoder.heads, decoder.width // decoder.heads)
    inputs = {"token": torch.arange(rows), "position": torch.tensor(written)}
    dims: dict[str, Dims] = {"token": ("R",), "position": ()}
    outputs: dict[str, Dims] = {"logits": ("R", None)}
    for whose, size, dim in (("self", written, "S"), ("memory", read, "M")):
        for n in names:
            inputs[f"{whose}.{n}"] = torch.randn(rows, shape[0], size, shape[1])
            dims[f"{whose}.{n}"] = ("R", None, dim, None)
    inputs["memory.mask"], dims["memory.mask"] = torch.zeros(rows, read), ("R", "M")
    outputs |= {f"grown.{n}": ("R", None, "S + 1", None) for n in names}
    return Graph(name, _Step(decoder), inputs, dims, outputs)


def _memory(decoder: Decoder, states: Packed) -> dict[str, Tensor]:
    cache = decoder.open(states)
    real = laid_out(states.layout)["grid"] < states.layout.total
    memory = cache.memory * real[:, None, :, None]  # what stands at no token does not matter: there, the graph has 0
    return {f"memory.{n}.{i}": memory[i, at] for i in range(len(memory)) for at, n in enumerate("kv")}


def _walker(
    decoder: Decoder, begin: int, longest: int
) -> Callable[[Packed, Mapping[str, Tensor], Run], Iterator[tuple[Tensor, Tensor]]]:
    def walk(states: Packed, memory: Mapping[str, Tensor], step: Run) -> Iterator[tuple[Tensor, Tensor]]:
        """The logits of the first steps of a greedy search, and the decoder's own.

        Args:
            memory: what the graph gave of the states.
        """
        rows = states.layout.count
        cache = decoder.open(states)
        grid = laid_out(states.layout)["grid"]
        fields = {**memory, "memory.mask": torch.where(grid == states.layout.total, HIDDEN, 0.0)}
        empty = torch.zeros(rows, decoder.heads, 0, decoder.width // decoder.heads)
        fields |= {f"self.{n}.{i}": empty for n in "kv" for i in range(len(decoder.layers))}
        token = torch.full((rows,), begin)
        for position in range(min(_WALK, longest)):
            wanted = decoder.step(token[:, None], cache)[:, 0] @ decoder.vectors.t()
            found = step({**fields, "token": token, "position": torch.tensor(position)})
            yield found["logits"], wanted
            fields |= {name.replace("grown", "self"): value for name, value in found.items() if name != "logits"}
            token = wanted.argmax(-1)

    return walk
