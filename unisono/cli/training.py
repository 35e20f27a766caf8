"""Commands that train: train, distill, prune."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from unisono.cli.app import Json, RunFolder, Set, app


@app.command()
def train(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE|RUN", help="a recipe file, or a run to continue")],
    set_: Set = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="delete what the run holds and start again")] = False,
    json: Json = False,
) -> None:
    """Train a recipe; the same command continues a run that was interrupted."""
    from unisono.train.run import open_recipe

    _train(open_recipe(recipe, set_ or ()), recipe, fresh=fresh, json=json)


@app.command()
def distill(
    recipe: Annotated[
        str, typer.Argument(metavar="RECIPE|RUN", help="the student's recipe, or a run to make a smaller model of")
    ],
    teacher: Annotated[
        list[str] | None,
        typer.Option("--teacher", metavar="RUN|TASK=RUN", help="who teaches all tasks, or one; may be repeated"),
    ] = None,
    layers: Annotated[
        str | None,
        typer.Option("--layers", help="begin with so many of the teacher's layers, evenly spaced, or with 0,2,5"),
    ] = None,
    set_: Set = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="delete what the run holds and start again")] = False,
    json: Json = False,
) -> None:
    """Train a smaller model with trained ones as its teachers; the same command continues it."""
    from unisono.teach import student

    _train(student(recipe, teacher or (), layers=layers, overrides=set_ or ()), recipe, fresh=fresh, json=json)


@app.command()
def prune(
    run: RunFolder,
    out: Annotated[Path | None, typer.Argument(metavar="OUT", help="a new folder; default: RUN-pruned")] = None,
    layers: Annotated[
        str | None, typer.Option("--layers", help="how many layers are kept, evenly spaced, or which: 0,2,5")
    ] = None,
    heads: Annotated[float, typer.Option(help="share of the attention heads that is kept", min=0, max=1)] = 1.0,
    units: Annotated[float, typer.Option(help="share of the feed-forward units that is kept", min=0, max=1)] = 1.0,
    rows: Annotated[int, typer.Option(help="held-out rows of each task that importance is measured on", min=1)] = 256,
    set_: Set = None,
    json: Json = False,
) -> None:
    """Take out the layers, heads and units that matter least; what is left is smaller, and not trained again."""
    if layers is None and heads == 1 and units == 1:
        raise typer.BadParameter("say what goes: --layers 3, --heads 0.5, --units 0.5, or several")
    from unisono import api, show
    from unisono.deploy import prune as pruning
    from unisono.teach import numbers
    from unisono.train.run import open_recipe

    recipe, model = open_recipe(run, set_ or ()), api.load(run)
    folder = out or Path(f"{run.rstrip('/')}-pruned")
    pruning.check_place(folder)
    measures = heads < 1 or units < 1
    with show.counting("measuring", quiet=json) as on_pass:
        done = pruning.prune(
            model, layers=numbers(layers) if layers else None, heads=heads, units=units, on_pass=on_pass,
            examples=pruning.measured_on(recipe, model, rows) if measures else None,
        )  # fmt: skip
    pruning.save(model, recipe, folder)
    show.pruned(done, run, folder, as_json=json)


def _train(wanted: Any, recipe: str, *, fresh: bool, json: bool) -> None:
    from unisono import show
    from unisono.teach import train
    from unisono.train.progress import Progress

    done = train(wanted, listeners=lambda: (Progress(), *_tensorboard(wanted)), fresh=fresh, where=recipe)
    if int(os.environ.get("RANK", "0")) == 0:
        from unisono import ask
        from unisono.tasks import resolve

        takes = {name: ask.Takes.of(task) for name, task in resolve(wanted).items()}
        show.trained(done, wanted, example=ask.example(takes), as_json=json)
    if done.reason == "interrupted":
        raise typer.Exit(130)


def _tensorboard(recipe: Any) -> tuple[Any, ...]:
    """TensorBoard's log beside the run, where the package is installed."""
    from importlib.util import find_spec

    if find_spec("tensorboard") is None:
        return ()
    from unisono.train.tensorboard import TensorBoard

    return (TensorBoard(recipe.folder / "tensorboard"),)
