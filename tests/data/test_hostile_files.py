"""Whatever stands in the place of a file, and whatever a list names: rows or a DataError, and soon."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import pytest

from tests.data.hostile import ATTACKS, FORMS, Form, no_longer_than, used
from unisono.data import DataError

pytest.importorskip("PIL")
pytest.importorskip("soundfile")

every_form = pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)


@every_form
@pytest.mark.parametrize("guess", [True, False], ids=["guessed", "named"])
def test_unharmed_it_has_rows(form: Form, guess: bool, tmp_path: Path) -> None:
    assert used(form, form.write(tmp_path / "data"), tmp_path / "cache", guess=guess) > 0


@every_form
@pytest.mark.parametrize("attack", ATTACKS)
def test_something_else_in_the_place_of_a_file(form: Form, attack: str, tmp_path: Path) -> None:
    for number, (name, content) in enumerate(form.files.items()):
        root = tmp_path / str(number)
        place = form.write(root)
        (root / name).unlink()
        ATTACKS[attack](root / name, content)
        for guess in (True, False):
            with no_longer_than(60), suppress(DataError):
                used(form, place, tmp_path / "cache", guess=guess)


STRANGE = {
    "newline": "a\nb",
    "no text": b"\xff\xfe".decode("utf-8", "surrogateescape"),
    "long": "x" * 240,
    "dash": "-rf",
    "quotes": "\"'`$(touch x)",
    "other": "\u202e\u0000x"[0] + "名\u200d",
    "bar": "a|b (c)",
}


@every_form
@pytest.mark.parametrize("strange", STRANGE)
def test_strange_names_of_files_and_folders(form: Form, strange: str, tmp_path: Path) -> None:
    """Beside the files that belong there, copies with a strange name, and folders with one."""
    root = tmp_path / "data"
    place = form.write(root)
    for name, content in form.files.items():
        (root / name).with_name(STRANGE[strange] + Path(name).suffix).write_bytes(content)
    for folder in [root, *(p for p in root.iterdir() if p.is_dir())]:
        (folder / (STRANGE[strange] + ".d")).mkdir()
        (folder / (STRANGE[strange] + ".d") / "a.png").write_bytes(b"")
    for guess in (True, False):
        with no_longer_than(60), suppress(DataError):
            used(form, place, tmp_path / "cache", guess=guess)


LISTED = [
    *("../../../../etc/passwd", "/etc/passwd", "/dev/zero", "pipe", "..", ".", "/", "", "~root", "a.png/b"),
    *("x" * 300, "x/" * 3000, "a\0b", "a\nb", "\u2028", "cat /etc/passwd |", "http://x/a.png", "file:///etc/passwd"),
]


@pytest.mark.parametrize("form", [form for form in FORMS if form.named], ids=lambda form: form.name)
def test_what_a_list_may_name(form: Form, tmp_path: Path) -> None:

    for number, name in enumerate(LISTED):
        root = tmp_path / str(number)
        place = form.write(root)
        os.mkfifo(root / "pipe")
        assert form.named
        form.write(root, form.named(name))
        with no_longer_than(60), suppress(DataError):
            used(form, place, tmp_path / "cache", guess=False)


@pytest.mark.parametrize("said", ["x" * 5000, "a\0b", "", "/dev/zero", "pipe", "~nobody/x", "hf:"])
def test_a_place_that_is_none(said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    for form in FORMS:
        with no_longer_than(60), suppress(DataError):
            used(form, Path(said) if said else tmp_path, tmp_path / "cache", guess=form.name == "csv")
