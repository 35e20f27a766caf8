"""Decoder: a pre-norm Transformer decoder on packs, with a key-value cache that beams share. Vaswani et al. 2017.

In training the dense layers see real target tokens only; attention alone pads. In search the hypotheses of one
sentence are rows of one query: they share the source's keys and values, and reordering beams copies none of the cache.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unisono.dropout import Dropout
from unisono.heads.grid import Grid
from unisono.packed import Layout, Packed

_FORGET_EVERY = 8  # steps between two looks for slots that nothing descends from


class Decoder(nn.Module):
    """Token numbers and source states to hidden states; ``vectors`` is both the input embedding and the output layer.

    Args:
        vocabulary: V.
        width: D of the decoder.
        source_width: D of the states it reads: keys and values are projected from it.
        layers, heads, feedforward: as usual; ``heads`` divides ``width``.
        longest: the most tokens a target may have.
        dropout: on the embedding and on each residual branch.
    """

    def __init__(
        self,
        vocabulary: int,
        *,
        width: int,
        source_width: int,
        layers: int,
        heads: int,
        feedforward: int,
        longest: int,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"decoder width {width} cannot be split into {heads} heads; choose a divisor of {width}")
        self.width, self.heads, self.longest = width, heads, longest
        self.vectors = nn.Parameter(torch.randn(vocabulary, width) * width**-0.5)
        self.register_buffer("places", _sinusoids(longest, width), persistent=False)
        self.places: Tensor
        self.drop = Dropout(dropout)
        self.source = nn.Linear(source_width, layers * 2 * width)  # keys and values of all layers in one product
        self.layers = nn.ModuleList(_Layer(width, heads, feedforward, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)

    def forward(self, ids: Tensor, targets: Layout, states: Packed, sources: Sequence[int]) -> Tensor:
        """Teacher forcing: the hidden state after each target token.

        Args:
            ids: (M,) the tokens of all targets, end to end.
            targets: their lengths.
            states: (N, D) the source states.
            sources: for each target the number of its source, ascending. A source may have several targets, or none.

        Returns:
            (M, D); ``token_loss(hidden, decoder.vectors, ...)`` or ``hidden @ decoder.vectors.T`` goes on from there.
        """
        used = sorted(set(sources))
        if list(sources) != sorted(sources):
            raise ValueError("targets must come in the order of their sources")
        if len(used) < states.layout.count:
            parts = states.split()
            states = Packed.join([parts[b] for b in used])
        tokens = dict.fromkeys(used, 0)  # a source's targets ask as one query: that attention is not causal
        for b, length in zip(sources, targets.lengths, strict=True):
            tokens[b] += length
        own, asks = Grid(targets, ids.device), Grid(Layout(tokens.values()), ids.device)
        answers = Grid(states.layout, ids.device)
        memory = answers.spread(self.source(states.values.to(self.vectors.dtype)))
        memory = memory.view(*memory.shape[:2], len(self.layers), 2, self.heads, -1)  # (B, L, layers, 2, H, K)
        x = self.drop(self._embed(ids, self.places[targets.positions(ids.device)]))
        for layer, pair in zip(self.layers, memory.unbind(2), strict=True):
            x = layer(x, own, asks, pair, answers.mask)
        hidden: Tensor = self.norm(x)
        return hidden

    def open(self, states: Packed) -> Cache:
        """A cache for B sentences, one hypothesis each, nothing decoded yet."""
        answers = Grid(states.layout, states.device)
        values = self.source(states.values.to(self.vectors.dtype))
        memory = answers.spread(values)
        memory = memory.view(*memory.shape[:2], len(self.layers), 2, self.heads, -1)
        return Cache(memory.permute(2, 3, 0, 4, 1, 5).contiguous(), answers.mask)

    def step(self, ids: Tensor, cache: Cache) -> Tensor:
        """One more token of each hypothesis.

        Args:
            ids: (B, n), the newest token of n hypotheses of each sentence.

        Returns:
            (B, n, D) hidden states.
        """
        cache.grow(ids.shape[1])
        x = self._embed(ids, self.places[cache.steps - 1])
        for number, layer in enumerate(self.layers):
            x = cast(_Layer, layer).step(x, cache, number)
        hidden: Tensor = self.norm(x)
        return hidden

    def _embed(self, ids: Tensor, places: Tensor) -> Tensor:
        return F.embedding(ids, self.vectors) * math.sqrt(self.width) + places


class _Layer(nn.Module):
    def __init__(self, width: int, heads: int, feedforward: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm_own, self.norm_ask, self.norm_up = nn.LayerNorm(width), nn.LayerNorm(width), nn.LayerNorm(width)
        self.own, self.own_out = nn.Linear(width, 3 * width), nn.Linear(width, width)  # over the target so far
        self.ask, self.ask_out = nn.Linear(width, width), nn.Linear(width, width)  # over the source
        self.up, self.down = nn.Linear(width, feedforward), nn.Linear(feedforward, width)
        self.drop = Dropout(dropout)

    def forward(self, x: Tensor, own: Grid, asks: Grid, memory: Tensor, mask: Tensor | None) -> Tensor:
        """x (M, D), memory (B, L, 2, H, K) -> (M, D)."""
        # Pads stand at the end of each row: no real token looks at them, so the causal mask is mask enough.
        q, k, v = self._split(own.spread(self.own(self.norm_own(x))), 3).permute(2, 0, 3, 1, 4)  # (B, H, S, K) each
        seen = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.drop(self.own_out(own.gather(seen.transpose(1, 2).flatten(2))))
        q = self._split(asks.spread(self.ask(self.norm_ask(x))), 1)[:, :, 0].transpose(1, 2)
        k, v = memory.permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        x = x + self.drop(self.ask_out(asks.gather(seen.transpose(1, 2).flatten(2))))
        out: Tensor = x + self.drop(self.down(F.relu(self.up(self.norm_up(x)), inplace=True)))
        return out

    def step(self, x: Tensor, cache: Cache, number: int) -> Tensor:
        """x (B, n, D) -> (B, n, D)."""
        own = self._split(self.own(self.norm_own(x)), 3)  # (B, n, 3, H, K)
        keys, values = cache.add(number, own[:, :, 1:])
        x = x + self.own_out(_look(own[:, :, 0], keys, values, cache.path))
        q = self._split(self.ask(self.norm_ask(x)), 1)[:, :, 0]
        keys, values = cache.memory[number]
        x = x + self.ask_out(_look(q, keys, values, cache.mask))
        out: Tensor = x + self.down(F.relu(self.up(self.norm_up(x)), inplace=True))
        return out

    def _split(self, x: Tensor, parts: int) -> Tensor:
        return x.view(*x.shape[:2], parts, self.heads, -1)  # (B, S, parts, H, K)


class Cache:
    """Keys and values of B sentences: of their sources, and of all hypotheses so far.

    Each step adds one slot per hypothesis. Slots never move: ``path`` says which slots each live hypothesis descends
    from, and reordering beams reorders only those few rows.

    Args:
        memory: (layers, 2, B, H, L, K) keys and values of the sources.
        mask: None or (B, 1, 1, L), 0 at real source tokens, -inf at pads.
    """

    def __init__(self, memory: Tensor, mask: Tensor | None) -> None:
        self.memory, self.mask = memory, mask
        self.steps = 0  # tokens decoded
        self.slots = 0  # T: slots in use
        self.path: Tensor | None = None  # (B, 1, n, T), 0 or -inf; None while each sentence has one hypothesis
        layers, _, sentences, heads, _, width = memory.shape
        self._past = memory.new_empty(layers, 2, sentences, heads, 0, width)

    def grow(self, hypotheses: int) -> None:
        """Makes room for one slot per hypothesis, each seen by its own hypothesis only."""
        if hypotheses > 1 and self.path is None:
            raise ValueError("several hypotheses need a common past: descend first")
        if self.path is not None:
            own = torch.full((hypotheses, hypotheses), -math.inf, device=self.path.device, dtype=self.path.dtype)
            own = own.fill_diagonal_(0).expand(len(self.path), 1, -1, -1)
            self.path = torch.cat([self.path, own], dim=-1)
        self.steps, self.slots = self.steps + 1, self.slots + hypotheses
        if self.slots > (room := self._past.shape[4]):
            past = self._past.new_empty(*self._past.shape[:4], max(2 * room, 4 * hypotheses), self._past.shape[5])
            past[:, :, :, :, :room] = self._past
            self._past = past

    def add(self, layer: int, keys_and_values: Tensor) -> Tensor:
        """Stores (B, n, 2, H, K) in the newest slots of a layer. Returns all its slots, (2, B, H, T, K)."""
        past = self._past[layer, :, :, :, : self.slots]
        past[:, :, :, -keys_and_values.shape[1] :] = keys_and_values.permute(2, 0, 3, 1, 4)
        return past

    def descend(self, parents: Tensor) -> None:
        """The hypotheses of the next step: (B, n) numbers of the hypotheses that they continue."""
        if self.path is None:
            if parents.shape[1] == 1:
                return
            self.path = self._past.new_zeros(len(parents), 1, 1, self.slots)
        index = parents[:, None, :, None].expand(-1, 1, -1, self.slots)
        self.path = self.path.gather(2, index)
        if self.steps % _FORGET_EVERY == 0:
            self._forget()

    def _forget(self) -> None:
        """Drops the slots that no live hypothesis descends from: most, since hypotheses soon share their past."""
        assert self.path is not None
        used = (self.path == 0).any(2)[:, 0]  # (B, T)
        left = int(used.sum(1).max())
        if left > 0.8 * self.slots:
            return
        slots = (~used).sort(dim=1, stable=True).indices[:, :left]  # (B, left), the used ones first
        *_, sentences, heads, room, width = self._past.shape
        first = torch.arange(sentences * heads, device=slots.device).view(sentences, heads, 1) * room
        rows = (first + slots[:, None]).flatten()
        for past in self._past.flatten(0, 1):
            past[:, :, :left] = past.view(-1, width).index_select(0, rows).view(sentences, heads, left, width)
        self.path = self.path.gather(3, slots[:, None, None].expand(-1, 1, self.path.shape[2], -1))
        self.slots = left

    def keep(self, sentences: Tensor) -> None:
        """Drops all but the sentences with these numbers."""
        self.memory = self.memory.index_select(2, sentences)
        self.mask = None if self.mask is None else self.mask[sentences]
        self.path = None if self.path is None else self.path[sentences]
        past = self._past.new_empty(*self._past.shape[:2], len(sentences), *self._past.shape[3:])
        past[:, :, :, :, : self.slots] = self._past[:, :, :, :, : self.slots].index_select(2, sentences)
        self._past = past


def _look(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None) -> Tensor:
    """Attention of a few queries: (B, n, H, K) over (B, H, T, K) -> (B, n, H * K). Below 8 queries faster than SDPA."""
    sentences, hypotheses, heads, width = queries.shape
    queries = queries.transpose(1, 2).reshape(-1, hypotheses, width)
    keys = keys.flatten(0, 1).transpose(1, 2)
    scores = torch.baddbmm(queries.new_empty(()), queries, keys, beta=0, alpha=width**-0.5)  # (B * H, n, T)
    if mask is not None:
        scores.view(sentences, heads, hypotheses, -1).add_(mask)
    seen = torch.bmm(torch.softmax(scores, dim=-1), values.flatten(0, 1))
    return seen.view(sentences, heads, hypotheses, width).transpose(1, 2).flatten(2)


def _sinusoids(length: int, width: int) -> Tensor:
    """(length, width) of sine and cosine positions, Vaswani et al. 2017, section 3.5."""
    rate = torch.exp(torch.arange(0, width, 2) * (-math.log(10000.0) / width))
    angle = torch.arange(length)[:, None] * rate
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)[:, :width]
