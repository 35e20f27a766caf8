"""Hiding: the paper's shares, nothing that gives away what is hidden, and the same part of a row wherever it lies."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.testing import assert_close

from unisono.heads import MISSING
from unisono.heads.mask import Mask, MaskOptions
from unisono.hiding import hidden
from unisono.inputs import collate, read
from unisono.packed import Layout
from unisono.stems import AudioStem, Hiding, ImageStem, SequenceStem, Stem, TextStem
from unisono.stems.audio import AudioOptions
from unisono.stems.hiding import KEPT, LEFT, MASKED, SWAPPED
from unisono.stems.image import ImageOptions
from unisono.stems.sequence import SequenceOptions

WIDTH = 16
WORDS = ["a small film of great warmth", "no plot at all", "the warmth of it", "all of a great film"] * 3


def text_stem() -> TextStem:
    tokenizer = TextStem.train_tokenizer(WORDS, 300)
    return TextStem(tokenizer, nn.Embedding(len(tokenizer), WIDTH))


def sequence_stem(**more: Any) -> SequenceStem:
    options = SequenceOptions(alphabet="dna", **more)
    return SequenceStem(WIDTH, options, SequenceStem.fit(["ACGTACGT"] * 2, options))


def image_stem(**more: Any) -> ImageStem:
    return ImageStem(WIDTH, ImageOptions(patch=4, longest=16, convolutions=2, channels=4, **more), {})


def audio_stem() -> AudioStem:
    options = AudioOptions(rate=8000, bands=8, channels=4, subsample=4, seconds=2, dropout=0.0)
    return AudioStem(WIDTH, options, {"mean": [0.5] * 8, "spread": [2.0] * 8})


def image(seed: int, height: int = 16, width: int = 12) -> dict[str, bytes]:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return {"bytes": b"P6\n%d %d\n255\n" % (width, height) + pixels.tobytes()}


def sound(frames: int, seed: int) -> dict[str, np.ndarray]:
    mel = np.random.default_rng(seed).normal(size=frames * 8).astype(np.float32)
    return {"mel": mel, "steps": np.array([1 + -(-frames // 4)], np.int32)}


def rows_of(name: str) -> tuple[Stem, list[dict[str, np.ndarray]]]:
    """A stem that has learned its mask, and what it makes of some rows."""
    stem: Any = {"text": text_stem, "sequence": sequence_stem, "image": image_stem, "audio": audio_stem}[name]()
    stem.learn_mask()
    if name == "text":
        return stem, stem.tokens([{"text": t} for t in WORDS])
    if name == "sequence":
        return stem, stem.tokens([{"sequence": s} for s in ("ACGTTGCA", "GATTACA", "CC", "ACGTACGTACGTACGT")])
    if name == "image":
        return stem, stem.tokens([{"image": image(i, 16 - 4 * (i % 2))} for i in range(4)])
    return stem, [sound(n, n) for n in (17, 5, 40, 12)]


def head_of(stems: dict[str, Stem], **options: Any) -> Mask:
    holds = {name: stem.holds() for name, stem in stems.items() if isinstance(stem, Hiding)}
    return Mask(WIDTH, MaskOptions(**options), {"holds": holds})


every_stem = pytest.mark.parametrize("name", ["text", "sequence", "image", "audio"])


# -- which vectors -------------------------------------------------------------------------------------------------


def test_shares_are_those_of_the_paper() -> None:
    head, draw = head_of({"text": text_stem()}), np.random.default_rng(0)
    free = np.ones(1000, bool)
    free[[0, 999]] = False
    how = np.stack([head.choose(free, draw, training=True, values=False) for _ in range(200)])
    assert not how[:, [0, 999]].any()
    assert ((how != LEFT).sum(1) == round(0.15 * 998)).all()
    for kind, share in ((MASKED, 0.8), (SWAPPED, 0.1), (KEPT, 0.1)):
        assert abs((how == kind).sum() / (how != LEFT).sum() - share) < 0.01  # 30,000 draws: four deviations
    spread = (how != LEFT).mean(0)[1:999]
    assert abs(spread - 0.15).max() < 0.13  # 200 draws of each place: five deviations


def test_outside_of_training_and_for_values_the_mask_stands_for_all() -> None:
    head, free = head_of({"text": text_stem()}), np.ones(100, bool)
    for training, values, count in ((False, False, 15), (True, True, 60), (False, True, 60)):
        how = head.choose(free, np.random.default_rng(1), training=training, values=values)
        assert (how == MASKED).sum() == count and set(how) == {LEFT, MASKED}


def test_of_a_short_row_one_is_hidden_and_of_nothing_nothing() -> None:
    head, draw = head_of({"text": text_stem()}), np.random.default_rng(0)
    assert (head.choose(np.array([False, True, True, False]), draw, training=True, values=False) > 0).sum() == 1
    assert not head.choose(np.zeros(3, bool), draw, training=True, values=False).any()


def test_neighbours_of_a_span_are_hidden_together() -> None:
    head = head_of({"text": text_stem()}, span=5, share=0.2, masked=1.0, swapped=0.0)
    how = head.choose(np.ones(200, bool), np.random.default_rng(0), training=True, values=False)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], how, [0]])))
    assert (how > 0).sum() == 40 and len(edges) // 2 <= 9  # eight spans; the row's edges may cut two


# -- what stands there ---------------------------------------------------------------------------------------------


def test_pieces_are_masked_swapped_or_seen_and_all_are_known() -> None:
    stem, rows = rows_of("text")
    head = head_of({"text": stem}, share=0.5)
    assert isinstance(stem, TextStem)
    special = set(stem.tokenizer.all_special_ids)
    seen = {"masked": 0, "other": 0, "same": 0}
    for _ in range(40):
        for before, after in zip(rows, hidden(rows, {"text": stem}, head, training=True), strict=True):
            places, known = after["text_places"], after["text_known"]
            assert np.array_equal(before["ids"][places], known) and not special & set(known.tolist())
            untouched = np.setdiff1d(np.arange(len(before["ids"])), places)
            assert np.array_equal(before["ids"][untouched], after["ids"][untouched])
            for now, was in zip(after["ids"][places], known, strict=True):
                seen["masked" if now == stem.tokenizer.mask_token_id else "same" if now == was else "other"] += 1
                assert now == stem.tokenizer.mask_token_id or now not in special
    total = sum(seen.values())
    assert abs(seen["masked"] / total - 0.8) < 0.04 and abs(seen["other"] / total - 0.1) < 0.03


@every_stem
def test_the_vectors_do_not_give_away_what_is_hidden(name: str) -> None:
    """Of two rows that differ in what is hidden alone, all vectors are equal; those of the mask are all the same."""
    stem, rows = rows_of(name)
    field = {"text": "ids", "sequence": "symbols", "image": "pixels", "audio": "mel"}[name]
    row = rows[-1]
    contents, draw = stem.contents(row), np.random.default_rng(0)
    how = np.where(np.arange(len(contents.free)) % 3 == 1, MASKED, LEFT) * contents.free
    other = {**row, field: row[field].copy()}
    if name == "image":
        down, across = row["grid"][:2].tolist()
        patches = other["pixels"].reshape(down, 4, across, 4, 3).transpose(0, 2, 1, 3, 4)
        for at in np.flatnonzero(how) - 1:
            patches[at // across, at % across] ^= 255
        other["pixels"] = patches.transpose(0, 2, 1, 3, 4).reshape(-1).copy()
    elif name == "audio":
        for at in np.flatnonzero(how):
            other["mel"].reshape(-1, 8)[4 * (at - 1) : 4 * at] += 1.0
    else:
        other[field][how > 0] = other[field][how > 0][::-1] + 1
    assert not np.array_equal(other[field], row[field])
    layout = Layout([stem.length(row)])
    values = [stem.embed(stem.collate([stem.hide(one, how.astype(np.uint8), draw)]), layout) for one in (row, other)]
    assert_close(values[0], values[1], rtol=0, atol=0)
    shown = stem.embed(stem.collate([row]), layout)
    assert (values[0] - shown).abs().amax(1)[how > 0].min() > 1e-4


@every_stem
def test_in_evaluation_a_row_hides_the_same_in_every_pack(name: str) -> None:
    stem, rows = rows_of(name)
    stems, head = {name: stem.eval()}, head_of({name: stem})
    together = hidden(rows, stems, head, training=False)
    torch.manual_seed(7)
    alone = [hidden([row], stems, head, training=False)[0] for row in rows]
    for a, b in zip(together, alone, strict=True):
        assert a.keys() == b.keys() and all(np.array_equal(a[k], b[k]) for k in a)
    packed = stem.embed(stem.collate(together), Layout(stem.length(t) for t in together))
    single = [stem.embed(stem.collate([t]), Layout([stem.length(t)])) for t in alone]
    assert_close(packed, torch.cat(single), rtol=1e-5, atol=1e-6)


@every_stem
def test_in_training_the_draw_is_that_of_the_generator(name: str) -> None:
    stem, rows = rows_of(name)
    stems, head = {name: stem.train()}, head_of({name: stem})

    def drawn(seed: int) -> list[Any]:
        torch.manual_seed(seed)
        return [row[f"{name}_places"].tolist() for row in hidden(rows, stems, head, training=True)]

    assert drawn(1) == drawn(1) != drawn(2)


def test_what_is_known_is_what_training_changed_the_row_to() -> None:
    stem = sequence_stem(reverse_complement=True)
    stem.learn_mask()
    (row,) = stem.tokens([{"sequence": "AACCCGT"}])
    assert isinstance(row, dict) and "others" in row
    head, seen = head_of({"sequence": stem}, share=0.99), set()
    for _ in range(20):
        (one,) = hidden([row], {"sequence": stem}, head, training=True)
        assert "others" not in one
        seen.add("".join(stem.holds()["symbols"][s] for s in one["sequence_known"]))
    assert seen == {"AACCCGT", "ACGGGTT"}
    moved = image_stem(flip=True).train()
    moved.learn_mask()
    (row,) = moved.tokens([{"image": image(0)}])
    assert isinstance(row, dict)
    looks = {moved.varied(one)["pixels"].tobytes() for one in moved.draw([row] * 20)}
    flipped = row["pixels"].reshape(16, 12, 3)[:, ::-1]
    assert looks == {row["pixels"].tobytes(), flipped.tobytes()}


def test_masks_that_a_text_brings_are_what_is_asked() -> None:
    stem, _ = rows_of("text")
    head = head_of({"text": stem})
    rows: Any = stem.tokens([{"text": "a small [MASK] of great [MASK]"}, {"text": "no plot"}])
    masked, plain = hidden(rows, {"text": stem}, head, training=False)
    assert isinstance(stem, TextStem)
    mask = stem.tokenizer.mask_token_id
    assert np.array_equal(masked["ids"], rows[0]["ids"])
    assert (masked["ids"][masked["text_places"]] == mask).all() and masked["text_known"].tolist() == [MISSING] * 2
    assert len(plain["text_places"]) == 1 and plain["text_known"][0] != MISSING
    (drawn,) = hidden(rows[:1], {"text": stem}, head, training=True)  # there is nothing to learn from these two
    assert not set(drawn["text_places"]) & set(np.flatnonzero(rows[0]["ids"] == mask)) and len(drawn["text_places"])


def test_of_several_inputs_each_hides_a_part_and_any_may_be_missing() -> None:
    stems: dict[str, Any] = {"text": text_stem(), "image": image_stem()}
    for stem in stems.values():
        stem.learn_mask()
    head, roles = head_of(stems), {"text": ["text"], "image": ["image"]}
    given = [{"text": WORDS[0], "image": image(1)}, {"image": image(2, 8)}, {"text": WORDS[1]}]
    rows: Any = read(given, stems, roles, asked=["text", "image"], words=False, most={"text": None, "image": None})
    found = hidden(rows, stems, head, training=False)
    inputs, targets = collate(stems, found), head.collate(found)
    assert targets["image_counts"].tolist() == [7, 4, 0] and targets["text_counts"].tolist()[1] == 0
    text, patches = inputs.parts["text"], inputs.parts["image"]
    first = len(rows[0]["ids"])
    assert (targets["image_places"][:7] > first).all() and (targets["text_places"][:1] < first).all()
    assert (text.fields["ids"] == stems["text"].tokenizer.mask_token_id).sum() == len(targets["text_places"])
    assert patches.fields["hidden"].sum() == 11
