"""The packed decoder against padded, obvious code; the cache against no cache; the fused loss against cross_entropy."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.testing import assert_close

from unisono.heads.decoder import Decoder
from unisono.heads.token_loss import token_loss
from unisono.packed import Layout, Packed

V, D, SOURCE, HEADS = 11, 16, 12, 4


def small(dropout: float = 0.0) -> Decoder:
    torch.manual_seed(0)
    made = Decoder(
        V, width=D, source_width=SOURCE, layers=2, heads=HEADS, feedforward=24, longest=9, dropout=dropout
    ).double()
    for parameter in made.parameters():  # biases and norms too, else they would go untested
        parameter.data += 0.1 * torch.randn_like(parameter)
    return made


def case(lengths: list[int], sources: list[int], source_lengths: list[int]) -> tuple[Tensor, Layout, Packed, list[int]]:
    torch.manual_seed(1)
    states = Packed.join([torch.randn(n, SOURCE, dtype=torch.float64) for n in source_lengths])
    return torch.randint(V, (sum(lengths),)), Layout(lengths), states, sources


CASES = {
    "like": ([3, 3], [0, 1], [4, 4]),
    "uneven": ([3, 1, 5, 2], [0, 1, 2, 3], [2, 2, 4, 7]),
    "several targets of a source": ([3, 4, 2, 6, 1], [0, 0, 1, 2, 2], [2, 3, 5]),
    "sources without a target": ([3, 2], [1, 3], [2, 3, 5, 6]),
}


def attend(x: Tensor, memory: Tensor, parts: list[Tensor], out: torch.nn.Linear, **masks: Tensor) -> Tensor:
    """PyTorch's own multi-head attention, batch first; ``parts`` are the weights and then the biases of q, k and v."""
    answer, _ = F.multi_head_attention_forward(
        *(t.transpose(0, 1) for t in (x, memory, memory)), D, HEADS, None, torch.cat(parts[3:]), None, None, False, 0.0,
        out.weight, out.bias, need_weights=False, use_separate_proj_weight=True,
        q_proj_weight=parts[0], k_proj_weight=parts[1], v_proj_weight=parts[2], **masks,
    )  # fmt: skip
    return answer.transpose(0, 1)


def padded_reference(decoder: Decoder, ids: Tensor, targets: Layout, states: Packed, sources: list[int]) -> Tensor:
    """One padded row per target, its source repeated."""
    rows, real = Packed(ids, targets).padded()
    all_sources, source_real = states.padded()
    memory, source_real = all_sources[sources], source_real[sources]
    x = F.embedding(rows, decoder.vectors) * math.sqrt(D) + decoder.places[: rows.shape[1]]
    causal = torch.ones(rows.shape[1], rows.shape[1]).triu(1).bool()
    for number, layer in enumerate(decoder.layers):
        parts = [*layer.own.weight.split(D), *layer.own.bias.split(D)]
        normed = layer.norm_own(x)
        x = x + attend(normed, normed, parts, layer.own_out, attn_mask=causal)
        kv_weight = decoder.source.weight.split(D)[2 * number : 2 * number + 2]
        kv_bias = decoder.source.bias.split(D)[2 * number : 2 * number + 2]
        parts = [layer.ask.weight, *kv_weight, layer.ask.bias, *kv_bias]
        x = x + attend(layer.norm_ask(x), memory, parts, layer.ask_out, key_padding_mask=~source_real)
        x = x + layer.down(torch.relu(layer.up(layer.norm_up(x))))
    return decoder.norm(x)[real]


@pytest.mark.parametrize("given", CASES.values(), ids=CASES)
def test_packed_equals_padded_in_value_and_gradient(given):
    decoder = small()
    ids, targets, states, sources = case(*given)
    labels = torch.randint(V, (len(ids),))
    results = []
    for packed in (True, False):
        leaf = Packed(states.values.clone().requires_grad_(), states.layout)
        decoder.zero_grad()
        if packed:
            hidden = decoder(ids, targets, leaf, sources)
            loss = token_loss(hidden, decoder.vectors, labels, smoothing=0.1)
        else:
            hidden = padded_reference(decoder, ids, targets, leaf, sources)
            loss = F.cross_entropy(hidden @ decoder.vectors.T, labels, label_smoothing=0.1, reduction="sum")
        loss.backward()
        results.append([hidden, loss, leaf.values.grad, *(p.grad.clone() for p in decoder.parameters())])
    for ours, theirs in zip(*results, strict=True):
        assert_close(ours, theirs)


