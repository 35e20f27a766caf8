"""decoder: that of a task which writes, over what its graph gave of the sources."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ..decoding import HIDDEN, Decoding
from ..errors import Damaged
from ..manifest import LONGEST
from .base import Arrays, Head, Run

_ROWS = 512  # hypotheses decoded side by side: more do not run faster, and the cache grows with them


class Decoder:
    """Keys and values of the sources, (B, H, L, K) of each layer -> what is decoded step by step.

    Args:
        head: whose task says ``layers`` and ``max_length``. ``step``: the graph of one step.

    Raises:
        Damaged: it does not say so, or there is no such graph.
    """

    def __init__(self, head: Head, step: Run | None) -> None:
        said = head.task.decode
        self.layers, self.longest = said.whole("layers", 1, 1000), said.whole("max_length", 1, LONGEST)
        if step is None:
            raise Damaged(f'task "{head.task.name}": a head that writes needs the graph of its step')
        self._head, self._step = head, step

    def parts(self, outputs: Arrays, lengths: Sequence[int], beams: int) -> Iterator[tuple[list[int], Decoding]]:
        """The numbers of sources that are decoded together, like lengths side by side: fewer pads; and their decoding,
        nothing written yet.
        """
        order = sorted(range(len(lengths)), key=lambda b: lengths[b])
        at_once = max(1, _ROWS // beams)
        for part in (order[i : i + at_once] for i in range(0, len(order), at_once)):
            yield part, self._open(outputs, np.array(part), np.array([lengths[b] for b in part]))

    def _open(self, outputs: Arrays, rows: np.ndarray, lengths: np.ndarray) -> Decoding:
        """What is read is cut to the longest of the rows."""
        most = int(lengths.max())
        memory = [
            tuple(self._head.output(outputs, f"memory.{n}.{i}", None, None, None, None)[rows, :, :most] for n in "kv")
            for i in range(self.layers)
        ]
        mask = np.where(np.arange(most) < lengths[:, None], np.float32(0), HIDDEN)
        return Decoding(self._step, [(keys, values) for keys, values in memory], mask)
