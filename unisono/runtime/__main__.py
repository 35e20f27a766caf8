"""The command: ``python -m unisono.runtime EXPORT "A sentence."`` prints each task's answer, a JSON document a line."""

from __future__ import annotations

import argparse
import json
import sys

from .errors import ExportedError
from .runtime import Runtime


def main() -> None:
    """Exit codes: 0 answered, 1 it could not be, 2 usage."""
    parser = argparse.ArgumentParser(
        prog="unisono-runtime", description="Ask an exported model. Prints a line of JSON for each sentence or row."
    )
    parser.add_argument("export", help="an exported folder, or one file .onnx")
    parser.add_argument("sentences", nargs="*", help="for every task that takes a text; none: lines of standard input")
    parser.add_argument("--task", help="only this task; lines of standard input may then be rows in JSON")
    parser.add_argument("--threads", type=int, help="default: as many as there are cores")
    parser.add_argument(
        "--confident", type=float, help="rows leave at the first exit where their label has this probability"
    )
    told = parser.parse_intermixed_args()  # options may stand between sentences
    try:
        runtime = Runtime.load(told.export, threads=told.threads, confident=told.confident)
        for line in told.sentences or (line.strip() for line in sys.stdin):
            if line:
                print(json.dumps(_answer(runtime, line, told.task), ensure_ascii=False), flush=True)
    except ExportedError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # the reader of our output has left
        sys.stderr.close()
        sys.exit(1)


def _answer(runtime: Runtime, line: str, task: str | None) -> object:
    if task is None:
        return runtime.predict_all(line)
    try:
        row = json.loads(line) if line.startswith("{") else line
    except (ValueError, RecursionError) as error:
        raise ExportedError(f"not a row in JSON ({str(error)[:100]}): {line[:60]}") from None
    (found,) = runtime.predict(task, [row])
    return found


if __name__ == "__main__":
    main()
