"""Crew: several workers on this machine, each a process of its own; one that is killed is replaced."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from unisono.study.claims import DEATHS
from unisono.study.errors import StudyError

LOOK = 0.5  # seconds between looks at the workers
COMMAND = (sys.executable, "-m", "unisono.study.worker")


def work_together(
    recipe: Path, logs: Path, *, workers: int, left: Callable[[], int], threads: int | None, command: Sequence[str]
) -> None:
    """Runs workers until all trials have ended.

    Args:
        recipe: the file that says what to do. ``logs``: the folder for what workers say.
        left: how many trials are still to end.
        threads: of each worker, where the recipe says so; else they share the cores.
        command: starts a worker, given the recipe.

    Raises:
        StudyError: no worker is left, and trials are.
    """
    logs.mkdir(parents=True, exist_ok=True)
    environment = dict(os.environ)
    if threads is None:  # each would otherwise take all cores for itself
        environment.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // workers)))

    def start(number: int) -> subprocess.Popen[bytes]:
        with (logs / f"{number}.log").open("ab") as log:
            # A session of its own, so that Ctrl-C reaches the parent alone, which then asks each worker once. Standard
            # input is a pipe that closes when the parent dies, whatever it dies of.
            return subprocess.Popen(
                [*command, str(recipe)], stdin=subprocess.PIPE, stdout=log, stderr=log, env=environment,
                start_new_session=True,
            )  # fmt: skip

    running: dict[int, subprocess.Popen[bytes]] = {}
    replaced, failure = 0, "the workers were killed"
    try:
        for number in range(1, workers + 1):
            running[number] = start(number)
        while running and left():
            for number, process in list(running.items()):
                code = process.poll()
                if code is None:
                    continue
                _close(running.pop(number))
                if code < 0 and replaced < DEATHS * workers:
                    replaced += 1
                    running[number] = start(number)
                elif code:
                    failure = f"worker {number} ended with {code}: {_last_line(logs / f'{number}.log')}"
            time.sleep(LOOK)
        for process in running.values():  # each sees by itself that all is done
            process.wait()
    finally:
        _stop(running.values())
    if left():
        raise StudyError(f"{failure}; the same command goes on from here (what workers said is in {logs})")


def _stop(processes: Iterable[subprocess.Popen[bytes]]) -> None:
    """Asks workers to save and leave, and waits for them."""
    for process in processes:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
    for process in processes:
        process.wait()
        _close(process)


def _close(process: subprocess.Popen[bytes]) -> None:
    if process.stdin:
        process.stdin.close()


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines() if log.exists() else []
    return lines[-1].removeprefix("error: ") if lines else "it said nothing"
