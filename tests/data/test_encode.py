"""encode: every good row once, in order, under its own number; cached; bad rows go to quarantine with their origin."""

from __future__ import annotations

import pickle
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.counting import calls
from tests.data.conftest import Load, read, write_text
from unisono.data import DataError, Examples, Quarantine, Rows, encode

Row = dict[str, Any]


def numbered(loaded: Load, folder: Path, count: int) -> Rows:
    content = "".join(f'{{"text": "{i}", "label": "a"}}\n' for i in range(count))
    return loaded(write_text(folder / "x.jsonl", content))["train"]


def same(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> bool:
    return a.keys() == b.keys() and all(a[k].dtype == b[k].dtype and np.array_equal(a[k], b[k]) for k in a)


arrays = st.one_of(
    st.lists(st.integers(-(2**31), 2**31 - 1), max_size=5).map(lambda v: np.array(v, np.int32)),
)
floats = st.lists(st.floats(width=32, allow_nan=False), max_size=4).map(lambda v: np.array(v, np.float32))
encoded = st.one_of(
    st.just("bad"), st.fixed_dictionaries({"ids": arrays}, optional={"types": arrays, "target": floats})
)


@settings(max_examples=25, deadline=None)
@given(made=st.lists(encoded, min_size=1, max_size=40), batch=st.integers(1, 7), flush=st.integers(1, 30))
def test_examples_are_what_was_encoded(made: list[Any], batch: int, flush: int) -> None:
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            import_module("unisono.data.encode"), "_VALUES", flush
        )  # many record batches, fields that turn up late
        rows = numbered(lambda p: read(Path(name), p), Path(name), len(made))
        quarantine = Quarantine(None, 1.0)
        examples = encode(
            rows,
            lambda some: [made[int(r["text"])] for r in some],
            "f",
            Path(name) / "c",
            quarantine=quarantine,
            batch=batch,
        )
        good = [i for i, m in enumerate(made) if not isinstance(m, str)]
        assert examples.source.tolist() == good
        assert examples.lengths.tolist() == [len(made[i]["ids"]) for i in good]
        assert examples.lengths.dtype == np.int32
        assert all(same(examples[j], made[i]) for j, i in enumerate(good))
        assert examples.bad_count == quarantine.total() == len(made) - len(good)


def test_encoded_once(loaded: Load, tmp_path: Path) -> None:
    rows = numbered(loaded, tmp_path, 10)
    calls: list[int] = []

    def letters(some: list[Row]) -> list[Any]:
        calls.append(len(some))
        return [{"ids": np.arange(int(r["text"]))} for r in some]

    first = encode(rows, letters, "f", tmp_path / "cache", batch=4)
    assert calls == [4, 4, 2]
    assert encode(rows, letters, "f", tmp_path / "cache").fingerprint == first.fingerprint
    assert len(calls) == 3
    assert encode(rows, letters, "g", tmp_path / "cache").fingerprint != first.fingerprint
    part = rows.select(np.array([7, 2]))
    assert encode(part, letters, "f", tmp_path / "cache").lengths.tolist() == [2, 7]


def test_bad_rows_name_their_origin(loaded: Load, tmp_path: Path) -> None:
    rows = numbered(loaded, tmp_path, 10).select(np.arange(3, 10))
    quarantine = Quarantine(tmp_path / "q.jsonl", 0.2)

    def odd(some: list[Row]) -> list[Any]:
        return ['label "a" is unknown' if r["text"] == "6" else {"ids": np.ones(2)} for r in some]

    for _ in range(2):  # also from the cache
        examples = encode(rows, odd, "f", tmp_path / "c", task="ner", split="train", quarantine=quarantine)
    assert 3 not in examples.source
    assert '"file": "x.jsonl", "row": 7, "reason": "label \\"a\\" is unknown"' in (tmp_path / "q.jsonl").read_text()
    with pytest.raises(DataError, match=r'task "ner": x.jsonl line 7: label "a" is unknown — 1 of 7 rows bad'):
        encode(rows, odd, "f", tmp_path / "c", task="ner", split="train", quarantine=Quarantine(None))


def test_wider_numbers_are_narrowed_only_when_they_fit(loaded: Load, tmp_path: Path) -> None:
    rows = numbered(loaded, tmp_path, 1)
    made = {"ids": [1, 2], "f": np.array([0.5]), "flag": np.array([True]), "big": np.array([7], np.int64)}
    example = encode(rows, lambda some: [made], "f", tmp_path / "c")[0]
    assert {k: v.dtype for k, v in example.items()} == {
        "ids": np.int32,
        "f": np.float32,
        "flag": np.int32,
        "big": np.int32,
    }
    for wrong in (np.array([2**40]), np.zeros((2, 2)), np.array(["x"])):
        with pytest.raises(ValueError, match='field "ids"'):
            encode(rows, lambda some, w=wrong: [{"ids": w}], str(wrong), tmp_path / "c")
    with pytest.raises(ValueError, match="2 results of 1 rows"):
        encode(rows, lambda some: ["a", "b"], "g", tmp_path / "c")


def test_nothing_could_be_encoded(loaded: Load, tmp_path: Path) -> None:
    examples = encode(numbered(loaded, tmp_path, 3), lambda some: ["no"] * len(some), "f", tmp_path / "c")
    assert (len(examples), examples.lengths.tolist(), examples.bad_count) == (0, [], 3)
    with pytest.raises(IndexError):
        examples[0]


def test_examples_travel_to_other_processes(loaded: Load, tmp_path: Path) -> None:
    rows = numbered(loaded, tmp_path, 5)
    examples = encode(rows, lambda some: [{"ids": np.arange(int(r["text"]))} for r in some], "f", tmp_path / "c")
    again: Examples = pickle.loads(pickle.dumps(examples))
    assert all(same(again[i], examples[i]) for i in range(5))
    assert same(again[-1], examples[4])


def test_an_example_is_a_few_views_of_the_file(loaded: Load, tmp_path: Path) -> None:
    rows = numbered(loaded, tmp_path, 2_000)
    made = {"ids": np.arange(40), "types": np.zeros(40, int), "words": np.arange(30), "tags": np.arange(30)}
    examples = encode(rows, lambda some: [made] * len(some), "f", tmp_path / "c")
    picks = np.random.default_rng(0).permutation(len(examples)).tolist()
    taken = [examples[i] for i in picks]  # once around: every batch of the file has been opened
    assert not any(values.flags.owndata for example in taken for values in example.values())
    assert calls(lambda: [examples[i] for i in picks]) < 16 * len(picks)


def test_a_row_may_be_several_examples(loaded: Load, tmp_path: Path) -> None:
    rows = numbered(loaded, tmp_path, 6)
    quarantine = Quarantine(None, 1.0)

    def parts(some: list[Row]) -> list[Any]:
        made: list[Any] = [[{"ids": np.array([int(r["text"]), part])} for part in range(int(r["text"]))] for r in some]
        return [one if one else "no parts" for one in made]

    examples = encode(rows, parts, "f", tmp_path / "c", batch=4, quarantine=quarantine)
    assert examples.source.tolist() == [n for n in range(6) for _ in range(n)]
    assert [e.tolist() for e in (examples[i]["ids"] for i in range(len(examples)))] == [
        [n, part] for n in range(6) for part in range(n)
    ]
    assert quarantine.total() == 1
