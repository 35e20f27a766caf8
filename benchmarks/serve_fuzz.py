"""Requests that schemathesis makes of a server's own document, half of them wrong: none is answered by a fault of the
server's, and none in a way that the document does not tell.

    python benchmarks/serve_fuzz.py --requests 10000
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path


def fuzz(app, requests: int, seed: int) -> tuple[Counter, list[str]]:
    """(operation, status) -> how often, and what broke a promise, each with its request.

    Args:
        app: an ASGI application with ``/openapi.json``.
    """
    import hypothesis
    import schemathesis
    from schemathesis.core.failures import FailureGroup
    from schemathesis.generation import GenerationMode
    from schemathesis.python import asgi
    from schemathesis.specs.openapi import checks as promises

    schema = schemathesis.openapi.from_asgi("/openapi.json", app)
    checks = [
        _no_fault, promises.status_code_conformance, promises.content_type_conformance,
        promises.response_schema_conformance, promises.response_headers_conformance, promises.negative_data_rejection,
    ]  # fmt: skip
    counts: Counter = Counter()
    broken: dict[str, str] = {}
    with asgi.get_client(app) as client:

        def ask(case, mode: str) -> None:
            answer = case.call(session=client)
            counts[case.operation.label, answer.status_code, mode] += 1
            try:
                case.validate_response(answer, checks=checks)
            except FailureGroup as failed:
                for one in failed.exceptions:
                    name = f"{type(one).__name__} {case.operation.label} {answer.status_code}"
                    broken.setdefault(name, f"{name}: {one}\n{case.as_curl_command()[:2000]}\n{answer.text[:500]}")

        for number, mode in enumerate(("positive", "negative")):
            cases = schema.as_strategy(generation_mode=GenerationMode(mode))
            while (missing := requests * (number + 1) // 2 - counts.total()) > 0:
                settings = hypothesis.settings(
                    max_examples=min(missing, 500), deadline=None, database=None,
                    phases=[hypothesis.Phase.generate], suppress_health_check=list(hypothesis.HealthCheck),
                )  # fmt: skip
                run = hypothesis.given(case=cases)(_asking(ask, mode))
                hypothesis.seed(seed + counts.total())(settings(run))()
    return counts, list(broken.values())


def _no_fault(context, response, case) -> None:
    """No status of 500 or more, but 504 where the request itself gave the server less than a second."""
    from schemathesis.core.failures import Failure

    asked = (case.headers or {}).get("X-Timeout-Seconds")
    short = response.status_code == 504 and asked is not None and float(asked) < 1
    if response.status_code >= 500 and not short:
        raise Failure(operation=case.operation.label, title="a fault of the server's", message="")


def _asking(ask, mode: str):
    return lambda case: ask(case, mode)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    sys.path.insert(0, str(Path(__file__).parent))
    import serve_model

    from unisono.serve.app import LOOPBACK, Limits, Server
    from unisono.serve.batcher import Batcher
    from unisono.serve.engine import ModelEngine

    with tempfile.TemporaryDirectory() as folder:
        engine = ModelEngine(serve_model.save(Path(folder)), threads=1)
        server = Server(Batcher(engine), limits=Limits(), token=None, hosts=LOOPBACK)
        begin = time.monotonic()
        counts, broken = fuzz(server.app, asked.requests, asked.seed)
    for line in broken:
        print(line, file=sys.stderr)
    statuses: Counter = Counter()
    for (_, status, _), n in counts.items():
        statuses[status] += n
    told = {"requests": counts.total(), "statuses": dict(sorted(statuses.items())), "broken": len(broken)}
    told["of_each"] = {f"{label} {status} {mode}": n for (label, status, mode), n in sorted(counts.items())}
    told["seconds"] = round(time.monotonic() - begin)
    print(json.dumps(told, indent=1))
    sys.exit(bool(broken))


if __name__ == "__main__":
    main()
