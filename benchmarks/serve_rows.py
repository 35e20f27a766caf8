"""What the benchmarks of the server share: a model of three tasks on MiniLM, the rows that it is asked, its processes,
and many clients in one process. Prints nothing by itself.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

TASKS = {
    "intent": {"kind": "classify", "data": "builtin:everyday", "columns": {"label": "intent"}},
    "slots": {"kind": "tag", "data": "builtin:everyday"},
    "topic": {"kind": "classify", "data": "builtin:everyday", "columns": {"label": "intent"}},
}


def model(folder: Path) -> Path:
    """A new model on the pretrained MiniLM with three heads; they are not trained, which costs the same time."""
    from unisono.prepare import build_model, read_tables
    from unisono.recipe import build

    recipe = build({"run": str(folder / "run"), "trunk": "minilm", "tasks": TASKS, "train": {"steps": 1}})
    made = folder / "model"
    build_model(recipe, read_tables(recipe, run=None)).save_pretrained(made)
    return made


def exported(model: Path, folder: Path, precision: str, tasks: tuple[str, ...] = ()) -> Path:
    """A model, or some tasks of it, as ONNX graphs on packs."""
    from unisono import api
    from unisono.deploy.export import Settings, export

    export(api.load(model), folder, Settings(tasks, precision), source="benchmark", recipe=None)
    return folder


def rows(count: int, seed: int = 0) -> list[tuple[str, str]]:
    """(task, text) in a mixed order: sentences of the everyday data, every fourth row four of them."""
    from unisono.data.everyday import everyday

    draw = random.Random(seed)
    texts = [row["text"] for row in everyday("test", rows=500)]
    out = []
    for at in range(count):
        some = draw.sample(texts, 4) if at % 4 == 3 else [draw.choice(texts)]
        out.append((draw.choice(list(TASKS)), " ".join(some)))
    return out


@dataclass
class Served:
    """A server in a process of its own. ``address``: host and port."""

    process: subprocess.Popen
    port: int

    def seconds(self) -> float:
        """Processor time that it has taken."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self) -> float:
        """MB that it has now."""
        told = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", told)[1]) / 1e3


@contextmanager
def serving(command: Sequence[str], *, core: int | None = 0) -> Iterator[Served]:
    """Starts a server that says its address on standard error, and ends it.

    Args:
        core: the one that it may use; None: any.
    """
    limits = {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env={**os.environ, **limits},
        preexec_fn=None if core is None else lambda: os.sched_setaffinity(0, {core}),
    )  # fmt: skip
    assert process.stderr is not None
    try:
        said = ""
        while (found := re.search(r"http://[^\s:]+:(\d+)", said)) is None:
            line = process.stderr.readline()
            if not line:
                raise SystemExit(f"{' '.join(command)} did not start:\n{said}")
            said += line
        yield Served(process, int(found[1]))
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def unisono(folder: Path, *options: str) -> list[str]:
    """The command of our server."""
    return [
        sys.executable,
        "-m",
        "unisono.cli",
        "serve",
        str(folder),
        "--port",
        "0",
        "--threads",
        "1",
        "--quiet",
        *options,
    ]


@dataclass
class Seen:
    """What clients got.

    Args:
        took: seconds of each answer of status 200. ``statuses``: how many of each. ``lost``: requests whose
            connection broke before they had an answer.
    """

    took: list[float] = field(default_factory=list)
    statuses: Counter = field(default_factory=Counter)
    lost: int = 0
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.statuses[200] / self.seconds

    def after(self, share: float) -> float:
        """Milliseconds within which this share of the answers came."""
        ordered = sorted(self.took)
        return 1e3 * ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0

    def told(self) -> dict[str, float | dict[int, int]]:
        return {
            "per_second": round(self.rate, 1), "p50_ms": round(self.after(0.5)), "p99_ms": round(self.after(0.99)),
            "most_ms": round(self.after(1.0)), "statuses": dict(self.statuses), "lost": self.lost,
        }  # fmt: skip


class Load:
    """Clients that each ask one row after the other over a connection that they keep.

    Args:
        rate: requests a second of all clients together; None: each asks as soon as it has an answer, or when it is told
            to come again.
    """

    def __init__(self, port: int, asked: Sequence[tuple[str, str]], *, rate: float | None = None) -> None:
        self.port, self.rate = port, rate
        self.requests = [self._request(task, text) for task, text in asked]
        self.seen = Seen()
        self.ended = False
        self._next = 0
        self._begin = 0.0

    def _request(self, task: str, text: str) -> bytes:
        body = json.dumps({"source" if task == "en-de" else "text": text}).encode()
        head = f"POST /v1/{task} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body

    async def run(self, clients: int, seconds: float, warm: float = 1.0) -> Seen:
        """Asks for a while; the first ``warm`` seconds are not counted."""
        self._begin = time.perf_counter()
        jobs = [asyncio.create_task(self._client()) for _ in range(clients)]
        await asyncio.sleep(warm)
        self.seen = Seen()
        begin = time.perf_counter()
        await asyncio.sleep(seconds)
        self.seen.seconds = time.perf_counter() - begin
        seen, self.seen = self.seen, Seen()
        self.ended = True
        await asyncio.gather(*jobs)
        seen.lost += self.seen.lost
        return seen

    async def _client(self) -> None:
        reader = writer = None
        while not self.ended:
            at = self._next
            self._next += 1
            if self.rate is not None and (wait := self._begin + at / self.rate - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            if writer is None:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            begin = time.perf_counter()
            try:
                writer.write(self.requests[at % len(self.requests)])
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
                await reader.readexactly(length)
            except (OSError, asyncio.IncompleteReadError):
                self.seen.lost += 1
                reader = writer = None
                continue
            status = int(head[9:12])
            self.seen.statuses[status] += 1
            if status == 200:
                self.seen.took.append(time.perf_counter() - begin)
            if b"connection: close" in head:
                writer.close()
                reader = writer = None
            if status == 503 and self.rate is None:
                await asyncio.sleep(float(head.split(b"retry-after:")[1].split(b"\r\n")[0]) * random.uniform(1, 1.2))
        if writer is not None:
            writer.close()
