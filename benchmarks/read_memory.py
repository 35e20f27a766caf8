"""Memory while a file much larger than it should cost is converted, read, and encoded: resident size must stay flat.

    python benchmarks/read_memory.py --gb 1            a few minutes; about 3 GB of disk
    python benchmarks/read_memory.py --gb 0.05         a quick look

Prints the resident size over time for each phase, and by how much it rose above the size before the phase.
Exits with 1 when any phase rose by more than the limit (100 MB).
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from unisono.data import Data, Quarantine, Role, encode, load

LIMIT_MB = 100
FORMATS = ("jsonl", "csv", "conll")


def resident_mb() -> float:
    """Pages of this process in memory, mapped files included."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


@contextmanager
def watched(phase: str, results: list[dict[str, Any]], every: float = 0.05) -> Iterator[None]:
    """Samples the resident size while the block runs."""
    before, samples, done = resident_mb(), [], threading.Event()
    begun = time.perf_counter()

    def sample() -> None:
        while not done.wait(every):
            samples.append((time.perf_counter() - begun, resident_mb()))

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        samples.append((time.perf_counter() - begun, resident_mb()))
        peak = max(mb for _, mb in samples)
        shown = samples[:: max(1, len(samples) // 12)]
        line = " ".join(f"{mb:.0f}" for _, mb in shown)
        print(
            f"{phase:18s} {samples[-1][0]:7.1f} s   before {before:5.0f} MB   rise {peak - before:+6.0f} MB   [{line}]"
        )
        results.append({"phase": phase, "seconds": samples[-1][0], "before_mb": before, "peak_mb": peak})


def write(path: Path, size: int, kind: str) -> int:
    """Writes rows of about 100 bytes until the file has ``size`` bytes; returns how many."""
    rng = random.Random(0)
    words = ["".join(rng.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(rng.randint(2, 9))) for _ in range(5000)]
    texts = [" ".join(rng.choice(words) for _ in range(rng.randint(4, 24))) for _ in range(20_000)]
    line: Callable[[int], str] = {
        "jsonl": lambda i: json.dumps({"text": f"{texts[i % 20_000]} {i}", "label": f"c{i % 7}"}) + "\n",
        "csv": lambda i: f'{"text,label" + chr(10) if i == 0 else ""}"{texts[i % 20_000]} {i}",c{i % 7}\n',
        "conll": lambda i: "".join(f"{w} X O\n" for w in texts[i % 20_000].split()) + "\n",
    }[kind]
    rows = written = 0
    with path.open("w", encoding="utf-8") as f:
        while written < size:
            block = "".join(line(i) for i in range(rows, rows + 2000))
            written += f.write(block)
            rows += 2000
    return rows


def letters(rows: list[dict[str, Any]]) -> list[dict[str, np.ndarray]]:
    """Stands for a tokenizer: the bytes of the text."""
    texts = (r["text"] if "text" in r else " ".join(r["tokens"]) for r in rows)
    return [{"ids": np.frombuffer(t.encode(), np.uint8)} for t in texts]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gb", type=float, default=1.0, help="size of the file")
    parser.add_argument("--format", choices=FORMATS, default="jsonl")
    parser.add_argument("--folder", type=Path, help="where to work; default: a temporary folder")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON at the end")
    args = parser.parse_args()
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # figures are worth seeing as they come
    results: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(dir=args.folder) as temporary:
        folder = Path(temporary)
        path = folder / f"train.{args.format}"
        count = write(path, int(args.gb * 1e9), args.format)
        print(f"{path.stat().st_size / 1e9:.2f} GB, {count:,} rows of {args.format}")
        tagged = {"tokens": Role("tokens"), "tags": Role("tags")}
        roles = tagged if args.format == "conll" else {"text": Role("text"), "label": Role("label")}
        where = {"cache": folder / "cache", "seed": 0, "quarantine": Quarantine(None)}
        with watched("convert", results):
            found = load("big", Data(path=str(path), ratio={"validation": 0.1}), roles, {}, **where)
        rows = found["train"]
        assert len(rows) + len(found["validation"]) == count
        with watched("read in order", results):
            read = sum(1 for _ in rows)
        assert read == len(rows)
        picks = np.random.default_rng(0).integers(0, len(rows), 200_000)
        with watched("read at random", results):
            for i in picks.tolist():
                rows[i]
        with watched("encode", results):
            examples = encode(rows, letters, "letters", folder / "cache")
        with watched("examples, shuffled", results):
            for i in np.random.default_rng(1).permutation(len(examples))[:1_000_000].tolist():
                examples[i]
        seconds = results[-1]["seconds"] / min(len(examples), 1_000_000)
        print(f"{seconds * 1e6:.1f} µs an example, {results[2]['seconds'] / 200_000 * 1e6:.1f} µs a row")
    rise = max(r["peak_mb"] - r["before_mb"] for r in results)
    flat = rise <= LIMIT_MB
    print(f"{'flat' if flat else 'NOT FLAT'}: the largest rise is {rise:.0f} MB, the limit {LIMIT_MB} MB")
    if args.json:
        print(json.dumps({"gb": args.gb, "format": args.format, "rows": count, "phases": results, "flat": flat}))
    return 0 if flat else 1


if __name__ == "__main__":
    sys.exit(main())
