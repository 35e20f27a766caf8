"""runtime: answers from an exported folder by ONNX Runtime, tokenizers and NumPy alone: no torch, no transformers.

``Runtime.load(folder).predict_all("A sentence.")``. The rest of Unisono takes from here what needs no torch: how texts
become tokens, how tags spell entities, questions and answers. Nothing here imports anything of Unisono's, so that the
folder is also a distribution of its own, ``unisono-runtime``.
"""

from __future__ import annotations

from .bundle import is_export
from .errors import BadInput, Damaged, ExportedError, NoTask
from .questions import Answer, Question, Unanswerable
from .runtime import Runtime

__all__ = [
    "Answer", "BadInput", "Damaged", "ExportedError", "NoTask", "Question", "Runtime", "Unanswerable", "is_export",
]  # fmt: skip
