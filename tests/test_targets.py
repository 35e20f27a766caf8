"""Files made of answers: the names they get, and what is refused before anything is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from unisono.targets import Target, TargetError


def test_a_folder_gets_a_file_for_each_input(tmp_path):
    target = Target(tmp_path / "out", ".png", inputs=3, sources=["a/1.jpg", "b/1.jpg", "b/2.png"])
    assert not (tmp_path / "out").exists()
    paths = [target.path(source) for source in ("a/1.jpg", "b/1.jpg", "b/2.png")]
    assert [p.name for p in paths] == ["1.png", "1-2.png", "2.png"]
    assert target.path("b/2.png", "cells").name == "2.cells.png"
    target.write(b"content", paths[0])
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["1.png"] and paths[0].read_bytes() == b"content"


def test_texts_give_names_that_any_disk_takes(tmp_path):
    target = Target(tmp_path, ".wav", inputs=9)
    texts = ["seven", "Seven, or: nine?", "../../etc/passwd", "…", "a\0b", "7 " * 60, "日本", "a b", "a b"]
    names = [target.path(text).name for text in texts]
    assert names[:3] == ["seven.wav", "Seven-or-nine.wav", "etc-passwd.wav"] and names[3] == "answer.wav"
    assert names[-2:] == ["a-b-2.wav", "a-b-3.wav"] and len(set(names)) == 9
    assert all(len(n) < 60 and Path(n).name == n and "\0" not in n for n in names)


def test_a_file_takes_one_answer(tmp_path):
    one = Target(tmp_path / "x.png", ".png", inputs=1)
    assert one.path("1.jpg") == tmp_path / "x.png"
    assert one.path("1.jpg", "cells") == tmp_path / "x.cells.png"
    with pytest.raises(TargetError, match=r"one file for 2 inputs; name a folder"):
        Target(tmp_path / "x.png", ".png", inputs=2)
    with pytest.raises(TargetError, match=r"what is written are .png files"):
        Target(tmp_path / "x.jpg", ".png", inputs=1)


def test_an_input_is_never_written_over(tmp_path):
    image = tmp_path / "1.png"
    for place in (tmp_path, image):
        with pytest.raises(TargetError, match="is the input itself"):
            Target(place, ".png", inputs=1, sources=[str(image)]).path(str(image))
