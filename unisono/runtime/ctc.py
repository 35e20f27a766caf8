"""ctc: from what is likely at each step to a sequence of symbols, when steps outnumber symbols and nothing aligns them.

A path names one symbol or the blank at each step; it reads as its symbols with repeats merged and blanks dropped.
Graves et al. 2006, section 3 (https://www.cs.toronto.edu/~graves/icml_2006.pdf).
"""

from __future__ import annotations

import numpy as np

BLANK = 0


def read_path(path: np.ndarray) -> list[int]:
    """(L,) symbols and blanks -> the symbols that the path reads as."""
    starts = np.flatnonzero(np.diff(path, prepend=-1))
    return [int(s) for s in path[starts] if s != BLANK]


def steps_needed(symbols: np.ndarray) -> int:
    """The length of the shortest path that reads so: a blank must stand between equal neighbours."""
    return len(symbols) + int((symbols[1:] == symbols[:-1]).sum())


def best_path(scores: np.ndarray) -> list[int]:
    """(L, V) -> what the likeliest path reads as. Graves et al. 2006, equation 4."""
    return read_path(scores.argmax(-1))


def prefix_search(log_probs: np.ndarray, beams: int) -> list[int]:
    """(L, V) -> the likeliest sequence, over all paths that read so, found by keeping the best ``beams`` prefixes.

    Graves 2012 (https://arxiv.org/abs/1211.3711) section 3.1 as Hannun et al. 2014 have it for CTC
    (https://arxiv.org/abs/1408.2873, algorithm 1), without a language model. Exact when no prefix is dropped.
    """
    known = _Prefixes()
    kept = [0]  # K prefixes
    blank, other = np.zeros(1), np.full(1, -np.inf)  # (K,) log probability of those that end in a blank, in a symbol
    for row in log_probs.astype(np.float64):
        whole = np.logaddexp(blank, other)
        last = np.array([known.symbol[prefix] for prefix in kept])
        some = last >= 0
        longer = whole[:, None] + row  # (K, V)
        longer[:, BLANK] = -np.inf
        longer[some, last[some]] = blank[some] + row[last[some]]  # a repeat is a new symbol only after a blank
        stays_blank = whole + row[BLANK]
        stays = np.where(some, other + row[last], -np.inf)
        place = {prefix: k for k, prefix in enumerate(kept)}
        for k, prefix in enumerate(kept):  # a kept prefix may also be another one made longer
            if (before := place.get(known.parent[prefix])) is not None:
                stays[k] = np.logaddexp(stays[k], longer[before, last[k]])
                longer[before, last[k]] = -np.inf
        total = np.concatenate([np.logaddexp(stays_blank, stays), longer.ravel()])
        best = np.argsort(-total, kind="stable")[:beams]
        best = best[total[best] > -np.inf]
        if not len(best):  # numbers that are none: nothing can be said of this step
            continue
        old = best < len(kept)
        of, symbols = np.divmod(np.where(old, 0, best - len(kept)), longer.shape[1])
        stayed = np.where(old, best, 0)
        blank = np.where(old, stays_blank[stayed], -np.inf)
        other = np.where(old, stays[stayed], total[best])
        candidates = zip(old.tolist(), stayed.tolist(), of.tolist(), symbols.tolist(), strict=True)
        kept = [kept[k] if is_old else known.longer(kept[before], s) for is_old, k, before, s in candidates]
    return known.read(kept[int(np.logaddexp(blank, other).argmax())])


class _Prefixes:
    """The prefixes met so far, as a tree; 0 is the empty one."""

    def __init__(self) -> None:
        self.parent, self.symbol = [-1], [-1]
        self._children: dict[tuple[int, int], int] = {}

    def longer(self, prefix: int, symbol: int) -> int:
        """The prefix with one more symbol."""
        key = (prefix, symbol)
        if key not in self._children:
            self._children[key] = len(self.parent)
            self.parent.append(prefix)
            self.symbol.append(symbol)
        return self._children[key]

    def read(self, prefix: int) -> list[int]:
        out = []
        while prefix:
            out.append(self.symbol[prefix])
            prefix = self.parent[prefix]
        return out[::-1]
