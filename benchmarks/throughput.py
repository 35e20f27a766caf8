"""How fast a training step of the trunk is, against the same Hugging Face encoder with padding.

    UNISONO_DATA=... python benchmarks/throughput.py [--max-length 128] [--rounds 5] [--batches 4] [--best]

Texts of three tasks (IMDB, CoNLL-2003, Multi30k), the same rows in every arm. A step is forward, backward and AdamW
(fused) of word table and encoder, in fp32 with dropout 0.1; the loss is the mean square of the last states.

    hf          Hugging Face model, batches of 32 rows of one task, random order, padded
    hf-grouped  the same, batches of rows of like length (sorted within 50 batches)
    same        our trunk on the very batches of ``hf``
    packed      our trunk on packs of --tokens tokens of one task, random order, as the trainer runs it
    first       packed; for IMDB first tokens alone are asked for, as a classifier does   (--best)
    no-dropout  packed, without dropout                                                   (--best)
    bf16        packed under autocast, where the CPU multiplies bf16                      (--best)

Each arm is a process of its own, as memory settings are process-wide; they take turns, round by round. JSON lines: real
tokens per second as [min, median, max] over rounds: by task, for equal rows of each task, for equal tokens of each.
Then the FLOP/s of steps of the packed trunk without its word table, against bare matrix products of the same shapes,
timed just before and after. Wants a quiet machine.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

ARMS = ["hf", "hf-grouped", "same", "packed"]
EXTRA = ["first", "no-dropout", "bf16"]
ROWS = 32


def texts(data: Path, count: int, seed: int) -> dict[str, list[str] | list[list[str]]]:
    """``count`` rows of each task; a seeded sample in random order."""
    draw = random.Random(seed)
    files = sorted((data / "sentiment/imdb/aclImdb/train").glob("[np]*/*.txt"))
    imdb = [f.read_text(encoding="utf-8") for f in draw.sample(files, min(count, len(files)))]
    sentences = (data / "ner/conll2003/train.txt").read_text(encoding="utf-8").split("\n\n")
    split = [[line.split()[0] for line in s.splitlines() if line and "-DOCSTART-" not in line] for s in sentences]
    conll = [words for words in split if words]
    with gzip.open(data / "mt/multi30k/train.en.gz", "rt", encoding="utf-8") as lines:
        captions = [line.strip() for line in lines if line.strip()]
    return {"imdb": imdb, "conll": draw.sample(conll, count), "multi30k": draw.sample(captions, count)}


def groups(lengths: list[int], arm: str, tokens: int) -> Iterator[list[int]]:
    """Which rows make a step: places into ``lengths``."""
    places = list(range(len(lengths)))
    if arm in ("packed", *EXTRA):
        step: list[int] = []
        for i in places:
            if step and sum(lengths[j] for j in step) + lengths[i] > tokens:
                yield sorted(step, key=lambda j: lengths[j])
                step = []
            step.append(i)
        yield sorted(step, key=lambda j: lengths[j])
        return
    if arm == "hf-grouped":
        big = 50 * ROWS
        places = [
            i for at in range(0, len(places), big) for i in sorted(places[at : at + big], key=lambda j: -lengths[j])
        ]
    for at in range(0, len(places), ROWS):
        yield places[at : at + ROWS]


def worker(arm: str, args: argparse.Namespace) -> None:
    """Answers each line on standard input with one timed round over all rows."""
    import torch
    from torch import Tensor, nn

    from unisono.memory import keep_pages
    from unisono.packed import Packed
    from unisono.stems import TextStem
    from unisono.trunk import load_encoder

    ours = not arm.startswith("hf")
    if ours:
        keep_pages()
    if args.threads:
        torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    dropout = 0.0 if arm == "no-dropout" else 0.1
    trunk, table, tokenizer = load_encoder(args.trunk, dropout=dropout)
    assert tokenizer is not None
    stem = TextStem(tokenizer, table, args.max_length)
    rows = texts(Path(args.data), args.batches * ROWS, args.seed)
    ids = {
        task: [
            e["ids"]
            for e in stem.tokens(
                [{"tokens": r} if task == "conll" else {"text": r} for r in some], words=task == "conll"
            )
        ]
        for task, some in rows.items()
    }
    model: nn.Module
    if ours:
        model = nn.ModuleList([stem, trunk])
    else:
        model = _hugging_face(args.trunk, dropout)
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, fused=True)

    def pack_of(sequences: list[Tensor]) -> Packed:
        pack = Packed.join(sequences)
        return pack.like(stem.embed({"ids": pack.values}, pack.layout))

    def loss(pack: list[Tensor], first: bool) -> Tensor:
        """Mean square of the last states of real tokens."""
        if ours:
            with torch.autocast("cpu", torch.bfloat16, enabled=arm == "bf16"):
                return trunk(pack_of(pack), first=first).values.float().square().mean()
        padded = nn.utils.rnn.pad_sequence(pack, batch_first=True)
        mask = torch.zeros_like(padded)
        for row, one in zip(mask, pack, strict=True):
            row[: len(one)] = 1
        out = model(input_ids=padded, attention_mask=mask).last_hidden_state
        return (out * mask[..., None]).square().sum() / (mask.sum() * out.shape[-1])

    def step(pack: list[Tensor], task: str) -> None:
        loss(pack, arm == "first" and task == "imdb").backward()
        optimizer.step()
        optimizer.zero_grad()

    plan = {
        task: [
            [torch.from_numpy(some[i]).long() for i in group]
            for group in groups([len(x) for x in some], arm, args.tokens)
        ]
        for task, some in ids.items()
    }
    for task, packs in plan.items():
        step(packs[0], task)
    print(json.dumps({"ready": arm}), flush=True)
    for _ in sys.stdin:
        out: dict[str, float] = {}
        for task, packs in plan.items():
            out[task] = _seconds(lambda packs=packs, task=task: [step(pack, task) for pack in packs])
        answer: dict[str, object] = {
            "seconds": out,
            "tokens": {task: sum(len(x) for x in some) for task, some in ids.items()},
            "fill": {
                task: 1.0 if ours else sum(map(len, ids[task])) / sum(len(p) * max(map(len, p)) for p in packs)
                for task, packs in plan.items()
            },
            "peak_MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        }
        if arm == "packed":
            answer |= _peak(trunk, [Packed.join(packs[0]) for packs in plan.values()], stem, args.tokens)
        print(json.dumps(answer), flush=True)


def _hugging_face(name: str, dropout: float):
    """The library's own model in its usual setting (SDPA attention)."""
    import torch
    from transformers import AutoConfig, AutoModel

    from unisono.trunk.locate import locate
    from unisono.trunk.quiet import quiet

    with quiet():
        config = AutoConfig.from_pretrained(locate(name))
        config.hidden_dropout_prob = config.attention_probs_dropout_prob = dropout
        return AutoModel.from_pretrained(locate(name), config=config, dtype=torch.float32, add_pooling_layer=False)


