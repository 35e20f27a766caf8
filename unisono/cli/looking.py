"""Commands that look and tell: check, data, init, report, doctor, schema."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unisono.cli.app import Json, RecipeFile, RunFolder, Set, app


@app.command()
def check(
    recipe: Annotated[
        str | None, typer.Argument(metavar="RECIPE", help="a recipe file, or the folder of a run")
    ] = None,
    set_: Set = None,
    kinds: Annotated[bool, typer.Option("--kinds", help="list the kinds of task")] = False,
    json: Json = False,
) -> None:
    """Validate a recipe and what its tune section searches, try ten rows of each task, estimate time and memory."""
    from unisono import show

    if kinds:
        from unisono.kinds import kinds as all_kinds

        show.kinds(all_kinds(), as_json=json)
        return
    if recipe is None:
        raise typer.BadParameter("name a recipe, or ask for --kinds")
    from unisono.study import spaces
    from unisono.train.run import open_recipe

    wanted = open_recipe(recipe, set_ or ())
    if wanted.tune:
        spaces.check(wanted, recipe)
    from unisono.teach import check

    show.checked(check(wanted, where=recipe), as_json=json)


@app.command()
def data(recipe: RecipeFile, set_: Set = None, json: Json = False) -> None:
    """Show each task's rows: counts, lengths, label balance, missing labels, bad rows."""
    from unisono import show
    from unisono.train.check import describe
    from unisono.train.run import open_recipe

    show.described(describe(open_recipe(recipe, set_ or ()), where=recipe), as_json=json)


@app.command()
def init(
    files: Annotated[list[Path], typer.Argument(help="data files or folders, one a task")],
    output: Annotated[Path, typer.Option("--output", "-o", help="the recipe to write")] = Path("recipe.yaml"),
    force: Annotated[bool, typer.Option("--force", help="replace the file if it exists")] = False,
    json: Json = False,
) -> None:
    """Look at data files and write a commented recipe for them."""
    from unisono import show
    from unisono.begin import write_recipe

    show.begun(write_recipe(files, output, force=force), output, as_json=json)


@app.command()
def report(
    run: RunFolder,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="default: report.html in the run")] = None,
    json: Json = False,
) -> None:
    """Write a run's report, one HTML file: curves, scores, conflicts, studies; also while it trains."""
    from unisono import show
    from unisono.report import write_report

    path = write_report(run, out)
    if json:
        show.document({"report": str(path)})
    else:
        print(f"wrote {path}")


@app.command()
def doctor(json: Json = False) -> None:
    """Tell what is installed, what is broken, and how to mend it."""
    from unisono import show
    from unisono.doctor import examine

    checks = examine()
    show.examined(checks, as_json=json)
    if any(c.status == "broken" for c in checks):
        raise typer.Exit(1)


@app.command()
def schema() -> None:
    """Print the JSON Schema of a recipe, for editors."""
    import json

    from unisono.schema import schema

    print(json.dumps(schema(), indent=2))
