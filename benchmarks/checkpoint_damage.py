"""How many damaged checkpoints are noticed: files cut short, bits flipped, blocks zeroed, files deleted. Target: all.

    python benchmarks/checkpoint_damage.py --count 1000        20 seconds

For comparison, the same damage met by a reader without a manifest: safetensors and JSON as their libraries read them.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
from collections import Counter
from pathlib import Path

import torch
from safetensors.torch import load_file

from unisono.train import checkpoints


def damage(content: bytes, choose: random.Random) -> tuple[str, bytes | None]:
    """What was done, and what is left of a file; None where nothing is."""
    kind = choose.choice(["cut", "bit flipped", "block zeroed", "deleted"])
    if kind == "deleted":
        return kind, None
    at = choose.randrange(len(content))
    if kind == "cut":
        return kind, content[:at]
    if kind == "bit flipped":
        return kind, content[:at] + bytes([content[at] ^ 1 << choose.randrange(8)]) + content[at + 1 :]
    size = min(512, len(content) - at)
    zeroed = content[:at] + bytes(size) + content[at + size :]
    return (kind, zeroed) if zeroed != content else damage(content, choose)


def readable(path: Path) -> bool:
    """Whether a reader without a manifest would take the checkpoint: every file it needs is there and parses."""
    try:
        for name in ("model", "optimizer"):
            load_file(path / f"{name}.safetensors")
        json.loads((path / "state.json").read_bytes())
        (path / "recipe.yaml").read_text("utf-8")
    except Exception:
        return False
    return True


def run(count: int, seed: int = 0) -> tuple[Counter[str], Counter[str], Counter[str]]:
    """(damages done, noticed and the checkpoint before used instead, noticed without a manifest), by kind."""
    choose, made = random.Random(seed), torch.Generator().manual_seed(seed)
    done, noticed, without = Counter[str](), Counter[str](), Counter[str]()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for step in (1, 2):
            tensors = {
                "model": {f"layer.{i}.weight": torch.randn(32, 32, generator=made) for i in range(8)},
                "optimizer": {f"exp_avg/layer.{i}.weight": torch.randn(32, 32, generator=made) for i in range(8)},
            }
            state = {"elapsed": step * 1.5, "sampler": {"ner": [step, 3]}}
            newest = checkpoints.save(folder, step, tensors, state, {"recipe.yaml": "trunk: minilm\n"})
        whole = {file: file.read_bytes() for file in sorted(newest.iterdir())}
        for _ in range(count):
            file = choose.choice(list(whole))
            kind, left = damage(whole[file], choose)
            if left is None:
                file.unlink()
            else:
                file.write_bytes(left)
            done[kind] += 1
            path, skipped = checkpoints.latest(folder)
            noticed[kind] += bool(skipped) and path is not None and checkpoints.step_of(path) == 1
            without[kind] += not readable(newest)
            file.write_bytes(whole[file])
        if checkpoints.latest(folder) != (newest, []):
            raise AssertionError("an undamaged checkpoint was refused")
    return done, noticed, without


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    done, noticed, without = run(arguments.count, arguments.seed)
    for kind in sorted(done):
        print(f"{kind:14} {done[kind]:5} done   {noticed[kind]:5} noticed   {without[kind]:5} without a manifest")
    print(f"{noticed.total()} of {done.total()} noticed (target: all); without a manifest {without.total()}")
    if noticed != done:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