def test_a_target_does_not_see_its_future_nor_other_targets():
    decoder = small()
    ids, targets, states, sources = case([3, 4, 2], [0, 0, 1], [2, 3])
    before = decoder(ids, targets, states, sources)
    ids[5] = (ids[5] + 1) % V  # the third token of the second target
    changed = (decoder(ids, targets, states, sources) != before).any(1)
    assert changed.tolist() == [False] * 5 + [True] * 2 + [False] * 2


def test_targets_out_of_order_are_refused():
    ids, targets, states, _ = case([3, 3], [0, 1], [4, 4])
    with pytest.raises(ValueError, match="order"):
        small()(ids, targets, states, [1, 0])


def test_width_must_split_into_heads():
    with pytest.raises(ValueError, match="choose a divisor of 10"):
        Decoder(V, width=10, source_width=8, layers=1, heads=4, feedforward=8, longest=4)


def test_dropout_acts_in_training_only():
    decoder = small(dropout=0.5)
    given = case([3, 3], [0, 1], [4, 4])
    assert not torch.equal(decoder(*given), decoder(*given))
    decoder.eval()
    assert torch.equal(decoder(*given), decoder(*given))


def test_cached_equals_uncached_while_hypotheses_branch_and_sentences_leave(monkeypatch):
    """Random parents, random tokens: every live hypothesis must look as if its whole line had been decoded afresh."""
    decoder = small().eval()
    generator = torch.Generator().manual_seed(0)
    _, _, states, _ = case([1], [0], [2, 4, 4, 5])
    cache = decoder.open(states)
    alive = [0, 1, 2, 3]
    lines = torch.randint(V, (4, 1, 1), generator=generator)  # (B, n, steps)
    monkeypatch.setattr("unisono.heads.decoder._FORGET_EVERY", 2)
    for beams in (1, 1, 3, 3, 2, 4, 4):
        hidden = decoder.step(lines[:, :, -1], cache)
        for row, sentence in enumerate(alive):
            source = Packed.join([states.split()[sentence]])
            for hypothesis, line in enumerate(lines[row]):
                afresh = decoder(line, Layout([len(line)]), source, [0])[-1]
                assert_close(hidden[row, hypothesis], afresh)
        parents = torch.randint(lines.shape[1], (len(alive), beams), generator=generator)
        cache.descend(parents)
        added = torch.randint(V, (len(alive), beams, 1), generator=generator)
        lines = torch.cat([lines[torch.arange(len(alive))[:, None], parents], added], dim=2)
        if cache.steps in (3, 5):
            stay = torch.tensor([0, 2, 3] if cache.steps == 3 else [1])
            cache.keep(stay)
            lines, alive = lines[stay], [alive[i] for i in stay]


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_token_loss_in_parts_equals_cross_entropy(smoothing, monkeypatch):
    monkeypatch.setattr("unisono.heads.token_loss._AT_ONCE", 16 * V)  # 16 tokens at a time
    hidden = torch.randn(50, D, dtype=torch.float64, requires_grad=True)
    vectors = torch.randn(V, D, dtype=torch.float64, requires_grad=True)
    labels = torch.randint(V, (50,))
    ours = token_loss(hidden, vectors, labels, smoothing=smoothing)
    theirs = F.cross_entropy(hidden @ vectors.T, labels, label_smoothing=smoothing, reduction="sum")
    assert_close(ours, theirs)
    for a, b in zip(*(torch.autograd.grad(3 * loss, [hidden, vectors]) for loss in (ours, theirs)), strict=True):
        assert_close(a, b)


def test_token_loss_without_gradients_and_in_bfloat16():
    hidden, vectors, labels = torch.randn(40, D), torch.randn(V, D, requires_grad=True), torch.randint(V, (40,))
    with torch.no_grad():
        exact = token_loss(hidden, vectors, labels)
    with torch.autocast("cpu", torch.bfloat16):
        rough = token_loss(hidden, vectors, labels)
    assert rough.dtype == torch.float32
    assert_close(rough, exact, rtol=0.02, atol=0)
    (rough_grad,) = torch.autograd.grad(rough, vectors)
    (exact_grad,) = torch.autograd.grad(token_loss(hidden, vectors, labels), vectors)
    assert_close(rough_grad, exact_grad, rtol=0.1, atol=0.1)
