"""transcribe: characters to numbers, what cannot be aligned, and a loss over every path there is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from tests.runtime.test_ctc import every
from unisono.heads import MISSING, UnfitRow
from unisono.heads.transcribe import Transcribe, TranscribeOptions
from unisono.packed import Layout, Packed
from unisono.runtime.ctc import best_path


def build(texts: list[Any], **options: Any) -> Transcribe:
    torch.manual_seed(0)
    chosen = TranscribeOptions(**options)
    return Transcribe(8, chosen, Transcribe.fit([{"text": t} for t in texts], chosen)).eval()


def steps(count: int) -> dict[str, np.ndarray]:
    return {"steps": np.array([count], np.int32)}


def test_the_loss_is_that_of_all_paths() -> None:
    head = build(["ab", "b"])
    layout = Layout([4, 3, 5])
    states = Packed(torch.randn(12, 8, generator=torch.Generator().manual_seed(0)), layout)
    texts = ["ab", "bb", "a"]
    targets = head.collate([head.encode({"text": t}, steps(n)) for t, n in zip(texts, layout.lengths, strict=True)])
    logits = head.logits(states).log_softmax(-1).double().detach().numpy()
    total = 0.0
    for text, own in zip(texts, np.split(logits, layout.offsets[1:-1]), strict=True):
        total -= every(own)[tuple("ab".index(c) + 1 for c in text)]
    loss = head.loss(states, targets)
    assert loss.total.item() == pytest.approx(total, rel=1e-5)
    assert loss.units == 5


def test_of_a_row_with_other_inputs_only_the_sounds_states_are_read() -> None:
    head = build(["ab"])
    own = torch.randn(4, 8)
    after = [torch.cat([own, torch.randn(3, 8)]) for _ in range(2)]
    targets = head.collate([{**steps(4), **head.encode({"text": "ab"}, steps(4))}])
    alone = Packed.join([own])
    for row in after:
        packed = Packed.join([row])
        assert_close(head.loss(packed, targets), head.loss(alone, targets))
        assert head.predict(packed, targets) == head.predict(alone, targets)


def test_characters_of_the_training_rows_are_what_can_be_written() -> None:
    head = build(["ba  b", None, "é"])
    assert head.fitted == {"characters": [" ", "a", "b", "é"]}
    assert head.encode({"text": " b  a\n"}, steps(9))["characters"].tolist() == [3, 1, 2]
    assert head.encode({"text": "e\u0301"}, steps(9))["characters"].tolist() == [4]
    assert head.encode({"text": "azb"}, steps(9))["characters"].tolist() == [2, 3]
    assert head.encode({"text": None}, steps(9))["characters"].tolist() == [MISSING]
    with pytest.raises(UnfitRow, match="no character"):
        head.encode({"text": "zz"}, steps(9))
    with pytest.raises(ValueError, match="no training row"):
        build([None, "  "])


def test_more_characters_than_steps_do_not_fit() -> None:
    head = build(["ab"])
    assert len(head.encode({"text": "abab"}, steps(4))["characters"]) == 4
    with pytest.raises(UnfitRow, match="more characters"):
        head.encode({"text": "abb"}, steps(3))


def test_decoding_can_be_asked_for() -> None:
    head = build(["ab"], beams=8)
    states = Packed(torch.randn(40, 8) * 3, Layout([25, 15]))
    targets = head.collate([head.encode({}, steps(n)) for n in (25, 15)])
    greedy = head.predict(states, targets, beams=1)
    scores = head.logits(states).detach().numpy()
    for prediction, own in zip(greedy, np.split(scores, [25]), strict=True):
        assert prediction["text"] == "".join("ab"[s - 1] for s in best_path(own))
    assert head.predict(states, targets) == head.predict(states, targets, beams=8)