def _peak(trunk, packs, stem, tokens: int) -> dict[str, float]:
    """Arithmetic per second of trunk steps (each product has two in the backward pass), and that of bare products."""
    import torch
    from torch import nn

    shapes = [m.weight.shape for m in trunk.modules() if isinstance(m, nn.Linear)]
    inputs = {b: torch.randn(tokens, b) for _, b in shapes}
    weights = {(a, b): torch.randn(a, b) for a, b in shapes}
    optimizer = torch.optim.AdamW(trunk.parameters(), lr=1e-6, fused=True)
    vectors = [pack.like(stem.embed({"ids": pack.values}, pack.layout)) for pack in packs]
    vectors = [pack.like(pack.values.detach().requires_grad_()) for pack in vectors]

    def products() -> None:
        for a, b in shapes:
            x, w = inputs[b], weights[a, b]
            y = x @ w.t()
            y @ w  # gradient of the input
            y.t() @ x  # gradient of the weight

    def steps() -> None:
        for pack in vectors:
            trunk(pack).values.square().mean().backward()
            optimizer.step()
            optimizer.zero_grad()

    steps()
    before, step, after = _seconds(products), _seconds(steps), _seconds(products)
    lengths = [n for pack in packs for n in pack.layout.lengths]
    dense = sum(6 * a * b for a, b in shapes)
    attention = 12 * trunk.width * len(trunk.layers[1:]) * sum(n * n for n in lengths)
    return {
        "peak": dense * tokens * 2 / (before + after),
        "dense": dense * sum(lengths) / step,
        "whole": (dense * sum(lengths) + attention) / step,
    }


