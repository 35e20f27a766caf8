"""Folders of runs for the tests of the report: a complete one, whose facts are known, and one with events only."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from unisono.train.events import Evaluated, Finished, Noted, Saved, Skipped, Started, Stepped
from unisono.train.journal import Journal

TASKS = ("sentiment", "ner", "en-de")
KINDS = ("classify", "tag", "translate")
METRICS = ("accuracy", "f1", "bleu")
LAYERS = ("embeddings", "layer.0", "layer.1", "layer.2", "all")
STEPS = 300


def cosine(layer: int, i: int, j: int) -> float:
    """The cosine of tasks i and j at a layer, as every look of the synthetic run sees it."""
    return 1.0 if i == j else round(math.sin(1 + layer + 3 * i * j + i + j), 3)


def scores(tasks: Sequence[str], step: int) -> dict[str, dict[str, float]]:
    """What an evaluation at a step finds."""
    out: dict[str, dict[str, float]] = {}
    for i, task in enumerate(tasks):
        metric = METRICS[i % 3]
        value = round(1 - 0.8 * math.exp(-step / 150) - i / 100, 4)
        out[task] = {metric: value * 100 if metric == "bleu" else value, "rows": 200.0 + i}
        if metric == "f1":
            out[task] |= {"f1/PER": 0.9123, "f1/LOC": 0.8765}
    return out


def write_events(folder: Path, tasks: Sequence[str] = TASKS, steps: int = STEPS, *, plain: bool = False) -> None:
    """Writes events.jsonl through the journal of training. ``plain``: of a training with nothing special in it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "events.jsonl"
    journal = Journal(path)

    def raw(event: dict[str, Any]) -> None:
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(event) + "\n")

    about = {
        t: {"kind": KINDS[i % 3], "rows": {"train": 1000 * (i + 1), "validation": 200}} for i, t in enumerate(tasks)
    }
    journal(Started(str(folder), about, steps, 28_122_891, "cpu", "fp32"))
    if not plain:
        journal(Noted(0, "info", f'task "{tasks[0]}": 1,234 of 5,000 training rows have no label and are not drawn'))
        journal(Noted(0, "warning", "out of memory: passes now hold 512 tokens at most"))
        raw({"event": "staged", "step": 0, "number": 1, "name": "warm", "tasks": list(tasks[:2]),
             "frozen": ["embeddings", "trunk.0-2"], "scale": {"trunk": 0.5, "heads": 1.0}})  # fmt: skip
    for step in range(1, steps + 1):
        if not plain and step == 101:
            raw({"event": "staged", "step": 100, "number": 2, "name": "all in", "tasks": list(tasks), "frozen": [],
                 "scale": {"trunk": 1.0, "heads": 1.0}})  # fmt: skip
        share = {t: 8 + 4 * i + step % 5 for i, t in enumerate(tasks)}
        λ = {t: 1.0 if plain else 1 + 0.5 * math.sin(step / 50 + i) for i, t in enumerate(tasks)}
        loss = {t: (2 + i) * math.exp(-step / 120) + 0.1 * ((step * 7919) % 13) / 13 for i, t in enumerate(tasks)}
        if not plain and step == 50:
            loss[tasks[0]] = math.nan
            journal(Skipped(50, tasks[0], [("train.csv", 812), ("train.csv", 9)], "the loss is not finite"))
        lr = {"stems": 1e-4 * (1 - step / steps), "trunk": 1e-4 * (1 - step / steps)}
        lr |= {f"heads.{t}{end}": 5e-4 * (1 - step / steps) for t in tasks for end in ("", ".undecayed")}
        norm = 1 + (step * 31 % 17) / 17
        journal(Stepped(step, step / steps, loss, dict.fromkeys(tasks, 10), λ, share, 4000, 0.5, lr, norm))
        if not plain and step % 20 == 0:
            t = range(len(tasks))
            raw({"event": "gradients", "step": step, "tasks": list(tasks),
                 "norms": {layer: [1.0 + i + step / 100 for i in t] for layer in LAYERS},
                 "cosines": {layer: [[cosine(n, *sorted((i, j))) for j in t] for i in t]
                             for n, layer in enumerate(LAYERS)}})  # fmt: skip
        if step % 60 == 0:
            found = scores(tasks, step)
            main = {
                t: next(iter(found[t].values())) / (100 if METRICS[i % 3] == "bleu" else 1) for i, t in enumerate(tasks)
            }
            journal(Evaluated(step, "validation", found, main, sum(main.values()) / len(main), step != steps))
            journal(Saved(step, f"{folder}/checkpoints/step-{step:08}", step != steps))
    if not plain:
        raw(
            {
                "event": "left",
                "step": 240,
                "task": tasks[1],
                "reason": "no better for 3 evaluations",
                "how": "distilled",
            }
        )
    journal(Finished(steps, 3700.0, "done", f"{folder}/model", scores(tasks, steps - 60)))
    journal.close()


