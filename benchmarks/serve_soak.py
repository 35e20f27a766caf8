"""Ten minutes at one and a half times what the server can do: does its memory grow, and is a request that was let in
ever lost?

    python benchmarks/serve_soak.py [--minutes 10] [--folder FOLDER]

What it can do is measured first, by 16 clients for ten seconds. Then 256 clients send requests at 1.5 times that rate,
whether they are answered or refused. Memory is that after the first tenth of the time, and its highest after that.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import serve_rows


async def soak(server: serve_rows.Served, asked: list[tuple[str, str]], rate: float, seconds: float) -> dict:
    """Memory and answers while requests come at a rate."""
    load = serve_rows.Load(server.port, asked, rate=rate)
    running = asyncio.create_task(load.run(256, seconds, warm=0.0))
    memory: list[float] = []
    while not running.done():
        memory.append(server.memory())
        await asyncio.sleep(1)
    seen = await running
    begin = memory[len(memory) // 10]
    return {
        "minutes": round(seen.seconds / 60, 1), "asked_per_second": round(rate, 1), **seen.told(),
        "memory_mb": round(begin), "highest_mb": round(max(memory[len(memory) // 10 :])),
        "growth": round(max(memory[len(memory) // 10 :]) / begin - 1, 3),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--folder", type=Path, help="where the model is, or is written, to be used again")
    parser.add_argument("--export", action="store_true", help="the model in int8 on ONNX Runtime, not in PyTorch")
    asked = parser.parse_args()
    os.sched_setaffinity(0, {os.cpu_count() - 1})
    with tempfile.TemporaryDirectory() as temporary:
        folder = asked.folder or Path(temporary)
        made, ready = folder / "model", folder / "export-int8"
        if not made.exists():
            serve_rows.model(folder)
        if asked.export and not ready.exists():
            serve_rows.exported(made, ready, "int8")
        rows = serve_rows.rows(20_000)
        with serve_rows.serving(serve_rows.unisono(ready if asked.export else made)) as server:
            capacity = asyncio.run(serve_rows.Load(server.port, rows).run(16, 10)).rate
            told = asyncio.run(soak(server, rows, 1.5 * capacity, 60 * asked.minutes))
    print(json.dumps({"capacity_per_second": round(capacity, 1), **told}, indent=1))
    sys.exit(bool(told["lost"]) or told["growth"] > 0.1)


if __name__ == "__main__":
    main()
