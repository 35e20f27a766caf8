"""Another model put in place under load, and the end of the server under load, a hundred times each: is a request that
was let in ever lost? And how long it takes from a cold start to the first answer.

    python benchmarks/serve_swaps.py [--times 100] [--ends 100]

Swaps are of models in PyTorch, ends are of an int8 export. A request is lost if its answer broke off. One that met a
connection which had not been told to close and ended without a word is counted apart, as its client has to ask anew: it
may or may not have been let in.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import serve_model
import serve_rows

TEXTS = ("intent", "slots", "en-de")  # tasks of the export
ROWS = [("intent", f"Wake me at {hour}.") for hour in range(24)] + [("en-de", "Wake me."), ("slots", "Dim the light.")]
CLIENTS = 8


class Clients(serve_rows.Load):
    """Ask until the server refuses connections."""

    def __init__(self, port: int) -> None:
        super().__init__(port, ROWS)
        self.asked_anew = 0

    async def _client(self) -> None:
        reader = writer = None
        while not self.ended:
            self._next += 1
            if writer is None:
                try:
                    reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                except ConnectionRefusedError:
                    return
            head = b""
            try:
                writer.write(self.requests[self._next % len(self.requests)])
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                await reader.readexactly(int(head.split(b"content-length:")[1].split(b"\r\n")[0]))
                self.seen.statuses[int(head[9:12])] += 1
                self.seen.took.append(0.0)
            except (OSError, asyncio.IncompleteReadError) as error:
                if head or getattr(error, "partial", b""):
                    self.seen.lost += 1
                else:
                    self.asked_anew += 1
                reader = writer = None
                continue
            if b"connection: close" in head:
                writer.close()
                reader = writer = None


async def under_load(port: int, during) -> tuple[serve_rows.Seen, int]:
    """What clients get while ``during(clients)`` runs, and until it is over."""
    clients = Clients(port)
    jobs = [asyncio.create_task(clients._client()) for _ in range(CLIENTS)]
    await during(clients)
    clients.ended = True
    await asyncio.gather(*jobs)
    return clients.seen, clients.asked_anew


async def answers(clients: Clients, more: int) -> None:
    """Waits until so many more have come."""
    begin = time.monotonic()
    wanted = sum(clients.seen.statuses.values()) + more
    while sum(clients.seen.statuses.values()) < wanted and time.monotonic() < begin + 60:
        await asyncio.sleep(0.005)


def swaps(folder: Path, times: int) -> dict:
    """One server; its folder is a link that leads to another model each time."""
    link = folder / "now"
    link.unlink(missing_ok=True)
    link.symlink_to(folder / "model")
    with serve_rows.serving(serve_rows.unisono(link, "--max-wait", "30"), core=None) as server:

        async def during(clients: Clients) -> None:
            for number in range(times):
                await answers(clients, 20)
                (folder / "next").symlink_to(folder / ("other" if number % 2 == 0 else "model"))
                os.replace(folder / "next", link)
                server.process.send_signal(signal.SIGHUP)
                assert "another model" in await asyncio.to_thread(server.process.stderr.readline)
            await answers(clients, 40)

        seen, anew = asyncio.run(under_load(server.port, during))
    return {"times": times, "statuses": dict(seen.statuses), "lost": seen.lost, "asked_anew": anew}


def ends(folder: Path, times: int) -> dict:
    """A server for each time, told to end at a random moment of its load."""
    statuses: dict[int, int] = {}
    lost = anew = 0
    first: list[float] = []
    codes = set()
    ready = serve_rows.exported(folder / "model", folder / "export", "int8", tasks=TEXTS)
    for _ in range(times):
        begin = time.monotonic()
        with serve_rows.serving(serve_rows.unisono(ready, "--max-wait", "30"), core=None) as server:

            async def during(clients: Clients, server=server, begin=begin) -> None:
                await answers(clients, 1)
                first.append(time.monotonic() - begin)
                await answers(clients, 15)
                server.process.send_signal(signal.SIGTERM)
                while server.process.poll() is None:
                    await asyncio.sleep(0.01)

            seen, more = asyncio.run(under_load(server.port, during))
            codes.add(server.process.returncode)
        lost, anew = lost + seen.lost, anew + more
        for status, count in seen.statuses.items():
            statuses[status] = statuses.get(status, 0) + count
    first.sort()
    return {
        "times": times, "statuses": statuses, "lost": lost, "asked_anew": anew, "exit": sorted(codes),
        "cold_start_s": {"least": round(first[0], 2), "middle": round(first[len(first) // 2], 2)},
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--ends", type=int, default=100, help="each starts a server anew")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        serve_model.save(folder)
        shutil.copytree(folder / "model", folder / "other")
        told = {}
        if asked.times:
            told["swaps"] = swaps(folder, asked.times)
        if asked.ends:
            told["ends"] = ends(folder, asked.ends)
    print(json.dumps(told, indent=1))
    bad = any(part["lost"] or part["asked_anew"] or set(part["statuses"]) - {200} for part in told.values())
    sys.exit(bad)


if __name__ == "__main__":
    main()
