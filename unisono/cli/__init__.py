"""The command line. Each command imports what it needs when it runs, so that ``--help`` stays quick."""

from __future__ import annotations

import os
import sys

from unisono.cli.app import app

# In the order in which the help lists them.
# isort: split
from unisono.cli import training

# isort: split
from unisono.cli import asking

# isort: split
from unisono.cli import studying

# isort: split
from unisono.cli import looking

__all__ = ["app", "asking", "looking", "main", "studying", "training"]


def main() -> None:
    """Runs a command. Exit codes: 0 done, 1 failed, 2 usage or recipe error, 130 interrupted."""
    try:
        app()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:  # the reader of our output has left
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        if os.environ.get("UNISONO_TRACEBACK"):
            raise
        sys.exit(_explain(error))


def _explain(error: Exception) -> int:
    """Prints an error for a person; returns the exit code."""
    ours = type(error).__module__.startswith("unisono.")
    if ours or isinstance(error, OSError):
        for line in str(error).splitlines():
            print(f"error: {line}", file=sys.stderr)
        return 2 if type(error).__name__ in ("RecipeError", "AskError", "TargetError") else 1
    print(
        f"error: {type(error).__name__}: {error}\n"
        "This is a fault of Unisono's own; UNISONO_TRACEBACK=1 shows where, please report it.",
        file=sys.stderr,
    )
    return 1
