"""speech: which of the layouts of speech data a folder has."""

from __future__ import annotations

from pathlib import Path

from unisono.data.readers.base import split_of
from unisono.data.readers.recordings import sounds_in
from unisono.data.readers.text import head


def speech_format(root: Path) -> str | None:
    """The name of the reader for a folder of speech, None where it is none."""
    folders = [p for p in root.iterdir() if p.is_dir() and not p.name.startswith(".")]
    splits = [p for p in folders if split_of(p.name)]
    if any((p / "wav.scp").is_file() for p in (root, *splits)):
        return "kaldi"
    if (root / "wavs").is_dir() and (root / "metadata.csv").is_file():
        first = head(root / "metadata.csv", count=1)
        return "ljspeech" if first and first[0].count("|") in (1, 2) else None
    if (root / "wav").is_dir() and (root / "etc").is_dir() and any((root / "etc").glob("*.transcription")):
        return "sphinx"
    if any(p.is_file() and p.suffix.lower() in (".csv", ".tsv", ".jsonl", ".parquet") for p in root.iterdir()):
        return None  # the table says what the sounds are
    inner = (q for p in splits for q in p.iterdir() if q.is_dir())
    return "recordings" if any(sounds_in(p) for p in (root, *folders, *inner)) else None
