"""Draws docs/quickstart.svg: what the quickstart's commands print. An argument names a run that is there already."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).parents[1]
SENTENCE = "Wake me up on Friday at half past six, please."


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        run = sys.argv[1] if len(sys.argv) > 1 else f"{scratch}/run"
        commands = [
            ["train", "recipes/quickstart.yaml"],
            ["evaluate", "runs/quickstart"],
            ["predict", "runs/quickstart", SENTENCE],
        ]
        console = Console(record=True, width=100, file=sys.stderr, highlight=False)
        for command in commands:
            shown = " ".join(f'"{word}"' if " " in word else word for word in command)
            console.print(Text(f"$ unisono {shown}", style="bold green"))
            real = [word.replace("runs/quickstart", run) for word in command]
            real += ["--set", f"run={run}"] if command[0] == "train" else []
            done = subprocess.run(
                [sys.executable, "-m", "unisono.cli", *real], cwd=ROOT, text=True, check=True,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )  # fmt: skip
            console.print(Text(done.stdout.replace(run, "runs/quickstart")))
        console.save_svg(str(ROOT / "docs" / "quickstart.svg"), title="unisono")


if __name__ == "__main__":
    main()
