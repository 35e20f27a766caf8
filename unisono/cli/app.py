"""app: the command line's commands hang on it; arguments that several of them have."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(
    name="unisono",
    help="One Transformer, every task: train one shared encoder with one decoder per task, from one recipe.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Json = Annotated[bool, typer.Option("--json", help="one JSON document on stdout; everything else goes to stderr")]
Set = Annotated[list[str] | None, typer.Option("--set", metavar="PATH=VALUE", help="override, as tasks.ner.weight=0.5")]
RecipeFile = Annotated[str, typer.Argument(metavar="RECIPE", help="a recipe file, or the folder of a run")]
RunFolder = Annotated[str, typer.Argument(metavar="RUN", help="the folder of a run")]
ModelFolder = Annotated[str, typer.Argument(metavar="RUN", help="the folder of a run, or of a model")]


def _version(wanted: bool) -> None:
    if wanted:
        from unisono import __version__

        print(__version__)
        raise typer.Exit


@app.callback()
def _top(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="print the version")
    ] = False,
) -> None:
    pass