def _seconds(run: Callable[[], object]) -> float:
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def summary(rounds: list[dict[str, dict[str, float]]]) -> dict[str, list[float]]:
    """Real tokens per second of one arm: [min, median, max] by task and for the two mixes."""
    rates: dict[str, list[float]] = {}
    for one in rounds:
        speed = {task: one["tokens"][task] / seconds for task, seconds in one["seconds"].items()}
        speed["equal rows"] = sum(one["tokens"].values()) / sum(one["seconds"].values())
        speed["equal tokens"] = len(one["seconds"]) / sum(1 / speed[task] for task in one["seconds"])
        for name, value in speed.items():
            rates.setdefault(name, []).append(value)
    return {name: [round(f(v)) for f in (min, statistics.median, max)] for name, v in rates.items()}


def has_bf16() -> bool:
    """Whether the processor multiplies bf16 in hardware."""
    info = Path("/proc/cpuinfo")
    flags = info.read_text(encoding="utf-8") if info.exists() else ""
    return "avx512_bf16" in flags or "amx_bf16" in flags or " bf16" in flags


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=os.environ.get("UNISONO_DATA"), help="default: UNISONO_DATA")
    parser.add_argument("--trunk", default="minilm")
    parser.add_argument("--max-length", type=int, default=128)
    parser.add_argument("--tokens", type=int, default=4096, help="tokens of a pack")
    parser.add_argument("--batches", type=int, default=4, help="batches of 32 rows of each task in a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--best", action="store_true", help="also our fastest settings")
    parser.add_argument("--arms", nargs="*", help="only these")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if not args.data:
        parser.error("set UNISONO_DATA or --data to the folder with sentiment/, ner/ and mt/")
    if args.worker:
        worker(args.worker, args)
        return
    arms = args.arms or ARMS + (EXTRA if args.best else [])
    if "bf16" in arms and not has_bf16():
        print("bf16: this processor has no bf16 products, left out", flush=True)
        arms.remove("bf16")
    command = [sys.executable, __file__, *sys.argv[1:], "--worker"]
    running = {
        arm: subprocess.Popen([*command, arm], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        for arm in arms
    }

    def answer(arm: str) -> dict:
        line = running[arm].stdout.readline()
        if not line:
            sys.exit(f"arm {arm} ended early")
        return json.loads(line)

    try:
        for arm in arms:
            answer(arm)
        results: dict[str, list[dict]] = {arm: [] for arm in arms}
        for number in range(args.rounds):
            for arm in arms if number % 2 == 0 else reversed(arms):
                running[arm].stdin.write("go\n")
                running[arm].stdin.flush()
                results[arm].append(answer(arm))
    finally:
        for process in running.values():
            process.kill()
            process.wait()
    speeds = {arm: summary(rounds) for arm, rounds in results.items()}
    for arm, rounds in results.items():
        fill = {task: round(value, 3) for task, value in rounds[0]["fill"].items()}
        print(json.dumps({"arm": arm, "tokens_per_s": speeds[arm], "fill": fill, "peak_MB": rounds[-1]["peak_MB"]}))
    if "packed" in results:
        peak = statistics.median(r["peak"] for r in results["packed"]) / 1e9
        share = {
            k: round(statistics.median(r[k] / r["peak"] for r in results["packed"]), 3) for k in ("dense", "whole")
        }
        print(json.dumps({"peak_GFLOP_s": round(peak, 1), "trunk_of_peak": share}))
        print(
            f"\ntrunk step: {share['dense']:.0%} of the peak of bare products ({peak:.0f} GFLOP/s),"
            f" {share['whole']:.0%} counting the arithmetic of attention"
        )
        for arm in arms:
            if arm != "packed":
                ratios = {n: speeds["packed"][n][1] / v[1] for n, v in speeds[arm].items()}
                print(f"packed / {arm:10s} " + "  ".join(f"{name} {ratio:.2f}x" for name, ratio in ratios.items()))


if __name__ == "__main__":
    main()
