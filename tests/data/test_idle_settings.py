"""A setting under data: that would change nothing is refused, not passed over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.data.conftest import CLASSIFY, Load, write_table
from unisono.data import DataError

ROWS = [{"text": f"this is row {i}", "label": str(i % 2)} for i in range(20)]


@pytest.mark.parametrize(
    ("suffix", "setting", "value"),
    [
        ("jsonl", "delimiter", "tab"),
        ("jsonl", "header", True),
        ("parquet", "delimiter", ","),
        ("csv", "pattern", "{a}_{b}"),
        ("csv", "config", "de"),
        ("csv", "revision", "main"),
    ],
)
def test_what_the_format_does_not_heed(loaded: Load, tmp_path: Path, suffix: str, setting: str, value: Any) -> None:
    place = write_table(tmp_path / f"x.{suffix}", ROWS, suffix)
    with pytest.raises(
        DataError, match=rf"data.{setting}: is not for the format {suffix}, in which .*x.{suffix} is read"
    ):
        loaded(place, CLASSIFY, **{setting: value})
    assert len(loaded(place, CLASSIFY)["train"]) > 0
