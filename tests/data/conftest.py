"""What the data tests share: a short way to load, and files of every format."""

from __future__ import annotations

import csv
import gzip
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from unisono.data import Data, Quarantine, Role, Rows, load

CLASSIFY = {"text": Role("text"), "label": Role("label")}
TAG = {"tokens": Role("tokens"), "tags": Role("tags")}
TRANSLATE = {"source": Role("text"), "target": Role("text")}

WHOLE = {"validation": 0.0}  # no split is cut off

Load = Callable[..., dict[str, Rows]]


def read(folder: Path, path: Path | str, roles: Any = None, columns: Any = None, **spec: Any) -> dict[str, Rows]:
    """Loads with a cache in ``folder``; cuts no splits unless asked to."""
    keep = {
        "quarantine": spec.pop("quarantine", None) or Quarantine(folder / "quarantine.jsonl"),
        "seed": spec.pop("seed", 0),
    }
    data = Data(path=str(path), **{"ratio": WHOLE, **spec})
    return load("toy", data, CLASSIFY if roles is None else roles, columns or {}, cache=folder / "cache", **keep)


@pytest.fixture
def loaded(tmp_path: Path) -> Load:
    def inner(path: Path | str, roles: Any = None, columns: Any = None, **spec: Any) -> dict[str, Rows]:
        return read(tmp_path, path, roles, columns, **spec)

    return inner


def write_bytes(path: Path, content: bytes) -> Path:
    """Writes a file and its folders, gzipped when its name ends so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content) if path.name.endswith(".gz") else content)
    return path


def write_text(path: Path, content: str, encoding: str = "utf-8") -> Path:
    return write_bytes(path, content.encode(encoding))


def write_table(path: Path, rows: Sequence[dict[str, Any]], suffix: str) -> Path:
    """The same rows in any format that has named columns."""
    names = list(rows[0])
    path.parent.mkdir(parents=True, exist_ok=True)
    if suffix in ("csv", "tsv"):
        plain = path.with_name("plain")
        with plain.open("w", encoding="utf-8", newline="") as f:
            out = csv.writer(f, delimiter="," if suffix == "csv" else "\t", lineterminator="\n")
            out.writerow(names)
            out.writerows([row[n] for n in names] for row in rows)
        content = plain.read_bytes()
        plain.unlink()
        return write_bytes(path, content)
    if suffix == "jsonl":
        return write_text(path, "".join(json.dumps(row) + "\n" for row in rows))
    table = pa.table({n: [row[n] for row in rows] for n in names})
    sink = pa.BufferOutputStream()
    if suffix == "parquet":
        pq.write_table(table, sink)
    elif suffix == "feather":
        pyarrow.feather.write_feather(table, sink)
    else:
        with pa.ipc.new_stream(sink, table.schema) as stream:
            stream.write_table(table)
    return write_bytes(path, sink.getvalue().to_pybytes())


TABLES = ("csv", "tsv", "jsonl", "parquet", "feather", "arrow")


def real(part: str) -> Path:
    """A folder of real data; the test is skipped where there is none."""
    root = os.environ.get("UNISONO_DATA")
    if not root:
        pytest.skip("real data: set UNISONO_DATA to its folder")
    if not (Path(root) / part).exists():
        pytest.skip(f"real data: {root} has no {part}")
    return Path(root) / part
