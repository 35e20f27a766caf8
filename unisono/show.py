"""Show: results as tables for a person, or as one JSON document. Only the command line uses it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from unisono import files
from unisono.recipe import Recipe, RecipeError


def out() -> Console:
    """Standard output."""
    return Console(highlight=False, soft_wrap=True)


def document(content: Any) -> None:
    """One JSON document on standard output."""
    print(json.dumps(content, ensure_ascii=False, indent=2, default=str))


@contextmanager
def counting(what: str, *, quiet: bool) -> Iterator[Callable[[str, int], None]]:
    """A bar on standard error that counts rows; without a terminal, nothing."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True, disable=quiet or not console.is_terminal) as bar:
        bars: dict[str, Any] = {}

        def done(task: str, rows: int) -> None:
            if task not in bars:
                bars[task] = bar.add_task(f"{what} {task}", total=None)
            bar.advance(bars[task], rows)

        yield done


def trained(done: Any, recipe: Recipe, *, example: str, as_json: bool) -> None:
    """The end of a training run.

    Args:
        example: an input that the model takes, as it is typed.
    """
    if as_json:
        document(asdict(done))
        return
    console = out()
    if done.reason == "interrupted":
        console.print(f"interrupted at step {done.step}; the same command goes on from there")
        return
    console.print(f"trained {done.step} steps in {duration(done.seconds)}; the model is in [bold]{done.model}[/bold]")
    if done.scores:
        console.print(_score_table(done.scores, "best scores on the validation rows"))
    run = recipe.folder
    console.print(f"next: unisono evaluate {run}   ·   unisono predict {run} {example}")


def evaluated(results: Mapping[str, Any], *, as_json: bool) -> None:
    """Scores of an evaluation."""
    if as_json:
        document({name: {"split": result.split, "scores": result.scores} for name, result in results.items()})
        return
    splits = sorted({result.split for result in results.values()})
    title = f"scores on the {splits[0]} rows" if len(splits) == 1 else "scores"
    out().print(_score_table({name: result.scores for name, result in results.items()}, title))


def exported(done: Any, *, as_json: bool) -> None:
    """What ``unisono export`` wrote, and what its checks found."""
    if as_json:
        document(done.document())
        return
    console = out()
    table = Table(title="the export against PyTorch", title_justify="left", title_style="bold")
    for column in ("task", "checked on", "greatest difference", "metric", "PyTorch", "exported"):
        table.add_column(column, justify="left" if column in ("task", "checked on", "metric") else "right")
    for name, found in done.tasks.items():
        kind = "made-up rows" if found.made_up else "held-out rows"
        score = done.scores.get(name)
        scored = (score.metric, number(score.model), number(score.exported)) if score else ()
        table.add_row(name, f"{found.rows} {kind}", f"{found.gap:.1g}", *scored)
    console.print(table)
    for graph, nodes in done.kept.items():
        console.print(f"{graph}: {len(nodes)} in fp32, without which a task lost too much: {', '.join(nodes)}")
    if done.compared is not None:
        from unisono.deploy.measure import HEADINGS, columns, threads

        title = f"variants, timed in turn with {threads(done.compared)}, from text to prediction"
        costs = Table(title=title, title_justify="left", title_style="bold")
        for column in ("task", *HEADINGS):
            costs.add_column(column, justify="left" if column in ("task", "variant", "metric") else "right")
        for cost in done.compared.costs:
            costs.add_row(cost.task, *columns(cost))
        console.print(costs)
    count, size = len(done.files), sum(done.files.values()) / 1e6
    console.print(f"wrote {done.path}: {done.precision}, {count} file{'s' * (count != 1)}, {size:.1f} MB")
    if any(name.endswith(".onnx") for name in done.files):  # packages of torch.export are for other programs
        console.print(f"next: unisono predict {done.path} INPUT   ·   unisono serve {done.path}")


