"""Readers of speech: names, Kaldi's lists, LJSpeech, Sphinx; and what hostile lists and names do."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.data.conftest import Load, read, real, write_bytes, write_text
from unisono.data import DataError, Quarantine, Role, sniff
from unisono.data.readers.recordings import compiled

SPEECH = {"audio": Role("audio"), "text": Role("text", required=False)}
SPEAKER = {"audio": Role("audio"), "label": Role("label")}


def names(rows: Any) -> list[str]:
    return [Path(row["audio"]["path"]).name for row in rows]


def fill(folder: Path, *files: str) -> Path:
    for file in files:
        write_bytes(folder / file, b"RIFF")
    return folder


def test_names_are_read_by_a_pattern(loaded: Load, tmp_path: Path) -> None:
    folder = fill(tmp_path / "x", "7_jack_0.wav", "0_lucas_12.flac", "notes.txt", ".hidden")
    rows = loaded(folder, SPEECH, {"text": "digit"}, format="recordings", pattern="{digit}_{speaker}_{take}")["train"]
    assert [(row["text"], row["audio"]["bytes"]) for row in rows] == [("0", None), ("7", None)]
    assert [row["audio"]["path"] for row in rows] == [str(folder / "0_lucas_12.flac"), str(folder / "7_jack_0.wav")]
    who = loaded(folder, SPEAKER, {"label": "speaker"}, format="recordings", pattern="{digit}_{speaker}_{take}")[
        "train"
    ]
    assert [row["label"] for row in who] == ["lucas", "jack"]


def test_values_stand_for_others_in_every_format(loaded: Load, tmp_path: Path) -> None:
    folder = fill(tmp_path / "x", *(f"{i}_a_0.wav" for i in range(4)))
    told = {"format": "recordings", "pattern": "{digit}_{who}_{take}", "values": {"digit": ["zero", "one", "two"]}}
    assert [row["text"] for row in loaded(folder, SPEECH, {"text": "digit"}, **told)["train"]] == [
        "zero",
        "one",
        "two",
        "3",
    ]
    path = write_text(tmp_path / "y.csv", "text,label\nfine,1\nbad,0\nodd,2\n")
    rows = loaded(path, values={"label": {"0": "neg", "1": "pos"}})["train"]
    assert [row["label"] for row in rows] == ["pos", "neg", "2"]
    assert [row["label"] for row in loaded(path)["train"]] == ["1", "0", "2"]  # another entry of the cache


def test_splits_are_folders_or_patterns_and_inner_folders_are_labels(loaded: Load, tmp_path: Path) -> None:
    folder = fill(tmp_path / "x", "train/yes/a.wav", "train/no/b.wav", "test/yes/c.wav")
    both = loaded(folder, SPEAKER, format="recordings")
    assert {s: [(row["label"], n) for row, n in zip(r, names(r), strict=True)] for s, r in both.items()} == {
        "train": [("no", "b.wav"), ("yes", "a.wav")],
        "test": [("yes", "c.wav")],
    }
    flat = fill(tmp_path / "y", *(f"{i}_{t}.wav" for i in range(3) for t in range(3)))
    told = {"pattern": "{digit}_{take}", "splits": {"train": ["*_[12].wav"], "test": "*_0.wav"}, "format": "recordings"}
    found = loaded(flat, SPEECH, {"text": "digit"}, **told)
    assert {split: names(rows) for split, rows in found.items()} == {
        "train": ["0_1.wav", "0_2.wav", "1_1.wav", "1_2.wav", "2_1.wav", "2_2.wav"],
        "test": ["0_0.wav", "1_0.wav", "2_0.wav"],
    }


def test_a_name_unlike_the_pattern_is_a_bad_row_and_a_wrong_pattern_an_error(loaded: Load, tmp_path: Path) -> None:
    folder = fill(tmp_path / "x", "1_a.wav", "noise.wav")
    q = Quarantine(tmp_path / "q.jsonl", 1.0)
    rows = loaded(folder, SPEECH, {"text": "digit"}, format="recordings", pattern="{digit}_{take}", quarantine=q)[
        "train"
    ]
    assert names(rows) == ["1_a.wav"]
    assert list(q.counts["toy"]["train"]) == ['a name that is not like "{digit}_{take}"']
    for pattern in ("", "plain", "{a}{b}", "{a}_{a}", "{audio}_{b}"):
        with pytest.raises(DataError, match="pattern"):
            loaded(folder, SPEECH, {"text": "a"}, format="recordings", pattern=pattern)
    with pytest.raises(DataError, match='no column "digt"; did you mean "digit"'):
        loaded(folder, SPEECH, {"text": "digt"}, format="recordings", pattern="{digit}_{take}")


@given(st.lists(st.text("abc.-", min_size=1, max_size=5), min_size=3, max_size=3))
def test_what_a_pattern_reads_it_would_write(parts: list[str]) -> None:
    match = compiled("x{a}_{b}+{c}").fullmatch(f"x{parts[0]}_{parts[1]}+{parts[2]}")
    assert match is not None
    assert list(match.groups()) == parts


def test_kaldi(loaded: Load, tmp_path: Path) -> None:
    for split in ("train", "test"):
        folder = fill(tmp_path / "data" / split, "wav/u1.wav", "wav/u2.wav")
        write_text(folder / "wav.scp", f"u1 wav/u1.wav\nu2 {folder}/wav/u2.wav\nu3 sox x.wav -t wav - |\nu4\n\n")
        write_text(folder / "text", "u1 hello  world\nu9 other\n")
        write_text(folder / "utt2spk", "u1 ann\nu2 bob\n")
    q = Quarantine(tmp_path / "q.jsonl", 1.0)
    found = loaded(tmp_path / "data", SPEECH, format="kaldi", quarantine=q)
    assert [(row["text"], Path(row["audio"]["path"])) for row in found["test"]] == [
        ("hello  world", folder / "wav/u1.wav"),
        (None, folder / "wav/u2.wav"),
    ]
    reasons = q.counts["toy"]["train"]
    assert sorted(reasons) == ["a command in place of a file; nothing is run", "an utterance without a file"]
    who = loaded(folder, SPEAKER, {"label": "speaker"}, format="kaldi", quarantine=q)["train"]
    assert [row["label"] for row in who] == ["ann", "bob"]
    write_text(folder / "segments", "")
    with pytest.raises(DataError, match="segments"):
        loaded(folder, SPEECH, format="kaldi")
    with pytest.raises(DataError):
        loaded(fill(tmp_path / "none", "a.wav"), SPEECH, format="kaldi")


def test_ljspeech(loaded: Load, tmp_path: Path) -> None:
    folder = fill(tmp_path / "lj", "wavs/a-1.wav", "wavs/a-2.wav")
    write_text(folder / "metadata.csv", 'a-1|Dr. "No", 2|Doctor "No", two\na-2|plain\na-3|gone|gone\na|b|c|d\n')
    q = Quarantine(tmp_path / "q.jsonl", 1.0)
    rows = loaded(folder, SPEECH, format="ljspeech", quarantine=q)["train"]
    assert [row["text"] for row in rows] == ['Doctor "No", two', "plain"]
    assert names(rows) == ["a-1.wav", "a-2.wav"]
    assert sum(q.counts["toy"]["train"].values()) == 2
    written = loaded(folder / "metadata.csv", SPEECH, {"text": "written"}, format="ljspeech", quarantine=q)["train"]
    assert written[0]["text"] == 'Dr. "No", 2'


def test_sphinx(loaded: Load, tmp_path: Path) -> None:
    folder = fill(tmp_path / "an", "wav/x/ann/u1-ann.raw", "wav/y/bob/u2-bob.raw")
    write_text(folder / "etc/an_train.transcription", "<s> YES  <sil> NO </s> (u1-ann)\nno end\nX (gone)\n")
    write_text(folder / "etc/an_test.transcription", "A B (bob/u2-bob)\n")
    q = Quarantine(tmp_path / "q.jsonl", 1.0)
    found = loaded(folder, SPEECH, format="an4", quarantine=q)
    assert {s: [row["text"] for row in rows] for s, rows in found.items()} == {"train": ["YES NO"], "test": ["A B"]}
    assert names(found["test"]) == ["u2-bob.raw"]
    assert len(q.counts["toy"]["train"]) == 2
    who = loaded(folder, SPEAKER, {"label": "speaker"}, format="sphinx", quarantine=q)
    assert [row["label"] for row in who["train"]] == ["ann"]


def test_folders_of_speech_are_recognised(loaded: Load, tmp_path: Path) -> None:
    fill(tmp_path / "a", "train/yes/a.wav", "train/no/b.wav", "test/no/c.wav")
    assert [row["label"] for row in loaded(tmp_path / "a", SPEAKER)["train"]] == ["no", "yes"]
    fill(tmp_path / "b", "yes/a.wav", "no/b.wav")
    assert [row["label"] for row in loaded(tmp_path / "b", SPEAKER)["train"]] == ["no", "yes"]
    write_text(fill(tmp_path / "c", "u.wav") / "wav.scp", "u u.wav\n")
    assert names(loaded(tmp_path / "c", SPEECH)["train"]) == ["u.wav"]
    write_text(fill(tmp_path / "d", "wavs/u.wav") / "metadata.csv", "u|hi\n")
    assert [row["text"] for row in loaded(tmp_path / "d", SPEECH)["train"]] == ["hi"]
    write_text(fill(tmp_path / "e", "wav/x/u.raw") / "etc/e_train.transcription", "HI (u)\n")
    assert [row["text"] for row in loaded(tmp_path / "e", SPEECH)["train"]] == ["HI"]
    fill(tmp_path / "g", "1_a.wav", "2_b.wav")
    kinds = {name: (sniff(tmp_path / name).format, sniff(tmp_path / name).kind) for name in "abcdeg"}
    assert kinds == {
        **dict.fromkeys("ab", ("recordings", "classify")),
        "c": ("kaldi", "transcribe"),
        "d": ("ljspeech", "transcribe"),
        "e": ("sphinx", "transcribe"),
        "g": ("recordings", None),
    }
    write_text(fill(tmp_path / "f", "clips/u.wav") / "train.csv", "audio,text\nclips/u.wav,ho\n")
    assert [row["text"] for row in loaded(tmp_path / "f", SPEECH)["train"]] == ["ho"]


def test_a_plain_table_of_sounds_needs_no_reader_of_its_own(loaded: Load, tmp_path: Path) -> None:
    folder = fill(tmp_path / "x", "clips/a.wav")
    write_text(folder / "train.csv", "path,sentence\nclips/a.wav,hello\n")
    rows = loaded(folder / "train.csv", SPEECH, {"audio": "path", "text": "sentence"})["train"]
    assert [(row["audio"]["path"], row["text"]) for row in rows] == [(str(folder / "clips/a.wav"), "hello")]


def test_real_sets_have_the_rows_that_their_lists_say(loaded: Load, tmp_path: Path) -> None:
    q = Quarantine(tmp_path / "q.jsonl", 1.0)
    an4 = loaded(real("speech/an4"), SPEECH, format="an4", quarantine=q)
    assert {split: len(rows) for split, rows in an4.items()} == {"train": 158, "test": 44}
    assert an4["test"][0]["text"] == "RUBOUT G M E F THREE NINE"
    lj = loaded(real("speech/ljspeech-20"), SPEECH, format="ljspeech", quarantine=q)["train"]
    assert len(lj) == 8
    told = {"format": "recordings", "pattern": "{digit}_{speaker}_{take}"}
    told["splits"] = {"train": ["*_[5-9].wav", "*_[1-9]?.wav"], "test": "*_[0-4].wav"}  # type: ignore[assignment]
    fsdd = loaded(real("speech/fsdd") / "recordings", SPEAKER, {"label": "speaker"}, **told)
    assert {split: len(rows) for split, rows in fsdd.items()} == {"train": 840, "test": 240}
    assert len({row["label"] for row in fsdd["train"]}) == 6
    assert not set(names(fsdd["train"])) & set(names(fsdd["test"]))


@pytest.mark.parametrize("name", ["a\0b.wav", "x" * 400 + ".wav", "/", "..", "\ud7ff.wav"])
def test_a_list_may_name_any_file(loaded: Load, tmp_path: Path, name: str) -> None:
    """What it names is looked for when the sound is read, and then the row has its reason."""
    folder = fill(tmp_path / "x", "wavs/a.wav")
    lists = {"csv": f"audio,text\n{name},hi\nwavs/a.wav,ho\n", "ljspeech": f"{name}|hi\na|ho\n"}
    lists["kaldi"] = f"u1 {name}\nu2 wavs/a.wav\n"
    for form, content in lists.items():
        path = write_text(folder / {"csv": "t.csv", "ljspeech": "metadata.csv", "kaldi": "wav.scp"}[form], content)
        q = Quarantine(tmp_path / "q.jsonl", 1.0)
        rows = loaded(folder if form == "kaldi" else path, SPEECH, format=form, quarantine=q)["train"]
        assert names(rows)[-1] == "a.wav"


FEW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SPICE = [
    b"u1",
    b" ",
    b"|",
    b"\n",
    b"\0",
    b"\xff",
    b"(u1)",
    b"<s>",
    b"..",
    b"/",
    b"wav/u1.wav",
    b"x" * 300,
    b"\r\n",
    b"\t",
]
content = st.one_of(st.binary(max_size=200), st.lists(st.sampled_from(SPICE), max_size=40).map(b"".join))


@FEW
@given(one=content, two=content)
def test_random_lists_end_in_rows_or_an_error(one: bytes, two: bytes) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = fill(Path(place) / "d", "wav/u1.wav", "wavs/u1.wav")
        for file, data in (("wav.scp", one), ("text", two), ("utt2spk", two), ("metadata.csv", one), ("t.csv", one)):
            write_bytes(folder / file, data)
        write_bytes(folder / "etc/train.transcription", one)
        for source, form in ((folder, "kaldi"), (folder, "ljspeech"), (folder, "sphinx"), (folder / "t.csv", "csv")):
            columns = {"audio": 0, "text": 1} if form == "csv" else {}
            with suppress(DataError):
                q = Quarantine(Path(place) / "q.jsonl", 1.0)
                for rows in read(Path(place), source, SPEECH, columns, format=form, quarantine=q).values():
                    for row in rows:
                        assert row["audio"] is None or isinstance(row["audio"]["path"], str)


@FEW
@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=20), max_size=5))
def test_random_names_end_in_rows_or_an_error(found: list[str]) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "d"
        folder.mkdir()
        for name in found:
            with suppress(OSError):
                (folder / f"{name}.wav").write_bytes(b"")
        with suppress(DataError):
            q = Quarantine(Path(place) / "q.jsonl", 1.0)
            told = {"format": "recordings", "pattern": "{a}_{b}", "quarantine": q}
            assert len(read(Path(place), folder, SPEECH, {"text": "a"}, **told)["train"]) <= len(found)
