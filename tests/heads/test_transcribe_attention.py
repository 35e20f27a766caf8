"""Attention decoding of speech: its loss written out, and what it can and cannot write."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from tests.heads.contract import CASES
from unisono.heads import UnfitRow
from unisono.heads.transcribe import Transcribe, TranscribeOptions
from unisono.packed import Layout, Packed

CASE = next(case for case in CASES if case.name == "transcribe, attention")


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_the_loss_is_ctc_and_attention_in_their_shares(share):
    options = TranscribeOptions(decoder="attention", decoder_layers=1, ctc=share)
    fitted = Transcribe.fit(iter(CASE.rows), options)
    torch.manual_seed(0)
    head = Transcribe(16, options, fitted).eval()
    states, targets = CASE.batch(head, [*CASE.rows[:3], *CASE.unlabelled[:1]])
    expected = torch.zeros(())
    for row, own in zip(CASE.rows[:3], states.split(), strict=False):
        text = [fitted["characters"].index(c) for c in row["text"]]
        read, said = torch.tensor([0, *(n + 2 for n in text)]), torch.tensor([*(n + 2 for n in text), 1])
        hidden = head.decoder(read, Layout([len(read)]), Packed.join([own]), [0])
        expected = expected + (1 - share) * F.cross_entropy(hidden @ head.decoder.vectors.T, said, reduction="sum")
        logits = head.readout(own).log_softmax(-1)[:, None]
        by_ctc = F.ctc_loss(logits, torch.tensor([[n + 1 for n in text]]), [len(own)], [len(text)], reduction="sum")
        expected = expected + share * by_ctc
    loss = head.loss(states, targets)
    assert loss.units == sum(len(row["text"]) for row in CASE.rows[:3])
    torch.testing.assert_close(loss.total, expected)


def test_without_ctc_a_text_may_be_longer_than_its_sound():
    row = {"audio": "s", "text": CASE.rows[4]["text"]}
    few = {"steps": torch.tensor([3]).numpy()}
    for share, fits in ((0.3, False), (0.0, True)):
        options = TranscribeOptions(decoder="attention", ctc=share)
        head = Transcribe(16, options, Transcribe.fit(iter(CASE.rows), options))
        if fits:
            assert len(head.encode(row, few)["characters"]) == 9
        else:
            with pytest.raises(UnfitRow, match="more characters than steps"):
                head.encode(row, few)
    short = TranscribeOptions(decoder="attention", max_length=9)
    with pytest.raises(UnfitRow, match="max_length"):
        Transcribe(16, short, Transcribe.fit(iter(CASE.rows), short)).encode(row, {})