def _score_table(scores: Mapping[str, Mapping[str, float]], title: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("task")
    table.add_column("metric")
    table.add_column("value", justify="right")
    for name, values in scores.items():
        whole = {
            metric: value for metric, value in values.items() if "/" not in metric
        }  # parts are in --json and the card
        for at, (metric, value) in enumerate(whole.items()):
            table.add_row(name if at == 0 else "", metric, number(value))
        table.add_section()
    return table


def write_predictions(results: Mapping[str, Any], folder: Path) -> None:
    """One JSONL file a task: row number and prediction."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, result in results.items():
        pairs = zip(result.source, result.predictions, strict=True)
        lines = [json.dumps({"row": row, **prediction}, ensure_ascii=False) for row, prediction in pairs]
        files.write_atomic(folder / f"{name}.jsonl", "".join(line + "\n" for line in lines))


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Rows of a JSON lines file."""
    rows = []
    for at, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise RecipeError(f"{path} line {at}: not JSON ({error})") from None
        if not isinstance(row, dict):
            raise RecipeError(f"{path} line {at}: a row is an object with the task's input roles, found {line[:40]}")
        rows.append(row)
    return rows


def kinds(found: Mapping[str, Any], *, as_json: bool) -> None:
    """The kinds of task with their roles and options."""
    if as_json:
        document({n: {"inputs": [*k.inputs], "labels": [*k.labels], "main metric": k.main} for n, k in found.items()})
        return
    table = Table(title="kinds of task", title_justify="left", title_style="bold")
    for column in ("kind", "inputs", "labels", "main metric", "head options"):
        table.add_column(column)
    for name, kind in found.items():
        inputs = [role if r.required else f"({role})" for role, r in kind.inputs.items()]
        options = ", ".join(kind.head.Options.model_fields)
        table.add_row(name, ", ".join(inputs), ", ".join(kind.labels), ", else ".join(kind.main), options)
    out().print(table)


def checked(report: Any, *, as_json: bool) -> None:
    """What ``unisono check`` found."""
    if as_json:
        document(asdict(report))
        return
    console = out()
    table = Table(title=f"{report.name}: one forward and backward over ten rows a task", title_justify="left")
    for column in ("task", "kind", "rows", "tokens a row", "first loss"):
        table.add_column(column, justify="left" if column in ("task", "kind") else "right")
    for task in report.tasks:
        table.add_row(task.name, task.kind, f"{task.rows:,}", f"{task.tokens_per_row:.0f}", number(task.loss))
    console.print(table)
    steps = f"{report.steps:,} steps" if report.steps else f"{report.minutes:g} minutes"
    some = f", {report.learning / 1e6:.2f} million of them learn," if report.learning < report.parameters else ""
    console.print(f"{report.parameters / 1e6:.1f} million parameters{some} on {report.device}; {steps}")
    console.print(f"estimate: {duration(report.seconds)} of training, {report.gigabytes:.1f} GB of memory")
    for line in report.notes:
        console.print(f"note: {line}", style="yellow")
    console.print("the recipe can run", style="green")


def described(report: Any, *, as_json: bool) -> None:
    """What ``unisono data`` found: task -> split -> summary."""
    if as_json:
        document(report)
        return
    console = out()
    table = Table(title="rows", title_justify="left", title_style="bold")
    for column in ("task", "split", "rows", "bad", "no label", "tokens 50 % · 95 % · max", "over the limit"):
        table.add_column(column, justify="left" if column in ("task", "split") else "right")
    for name, splits in report.items():
        for at, (split, facts) in enumerate(splits.items()):
            lengths = facts["lengths"]
            table.add_row(
                name if at == 0 else "", split, f"{facts['rows']:,}", f"{sum(facts['bad'].values()):,}",
                f"{sum(facts['missing'].values()):,}", " · ".join(f"{lengths[q]:,.0f}" for q in ("50%", "95%", "max")),
                f"{facts['cut']:,}",
            )  # fmt: skip
        table.add_section()
    console.print(table)
    for name, splits in report.items():
        for split, facts in splits.items():
            for role, balance in facts["balance"].items():
                top = " · ".join(f"{label} {count:,}" for label, count in list(balance.items())[:12])
                more = f" · and {len(balance) - 12} more" if len(balance) > 12 else ""
                console.print(f"[bold]{name}[/bold] {split} {role}: {top}{more}")
            if facts["gaps"]:
                gaps = " · ".join(f"{column} {count:,}" for column, count in facts["gaps"].items())
                console.print(f"[bold]{name}[/bold] {split}: missing cells: {gaps}")
            for other, seen in facts["seen"].items():
                told = f"{seen:,} of {facts['rows']:,} rows have the inputs of a training row"
                whose = "" if other == name else f" of {other}"
                console.print(f"[bold]{name}[/bold] {split}: {told}{whose}", style="yellow")
            if facts["unknown"]:
                console.print(f"[bold]{name}[/bold] {split}: {facts['unknown']:,} pieces that training does not have")
            for reason, count in facts["bad"].items():
                console.print(f"[bold]{name}[/bold] {split}: {count:,} bad: {reason}", style="yellow")


def begun(tasks: Sequence[str], path: Path, *, as_json: bool) -> None:
    """What ``unisono init`` wrote."""
    if as_json:
        document({"recipe": str(path), "tasks": list(tasks)})
        return
    count = "1 task" if len(tasks) == 1 else f"{len(tasks)} tasks"
    out().print(f"wrote {path} with {count}: {', '.join(tasks)}\nnext: unisono check {path}")


def studied(result: Mapping[str, Any], parts: Sequence[Any], *, as_json: bool) -> None:
    """What a study found: its document, or its tables and sentences."""
    if as_json:
        document(result)
        return
    console = out()
    for part in parts:
        console.print(part)


def pruned(done: Any, run: str, folder: Path, *, as_json: bool) -> None:
    """What was taken out of a model, and what may follow."""
    if as_json:
        document({"model": str(folder / "model"), **done.document()})
        return
    console = out()
    before, after = done.parameters
    console.print(
        f"{done.layers[0]} layers -> {done.layers[1]}, {before:,} parameters -> {after:,} ({after / before:.0%}); "
        f"the model is in [bold]{folder / 'model'}[/bold]"
    )
    if done.heads and done.rows:
        table = Table(title="what each layer has left", title_justify="left", title_style="bold")
        for name in ("layer", "heads", "feed-forward units"):
            table.add_column(name, justify="right")
        for at, (heads, units) in enumerate(zip(done.heads, done.units, strict=True)):
            table.add_row(str(at), f"{heads:,}", f"{units:,}")
        console.print(table)
    console.print(f"next: unisono evaluate {folder}   ·   unisono distill {folder} --teacher {run}")


def left(found: Mapping[str, Any], run: str, picture: Path, *, as_json: bool) -> None:
    """What leaving at exits costs and saves."""
    if as_json:
        document({**found, "picture": str(picture)})
        return
    console, metric, whole = out(), found["metric"], found["whole"]
    after = ", ".join(map(str, found["exits"]))
    title = f"{found['task']}: leaving after layers {after}; {found['rows']:,} {found['split']} rows"
    table = Table(title=title, title_justify="left", title_style="bold")
    for name in ("confident", metric, "layers", "ms a row", "time"):
        table.add_column(name, justify="right")
    for point in (whole, *found["points"]):
        level = (
            "no exits"
            if point["confident"] is None
            else "never"
            if point["confident"] > 1
            else f"{point['confident']:g}"
        )
        table.add_row(
            level,
            number(point["score"]),
            f"{point['layers']:.2f}",
            f"{point['milliseconds']:.2f}",
            f"{point['time']:.0%}",
        )
    console.print(table)
    console.print(f"wrote {picture}")
    console.print(f"next: unisono predict {run} --task {found['task']} --confident 0.9 INPUT")


def told(line: str) -> None:
    """A line about how far a long command has come, on standard error."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(Text(line, style="bold"))


def failed(line: str) -> None:
    """What could not be done while other things could, on standard error."""
    print(f"error: {line}", file=sys.stderr)


def examined(checks: Sequence[Any], *, as_json: bool) -> None:
    """What ``unisono doctor`` found."""
    if as_json:
        document([asdict(c) for c in checks])
        return
    from unisono.doctor import render

    out().print(render(list(checks)))


def number(value: float) -> str:
    """A score or loss, with as many places as it needs."""
    if isinstance(value, int) or (float(value).is_integer() and abs(value) >= 10):
        return f"{int(value):,}"
    return f"{value:.2f}" if abs(value) >= 10 else f"{value:.4f}"


def duration(seconds: float) -> str:
    """Seconds as a person says them."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 100 else f"{minutes / 60:.1f} h"
