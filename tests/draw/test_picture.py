"""Pictures: boxes, masks and legends lie where they should, in colours that differ and words that can be read."""

from __future__ import annotations

import io

import numpy as np
import pytest

from unisono.draw import drawn
from unisono.draw.boxes import place
from unisono.draw.masks import STRENGTH, laid_over, mask_of
from unisono.draw.palette import PAGE, colour, contrast, ink_on
from unisono.draw.words import Font, legend
from unisono.runtime.masks import runs

Image = pytest.importorskip("PIL.Image")

GREY = np.full((400, 400, 3), 128, np.uint8)


def png(image: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(image).save(out, "PNG")
    return out.getvalue()


def box(label: str, score: float, *sides: float) -> dict:
    return {"label": label, "score": score, "box": list(sides)}


def segmented(mask: np.ndarray, names: dict[int, str]) -> dict:
    """What the head says of a mask."""
    return {
        "size": list(mask.shape),
        "runs": runs(mask),
        "shares": {name: float((mask == number).mean()) for number, name in names.items()},
        "names": {str(number): name for number, name in names.items()},
    }


def test_a_box_is_framed_in_its_class_s_colour_and_nothing_else_changes():
    found = np.asarray(drawn(png(GREY), {"boxes": [box("cell", 0.9, 100, 150, 300, 250)]}, classes=["other", "cell"]))
    at = np.asarray(colour(1))
    for y, x in ((150, 200), (249, 200), (200, 100), (200, 299)):  # the middle of each side
        np.testing.assert_array_equal(found[y, x], at)
    label = found[150 - 16 : 149, 95:200]
    changed = (found[:400] != GREY).any(2)
    changed[140:160, 99:301] = changed[240:252, 99:301] = changed[149:252, 95:110] = changed[149:252, 290:303] = False
    changed[150 - 20 : 150, 95:200] = False  # its label, above it
    assert not changed.any()
    assert (label == at).all(2).any() and (label == np.asarray(ink_on(colour(1)))).all(2).any()


def test_boxes_of_a_low_score_are_left_out_and_an_empty_picture_says_so():
    sure = drawn(png(GREY), {"boxes": [box("a", 0.9, 10, 40, 60, 90)]})
    both = drawn(png(GREY), {"boxes": [box("a", 0.9, 10, 40, 60, 90), box("a", 0.2, 100, 100, 200, 200)]})
    assert sure.tobytes() == both.tobytes()
    none = np.asarray(drawn(png(GREY), {"boxes": [box("a", 0.2, 100, 100, 200, 200)]}))
    np.testing.assert_array_equal(none[:400], GREY)
    assert none.shape[0] > 400


def test_a_box_beyond_the_image_is_drawn_at_its_edge():
    found = np.asarray(drawn(png(GREY), {"boxes": [box("a", 0.9, -30, 200, 900, 900)]}))
    np.testing.assert_array_equal(found[300, 0], colour(0))
    np.testing.assert_array_equal(found[399, 200], colour(0))


def test_labels_stay_inside_and_off_one_another_while_there_is_room():
    taken: list = []
    for left in (0, 20, 350, 390):
        for top in (0, 30, 380):
            x, y = place((left, top, min(399, left + 60), min(399, top + 60)), (70, 14), (400, 400), taken)
            assert 0 <= x <= 400 - 70 and 0 <= y <= 400 - 14
            frame = (x, y, x + 70, y + 14)
            if top == 0 and left in (0, 350):
                assert all(frame[2] <= a or frame[0] >= c or frame[3] <= b or frame[1] >= d for a, b, c, d in taken)
            taken.append(frame)


def test_a_mask_is_its_runs_and_tints_the_image():
    mask = np.array([[0, 0, 3], [3, 3, 3]], np.int32)
    np.testing.assert_array_equal(mask_of(segmented(mask, {0: "sky", 3: "road"})), mask)
    image = np.full((200, 300, 3), 100, np.uint8)
    red, blue = (200, 0, 0), (0, 0, 255)
    found = laid_over(image, mask, {0: red, 3: blue})
    np.testing.assert_array_equal(found[50, 50], [150, 50, 50])
    assert STRENGTH == 0.5
    np.testing.assert_array_equal(found[150, 50], [50, 50, 178])
    np.testing.assert_array_equal(found[50, 200], blue)  # the edge is firm
    np.testing.assert_array_equal(found[100, 50], blue)
    np.testing.assert_array_equal(laid_over(image, mask, {}), image)


def test_the_legend_of_a_mask_shows_the_classes_that_there_are_largest_first():
    mask = np.zeros((10, 20), np.int32)
    mask[:, 15:] = 2
    prediction = segmented(mask, {0: "street", 1: "tree", 2: "sky"})
    found = np.asarray(drawn(png(np.zeros((160, 320, 3), np.uint8)), prediction))
    below = found[160:]
    street, tree, sky = (np.asarray(colour(at)) for at in range(3))
    places = [np.argwhere((below == c).all(2)) for c in (street, sky)]
    assert len(places[0]) == len(places[1]) > 100  # two squares of one size
    assert places[0][:, 1].max() < places[1][:, 1].min()
    assert not (below == tree).all(2).any()


def test_small_images_are_enlarged_so_that_words_can_be_read():
    small = np.zeros((28, 28, 3), np.uint8)
    found = drawn(png(small), {}, lines=["digit: seven, or perhaps a one with a long nose, who can tell"])
    assert found.width == 12 * 28 and found.height > 336
    ground = np.asarray(found)[:336]
    assert not ground.any()
    assert (np.asarray(found)[336:] != PAGE).any()


def test_a_legend_wraps_and_cuts_what_is_too_long():
    font = Font(12)
    one = legend([(None, "a")], 240, font)
    long = legend([(colour(0), "word " * 40), (colour(1), "x" * 300)], 240, font)
    assert one.width == long.width == 240 and long.height > 5 * one.height
    edge = np.asarray(long)[:, -3:]
    assert (edge == PAGE).all()


def test_colours_differ_and_their_letters_stand_out():
    many = [colour(at) for at in range(60)]
    assert len(set(many)) == 60
    assert all(contrast(ink_on(c), c) >= 4.5 for c in many)
    assert contrast((0, 0, 0), (255, 255, 255)) == pytest.approx(21)
