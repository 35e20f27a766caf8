"""Files that say they are large, or are once unpacked, or go deep: read in one process that may not take much memory.

Run by ``test_hostile_sizes.py``: ``python -m tests.data.enormous FOLDER`` prints what became of each, as JSON.
"""

from __future__ import annotations

import gzip
import json
import resource
import struct
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

from tests.data.hostile import FORMS, PNG, Form, coco, idx, squad, used
from unisono.data import DataError

ROOM = 160 << 20  # bytes beyond what the process has once all is imported
DEEP = 100_000
ZEROS = 96 << 20  # bytes, that a few hundred KB unpack to
BY_NAME = {form.name: form for form in FORMS}


def png(width: int, height: int) -> bytes:
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return PNG[:8] + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header)) + PNG[33:]


def wav(claimed: int) -> bytes:
    form = struct.pack("<HHIIHH", 1, 1, 8000, 16000, 2, 16)
    chunks = b"WAVEfmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", claimed) + b"\1\0" * 800
    return b"RIFF" + struct.pack("<I", claimed) + chunks


def gif(width: int, height: int) -> bytes:
    return (
        b"GIF89a" + struct.pack("<HH", width, height) + b"\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0" + b"\1\0\1\0\0\2\2D\1\0;"
    )


def bmp(width: int, height: int) -> bytes:
    return b"BM" + struct.pack("<IHHI", 100, 0, 0, 54) + struct.pack("<IiiHH", 40, width, height, 1, 24) + b"\0" * 24


def cases() -> Iterator[tuple[str, str, dict[str, bytes]]]:
    """(what it is, the format, files of the data set that are replaced)."""
    zeros = gzip.compress(bytes(ZEROS), 1)  # may follow another zipped part
    huge = 60_000
    for kind, content in {"png": png(huge, huge), "gif": gif(65_535, 65_535), "bmp": bmp(huge, huge)}.items():
        for form in ("images", "masks"):
            folder = "cat" if form == "images" else "image"
            yield f"a {kind} of many pixels", form, {f"{folder}/a.png": content}
    yield "a mask of many pixels", "masks", {"label/a.png": png(huge, huge)}
    yield "a ppm of many pixels", "images", {"cat/a.png": b"P6 60000 60000 255\n" + b"\0" * 99}
    for form in ("recordings", "kaldi", "ljspeech", "sphinx"):
        name = next(name for name in BY_NAME[form].files if name.endswith(".wav"))
        for claimed in (2**32 - 1, 2**31):
            yield f"a wav that claims {claimed} bytes", form, {name: wav(claimed)}
    yield "many images in a header", "idx", {"train-images-idx3-ubyte": idx(2**32 - 1, 28, 28)}
    yield "a large image in a header", "idx", {"train-images-idx3-ubyte": idx(2, 2**31, 2**31)}
    yield "a zipped idx bomb", "idx", {"train-images-idx3-ubyte": gzip.compress(idx(2, 4000, 4000)[:16]) + zeros}
    for open_, close in ("[]", "{}"):
        nested = open_ * DEEP + close * DEEP
        nested = nested.replace("{", '{"a":').replace(":}", ":1}") if open_ == "{" else nested
        for file, form, key in (
            ("annotations/instances_train.json", "coco", "images"),
            ("annotations/captions_train.json", "captions", "annotations"),
            ("train.json", "squad", "data"),
            ("train.json", "array", "data"),
        ):
            yield f"deep {open_}", form, {file: nested.encode()}
            yield f"deep {open_} inside", form, {file: f'{{"{key}": [{nested}]}}'.encode()}
            yield f"deep {open_} aside", form, {file: f'{{"info": {nested}, "{key}": []}}'.encode()}
    yield "a deep box", "coco", {"annotations/instances_train.json": coco().replace(b"[0,", b"[" * DEEP + b"0,")}
    yield "deep xml", "voc", {"Annotations/a.xml": b"<annotation>" + b"<a>" * DEEP * 10}
    yield "closed deep xml", "voc", {"Annotations/a.xml": b"<a>" * DEEP + b"</a>" * DEEP}
    yield "wide xml", "voc", {"Annotations/a.xml": b"<annotation>" + b"<object/>" * 900_000 + b"</annotation>"}
    yield (
        "a long number",
        "coco",
        {"annotations/instances_train.json": coco().replace(b'"id": 1', b'"id": ' + b"9" * 9999)},
    )
    yield "a long number", "squad", {"train.json": squad().replace(b": 0}", b": " + b"9" * 9999 + b"}")}
    for file, form in {
        "train.json": "squad",
        "wav.scp": "kaldi",
        "text": "kaldi",
        "metadata.csv": "ljspeech",
        "etc/an4_train.transcription": "sphinx",
        "x.fasta": "fasta",
        "pos/1_9.txt": "folders",
        "train.csv": "csv",
        "annotations/instances_train.json": "coco",
        "annotations/captions_train.json": "captions",
        "ImageSets/Main/train.txt": "voc",
    }.items():
        yield f"a zipped bomb as {file}", form, {file: gzip.compress(BY_NAME[form].files[file][:9]) + zeros}


def outcome(form: Form, root: Path, files: dict[str, bytes]) -> str:
    root.mkdir()
    place = form.write(root, {**form.files, **files})
    try:
        return f"{used(form, place, root / 'cache', guess=False)} rows"
    except DataError:
        return "DataError"


def main(folder: Path) -> None:
    for form in FORMS:  # all that is imported, and kept, counts as before
        outcome(form, folder / form.name, {})
    todo = list(cases())
    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + ROOM, now + ROOM))
    out = {}
    for number, (what, form, files) in enumerate(todo):
        try:
            out[f"{form}: {what}"] = outcome(BY_NAME[form], folder / str(number), files)
        except BaseException as error:
            out[f"{form}: {what}"] = f"{type(error).__name__}: {error}"[:200]
    print(json.dumps(out))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