def write_run(folder: Path, tasks: Sequence[str] = TASKS, steps: int = STEPS, *, word: str = "") -> Path:
    """Writes a run that has everything a report can tell. ``word`` is put into every text of a user's making."""
    write_events(folder, tasks, steps)
    recipe = {"name": f"three tasks{word}", "seed": 7, "balance": {"method": "upgrad"}, "mix": {"by": "temperature"},
              "tasks": {t: {"kind": KINDS[i % 3]} for i, t in enumerate(tasks)}, "train": {"clip": 1.0}}  # fmt: skip
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe, sort_keys=False, allow_unicode=True), encoding="utf-8")
    finished = {"step": steps, "seconds": 3700.0, "reason": "done", "model": "m", "scores": scores(tasks, steps - 60)}
    (folder / "finished.json").write_text(json.dumps(finished))
    bad = [{"task": tasks[1], "split": "train", "file": f"train{word}.txt", "row": 812 + i,
            "reason": f"3 columns, expected 4{word}", "text": f"EU NNP B-NP{word}"} for i in range(17)]  # fmt: skip
    bad.append({**bad[0], "task": tasks[0], "reason": f'"meh" is not a label{word}', "row": 4})
    (folder / "quarantine.jsonl").write_text("".join(json.dumps(row) + "\n" for row in bad))
    for name, result in (("compare", compared(tasks, word)), ("affinity", affine(tasks)), ("tune", tuned(tasks))):
        (folder / name).mkdir()
        (folder / name / f"{name}.json").write_text(json.dumps(result))
    return folder


def compared(tasks: Sequence[str], word: str = "") -> dict[str, Any]:
    """A comparison in which the first task gained, the second lost, and of the others nothing is known."""
    delta = {t: {"mean": 0.41, "low": -0.62, "high": 1.55} for t in tasks}
    delta[tasks[0]] = {"mean": 2.34, "low": 1.11, "high": 3.57}
    delta[tasks[1]] = {"mean": -1.25, "low": -2.02, "high": -0.48}
    return {
        "tasks": list(tasks), "seeds": [1, 2, 3], "metric": {t: METRICS[i % 3] for i, t in enumerate(tasks)},
        "alone": {t: [0.81 + i / 100, 0.82, 0.83] for i, t in enumerate(tasks)},
        "joint": {t: [0.84, 0.85 + i / 100, None] for i, t in enumerate(tasks)},
        "split": {tasks[0]: "test"}, "warnings": [f"negative transfer: {tasks[1]} lost 1.2 %{word}"],
        "delta": delta, "delta_m": {"mean": 0.5, "low": -0.31, "high": 1.29, "enough": False},
        "sentence": f"{tasks[0]} gained, {tasks[1]} lost{word}; three seeds do not decide about the rest.",
        "conflicts": [{"tasks": list(tasks[:2]), "layers": [f"layer.2{word}", "layer.1"], "cosine": -0.37}],
    }  # fmt: skip


def affine(tasks: Sequence[str]) -> dict[str, Any]:
    """Affinities with known numbers."""
    size = range(len(tasks))
    groupings = [[list(tasks)], [list(tasks[:1]), list(tasks[1:])], [[task] for task in tasks]]
    scores = {t: [0.61, 0.62, None] for t in tasks}
    return {
        "tasks": list(tasks),
        "affinity": [[0.05 if i == j else round(0.01 * (i - j), 4) for j in size] for i in size],
        "cosines": {"all": [[cosine(0, *sorted((i, j))) for j in size] for i in size]},
        "groups": [list(tasks[:1]), list(tasks[1:])], "gain": 0.0123,
        "verify": {
            "groupings": [
                {"groups": groups, "scores": scores, "validation": 0.5 * at - 0.25,
                 "delta_m": {"mean": 0.75 * at - 0.3, "low": -1.5, "high": 2.125, "enough": False}}
                for at, groups in enumerate(groupings)
            ],
            "chosen": 1, "by": "validation", "seeds": [1, 2, 3], "metric": dict.fromkeys(tasks, "f1"),
            "sentence": "Learn them in two groups.", "warnings": ["no test split"],
        },
    }  # fmt: skip


def tuned(tasks: Sequence[str]) -> dict[str, Any]:
    """A search with two objectives, a pruned trial, and a front of two."""
    values = [[0.80, 0.30], [0.85, 0.25], None, [0.70, 0.20]]
    trials = [
        {"number": i, "state": "PRUNED" if v is None else "COMPLETE", "values": v,
         "params": {"train.trunk_lr": 1e-4 * (i + 1), "balance": "upgrad" if i else "sum"}}
        for i, v in enumerate(values)
    ]  # fmt: skip
    return {
        "tasks": list(tasks), "objectives": list(tasks[:2]), "trials": trials, "pareto": [0, 1],
        "best": {"number": 1, "params": {"train.trunk_lr": 2e-4}},
        "importance": {"train.trunk_lr": 0.75, "balance": 0.25},
    }  # fmt: skip
