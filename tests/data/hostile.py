"""The smallest data set of each format, what may stand in a file's place, and reading all that a data set names."""

from __future__ import annotations

import io
import json
import os
import signal
import struct
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.data.conftest import WHOLE, write_bytes
from unisono.data import Data, DataError, Quarantine, Role, load, sniff

PNG = (
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x00\x00\x00\x00:~\x9bU\x00\x00\x00\nIDAT"
    b"x\x9cc`\x00\x00\x00\x02\x00\x01H\xaf\xa4q\x00\x00\x00\x00IEND\xaeB`\x82"
)
LABEL, TEXT, BOXES = Role("label"), Role("text"), Role("boxes")
IMAGE, AUDIO, MASK = Role("image"), Role("audio"), Role("mask")


def sound() -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(b"\1\0" * 800)
    return out.getvalue()


def idx(*sizes: int) -> bytes:
    content = 1
    for size in sizes:
        content *= size
    return bytes([0, 0, 8, len(sizes)]) + b"".join(struct.pack(">I", n) for n in sizes) + b"\1" * min(content, 1 << 16)


def coco(name: str = "a.png") -> bytes:
    box = {"image_id": 1, "category_id": 1, "bbox": [0, 0, 1, 1]}
    images, categories = [{"id": 1, "file_name": name}], [{"id": 1, "name": "cat"}]
    return json.dumps({"images": images, "annotations": [box], "categories": categories}).encode()


def captions(name: str = "a.png") -> bytes:
    said = [{"image_id": 1, "caption": "a cat"}]
    return json.dumps({"images": [{"id": 1, "file_name": name}], "annotations": said}).encode()


def voc(name: str = "a.png") -> bytes:
    sides = "<xmin>0</xmin><ymin>0</ymin><xmax>1</xmax><ymax>1</ymax>"
    objects = f"<object><name>cat</name><bndbox>{sides}</bndbox></object>"
    return f"<annotation><filename>{name}</filename>{objects}</annotation>".encode()


def squad() -> bytes:
    asked = {"question": "who?", "id": "1", "answers": [{"text": "me", "answer_start": 0}]}
    return json.dumps({"data": [{"paragraphs": [{"context": "me too", "qas": [asked]}]}]}).encode()


@dataclass(frozen=True)
class Form:
    """One format.

    Args:
        files: name -> content.
        roles: what is read.
        place: the file that the recipe names, where it does not name the folder.
        named: a file's name -> the files of a data set that names it; None where no file names others.
    """

    name: str
    files: dict[str, bytes]
    roles: dict[str, Role]
    place: str = ""
    named: Callable[[str], dict[str, bytes]] | None = None
    columns: dict[str, Any] = field(default_factory=dict)

    def write(self, root: Path, files: dict[str, bytes] | None = None) -> Path:
        root.mkdir(parents=True, exist_ok=True)
        for name, content in (files or self.files).items():
            write_bytes(root / name, content)
        return root / self.place


