"""The server as a process: it starts, changes its model under load, ends, and loses nothing that it let in."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.train.runs import TASKS, run, small
from unisono.serve import ServeError
from unisono.serve.run import Settings, serve


def test_an_address_that_others_reach_needs_a_token():
    with pytest.raises(ServeError, match="UNISONO_TOKEN"):
        serve(lambda: None, Path("."), Settings(host="0.0.0.0"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("served") / "run"
    run(small(folder, {"intent": TASKS["intent"]}, steps=2, evaluate_every=2))
    return folder / "model"


@contextmanager
def serving(model: Path, *options: str) -> Iterator[tuple[subprocess.Popen, str]]:
    """A server of its own process, and its address."""
    command = [sys.executable, "-m", "unisono.cli", "serve", str(model), "--port", "0", "--threads", "1", *options]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        line = process.stderr.readline()
        address = re.search(r"http://\S+", line)
        assert address, line + process.stderr.read()
        # What is logged is read on, so that the pipe does not fill.
        threading.Thread(target=process.stderr.read, daemon=True).start()
        yield process, address.group()
    finally:
        process.kill()
        process.wait()


async def load(address: str, during, clients: int = 8) -> list[int]:
    """Statuses that clients get while ``during`` runs, and until the server refuses connections or 40 more came."""
    found: list[int] = []
    ended = asyncio.Event()

    async def one(client: httpx.AsyncClient) -> None:
        late = 0
        while late < 5:
            late += ended.is_set()
            try:
                answer = await client.post(f"{address}/v1/intent", json={"text": "Wake me at seven."})
            except httpx.ConnectError:  # it was not let in
                return
            found.append(answer.status_code)

    limits = httpx.Limits(max_connections=clients)
    async with httpx.AsyncClient(limits=limits, timeout=60) as client:
        jobs = [asyncio.create_task(one(client)) for _ in range(clients)]
        await asyncio.to_thread(during, found)
        ended.set()
        await asyncio.gather(*jobs)
    return found


@pytest.mark.slow
def test_another_model_takes_over_under_load_and_the_end_loses_no_request(folder, tmp_path):
    link = tmp_path / "now"
    link.symlink_to(folder)
    shutil.copytree(folder, tmp_path / "other")

    def wait(found: list[int], more: int) -> None:
        have = len(found)
        while len(found) < have + more:
            threading.Event().wait(0.01)

    with serving(link, "--quiet", "--max-wait", "30") as (process, address):

        def during(found: list[int]) -> None:
            for target in (tmp_path / "other", folder, tmp_path / "nothing", folder):
                wait(found, 10)
                new = tmp_path / "new"
                new.symlink_to(target)
                os.replace(new, link)
                process.send_signal(signal.SIGHUP)
            wait(found, 20)

        found = asyncio.run(load(address, during))
        assert set(found) == {200} and len(found) >= 60

        ends = asyncio.run(load(address, lambda found: (wait(found, 10), process.send_signal(signal.SIGTERM))))
        assert set(ends) == {200}
        assert process.wait(30) in (0, -signal.SIGTERM)


@pytest.mark.slow
def test_a_huge_body_is_refused_before_it_is_read(folder):
    with serving(folder, "--quiet") as (process, address):

        def memory() -> int:
            return int(re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{process.pid}/status").read_text())[1])

        httpx.post(f"{address}/v1/intent", json={"text": "hi"}, timeout=60).raise_for_status()
        before = memory()
        try:
            answer = httpx.post(f"{address}/v1/intent", content=b"x" * 60_000_000, timeout=60)
            assert answer.status_code == 413
        except httpx.WriteError:  # the connection was closed while the body was on its way
            pass
        assert memory() - before < 10_000  # kB
        httpx.post(f"{address}/v1/intent", json={"text": "hi"}, timeout=60).raise_for_status()
