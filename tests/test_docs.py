"""Pages that are made from the code are those that the code makes; links between pages lead somewhere."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


def test_the_recipe_reference_is_up_to_date():
    from unisono.schema import schema

    spec = importlib.util.spec_from_file_location("recipe_reference", ROOT / "docs" / "recipe_reference.py")
    assert spec and spec.loader
    reference = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reference)
    page = reference.render(schema())
    assert reference.PAGE.read_text(encoding="utf-8") == page, "run: make docs"
    for key in ("tokens_per_step", "max_bad_rows", "label_smoothing", "delimiter"):
        assert f"`{key}`" in page


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8")):
        if not re.match(r"[a-z]+:", target):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_make_targets_named_in_pages_exist(page):
    made = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    assert set(re.findall(r"`make ([a-z]+)", page.read_text(encoding="utf-8"))) <= made


def test_every_section_of_the_gallery_names_its_source_and_its_pictures_are_small():
    page = (ROOT / "docs" / "gallery.md").read_text(encoding="utf-8")
    shown = {ROOT / "docs" / name for name in re.findall(r"!\[.*?\]\((\S+)\)", page)}
    assert shown == set((ROOT / "docs" / "gallery").iterdir())
    assert all(path.stat().st_size < 60_000 for path in shown)
    for section in page.split("\n<!-- ")[1:]:
        assert re.search(r"\n\*.*(licence|CC0|CC BY|Apache-2.0|ours).*\*\n?$", section), section[:40]
