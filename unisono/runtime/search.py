"""search: greedy and beam search over a decoder that runs one step at a time. Finished sentences leave the batch.

Equal scores are told apart by order (the better hypothesis first, then the lower token number), so a result does not
depend on how a sort breaks ties.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np

from .decoding import Decoding
from .logits import log_softmax
from .writing import until

_FEW = 8  # one in so many rows must be done before rows leave: moving the cache is not free


@dataclass(frozen=True)
class Terms:
    """What a search keeps to.

    Args:
        begin: the token that every text begins with. ``end``: the token that ends one.
        barred: token numbers below this are never produced, but for ``end``.
        max_new: the most tokens of a text, ``end`` included. ``min_new``: the fewest.
    """

    begin: int
    end: int
    barred: int
    max_new: int
    min_new: int = 0

    def bar(self, logits: np.ndarray, step: int) -> np.ndarray:
        """(R, V) with what may not come next at -inf."""
        kept = logits[:, self.end].copy()
        logits[:, : self.barred] = -np.inf
        logits[:, self.end] = kept if step >= self.min_new else -np.inf
        return logits


def greedy(decoding: Decoding, terms: Terms) -> Generator[np.ndarray, None, list[list[int]]]:
    """The likeliest next token, again and again; yields the tokens so far after each step, (B, steps).

    Args:
        decoding: of B sentences, with one hypothesis each.

    Returns:
        B lists of tokens, without begin and end.
    """
    live = np.arange(decoding.rows)  # the sentence in each row of the cache
    out = np.full((len(live), terms.max_new), terms.end)
    done = np.zeros(len(live), bool)
    ids = np.full(len(live), terms.begin)
    for step in range(1, terms.max_new + 1):
        ids = terms.bar(decoding.step(ids), step).argmax(-1)  # the first of equals
        out[live, step - 1] = np.where(done, terms.end, ids)
        done = done | (ids == terms.end)
        if _worth(done):
            stay = np.flatnonzero(~done)
            live, ids, done = live[stay], ids[stay], done[stay]
            decoding.keep(stay)
        if not len(live):
            break
        yield out[:, :step]
    return [until(terms.end, tokens) for tokens in out.tolist()]


def beam(
    decoding: Decoding, terms: Terms, *, beams: int, length_penalty: float
) -> Generator[None, None, list[list[int]]]:
    """The best of the hypotheses that a search of ``beams`` breadth finds; yields after each step.

    A hypothesis of n tokens (``end`` included) scores its log-probability over ((5 + n) / 6) ** length_penalty, Wu et
    al. 2016, section 7. A sentence is done once ``beams`` of its hypotheses have ended and no live one is ahead of the
    best of them, or no live one can still win. Other arguments as for ``greedy``.
    """
    count = decoding.rows
    live = np.arange(count)
    ids = np.full((count, 1), terms.begin)
    sums = np.zeros((count, 1), np.float32)  # (B, n) log-probabilities of the live hypotheses
    done = np.zeros(count, bool)
    tokens = np.full((terms.max_new, count, beams), terms.end)  # what each hypothesis added at each step,
    parents = np.zeros_like(tokens)  # and which one it continued
    best = np.full(count, -np.inf, np.float32)  # of the ended hypotheses, with length penalty
    best_end, best_from = np.zeros(count, np.int64), np.zeros(count, np.int64)  # its step, and what it continued
    ended = np.zeros(count, np.int64)
    limit = _penalty(terms.max_new, length_penalty)
    for step in range(1, terms.max_new + 1):
        logs = log_softmax(terms.bar(decoding.step(ids.reshape(-1)), step)).reshape(*ids.shape, -1)
        scores, origin, token = _top(logs + sums[..., None], 2 * beams)  # (B, 2 * beams) each
        is_end = token == terms.end
        # Hypotheses that end. The first is the best of this step, since all have one length.
        ends = is_end[:, :beams] & (scores[:, :beams] > -np.inf) & ~done[:, None]
        first = ends.argmax(1)[:, None]
        score = np.take_along_axis(scores, first, 1)[:, 0] / np.float32(_penalty(step, length_penalty))
        better = ends.any(1) & (score > best[live])
        who = live[better]
        best[who], best_end[who] = score[better], step
        best_from[who] = np.take_along_axis(origin, first, 1)[better, 0]
        ended[live] += ends.sum(1)
        # Hypotheses that go on: the first ``beams`` others.
        rank = np.arange(is_end.shape[1]) + is_end * is_end.shape[1]
        going = rank.argsort(1)[:, :beams]
        sums = np.where(np.take_along_axis(is_end, going, 1), -np.inf, np.take_along_axis(scores, going, 1))
        origin, ids = np.take_along_axis(origin, going, 1), np.take_along_axis(token, going, 1)
        width = ids.shape[1]
        tokens[step - 1, live, :width], parents[step - 1, live, :width] = ids, origin
        if step == terms.max_new:  # cut off: the best live hypothesis counts like an ended one
            better = (sums[:, 0] / np.float32(limit) > best[live]) & ~done
            best_end[live[better]], best_from[live[better]] = terms.max_new + 1, 0
            break
        # Where the model is sure, what ends early is junk beside the one text that it means: that one is waited for.
        behind = best[live] >= sums[:, 0] / np.float32(_penalty(step, length_penalty))
        done = done | ((ended[live] >= beams) & behind) | (best[live] >= sums[:, 0] / np.float32(limit))
        rows = np.arange(len(live))[:, None] * (decoding.rows // len(live)) + origin  # (B, n) those that are continued
        if _worth(done):
            stay = np.flatnonzero(~done)
            live, ids, sums, done, rows = live[stay], ids[stay], sums[stay], done[stay], rows[stay]
        decoding.keep(rows.reshape(-1))
        if not len(live):
            break
        yield
    return _trace(tokens, parents, best_end, best_from)


def _trace(tokens: np.ndarray, parents: np.ndarray, best_end: np.ndarray, best_from: np.ndarray) -> list[list[int]]:
    """Follows the best hypothesis of each sentence back to its beginning."""
    out = []
    for sentence, (last, at) in enumerate(zip(best_end.tolist(), best_from.tolist(), strict=True)):
        line = []
        for step in range(last - 2, -1, -1):
            line.append(int(tokens[step, sentence, at]))
            at = int(parents[step, sentence, at])
        out.append(line[::-1])
    return out


def _top(scores: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The ``count`` best continuations of each sentence: scores, hypotheses and tokens, each (B, count), best first.

    Args:
        scores: (B, n, V).
    """
    size = scores.shape[2]
    flat = scores.reshape(len(scores), -1)
    count = min(count, flat.shape[1])
    least = np.partition(flat, flat.shape[1] - count, axis=1)[:, flat.shape[1] - count]
    chosen = np.empty((len(flat), count), np.int64)
    for row, (own, bound) in enumerate(zip(flat, least, strict=True)):
        near = np.flatnonzero(own >= bound)  # more than ``count`` where several are equal
        chosen[row] = near[np.argsort(-own[near], kind="stable")[:count]]
    return np.take_along_axis(flat, chosen, 1), chosen // size, chosen % size


def _worth(done: np.ndarray) -> bool:
    """Whether enough rows are done for the others to be moved together."""
    gone = int(done.sum())
    return gone == len(done) or gone * _FEW >= max(len(done), 1)


def _penalty(length: int, power: float) -> float:
    return float(((5 + length) / 6) ** power)
