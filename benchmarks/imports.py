"""Seconds of ``import unisono`` and ``unisono --help`` in a new process, against an empty Python and torch."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time

ARMS = {
    "python alone": ["-c", "pass"],
    "import unisono": ["-c", "import unisono"],
    "unisono --help": ["-m", "unisono.cli", "--help"],
    "import torch": ["-c", "import torch"],
}
TARGETS = {"import unisono": 0.2, "unisono --help": 0.3}


def main(rounds: int = 9) -> None:
    times: dict[str, list[float]] = {arm: [] for arm in ARMS}
    for _ in range(rounds + 1):
        for arm, arguments in ARMS.items():
            begin = time.perf_counter()
            subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
            times[arm].append(time.perf_counter() - begin)
    for arm, found in times.items():
        target = {"target": f"<= {TARGETS[arm]}"} if arm in TARGETS else {}
        print(json.dumps({"benchmark": arm, "seconds": round(statistics.median(found[1:]), 3), **target}))


if __name__ == "__main__":
    main()
