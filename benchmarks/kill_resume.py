"""Kill -9 at random moments of training, saving included: is anything lost, does the same command go on?

    python benchmarks/kill_resume.py --kills 200        12 minutes on 2 cores; target: 0 lost

A tiny model trains and saves at every step, is killed, and is started again by the same command until the run is
finished; then the next run begins, until all kills are spent. After each kill the newest checkpoint must be sound and
no older than the last one reported, and the next start must go on from it. In the end every step stands in the journal
once, and weights, optimizer and counters equal those of a run that was never killed, to the bit.

With ``--peer`` the Hugging Face Trainer is killed the same way: how often is its newest checkpoint unusable?

Each start is a fork of a process that has imported the libraries, so a kill costs two seconds and not ten; the last
start of each run is the command itself, in a new interpreter.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

RECIPE = """
trunk: {layers: 1, width: 32, heads: 2, vocabulary: 400, max_length: 32}
tasks:
  intent: {kind: classify, data: {path: "builtin:everyday", limit: 300}, columns: {label: intent}}
  slots: {kind: tag, data: {path: "builtin:everyday", limit: 300}}
train: {steps: 60, tokens_per_step: 512, save_every: 1, evaluate_every: 20, evaluate_rows: 20, ema: 0.9, device: cpu,
  threads: 1}
