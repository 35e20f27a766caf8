"""torchfile: graphs as packages of ``torch.export``, for programs that have PyTorch and nothing of Unisono."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from unisono.deploy.encoder import STATES
from unisono.deploy.errors import ExportError
from unisono.deploy.graph import Graph
from unisono.deploy.plan import ENCODER
from unisono.runtime.graphs import Arrays, Asked, Climb
from unisono.runtime.pack import Pack


def to_torch(graph: Graph) -> bytes:
    """The content of a file ``.pt2``: ``torch.export.load(file).module()({"input": tensor})`` gives the outputs. Inputs
    must come in the order of the manifest.
    """
    traced, file = graph.traced(), io.BytesIO()
    traced._example_inputs = None  # they would be kept as a pickle
    for node in traced.graph.nodes:
        node.meta.pop("stack_trace", None)  # tells of the machine that it was made on
    torch.export.save(traced, file)
    return file.getvalue()


class Package:
    """A file ``.pt2`` loaded again, ready to run.

    Args:
        inputs: the names of its inputs, in their order.
    """

    def __init__(self, content: bytes, inputs: Iterable[str]) -> None:
        self._module, self._inputs = torch.export.load(io.BytesIO(content)).module(), tuple(inputs)

    @torch.no_grad()
    def __call__(self, feed: Mapping[str, Tensor]) -> dict[str, Tensor]:
        found: dict[str, Tensor] = self._module({name: feed[name] for name in self._inputs})
        return found


class Packages:
    """In place of the runtime's sessions: the same graphs run by PyTorch.

    Args:
        run: graph -> its package.
    """

    def __init__(self, run: Mapping[str, Package]) -> None:
        self._packages = run

    def __call__(self, pack: Pack, asked: Sequence[Asked]) -> list[Arrays]:
        states = self.run(ENCODER, pack.inputs(self.run))[STATES]
        return [self.run(graph, {STATES: states, **fields}) for graph, fields in asked]

    def climb(self, pack: Pack) -> Climb:
        """Exits are not for packages."""
        raise ExportError("packages of torch.export hold the trunk in one piece")

    def run(self, graph: str, fields: Arrays) -> Arrays:
        feed = {name: torch.from_numpy(np.asarray(value, order="C")) for name, value in fields.items()}
        return {name: value.numpy() for name, value in self._packages[graph](feed).items()}
