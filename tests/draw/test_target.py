"""Files of pictures: the names they get, and what is refused before anything is written."""

from __future__ import annotations

import pytest

from unisono.draw import DrawError, Target

Image = pytest.importorskip("PIL.Image")


def test_a_folder_gets_a_picture_for_each_image(tmp_path):
    target = Target(tmp_path / "out", ["a/1.jpg", "b/1.jpg", "b/2.png"])
    assert not (tmp_path / "out").exists()
    paths = [target.path(source) for source in ("a/1.jpg", "b/1.jpg", "b/2.png")]
    assert [p.name for p in paths] == ["1.png", "1-2.png", "2.png"]
    assert target.path("b/2.png", "cells").name == "2.cells.png"
    target.write(Image.new("RGB", (3, 2)), paths[0])
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["1.png"]
    assert Image.open(paths[0]).size == (3, 2)


def test_a_file_takes_one_image(tmp_path):
    assert Target(tmp_path / "x.png", ["1.jpg"]).path("1.jpg") == tmp_path / "x.png"
    assert Target(tmp_path / "x.png", ["1.jpg"]).path("1.jpg", "cells") == tmp_path / "x.cells.png"
    with pytest.raises(DrawError, match=r"one file for 2 images; name a folder"):
        Target(tmp_path / "x.png", ["1.jpg", "2.jpg"])
    with pytest.raises(DrawError, match=r"pictures are PNG files"):
        Target(tmp_path / "x.jpg", ["1.jpg"])


def test_an_image_is_never_written_over(tmp_path):
    image = tmp_path / "1.png"
    for place in (tmp_path, image):
        with pytest.raises(DrawError, match="is the image itself"):
            Target(place, [str(image)]).path(str(image))
