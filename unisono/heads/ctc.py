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
    parent, symbol = [-1], [-1]  # of each prefix met so far; 0 is the empty one
    children: dict[tuple[int, int], int] = {}
    kept = np.zeros(1, np.int64)  # (K,) the prefixes kept
    blank, other = np.zeros(1), np.full(1, -np.inf)  # (K,) log probability of those that end in a blank, in a symbol
    for row in log_probs.astype(np.float64):
        whole = np.logaddexp(blank, other)
        last = np.array([symbol[p] for p in kept])
        some = last >= 0
        longer = whole[:, None] + row  # (K, V)
        longer[:, BLANK] = -np.inf
        longer[some, last[some]] = blank[some] + row[last[some]]  # a repeat is a new symbol only after a blank
        stays_blank = whole + row[BLANK]
        stays = np.where(some, other + row[last], -np.inf)
        place = {int(p): k for k, p in enumerate(kept)}
        for k, prefix in enumerate(kept):  # a kept prefix may also be another one made longer
            if (before := place.get(parent[prefix])) is not None:
                stays[k] = np.logaddexp(stays[k], longer[before, symbol[prefix]])
                longer[before, symbol[prefix]] = -np.inf
        total = np.concatenate([np.logaddexp(stays_blank, stays), longer.ravel()])
        best = np.argsort(-total, kind="stable")[:beams]
        best = best[total[best] > -np.inf]
        width, old = longer.shape[1], len(kept)
        names = []
        for at in best.tolist():
            if at < old:
                names.append(int(kept[at]))
                continue
            of, s = divmod(at - old, width)
            key = (int(kept[of]), s)
            if key not in children:
                children[key] = len(parent)
                parent.append(key[0])
                symbol.append(s)
            names.append(children[key])
        new = best >= old
        from_old = np.where(new, 0, best)
        blank = np.where(new, -np.inf, stays_blank[from_old])
        other = np.where(new, total[best], stays[from_old])
        kept = np.array(names)
    out = []
    prefix = int(kept[np.logaddexp(blank, other).argmax()])
    while prefix:
        out.append(symbol[prefix])
        prefix = parent[prefix]
    return out[::-1]