"""


def ours(kills: int, choose: random.Random, scratch: Path) -> Counter[str]:
    """Kills and resumes runs of Unisono; counts what happened."""
    import sklearn.metrics  # noqa: F401 (what a start imports, imported before the forks)

    import unisono.train.run  # noqa: F401
    from unisono import cli
    from unisono.train import checkpoints
    from unisono.train.journal import read

    recipe = scratch / "recipe.yaml"
    recipe.write_text(f"cache: {scratch / 'cache'}\n{RECIPE}")

    def command(folder: Path) -> list[str]:
        return ["train", str(recipe), "--set", f"run={folder}"]

    def start(folder: Path) -> Callable[[], None]:
        def child() -> None:
            sys.argv = ["unisono", *command(folder)]
            cli.main()

        return child

    def finish(folder: Path) -> None:
        subprocess.run(
            [sys.executable, "-m", "unisono.cli", *command(folder)], check=True, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip

    finish(scratch / "reference")
    wanted = checkpoints.load(checkpoints.steps(scratch / "reference" / "checkpoints")[-1])
    span = _training_seconds(scratch / "reference")
    found: Counter[str] = Counter()
    while found["kills"] < kills:
        folder = scratch / f"run-{found['runs']}"
        journal, saved = folder / "events.jsonl", folder / "checkpoints"
        found["runs"] += 1
        while found["kills"] < kills:
            before, _ = checkpoints.latest(saved)
            now = time.time()

            def started(journal: Path = journal, now: float = now) -> list[dict]:
                return [e for e in _events(read, journal) if e["event"] == "started" and e["time"] >= now]

            # A tenth of the kills fall into the start-up, the others into the steps after it.
            begun = started if choose.random() > 0.1 else (lambda: True)
            if not _killed(start(folder), begun, choose.random() * span / 4):
                break
            step = checkpoints.step_of(before) if before else None
            found["did not go on"] += any(e["resumed_from"] != step for e in started())
            found["kills"] += 1
            found["while saving"] += any(saved.glob(".step-*"))
            newest, broken = checkpoints.latest(saved)
            reported = max([e["step"] for e in _events(read, journal) if e["event"] == "saved"], default=0)
            found["newest unusable"] += bool(broken)
            found["lost"] += (checkpoints.step_of(newest) if newest else 0) < reported
        finish(folder)
        steps = [e["step"] for e in read(journal) if e["event"] == "stepped"]
        found["journal wrong"] += steps != list(range(1, wanted.step + 1))
        different = _differences(checkpoints.load(checkpoints.steps(saved)[-1]), wanted)
        found["end differs"] += bool(different)
        if different:
            print(f"run {found['runs']} ends otherwise: {len(different)} differences, such as {different[:4]}")
    return found


def trainer(kills: int, choose: random.Random, scratch: Path) -> Counter[str]:
    """Kills the Hugging Face Trainer; counts newest checkpoints that cannot be resumed from."""
    import torch
    from safetensors.torch import load_file
    from torch.utils.data import Dataset
    from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments

    class Rows(Dataset):
        def __len__(self) -> int:
            return 4000

        def __getitem__(self, i: int) -> dict[str, object]:
            return {"input_ids": torch.arange(16) + i % 100, "labels": i % 2}

    def child() -> None:
        torch.set_num_threads(1)
        size = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
        model = BertForSequenceClassification(BertConfig(vocab_size=400, **size))
        how = TrainingArguments(
            output_dir=str(scratch / "peer"), save_steps=1, max_steps=500, use_cpu=True, disable_tqdm=True,
            report_to=[], logging_steps=1000, per_device_train_batch_size=32,
        )  # fmt: skip
        Trainer(model=model, args=how, train_dataset=Rows()).train()

    def numbered() -> list[Path]:
        return sorted(scratch.glob("peer/checkpoint-*"), key=lambda p: int(p.name.split("-")[1]))

    def usable(path: Path) -> bool:
        names = {"model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json"}
        try:
            load_file(path / "model.safetensors")
            json.loads((path / "trainer_state.json").read_bytes())
            for name in names - {"model.safetensors", "trainer_state.json"}:
                torch.load(path / name, weights_only=False)
        except Exception:
            return False
        return True

    found: Counter[str] = Counter()
    while found["kills"] < kills:
        shutil.rmtree(scratch / "peer", ignore_errors=True)
        if not _killed(child, lambda: len(numbered()) > 1, choose.random() * 0.5):
            raise SystemExit("the Trainer ended before it could be killed")
        found["kills"] += 1
        *before, newest = numbered()
        found["newest unusable"] += not usable(newest)
        found["one before unusable"] += not usable(before[-1])
    return found


def _killed(child: Callable[[], None], begun: Callable[[], object], after: float) -> bool:
    """Forks ``child``, waits until ``begun``, then ``after`` seconds, and kills it. False if it had ended by then."""
    process = os.fork()
    if process == 0:
        code = 1
        try:
            quiet = os.open(os.devnull, os.O_WRONLY)
            os.dup2(quiet, 1)
            os.dup2(quiet, 2)
            child()
            code = 0
        except SystemExit as left:
            code = int(left.code or 0)
        finally:
            os._exit(code)
    deadline = None
    while deadline is None or time.monotonic() < deadline:
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            if status:
                raise SystemExit(f"the training failed by itself with status {status}")
            return False
        if deadline is None and begun():
            deadline = time.monotonic() + after
        time.sleep(0.002)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    return True


def _events(read: Callable[[Path], Iterator[dict]], journal: Path) -> list[dict]:
    return list(read(journal)) if journal.exists() else []


def _training_seconds(run: Path) -> float:
    from unisono.train.journal import read

    times = {e["event"]: e["time"] for e in read(run / "events.jsonl") if e["event"] in ("started", "finished")}
    return times["finished"] - times["started"]


def _differences(found, wanted) -> list[str]:
    """What two checkpoints do not have in common, to the bit; the time that passed is not compared."""
    import torch

    out = [key for key in wanted.state if key != "elapsed" and found.state.get(key) != wanted.state[key]]
    for group, named in wanted.tensors.items():
        there = found.tensors.get(group, {})
        out += [f"{group}: {n}" for n, t in named.items() if n not in there or not torch.equal(t, there[n])]
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--peer", type=int, default=0, metavar="KILLS", help="kills of the Hugging Face Trainer")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        if arguments.peer:
            print("Trainer", dict(trainer(arguments.peer, random.Random(arguments.seed), Path(scratch))), flush=True)
        if arguments.kills:
            found = ours(arguments.kills, random.Random(arguments.seed), Path(scratch))
            print("unisono", dict(found))
            if any(found[bad] for bad in ("lost", "newest unusable", "did not go on", "journal wrong", "end differs")):
                raise SystemExit(1)


if __name__ == "__main__":
    main()
