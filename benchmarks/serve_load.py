"""Requests a second and their latency, of mixed tasks, from 16 and 256 clients: our server against a plain endpoint.

    python benchmarks/serve_load.py [--precision int8] [--plain fp32] [--seconds 8] [--rounds 3]

The plain one is FastAPI with ONNX Runtime, a padded model a task, each request by itself (``serve_plain.py``), of the
same trunk, in fp32 or by ONNX Runtime's own dynamic quantisation. With ``--every`` each text is asked of all three
tasks: of ours by one request, of the plain one by three. All servers have one core and one thread, the clients the
other core; they take turns. ``ours``: the model in PyTorch; ``export``: the same, exported. A client that is refused
asks again when it is told.

Beside answers a second, which depend on what else the machine does, the servers' processor time for an answer is told.
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
import serve_plain
import serve_rows


def measure(
    arms: dict[str, serve_rows.Served], clients: int, rounds: int, seconds: float, *, every: bool
) -> dict[str, list[dict]]:
    """Each arm in turn, ``rounds`` times."""
    found: dict[str, list[dict]] = {name: [] for name in arms}
    for number in range(rounds):
        asked = serve_rows.rows(4000, seed=number)
        for name, server in arms.items():
            own = [("all", text) for _, text in asked] if every and name != "plain" else asked
            if every and name == "plain":
                own = [(task, text) for _, text in asked for task in serve_rows.TASKS]
            answers = len(serve_rows.TASKS) if own[0][0] == "all" else 1
            before = server.seconds()
            seen = asyncio.run(serve_rows.Load(server.port, own).run(clients, seconds))
            told = seen.told()
            told["per_second"] = round(seen.rate * answers, 1)
            # The clients' warming up, and what they had asked at the end, are in it for each arm alike.
            spent = (server.seconds() - before) * seconds / (seconds + 1)
            told["cpu_ms"] = round(1e3 * spent / max(1, seen.statuses[200] * answers), 2)
            found[name].append(told)
            print(f"{clients:>4} clients  {name:<7} {json.dumps(told)}", file=sys.stderr, flush=True)
    return found


def middle(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--precision", choices=["fp32", "int8"], default="int8", help="of the exports, ours and the other"
    )
    parser.add_argument("--plain", choices=["fp32", "int8"], help="of the other, where it is not that of ours")
    parser.add_argument("--arms", nargs="+", choices=["ours", "export"], default=["ours", "export"])
    parser.add_argument("--clients", nargs="+", type=int, default=[16, 256])
    parser.add_argument("--every", action="store_true", help="every text is asked of every task")
    parser.add_argument("--pad", action="store_true", help="the plain server pads each text to 128 tokens")
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where the models are, or are written, to be used again")
    parser.add_argument("--options", nargs="*", default=[], help="of unisono serve")
    asked = parser.parse_args()
    os.sched_setaffinity(0, {os.cpu_count() - 1})
    with tempfile.TemporaryDirectory() as temporary:
        folder = asked.folder or Path(temporary)
        folder.mkdir(exist_ok=True)
        theirs = asked.plain or asked.precision
        made, plain, ready = folder / "model", folder / f"plain-{theirs}", folder / f"export-{asked.precision}"
        if not made.exists():
            serve_rows.model(folder)
        if not plain.exists():
            heads = {p.stem: json.loads(p.read_text()) for p in (made / "heads").iterdir()}
            tasks = {name: {"labels": _labels(heads[name]), "words": name == "slots"} for name in serve_rows.TASKS}
            serve_plain.write(plain, tasks, int8=theirs == "int8")
        if "export" in asked.arms and not ready.exists():
            serve_rows.exported(made, ready, asked.precision)
        commands = {"plain": [sys.executable, str(Path(__file__).with_name("serve_plain.py")), str(plain)]}
        commands["plain"] += ["pad"] * asked.pad
        for name, what in (("ours", made), ("export", ready)):
            if name in asked.arms:
                commands[name] = serve_rows.unisono(what, *asked.options)
        told = {}
        for clients in asked.clients:
            with _all(commands) as arms:
                found = measure(arms, clients, asked.rounds, asked.seconds, every=asked.every)
            rates = {name: middle([r["per_second"] for r in rounds]) for name, rounds in found.items()}
            costs = {name: middle([r["cpu_ms"] for r in rounds]) for name, rounds in found.items()}
            told[clients] = {
                name: {
                    "per_second": rates[name],
                    "times": round(rates[name] / rates["plain"], 2),
                    "cpu_ms": costs[name],
                    "times_by_cpu": round(costs["plain"] / costs[name], 2),
                    "p99_ms": middle([r["p99_ms"] for r in rounds]),
                    "refused": sum(r["statuses"].get(503, 0) for r in rounds),
                    "lost": sum(r["lost"] for r in rounds),
                }
                for name, rounds in found.items()
            }
    print(json.dumps({"precision": asked.precision, "plain": theirs, "clients": told}, indent=1))


def _labels(fitted: dict) -> list[str]:
    return next(value for value in fitted.values() if isinstance(value, list))


class _all:
    """All servers at once; those whose turn it is not do nothing."""

    def __init__(self, commands: dict[str, list[str]]) -> None:
        self._open = {name: serve_rows.serving(command) for name, command in commands.items()}

    def __enter__(self) -> dict[str, serve_rows.Served]:
        return {name: one.__enter__() for name, one in self._open.items()}

    def __exit__(self, *error: object) -> None:
        for one in self._open.values():
            one.__exit__(*error)


if __name__ == "__main__":
    main()
