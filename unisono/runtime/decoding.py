"""Decoding: the state of a decoder that runs one step at a time: keys and values of what was written and is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

Run = Callable[[Mapping[str, np.ndarray]], Mapping[str, np.ndarray]]
HIDDEN = np.float32(-1e30)  # what is added to the score of a place without a token


class Decoding:
    """R hypotheses, one to begin with for each of B sources.

    Args:
        run: the graph of one step.
        memory: of each layer the keys and the values of the sources, (B, H, L, K) each.
        mask: (B, L) 0 at real tokens, ``HIDDEN`` at none.
    """

    def __init__(self, run: Run, memory: Sequence[tuple[np.ndarray, np.ndarray]], mask: np.ndarray) -> None:
        self._run, self._memory, self._mask = run, list(memory), mask
        count, heads, _, width = memory[0][0].shape
        empty = np.zeros((count, heads, 0, width), np.float32)
        self._past = [(empty, empty) for _ in memory]
        self._source = np.arange(count)  # of each row
        self._step = 0

    @property
    def rows(self) -> int:
        """R."""
        return len(self._source)

    def step(self, tokens: np.ndarray) -> np.ndarray:
        """The newest token of each hypothesis (R,) -> the logits of the next (R, V)."""
        fields = {
            "token": tokens.astype(np.int64),
            "position": np.array(self._step, np.int64),
            "memory.mask": self._mask,
        }
        for name, layers in (("self", self._past), ("memory", self._memory)):
            for layer, (keys, values) in enumerate(layers):
                fields[f"{name}.k.{layer}"], fields[f"{name}.v.{layer}"] = keys, values
        found = self._run(fields)
        self._past = [(found[f"grown.k.{i}"], found[f"grown.v.{i}"]) for i in range(len(self._past))]
        self._step += 1
        return found["logits"]

    def keep(self, rows: np.ndarray) -> None:
        """The hypotheses of the next step: the numbers (R',) of those that they continue, in the order of sources."""
        if len(rows) != self.rows or (rows != np.arange(self.rows)).any():
            self._past = [(keys[rows], values[rows]) for keys, values in self._past]
        source = self._source[rows]
        if len(source) != self.rows or (source != self._source).any():  # hypotheses of one source share what they read
            self._memory = [(keys[rows], values[rows]) for keys, values in self._memory]
            self._mask = self._mask[rows]
        self._source = source
