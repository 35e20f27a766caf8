"""Images and sounds that are sent: bombs, halves, false claims, one format in another's clothes."""

from __future__ import annotations

import io
import struct
import wave
import zlib

import pytest

from tests.data.enormous import bmp, gif, png, wav
from tests.data.hostile import PNG, WAV
from tests.security.bounds import bounded
from tests.serve.live import live
from unisono.client import Client, Unfit
from unisono.serve.engine import ModelEngine

HUGE = 60_000


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def bomb(width: int, height: int) -> bytes:
    """A PNG whose pixels are all there, zipped to next to nothing."""
    rows = zlib.compressobj(9)
    packed = b"".join(rows.compress(bytes(1 + width)) for _ in range(height)) + rows.flush()
    return png(width, height)[:33] + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def long_sound(seconds: int) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(8000)
        file.writeframes(b"\x80" * 8000 * seconds)
    return out.getvalue()


def tiff(offset: int) -> bytes:
    """One whose list of tags lies at ``offset``."""
    return b"II*\0" + struct.pack("<I", offset) + struct.pack("<H", 1) + struct.pack("<HHII", 256, 4, 1, 1) + b"\0" * 4


IMAGES = {
    "nothing but zeros": bytes(1000),
    "text": b"hello, I am an image",
    "a PNG of 3.6 billion pixels": png(HUGE, HUGE),
    "a PNG that unpacks to 64 MB": bomb(8000, 8000),
    "a GIF of 4 billion pixels": gif(65_535, 65_535),
    "a BMP of 3.6 billion pixels": bmp(HUGE, HUGE),
    "a PPM of 3.6 billion pixels": b"P6 60000 60000 255\n" + bytes(99),
    "a PPM whose width is a million digits": b"P6 " + b"9" * 1_000_000 + b" 1 255\n\0\0\0",
    "half a PNG": PNG[: len(PNG) // 2],
    "a PNG's first bytes": PNG[:8],
    "a PNG of no width": png(0, 1),
    "a PNG with a comment of 2 GB": PNG[:33] + struct.pack(">I", 2**31 - 1) + b"iTXt" + bytes(99),
    "a PNG with a zipped comment that is large": PNG[:33] + chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(1 << 27), 9)),
    "SVG": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
    "PostScript, that Pillow would hand to a program": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 1 1\n(x) run\n",
    "PDF": b"%PDF-1.4\n",
    "a TIFF that points into itself": tiff(8),
    "a TIFF that points beyond its end": tiff(2**32 - 1),
    "a sound": WAV,
    "an icon that holds a PNG": b"\0\0\1\0\1\0\1\1\0\0\1\0\x18\0" + struct.pack("<II", len(PNG), 22) + PNG,
    "Photoshop": b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, 1, 1, 8, 3) + bytes(12),
    "a JPEG's head and nothing": b"\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0\xff\xd9",
    "a WebP that claims 4 GB": b"RIFF\xff\xff\xff\xffWEBPVP8 " + bytes(30),
    "a page behind a GIF's head": b"GIF89a/*" + bytes(8) + b"*/=1;alert(1)",
}
SOUNDS = {
    "nothing but zeros": bytes(1000),
    "text": b"hello, I am a sound",
    "half a WAV": WAV[: len(WAV) // 2],
    "a WAV's head": WAV[:12],
    "a WAV that claims 2 GB": wav(2**31 - 2),
    "ten minutes": long_sound(600),
    "FLAC's first bytes": b"fLaC" + bytes(100),
    "an Ogg without a stream": b"OggS" + bytes(100),
    "a RIFF that is a picture": b"RIFF\x24\0\0\0WEBPVP8 " + bytes(30),
    "an image": PNG,
    "an MP3": b"ID3\3\0\0\0\0\0\x21" + bytes(100),
    "AIFF": b"FORM\0\0\0\x2eAIFFCOMM" + bytes(40),
    "a WAV of no channels": WAV[:22] + b"\0\0" + WAV[24:],
    "a WAV of 65,535 channels": WAV[:22] + b"\xff\xff" + WAV[24:],
    "a WAV of 4 billion samples a second": WAV[:24] + b"\xff\xff\xff\xff" + WAV[28:],
    "a WAV of no samples a second": WAV[:24] + b"\0\0\0\0" + WAV[28:],
    "a WAV whose samples are no numbers": wav(3200)[:20] + b"\3\0" + wav(3200)[22:34] + b"\x20\0" + wav(3200)[36:44]
    + struct.pack("<800f", *[float("nan")] * 800),
}  # fmt: skip


@pytest.fixture(scope="module")
def client(small_model):
    with live(ModelEngine(small_model, threads=1), body=8_000_000) as (url, _), Client(url) as client:
        client.predict("shade", [{"image": PNG}])
        client.predict("heard", [{"audio": WAV}])
        yield client


@pytest.mark.parametrize("attack", IMAGES)
def test_an_image_that_is_none_is_refused(client, attack):
    refused(client, "shade", "image", IMAGES[attack])


@pytest.mark.parametrize("attack", SOUNDS)
def test_a_sound_that_is_none_is_refused(client, attack):
    refused(client, "heard", "audio", SOUNDS[attack])


def refused(client: Client, task: str, role: str, content: bytes) -> None:
    with bounded(), pytest.raises(Unfit) as error:
        client.predict(task, [{role: content}])
    assert error.value.status == 422 and "\n" not in str(error.value) and "Traceback" not in str(error.value)
    assert client.predict("intent", ["it lives"])


def test_files_that_are_two_things_are_read_as_the_one_that_was_asked_for(client):
    """What follows a file's end, or hides in its notes, is never looked at."""
    page = b"<script>alert(1)</script>"
    for both in (PNG + b"PK\3\4" + page, PNG[:33] + chunk(b"tEXt", b"a\0" + page) + PNG[33:]):
        assert client.predict("shade", [{"image": both}]) == client.predict("shade", [{"image": PNG}])
    assert client.predict("heard", [{"audio": WAV + page}])
