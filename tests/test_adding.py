"""The examples of docs/adding.md do what the page says."""

from __future__ import annotations

import importlib.util
import inspect
import re
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

PAGE = Path(__file__).parents[1] / "docs" / "adding.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S)


def module(start: str, folder: Path) -> ModuleType:
    """The example that begins with ``start``, as an imported module."""
    (code,) = [block for block in BLOCKS if block.startswith(start)]
    name = f"example_{re.sub(r'[^a-z]', '', start)}"
    path = folder / f"{name}.py"
    path.write_text(code, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec and spec.loader
    sys.modules[name] = found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


@pytest.fixture
def count(tmp_path) -> ModuleType:
    return module('"""count', tmp_path)


@pytest.fixture
def fasttext(tmp_path) -> ModuleType:
    return module('"""fasttext', tmp_path)


@pytest.fixture
def series(tmp_path) -> ModuleType:
    return module('"""series', tmp_path)


@pytest.fixture
def installed(monkeypatch, count, fasttext, series):
    """As if a package offered the examples by its entry points."""
    from unisono import kinds, stems
    from unisono.data import readers

    offered = {
        "unisono.kinds": {"count": count.KIND, "forecast": series.FORECAST},
        "unisono.readers": {"fasttext": fasttext.FastText},
        "unisono.stems": {"series": series.Series},
    }

    def entry_points(group: str) -> list[SimpleNamespace]:
        return [SimpleNamespace(name=n, load=lambda thing=thing: thing) for n, thing in offered.get(group, {}).items()]

    for room in (kinds, readers, stems):
        monkeypatch.setattr(room, "entry_points", entry_points)
    monkeypatch.setattr(readers, "_READERS", dict(readers._READERS))
    kinds.kinds.cache_clear()
    readers._plugins.cache_clear()
    yield
    kinds.kinds.cache_clear()
    readers._plugins.cache_clear()


def test_the_head_keeps_every_promise(count):
    from tests.heads import test_contract
    from tests.heads.contract import BARE, TEXTS, Case

    rows = [{"text": text, "label": label} for text, label in zip(TEXTS, [0, 1, 2, 3, 5, 8, 1, 4], strict=True)]
    case = Case(
        "count",
        count.Count,
        count.CountOptions(),
        rows,
        BARE,
        lambda said, row: abs(said["value"] - row["label"]) < 0.5,
    )
    promises = [test for name, test in vars(test_contract).items() if name.startswith("test_")]
    assert len(promises) >= 10
    for promise in promises:
        if "how" in promise.__annotations__:
            from contextlib import nullcontext

            promise(case, nullcontext())
        else:
            promise(case)


def test_a_count_that_is_none_goes_to_quarantine(count):
    from unisono.heads import UnfitRow

    head = count.Count(8, count.CountOptions(most=10), {"mean": 1.0})
    with pytest.raises(UnfitRow, match="from 0 to 10, got 11"):
        head.encode({"text": "a", "label": 11.0}, {})


def test_the_reader_reads_and_names_bad_rows(fasttext, tmp_path):
    from unisono.data.readers import Bad, Settings

    path = tmp_path / "train.ft"
    path.write_bytes(b"__label__sport a goal\nno label\n__label__news an election\n")
    records = list(fasttext.FastText().read(path, Settings(wanted={"text": True, "label": True})))
    assert [r.row for r in records] == [1, 2, 3]
    assert records[0].value == {"label": "sport", "text": "a goal"}
    assert records[1].value == Bad("does not begin with __label__", "no label")


def test_recipes_can_use_both(installed, tmp_path):
    from unisono.data.readers import reader
    from unisono.recipe import RecipeError, build
    from unisono.tasks import resolve

    recipe = {
        "trunk": {"layers": 1, "width": 16, "heads": 2},
        "tasks": {"votes": {"kind": "count", "data": "x.csv", "head": {"most": 500}}},
    }
    task = resolve(build(recipe))["votes"]
    assert task.options.most == 500
    assert reader("fasttext").suffixes == (".ft",)
    recipe["tasks"]["votes"]["head"] = {"mots": 500}
    with pytest.raises(RecipeError, match='did you mean "most"'):
        resolve(build(recipe))


def test_the_stem_keeps_every_promise(installed, tmp_path):
    from tests.stems import test_contract
    from tests.stems.contract import Case

    rows = [{"series": value} for value in ("1 2 3", "0.5", "4 " * 300)]
    case = Case("series", "series", rows, [{"series": value} for value in ("", "a b", "nan", None)])
    promises = [
        test for name, test in vars(test_contract).items() if name.startswith("test_") and "case" in asked_by(test)
    ]
    assert len(promises) >= 8
    for promise in promises:
        made = case.build(str)
        given = {"case": case, "stem": made, "folder": str, "tmp_path": tmp_path}
        promise(**{name: given[name] for name in asked_by(promise)})


def asked_by(test) -> list[str]:
    return list(inspect.signature(test).parameters)


@pytest.mark.slow
def test_all_train_together(installed, tmp_path):
    import unisono

    texts = [" ".join(["ha"] * (1 + i % 5)) for i in range(40)]
    (tmp_path / "laughs.csv").write_text("text,label\n" + "".join(f"{t},{t.count('ha')}\n" for t in texts))
    (tmp_path / "kind.ft").write_text("".join(f"__label__{'long' if len(t) > 8 else 'short'} {t}\n" for t in texts))
    (tmp_path / "next.csv").write_text("series,label\n" + "".join(f"{i} {i + 1},{i + 2}\n" for i in range(40)))
    trained = unisono.train(
        {
            "run": str(tmp_path / "run"),
            "cache": str(tmp_path / "cache"),
            "trunk": {"layers": 1, "width": 32, "heads": 2, "vocabulary": 300},
            "tasks": {
                "laughs": {"kind": "count", "data": str(tmp_path / "laughs.csv")},
                "kind": {"kind": "classify", "data": str(tmp_path / "kind.ft")},
                "next": {"kind": "forecast", "data": str(tmp_path / "next.csv")},
            },
            "train": {"steps": 20, "rows_per_step": 16, "device": "cpu"},
        }
    )
    assert trained.reason == "done"
    assert set(trained.scores) == {"laughs", "kind", "next"}
    model = unisono.load(trained.run)
    assert model.predict("laughs", ["ha ha"])[0]["value"] > 0
    assert isinstance(model.predict("next", [{"series": "7 8"}])[0]["value"], float)
