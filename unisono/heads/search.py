"""search: greedy and beam search over a decoder with a key-value cache. Finished sentences leave the batch.

Equal scores are told apart by order (the better hypothesis first, then the lower token number), so a result does not
depend on how a sort breaks ties.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import Any

import torch
from torch import Tensor

from unisono.heads.decoder import Cache, Decoder
from unisono.packed import Packed
from unisono.runtime.stepwise import finish
from unisono.runtime.writing import until

_BLOCK = 64  # vocabulary entries that are compared with others by their maximum first
_ROWS = 128  # hypotheses whose scores of the whole vocabulary are made and looked at together, while in the cache


def greedy(decoder: Decoder, states: Packed, **how: Any) -> list[list[int]]:
    """The likeliest next token, again and again: ``greedy_steps`` to its end."""
    return finish(greedy_steps(decoder, states, **how))


@torch.no_grad()
def greedy_steps(
    decoder: Decoder, states: Packed, *, begin: int, end: int, barred: int, max_new: int, min_new: int = 0
) -> Generator[Tensor, None, list[list[int]]]:
    """The likeliest next token, again and again; yields the tokens so far after each step, (B, steps).

    Args:
        decoder: gives the next token's logits.
        states: (N, D) of B sources.
        begin: the token that every target begins with.
        end: the token that ends one.
        barred: token numbers below this are never produced, but for ``end``.
        max_new: the most tokens of a target, ``end`` included.
        min_new: the fewest: ``end`` is barred before.

    Returns:
        B lists of tokens, without begin and end.
    """
    cache = decoder.open(states)
    live = torch.arange(states.layout.count, device=states.device)  # the sentence in each row of the cache
    out = live.new_full((len(live), max_new), end)
    done = torch.zeros_like(live, dtype=torch.bool)
    ids = live.new_full((len(live), 1), begin)
    scorer = _Scorer(decoder, end, barred)
    for step in range(1, max_new + 1):
        hidden = decoder.step(ids, cache).split(_ROWS)
        ids = torch.cat(
            [scorer.logits(part, may_end=step >= min_new).argmax(-1) for part in hidden]
        )  # the first of equals
        out[live, step - 1] = torch.where(done, end, ids[:, 0])
        done |= ids[:, 0] == end
        if (left := _leave(done, cache)) is not None:
            live, ids, done = live[left], ids[left], done[left]
        if not len(live):
            break
        yield out[:, :step]
    return [until(end, tokens) for tokens in out.tolist()]


def beam(decoder: Decoder, states: Packed, **how: Any) -> list[list[int]]:
    """The best of the hypotheses that a search of some breadth finds: ``beam_steps`` to its end."""
    return finish(beam_steps(decoder, states, **how))


@torch.no_grad()
def beam_steps(
    decoder: Decoder,
    states: Packed,
    *,
    begin: int,
    end: int,
    barred: int,
    max_new: int,
    min_new: int = 0,
    beams: int = 4,
    length_penalty: float = 1.0,
) -> Generator[None, None, list[list[int]]]:
    """The best of the hypotheses that a search of ``beams`` breadth finds; yields after each step.

    A hypothesis of n tokens (``end`` included) scores its log-probability over ((5 + n) / 6) ** length_penalty, Wu et
    al. 2016, section 7. A sentence is done once ``beams`` of its hypotheses have ended and no live one is ahead of the
    best of them, or no live one can still win.
    Other arguments as in ``greedy_steps``.
    """
    if length_penalty < 0:
        raise ValueError(f"length_penalty {length_penalty} is below 0, which would reward ending early")
    cache = decoder.open(states)
    count, device = states.layout.count, states.device
    live = torch.arange(count, device=device)
    ids = live.new_full((count, 1), begin)
    sums = torch.zeros(count, 1, device=device)  # (B, n) log-probabilities of the live hypotheses
    done = torch.zeros_like(live, dtype=torch.bool)
    tokens = live.new_full((max_new, count, beams), end)  # what each hypothesis added at each step,
    parents = torch.zeros_like(tokens)  # and which one it continued
    best = torch.full((count,), -math.inf, device=device)  # of the ended hypotheses, with length penalty
    best_end = torch.zeros_like(live)  # the step in which it ended
    best_from = torch.zeros_like(live)  # the hypothesis that it continued
    ended = torch.zeros_like(live)
    scorer = _Scorer(decoder, end, barred)
    limit = _penalty(max_new, length_penalty)
    for step in range(1, max_new + 1):
        at_once = max(1, _ROWS // ids.shape[1])
        parts = zip(decoder.step(ids, cache).split(at_once), sums.split(at_once), strict=True)
        found = [_top(scorer.log_probabilities(h, may_end=step >= min_new), s, 2 * beams) for h, s in parts]
        scores, origin, token = (torch.cat(part) for part in zip(*found, strict=True))  # (B, 2 * beams) each
        is_end = token == end
        # Hypotheses that end. The first is the best of this step, since all have one length.
        ends = is_end[:, :beams] & (scores[:, :beams] > -math.inf) & ~done[:, None]
        first = ends.int().argmax(1, keepdim=True)
        score = scores.gather(1, first)[:, 0] / _penalty(step, length_penalty)
        better = ends.any(1) & (score > best[live])
        who = live[better]
        best[who], best_end[who], best_from[who] = score[better], step, origin.gather(1, first)[better, 0]
        ended[live] += ends.sum(1)
        # Hypotheses that go on: the first ``beams`` others.
        rank = torch.arange(is_end.shape[1], device=device) + is_end * is_end.shape[1]
        going = rank.topk(min(beams, rank.shape[1]), dim=1, largest=False, sorted=True).indices
        sums = scores.gather(1, going).masked_fill(is_end.gather(1, going), -math.inf)
        origin, ids = origin.gather(1, going), token.gather(1, going)
        tokens[step - 1, live, : ids.shape[1]], parents[step - 1, live, : ids.shape[1]] = ids, origin
        if step == max_new:  # cut off: the best live hypothesis counts like an ended one
            score = sums[:, 0] / limit
            better = (score > best[live]) & ~done
            best_end[live[better]] = max_new + 1
            best_from[live[better]] = 0
            break
        # Where the model is sure, what ends early is junk beside the one text that it means: that one is waited for.
        behind = best[live] >= sums[:, 0] / _penalty(step, length_penalty)
        done |= ((ended[live] >= beams) & behind) | (best[live] >= sums[:, 0] / limit)
        cache.descend(origin)
        if (left := _leave(done, cache)) is not None:
            live, ids, sums, done = live[left], ids[left], sums[left], done[left]
        if not len(live):
            break
        yield
    return _trace(tokens, parents, best_end, best_from)


def _trace(tokens: Tensor, parents: Tensor, best_end: Tensor, best_from: Tensor) -> list[list[int]]:
    """Follows the best hypothesis of each sentence back to its beginning."""
    out = []
    token_of, parent_of = tokens.tolist(), parents.tolist()
    for sentence, (last, at) in enumerate(zip(best_end.tolist(), best_from.tolist(), strict=True)):
        line = []
        for step in range(last - 2, -1, -1):
            line.append(token_of[step][sentence][at])
            at = parent_of[step][sentence][at]
        out.append(line[::-1])
    return out


def _leave(done: Tensor, cache: Cache) -> Tensor | None:
    """Once an eighth of the rows is done they leave the cache. Returns the rows that stay, None while all do.

    Copying what stays costs about what one more step of it costs, so it does not pay for a single row.
    """
    gone = int(done.sum())
    if not gone or (gone < len(done) and gone * 8 < len(done)):
        return None
    left = (~done).nonzero()[:, 0]
    if len(left):
        cache.keep(left)
    return left


def _penalty(length: int, power: float) -> float:
    return float(((5 + length) / 6) ** power)


class _Scorer:
    """Scores of every token, -inf where barred or beyond V; the width is a multiple of ``_BLOCK``.

    The buffers are used again: fresh memory of this size at every step would cost more than filling it.
    """

    def __init__(self, decoder: Decoder, end: int, barred: int) -> None:
        self._vectors, self._end, self._barred = decoder.vectors, end, barred
        self._logits = self._logs = decoder.vectors.new_empty(0, 0)

    def logits(self, hidden: Tensor, *, may_end: bool) -> Tensor:
        """(B, n, D) -> (B, n, V rounded up)."""
        rows, size = hidden.shape[0] * hidden.shape[1], len(self._vectors)
        if rows > len(self._logits):
            wide = -(-size // _BLOCK) * _BLOCK
            self._logits = self._vectors.new_full((rows, wide), -math.inf)
        out = self._logits[:rows]
        torch.mm(hidden.flatten(0, 1).to(self._vectors.dtype), self._vectors.t(), out=out[:, :size])
        kept = out[:, self._end].clone()
        out[:, : self._barred] = -math.inf
        out[:, self._end] = kept if may_end else -math.inf
        return out.view(*hidden.shape[:2], -1)

    def log_probabilities(self, hidden: Tensor, *, may_end: bool) -> Tensor:
        """(B, n, D) -> (B, n, V rounded up), over the tokens that are not barred."""
        logits = self.logits(hidden, may_end=may_end)
        if len(self._logs) < len(self._logits):
            self._logs = torch.empty_like(self._logits)
        out = self._logs[: logits.shape[0] * logits.shape[1]].view_as(logits)
        return torch.log_softmax(logits, -1, out=out)


def _top(logs: Tensor, sums: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """The ``count`` best continuations of each sentence: scores, hypotheses and tokens, each (B, count), best first.

    An entry among the best lies in a block whose maximum is among the best maxima: only those blocks are searched.

    Args:
        logs: (B, n, V) log-probabilities of the next token.
        sums: (B, n) log-probabilities so far.
    """
    sentences, hypotheses, size = logs.shape
    blocks = logs.view(sentences, hypotheses, -1, _BLOCK)
    highest = blocks.amax(-1) + sums[..., None]  # (B, n, V / block)
    chosen = _first(highest.flatten(1), count)[1].sort(1).values  # (B, c) blocks
    origin = chosen // (size // _BLOCK)
    rows = torch.arange(sentences, device=logs.device)[:, None]
    scores = blocks.flatten(1, 2)[rows, chosen] + sums.gather(1, origin)[..., None]  # (B, c, block)
    best, place = _first(scores.flatten(1), count)
    entry = chosen.gather(1, place // _BLOCK) * _BLOCK + place % _BLOCK
    return best, entry // size, entry % size


def _first(scores: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """topk of (B, C) float32 whose ties go to the lower index: score and index become one integer, no two equal."""
    size = scores.shape[1]
    bits = (scores.float() + 0.0).view(torch.int32)  # -0.0 becomes 0.0
    ordered = (bits ^ ((bits >> 31) & 0x7FFFFFFF)).long()
    keys = (ordered << 32) + torch.arange(size - 1, -1, -1, device=scores.device)
    index = size - 1 - (keys.topk(min(count, size), dim=1, sorted=True).values & 0xFFFFFFFF)
    return scores.gather(1, index), index
