"""sound: every format read alike, length and memory bounded, and a reason for all that is no sound."""

from __future__ import annotations

import io
import os
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unisono.sounds.read import Pcm, Unreadable, read_sound

sf = pytest.importorskip("soundfile")
RATE = 8000


def tone(seconds: float = 0.5, rate: int = RATE, hertz: float = 440.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


def written(samples: np.ndarray, rate: int = RATE, kind: str = "WAV", coding: str | None = None) -> bytes:
    out = io.BytesIO()
    sf.write(out, samples, rate, format=kind, subtype=coding)
    return out.getvalue()


def read(value: Any, **more: Any) -> np.ndarray:
    return read_sound(value, **{"rate": RATE, "seconds": 5.0, **more})


def reason(value: Any, **more: Any) -> str:
    with pytest.raises(Unreadable) as caught:
        read(value, **more)
    return str(caught.value)


@pytest.mark.parametrize(
    ("kind", "coding", "near"),
    [
        ("WAV", "PCM_16", 1e-4), ("WAV", "PCM_24", 1e-6), ("WAV", "FLOAT", 0), ("WAV", "DOUBLE", 0),
        ("WAV", "PCM_U8", 1e-2), ("WAV", "ULAW", 3e-2), ("WAVEX", "PCM_16", 1e-4),
        ("FLAC", "PCM_16", 1e-4), ("FLAC", "PCM_24", 1e-6),
        ("OGG", "VORBIS", 5e-2),
    ],
)  # fmt: skip
def test_formats_give_the_samples_from_bytes_and_from_a_file(
    kind: str, coding: str, near: float, tmp_path: Path
) -> None:
    content = written(tone(), kind=kind, coding=coding)
    path = tmp_path / "sound"
    path.write_bytes(content)
    for value in (content, {"path": None, "bytes": content}, str(path), {"path": str(path), "bytes": None}):
        found = read(value)
        assert found.dtype == np.float32
        assert found.shape == tone().shape
        assert np.abs(found - tone()).max() <= near


def test_opus_is_read() -> None:
    assert len(read(written(tone(rate=48_000), 48_000, "OGG", "OPUS"))) == pytest.approx(4000, abs=20)


@pytest.mark.parametrize("coding", ["s16le", "s16be", "s32le", "s32be", "f32le", "f32be", "u8"])
def test_headerless_samples_are_read_as_said(coding: Any, tmp_path: Path) -> None:
    kind = {"s": "i", "f": "f", "u": "u"}[coding[0]] + str(int("".join(c for c in coding if c.isdigit())) // 8)
    order = ">" if coding.endswith("be") else "<"
    full = {"s16": 2**15, "s32": 2**31, "f32": 1, "u8": 128}[coding.removesuffix("le").removesuffix("be")]
    raw = (np.round(tone() * full) if full > 1 else tone()) + (128 if coding == "u8" else 0)
    path = tmp_path / "x.raw"
    path.write_bytes(raw.astype(order + kind).tobytes())
    pcm = Pcm(rate=RATE, coding=coding)
    for value in (str(path), path.read_bytes()):
        assert np.abs(read(value, pcm=pcm) - tone()).max() <= 1 / full if full > 1 else 1e-7
    two = np.repeat(raw.astype(order + kind), 2).tobytes()
    assert np.allclose(read(two, pcm=Pcm(rate=RATE, coding=coding, channels=2)), read(str(path), pcm=pcm))
    wrong = {"s16le": "s16be", "s16be": "s16le"}.get(coding)
    if wrong:
        assert np.abs(read(str(path), pcm=Pcm(rate=RATE, coding=wrong)) - tone()).max() > 0.5
    assert "pcm:" in reason(str(path))


def test_channels_become_their_mean() -> None:
    both = np.stack([tone(), tone(hertz=900)], 1)
    assert np.allclose(read(written(both, coding="FLOAT")), both.mean(1), atol=1e-6)


@pytest.mark.parametrize("rate", [8000, 16_000, 22_050, 44_100, 96_000])
def test_another_rate_is_resampled(rate: int) -> None:
    found = read(written(tone(1.0, rate), rate, coding="FLOAT"))
    assert len(found) == pytest.approx(RATE, abs=2)
    inner = slice(500, 7000)
    assert np.abs(found[inner] - tone(1.0)[inner]).max() < 1e-2


def test_a_sound_as_long_as_allowed_is_read_and_no_longer_one() -> None:
    assert len(read(written(tone(1.0)), seconds=1.0)) == 8000
    assert "more than 1 seconds" in reason(written(tone(1.001)), seconds=1.0)
    assert "more than 1 seconds" in reason(bytes(2 * 8001), seconds=1.0, pcm=Pcm(rate=RATE))
    assert len(read(bytes(2 * 8000), seconds=1.0, pcm=Pcm(rate=RATE))) == 8000


def test_a_long_sound_costs_no_more_than_what_is_allowed(tmp_path: Path) -> None:
    path = tmp_path / "long.flac"  # eight minutes of silence in a small file, 92 MB as floats
    sf.write(path, np.zeros(48_000 * 480, np.int16), 48_000)
    assert path.stat().st_size < 1 << 20
    tracemalloc.start()
    assert "more than" in reason(str(path))
    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (None, "no sound"), (3, "no sound"), ({}, "no sound"),
        ("", "no sound"), ({"path": None, "bytes": None}, "no sound"),
        ("/no/such/file.wav", "missing"), ("a\0b.wav", "missing"), ("x" * 5000 + ".wav", "missing"), ("/", "no file"),
        ("/dev/zero", "no file"), (b"", "not a WAV"), (b"RIFF", "not a WAV"), (b"RIFF\0\0\0\0AVI LIST", "not a WAV"),
        (b"FORM\0\0\0\0AIFF", "not a WAV"), (b"ID3\3", "not a WAV"), (b"RIFF\0\0\0\0WAVE", "damaged"),
        (b"fLaC", "damaged"), (b"OggS" + bytes(100), "damaged"),
    ],
)  # fmt: skip
def test_what_is_no_sound_has_a_reason(value: Any, says: str) -> None:
    assert says in reason(value)


