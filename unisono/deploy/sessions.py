"""sessions: graphs run by ONNX Runtime on the processor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


class Session:
    """A graph ready to run.

    Args:
        proto: an ``onnx.ModelProto``.
        threads: of one operator; None: as many as PyTorch uses.
    """

    def __init__(self, proto: Any, threads: int | None = None) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or torch.get_num_threads()
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        self.inputs = [one.name for one in self._session.get_inputs()]
        self.outputs = [one.name for one in self._session.get_outputs()]

    def __call__(self, feed: Mapping[str, Tensor]) -> dict[str, Tensor]:
        given = {name: feed[name].detach().numpy() for name in self.inputs}
        found = self._session.run(None, given)
        return {name: torch.from_numpy(value) for name, value in zip(self.outputs, found, strict=True)}
