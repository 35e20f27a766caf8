"""An image file ends in pixels or in one reason, whatever its bytes are."""

from __future__ import annotations

import io
import os
import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unisono.pictures import BadPicture, nearest, numbers, pixels, resized
from unisono.runtime import pictures

Image = pytest.importorskip("PIL.Image")

RNG = np.random.default_rng(0)
SAMPLE = RNG.integers(0, 256, (9, 7, 3), dtype=np.uint8)


def encoded(image: np.ndarray, form: str = "PNG", **options) -> bytes:
    out = io.BytesIO()
    Image.fromarray(image).save(out, form, **options)
    return out.getvalue()


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF", "PPM", "WEBP"])
def test_formats_without_loss_give_the_very_pixels(form):
    data = encoded(SAMPLE, form, **({"lossless": True} if form == "WEBP" else {}))
    found, full = pixels(data)
    assert full == (9, 7)
    np.testing.assert_array_equal(found, SAMPLE)


def test_a_file_its_bytes_and_a_mapping_are_the_same(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(encoded(SAMPLE))
    for value in (path, str(path), path.read_bytes(), {"path": str(path), "bytes": None}, {"bytes": path.read_bytes()}):
        np.testing.assert_array_equal(pixels(value)[0], SAMPLE)


def test_grey_and_colour_become_one_another():
    grey = SAMPLE[:, :, 0]
    np.testing.assert_array_equal(pixels(encoded(grey))[0], np.repeat(grey[:, :, None], 3, 2))
    assert pixels(encoded(SAMPLE), channels=1)[0].shape == (9, 7, 1)


def test_what_is_transparent_lies_on_white():
    clear = np.dstack([SAMPLE, np.zeros((9, 7), np.uint8)])
    assert (pixels(encoded(clear))[0] == 255).all()


def test_of_sixteen_bits_the_upper_eight_are_kept():
    deep = (RNG.integers(0, 65536, (5, 4))).astype(np.uint16)
    found, _ = pixels(encoded(deep), channels=1)
    np.testing.assert_array_equal(found[:, :, 0], deep >> 8)


def test_of_several_frames_the_first_is_read():
    first, second = (Image.fromarray(np.full((4, 4), v, np.uint8)) for v in (0, 255))
    out = io.BytesIO()
    first.save(out, "GIF", save_all=True, append_images=[second])
    assert (pixels(out.getvalue())[0] == 0).all()


def test_a_large_jpeg_is_decoded_no_larger_than_needed():
    found, full = pixels(encoded(np.zeros((800, 1600, 3), np.uint8), "JPEG"), most=(100, 100))
    assert full == (800, 1600)
    assert found.shape[0] < 400


def test_masks_keep_numbers():
    mask = RNG.integers(0, 12, (6, 8), dtype=np.uint8)
    np.testing.assert_array_equal(numbers(encoded(mask)), mask)
    palette = Image.fromarray(mask).convert("P")
    palette.putpalette([i % 256 for i in range(768)])
    out = io.BytesIO()
    palette.save(out, "PNG")
    np.testing.assert_array_equal(numbers(out.getvalue()), np.asarray(palette))
    wide = mask.astype(np.uint16) * 1000
    np.testing.assert_array_equal(numbers(encoded(wide)), wide)


def test_a_mask_in_colour_or_as_jpeg_is_refused():
    with pytest.raises(BadPicture, match="one number a pixel"):
        numbers(encoded(SAMPLE))
    with pytest.raises(BadPicture, match="known format"):
        numbers(encoded(SAMPLE[:, :, 0], "JPEG"))


def test_nearest_takes_the_middle_and_undoes_a_repetition():
    mask = RNG.integers(0, 5, (3, 4))
    large = np.repeat(np.repeat(mask, 5, 0), 3, 1)
    np.testing.assert_array_equal(nearest(large, 3, 4), mask)
    np.testing.assert_array_equal(nearest(mask, 15, 12), large)


def test_resizing_keeps_what_has_the_size():
    assert resized(SAMPLE, 9, 7) is SAMPLE
    assert resized(SAMPLE[:, :, :1], 4, 5).shape == (4, 5, 1)


# -- photographs that lie on their side --------------------------------------------------------------------------------


def photograph(form: str, orientation: int, image=None) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    out = io.BytesIO()
    Image.fromarray(SAMPLE if image is None else image).save(out, form, exif=exif)
    return out.getvalue()


@pytest.mark.parametrize("form", ["PNG", "TIFF", "WEBP", "JPEG"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_what_a_camera_noted_is_turned_upright(form, orientation):
    from PIL import ImageOps

    data = photograph(form, orientation)
    upright = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"))
    found, size = pixels(data)
    np.testing.assert_array_equal(found, upright)
    assert size == upright.shape[:2] == ((7, 9) if orientation > 4 else (9, 7))


def test_a_mask_is_turned_as_its_image_is():
    mask = np.arange(63, dtype=np.uint8).reshape(9, 7)
    for orientation in range(1, 9):
        grey = pixels(photograph("PNG", orientation, mask), channels=1)[0][:, :, 0]
        np.testing.assert_array_equal(numbers(photograph("PNG", orientation, mask)), grey)


def test_a_large_jpeg_on_its_side_is_decoded_no_smaller_than_needed():
    image = RNG.integers(0, 256, (1600, 400, 3), dtype=np.uint8)
    found, size = pixels(photograph("JPEG", 6, image), most=(200, 800))
    assert (found.shape, size) == ((200, 800, 3), (400, 1600))


@pytest.mark.parametrize(
    "notes", [b"", b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff"]
)
def test_damaged_notes_of_the_camera_do_not_cost_the_image(notes):
    out = io.BytesIO()
    Image.fromarray(SAMPLE).save(out, "JPEG", exif=notes)
    assert pixels(out.getvalue())[0].shape == SAMPLE.shape


# -- hostile files -----------------------------------------------------------------------------------------------------


def bomb(width: int, height: int) -> bytes:
    """A small PNG that says it is large."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("size", [(60_000, 60_000), (2**31 - 1, 2**31 - 1), (50_001, 1000)])
def test_a_decompression_bomb_takes_no_memory(size):
    tracemalloc.start()
    with pytest.raises(BadPicture):
        pixels(bomb(*size))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 << 20


def test_an_enormous_file_is_not_read(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    with path.open("wb") as file:
        file.truncate(pictures.MOST_BYTES + 1)  # sparse: takes no place
    with pytest.raises(BadPicture, match="64 MB"):
        pixels(str(path))
    monkeypatch.setattr(pictures, "MOST_BYTES", 10)
    with pytest.raises(BadPicture, match="MB"):
        pixels(encoded(SAMPLE))


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("/nowhere/at/all.png", "no such image file"),
        ("/", "not a file"),
        ("a\0b", "cannot be read"),
        ("/dev/null", "not a file"),
        (b"", "known format"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", "known format"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "known format"),
        ({"path": None, "bytes": None}, "not a NoneType"),
        (7, "not a int"),
    ],
)
def test_what_is_no_image_has_a_reason(value, reason):
    with pytest.raises(BadPicture, match=reason):
        pixels(value)


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(BadPicture, match="not a file"):
        pixels(str(tmp_path / "a.png"))


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM"])
def test_a_file_cut_short_anywhere_has_a_reason_or_pixels(form):
    data = encoded(RNG.integers(0, 256, (40, 30, 3), dtype=np.uint8), form)
    refused = 0
    for cut in range(0, len(data), max(1, len(data) // 40)):
        try:
            assert pixels(data[:cut])[0].shape == (40, 30, 3)
        except BadPicture as reason:
            refused += 1
            assert "\n" not in str(reason)
    assert refused > 20


@settings(max_examples=150)
@given(
    form=st.sampled_from(["PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM"]),
    places=st.lists(st.floats(0, 0.999), max_size=6),
    patch=st.binary(min_size=1, max_size=8),
)
def test_damaged_bytes_never_raise_anything_else(form, places, patch):
    data = bytearray(encoded(SAMPLE, form))
    for place in places:
        at = int(place * len(data))
        data[at : at + len(patch)] = patch
    for read in (pixels, numbers):
        try:
            read(bytes(data))
        except BadPicture as reason:
            assert "\n" not in str(reason)


@settings(max_examples=50)
@given(
    st.binary(max_size=200),
    st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a", b"BM", b"II*\0", b"P5\n"]),
)
def test_random_bytes_never_raise_anything_else(data, start):
    try:
        pixels(start + data)
    except BadPicture as reason:
        assert "\n" not in str(reason)


def test_real_images_are_read(real_data):
    folder = Path(real_data) / "vision" / "cifar10-subset" / "test" / "cat"
    name = sorted(os.listdir(folder))[0]
    assert pixels(str(folder / name))[0].shape == (32, 32, 3)