WAV = sound()
FORMS = [
    Form("images", {"cat/a.png": PNG, "dog/b.png": PNG}, {"image": IMAGE, "label": LABEL}),
    Form("masks", {"image/a.png": PNG, "label/a.png": PNG}, {"image": IMAGE, "mask": MASK}),
    Form(
        "idx",
        {"train-images-idx3-ubyte": idx(2, 3, 3), "train-labels-idx1-ubyte": idx(2)},
        {"image": IMAGE, "label": LABEL},
    ),
    Form(
        "voc",
        {"JPEGImages/a.png": PNG, "Annotations/a.xml": voc(), "ImageSets/Main/train.txt": b"a\n"},
        {"image": IMAGE, "boxes": BOXES},
        named=lambda name: {"Annotations/a.xml": voc(name), "ImageSets/Main/train.txt": f"{name}\na\n".encode()},
    ),
    Form(
        "coco",
        {"images/a.png": PNG, "annotations/instances_train.json": coco()},
        {"image": IMAGE, "boxes": BOXES},
        named=lambda name: {"annotations/instances_train.json": coco(name)},
    ),
    Form(
        "captions",
        {"images/a.png": PNG, "annotations/captions_train.json": captions()},
        {"image": IMAGE, "caption": TEXT},
        named=lambda name: {"annotations/captions_train.json": captions(name)},
    ),
    Form("array", {"train.json": b'[{"text": "good", "label": "a"}]'}, {"text": TEXT, "label": LABEL}, "train.json"),
    Form("squad", {"train.json": squad()}, {"question": TEXT, "context": TEXT, "answers": Role("answers")}),
    Form(
        "kaldi",
        {"wav.scp": b"u1 a.wav\nu2 a.wav\n", "text": b"u1 one\nu2 two\n", "utt2spk": b"u1 x\n", "a.wav": WAV},
        {"audio": AUDIO, "text": TEXT},
        named=lambda name: {"wav.scp": f"u1 {name}\n{name} a.wav\n".encode()},
    ),
    Form(
        "ljspeech",
        {"metadata.csv": b"a|one|one\n", "wavs/a.wav": WAV},
        {"audio": AUDIO, "text": TEXT},
        named=lambda name: {"metadata.csv": f"{name}|one|one\na|one\n".encode()},
    ),
    Form(
        "sphinx",
        {"etc/an4_train.transcription": b"<s> ONE </s> (a)\n", "wav/x/a.wav": WAV},
        {"audio": AUDIO, "text": TEXT},
        named=lambda name: {"etc/an4_train.transcription": f"ONE ({name})\nONE (a)\n".encode()},
    ),
    Form("fasta", {"x.fasta": b">a|1\nACGT\n>b|2\nACGA\n"}, {"sequence": Role("sequence"), "label": LABEL}, "x.fasta",
         columns={"label": 1}),
    Form("recordings", {"cat/a.wav": WAV, "dog/b.wav": WAV}, {"audio": AUDIO, "label": LABEL}),
    Form("folders", {"neg/1_2.txt": b"bad", "pos/1_9.txt": b"good"}, {"text": TEXT, "label": LABEL}),
    Form(
        "csv",
        {"train.csv": b"image,label\na.png,x\na.png,y\n", "a.png": PNG},
        {"image": IMAGE, "label": LABEL},
        named=lambda name: {"train.csv": f'image,label\n"{name}",x\na.png,y\n'.encode()},
    ),
]  # fmt: skip


def used(form: Form, place: Path, cache: Path, *, guess: bool) -> int:
    """How many rows there are, once all is read that they name. Raises nothing but DataError."""
    from unisono.pictures import BadPicture, numbers, pixels
    from unisono.sounds.read import Unreadable, read_sound

    if guess:
        with suppress(DataError):
            sniff(place)
    data = Data(path=str(place), format=None if guess else form.name, ratio=WHOLE)
    rows = load("toy", data, form.roles, form.columns, cache=cache, seed=0, quarantine=Quarantine(None, 1.0))
    count = 0
    for split in rows.values():
        for row in split:
            count += 1
            for role, kind in form.roles.items():
                value = row[role]
                with suppress(BadPicture, Unreadable):
                    if kind.kind == "image":
                        pixels(value)
                    elif kind.kind == "mask" and value is not None:
                        numbers(value)
                    elif kind.kind == "audio":
                        read_sound(value, rate=8000, seconds=10)
    return count


@contextmanager
def no_longer_than(seconds: int) -> Iterator[None]:
    """What waits for a pipe, say, fails."""

    def late(*_: Any) -> None:
        raise AssertionError(f"still at it after {seconds} seconds")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


ATTACKS: dict[str, Callable[[Path, bytes], object]] = {
    "pipe": lambda path, _: os.mkfifo(path),
    "endless device": lambda path, _: path.symlink_to("/dev/zero"),
    "circle of links": lambda path, _: path.symlink_to(path),
    "broken link": lambda path, _: path.symlink_to("nowhere"),
    "folder": lambda path, _: path.mkdir(),
    "empty": lambda path, _: path.write_bytes(b""),
    "junk": lambda path, _: path.write_bytes(b"\x00\xff{[<\"'\n>|\x1f\x8b" * 9),
    "zipped junk": lambda path, _: path.write_bytes(b"\x1f\x8b\x08\x00junk"),
    "another format": lambda path, content: path.write_bytes(PNG if content[:2] == b"RI" else WAV),
    "cut short": lambda path, content: path.write_bytes(content[: 2 * len(content) // 3]),
}
