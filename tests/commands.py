"""The command line in this process, which has imported what a command needs: a process of its own costs seconds."""

from __future__ import annotations

import io
import os
import sys
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

from unisono import cli


class Done(NamedTuple):
    """What came of a command, as ``subprocess`` tells it."""

    returncode: int
    stdout: str
    stderr: str


def unisono(*arguments: str, input: str = "", cwd: Path | None = None) -> Done:
    """Runs a command: its arguments, its standard input, the folder that it is typed in."""
    out, err, code, here = io.StringIO(), io.StringIO(), 0, Path.cwd()
    with ExitStack() as stack:
        stack.enter_context(redirect_stdout(out))
        stack.enter_context(redirect_stderr(err))
        stack.enter_context(patch.object(sys, "argv", ["unisono", *arguments]))
        stack.enter_context(patch.object(sys, "stdin", io.StringIO(input)))
        stack.enter_context(patch.dict(os.environ, COLUMNS="200"))
        stack.callback(os.chdir, here)
        os.chdir(cwd or here)
        try:
            cli.main()
        except SystemExit as end:
            assert end.code is None or isinstance(end.code, int), end.code
            code = end.code or 0
    return Done(code, out.getvalue(), err.getvalue())
