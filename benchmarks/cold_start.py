"""From the start of a process to its first answer: an int8 export on ONNX Runtime against the same model in PyTorch.

    python benchmarks/cold_start.py [--rounds 5]

One MiniLM with three heads (see ``runtime_request.py``). Arms take turns: ``python -m unisono.runtime EXPORT``, the
command ``unisono predict EXPORT``, ``unisono serve EXPORT`` until its first answer over HTTP, and ``unisono predict
MODEL``. Medians, in seconds of the wall clock and of the processor.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import resource
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from runtime_request import model

SENTENCE = "Berlin is lovely in spring."


def run(*arguments: str) -> float:
    """Seconds of a command that ends with its answer."""
    before = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    return time.perf_counter() - before


def served(export: str) -> float:
    """Seconds from the start of a server to its first answer."""
    before = time.perf_counter()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "unisono.cli", "serve", export, "--port", str(port), "--threads", "1", "--quiet"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while True:
            try:
                client = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
                client.request("POST", "/v1/all", json.dumps({"text": SENTENCE}), {"Content-Type": "application/json"})
                assert client.getresponse().status == 200
                return time.perf_counter() - before
            except ConnectionError:
                assert server.poll() is None, "the server ended"
                time.sleep(0.01)
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    from unisono.deploy.export import Settings, export

    os.environ["OMP_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory() as scratch:
        made = model()
        made.save_pretrained(Path(scratch) / "model")
        folder = str(export(made, Path(scratch) / "exported", Settings(precision="int8"), source="minilm").path)
        arms: dict[str, Callable[[], float]] = {
            "unisono.runtime": lambda: run("-m", "unisono.runtime", folder, SENTENCE, "--threads", "1"),
            "predict, export": lambda: run("-m", "unisono.cli", "predict", folder, SENTENCE),
            "serve, export": lambda: served(folder),
            "predict, model": lambda: run("-m", "unisono.cli", "predict", str(Path(scratch) / "model"), SENTENCE),
        }
        took: dict[str, list[tuple[float, float]]] = {name: [] for name in arms}
        for round_ in range(asked.rounds + 1):
            for name, arm in arms.items():
                used = resource.getrusage(resource.RUSAGE_CHILDREN)
                wall = arm()
                after = resource.getrusage(resource.RUSAGE_CHILDREN)
                spent = after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime
                if round_:  # the first fills the file cache
                    took[name].append((wall, spent))
    for name, pairs in took.items():
        wall, spent = (statistics.median(column) for column in zip(*pairs, strict=True))
        print(f"{name:<16} {wall:6.2f} s · processor {spent:5.2f} s")
    first, last = (statistics.median(wall for wall, _ in took[n]) for n in ("unisono.runtime", "predict, model"))
    print(f"ratio            {last / first:.1f}")


if __name__ == "__main__":
    main()
