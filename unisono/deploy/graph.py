"""Graph: a module with named inputs and outputs, traced once for every size that its inputs may have."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.fx.experimental import _config

from unisono.deploy.errors import ExportError

# That a size is 1, such as the rows of patches of a low image, is no other case. PyTorch knows of it since 2.7.
_OBLIVIOUS = {name: True for name in ("backed_size_oblivious",) if hasattr(_config, name)}
Dims = tuple[str | None, ...]  # of an input: the name of each size that may vary, None where it is fixed


@dataclass(frozen=True)
class Graph:
    """What becomes one file.

    Args:
        name: of the graph, and of its file.
        module: its ``forward`` takes one mapping, input -> tensor, and returns a mapping, output -> tensor.
        inputs: name -> an example. Sizes that vary are 2 or more in it, and sizes of different names differ.
        dims: name -> the names of its sizes.
        outputs: name -> the names of its sizes.
    """

    name: str
    module: nn.Module
    inputs: Mapping[str, Tensor]
    dims: Mapping[str, Dims]
    outputs: Mapping[str, Dims]

    def traced(self) -> torch.export.ExportedProgram:
        """The module as a graph without Python.

        Raises:
            ExportError: it does what a graph for all sizes cannot hold.
        """
        varies = {
            name: {at: torch.export.Dim.DYNAMIC for at, dim in enumerate(self.dims[name]) if dim}
            for name in self.inputs
        }
        try:
            with warnings.catch_warnings(), torch.no_grad(), _config.patch(_OBLIVIOUS):  # type: ignore[attr-defined]
                warnings.simplefilter("ignore")
                return torch.export.export(self.module, (dict(self.inputs),), dynamic_shapes=(varies,), strict=False)
        except Exception as error:  # whatever a module does that cannot be traced
            raise ExportError(f"{self.name}: cannot become a graph: {str(error).strip().splitlines()[0]}") from error
