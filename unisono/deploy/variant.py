"""variant: a model's graphs in one precision, and what checking them found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from unisono.deploy.scores import Scored
from unisono.deploy.verify import Checked

Precision = Literal["fp32", "fp16", "int8"]


@dataclass(frozen=True)
class Variant:
    """Graphs of one precision.

    Args:
        protos: graph -> its ``onnx.ModelProto``. ``checked``: task -> what its check found.
        scores: task -> its main metric. ``kept``: graph -> the matrices that stayed in fp32.
    """

    precision: Precision
    protos: Mapping[str, Any]
    checked: Mapping[str, Checked]
    scores: Mapping[str, Scored]
    kept: Mapping[str, Sequence[str]] = field(default_factory=dict)
