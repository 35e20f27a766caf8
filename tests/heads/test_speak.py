"""speak: its parts against plain ones, and what it does with sounds and speakers that it cannot use."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from tests.heads.contract import CASES, WIDTH
from unisono.heads import UnfitRow
from unisono.heads.align import aligned
from unisono.heads.frames import FrameDecoder, stretched
from unisono.heads.speak import Speak
from unisono.packed import Layout, Packed
from unisono.sounds.analysis import MOST_FRAMES

torch.set_num_threads(1)  # the tensors are tiny: threads only wait for one another

CASE = next(case for case in CASES if case.name == "speak")


def test_pieces_are_stretched_as_a_loop_would() -> None:
    pieces = Packed(torch.randn(5, 4), Layout([2, 3]))
    durations = torch.tensor([3, 1, 2, 1, 4])
    frames, places = stretched(pieces, durations)
    wanted = [vector for vector, n in zip(pieces.values, durations.tolist(), strict=True) for _ in range(n)]
    assert_close(frames.values, torch.stack(wanted))
    assert frames.layout.lengths == (4, 7)
    told = [[k / 10, (k + 0.5) / n, n / 10] for n in durations.tolist() for k in range(n)]
    assert_close(places, torch.tensor(told))


def test_the_decoder_says_of_a_row_in_a_pack_what_it_says_of_it_alone() -> None:
    torch.manual_seed(0)
    decoder = FrameDecoder(8, 3, layers=3, dropout=0.0)
    rows = [torch.randn(n, 8) for n in (1, 9, 4, 30)]
    places = [torch.rand(len(row), 3) for row in rows]
    together = decoder(Packed.join(rows), torch.cat(places))
    alone = [decoder(Packed.join([row]), place) for row, place in zip(rows, places, strict=True)]
    assert_close(together, torch.cat(alone))


def test_frames_drawn_around_the_averages_go_back_to_their_pieces() -> None:
    draw = torch.Generator().manual_seed(0)
    averages = Packed(3 * torch.randn(9, 16, generator=draw), Layout([4, 5]))
    durations = torch.randint(1, 8, (9,), generator=draw)
    frames = averages.values.repeat_interleave(durations, 0)
    frames = frames + torch.randn(frames.shape, generator=draw)
    lengths = [int(own.sum()) for own in durations.split([4, 5])]
    assert_close(aligned(averages, Packed(frames, Layout(lengths))), durations)


@settings(deadline=None, max_examples=50)
@given(st.binary(max_size=3000) | st.none())
def test_any_bytes_are_a_sound_or_a_reason(content: bytes | None) -> None:
    head = CASE.build()
    tokens = {"ids": np.arange(3)}
    try:
        example = head.encode({"audio": {"path": None, "bytes": content}, "speaker": "a"}, tokens)
    except UnfitRow as reason:
        assert str(reason)
        return
    assert len(example["heard"]) % 8 == 0
    assert np.isfinite(example["heard"]).all()


@pytest.mark.parametrize("name", ["c", "", "a\0", 7])
def test_a_stranger_is_told_who_is_known(name: object) -> None:
    with pytest.raises(UnfitRow, match="no training row has; known: a, b"):
        CASE.build().encode({"speaker": name}, {"ids": np.arange(3)})


@pytest.mark.parametrize("length", [1, 700])
def test_durations_beyond_reason_stay_within_what_can_be_made_a_sound(length: int) -> None:
    head = CASE.build()
    assert isinstance(head, Speak)
    frames = head._frames(torch.full((length,), 50.0), Layout([length]))
    assert length <= int(frames.sum()) <= MOST_FRAMES
    frames = head._frames(torch.full((length,), torch.nan), Layout([length]))
    assert int(frames.min()) >= 1


def test_a_row_that_names_nobody_is_spoken_like_those_who_name_nobody_or_by_the_first() -> None:
    tokens = {"ids": np.arange(3)}
    named = Speak.fit(
        [{"audio": row["audio"], "speaker": "ab"[i > 2]} for i, row in enumerate(CASE.rows)], CASE.options
    )
    assert named["speakers"] == ["b", "a"] and not named["unnamed"]
    assert Speak(WIDTH, CASE.options, named).encode({}, tokens)["voice"] == [1]
    some = Speak.fit([*CASE.rows, {"audio": CASE.rows[0]["audio"]}], CASE.options)
    assert Speak(WIDTH, CASE.options, some).encode({}, tokens)["voice"] == [0]
    nobody = Speak.fit([{"audio": row["audio"]} for row in CASE.rows], CASE.options)
    assert nobody["speakers"] == []
    head = Speak(WIDTH, CASE.options, nobody).eval()
    assert head.predict(*CASE.batch(head, [{"text": "a b"}]))[0]["speaker"] is None
