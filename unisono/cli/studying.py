"""Commands of several runs: compare, affinity, tune."""

from __future__ import annotations

from typing import Annotated

import typer

from unisono.cli.app import Json, RecipeFile, Set, app


@app.command()
def compare(
    recipe: RecipeFile,
    seeds: Annotated[int, typer.Option("--seeds", help="how many: the recipe's seed and those after it")] = 3,
    grid: Annotated[
        bool, typer.Option("--grid", help="choose learning rates, and λ of the tasks together, on validation rows")
    ] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="delete what earlier comparisons left")] = False,
    set_: Set = None,
    json: Json = False,
) -> None:
    """Train the tasks together and each alone on the same rows: did learning together help?"""
    from unisono import show
    from unisono.study import tables
    from unisono.study.compare import compare
    from unisono.train.progress import Progress
    from unisono.train.run import open_recipe

    result = compare(
        open_recipe(recipe, set_ or ()), seeds=seeds, grid=grid, fresh=fresh, where=recipe,
        listeners=lambda: (Progress(),),
        on_run=lambda name, number, of: show.told(f"run {number} of {of}: {name}"),
    )  # fmt: skip
    show.studied(result, tables.compared(result), as_json=json)


@app.command()
def affinity(
    recipe: RecipeFile,
    verify: Annotated[
        bool, typer.Option("--verify", help="train the best groups, all together and each alone, and compare")
    ] = False,
    seeds: Annotated[int, typer.Option("--seeds", help="of --verify: the recipe's seed and those after it")] = 3,
    groupings: Annotated[int, typer.Option("--groupings", help="of --verify: how many groupings to train")] = 1,
    grid: Annotated[bool, typer.Option("--grid", help="of --verify: learning rates and λ as compare --grid")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="delete what an earlier measurement left")] = False,
    set_: Set = None,
    json: Json = False,
) -> None:
    """Measure in one joint run what a step on each task does to the others, and propose groups."""
    from unisono import show
    from unisono.study import tables
    from unisono.study.affinity import affinity
    from unisono.train.progress import Progress
    from unisono.train.run import open_recipe

    result = affinity(
        open_recipe(recipe, set_ or ()), verified=verify, seeds=seeds, groupings=groupings, grid=grid, fresh=fresh,
        where=recipe, listeners=lambda: (Progress(),),
        on_run=lambda name, number, of: show.told(f"run {number} of {of}: {name}"),
    )  # fmt: skip
    show.studied(result, tables.related(result), as_json=json)


@app.command()
def tune(
    recipe: RecipeFile,
    workers: Annotated[int, typer.Option("--workers", help="processes that run trials at once")] = 1,
    fresh: Annotated[bool, typer.Option("--fresh", help="delete the study and its runs, and start again")] = False,
    set_: Set = None,
    json: Json = False,
) -> None:
    """Search the settings that the recipe's tune section names; the same command goes on with a search."""
    from unisono import show
    from unisono.study import storage, tables
    from unisono.study.tune import tune
    from unisono.train.progress import Progress
    from unisono.train.run import open_recipe

    wanted = open_recipe(recipe, set_ or ())
    storage.need_optuna()
    from unisono.study.worker import listening

    objectives = wanted.tune.objectives if wanted.tune else []
    result = tune(
        wanted, workers=workers, fresh=fresh, where=recipe, run=listening(lambda: (Progress(),)),
        on_trial=lambda trial, ended, of: show.told(tables.trial_line(trial, ended, of, objectives)),
    )  # fmt: skip
    show.studied(result, tables.tuned(result), as_json=json)