def test_pipes_are_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.wav")
    assert "no file" in reason(str(tmp_path / "x.wav"))


def test_empty_and_meaningless_samples_have_a_reason() -> None:
    assert "no length" in reason(written(np.zeros(0, np.float32)))
    assert "no length" in reason(b"\0", pcm=Pcm(rate=RATE))
    for bad in (np.nan, np.inf, 1e30):
        samples = tone()
        samples[100] = bad
        assert "no numbers" in reason(written(samples, coding="FLOAT"))


@pytest.mark.parametrize(("length", "fine"), [(None, False), (2**32 - 1, True)])
def test_a_wav_that_ends_early_is_refused_unless_it_never_knew_its_length(
    length: int | None, fine: bool, tmp_path: Path
) -> None:
    whole = written(tone())
    at = whole.index(b"data") + 4
    cut = whole[:at] + (whole[at : at + 4] if length is None else struct.pack("<I", length)) + whole[at + 4 : 3000]
    (tmp_path / "cut.wav").write_bytes(cut)
    for value in (cut, str(tmp_path / "cut.wav")):
        if fine:
            assert len(read(value)) > 1000
        else:
            assert reason(value) == "a WAV file that ends before its sound does"
    assert len(read(whole[:-6])) == 3997  # a few samples make no difference


def test_odd_codings_rates_and_channels_are_refused() -> None:
    assert "GSM610" in reason(written(tone(), coding="GSM610"))
    assert "IMA_ADPCM" in reason(written(tone(), coding="IMA_ADPCM"))
    assert "channels" in reason(written(np.zeros((100, 9), np.float32)))
    header = bytearray(written(tone()))
    for rate in (1, 500_000, 2**31 - 1):
        header[24:28] = struct.pack("<I", rate)
        assert "Hz" in reason(bytes(header))


SOUNDS = {kind: written(tone(0.2), kind=kind) for kind in ("WAV", "FLAC", "OGG")}


@given(
    kind=st.sampled_from([*SOUNDS]), at=st.floats(0, 0.999), patch=st.binary(min_size=1, max_size=12), cut=st.booleans()
)
def test_damaged_sounds_end_in_samples_or_a_reason(kind: str, at: float, patch: bytes, cut: bool) -> None:
    content = SOUNDS[kind]
    place = int(at * len(content))
    content = content[:place] + (b"" if cut else patch + content[place + len(patch) :])
    try:
        found = read(content, seconds=1.0)
    except Unreadable as why:
        assert str(why)
    else:
        assert 0 < len(found) <= 8001
        assert np.isfinite(found).all()


@given(head=st.sampled_from([b"RIFF\xff\xff\xff\x7fWAVE", b"fLaC", b"OggS\0", b""]), rest=st.binary(max_size=300))
def test_random_bytes_end_in_samples_or_a_reason(head: bytes, rest: bytes) -> None:
    for pcm in (None, Pcm(rate=RATE, coding="f32le")):
        try:
            assert np.isfinite(read(head + rest, pcm=pcm)).all()
        except Unreadable as why:
            assert str(why)
