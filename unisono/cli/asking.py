"""Commands that ask a model or ship it: evaluate, exits, predict, serve, export."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from unisono.cli.app import Json, ModelFolder, RunFolder, Set, app


@app.command()
def evaluate(
    run: RunFolder,
    split: Annotated[str, typer.Option(help="train, validation or test; default: test, else validation")] = "",
    task: Annotated[list[str] | None, typer.Option(help="only this task; may be repeated")] = None,
    predictions: Annotated[Path | None, typer.Option(help="folder for each task's predictions as JSON lines")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, mps")] = "cpu",
    set_: Set = None,
    json: Json = False,
) -> None:
    """Score a run's best model on held-out rows."""
    from unisono import api, show

    with show.counting("evaluating", quiet=json) as on_pass:
        results = api.evaluate(
            run, split=split or None, tasks=task or (), overrides=set_ or (), device=device, on_pass=on_pass
        )
    if predictions:
        show.write_predictions(results, predictions)
    show.evaluated(results, as_json=json)


@app.command()
def exits(
    run: RunFolder,
    task: Annotated[str, typer.Option(help="of kind classify; needed where there are several")] = "",
    layers: Annotated[
        str | None, typer.Option("--layers", help="exits after these numbers of layers, as 2,4; default: after each")
    ] = None,
    rows: Annotated[int, typer.Option(help="held-out rows that the curve is measured on", min=1)] = 500,
    batch: Annotated[int, typer.Option(help="rows asked at once", min=1)] = 32,
    set_: Set = None,
    json: Json = False,
) -> None:
    """Train exits at which sure rows leave the trunk early; measure score against time. The model stays as it is."""
    from unisono import files, show
    from unisono.deploy.leaving import leave
    from unisono.report.exits import svg
    from unisono.teach import numbers
    from unisono.train.run import open_recipe

    said = numbers(layers) if layers else None
    after = [said] if isinstance(said, int) else said
    with show.counting("measuring", quiet=json) as on_pass:
        found = leave(
            Path(run), open_recipe(run, set_ or ()), task=task, layers=after, rows=rows, batch=batch,
            on_pass=on_pass,
        )  # fmt: skip
    picture = Path(run) / f"exits-{found['task']}.svg"
    files.write_atomic(picture, svg(found))
    show.left(found, run, picture, as_json=json)


@app.command()
def predict(
    inputs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RUN INPUT...",
            help="the folder of a run or a model (not with --url), then sentences, files (images, sounds), or folders "
            "of files; none: lines of standard input",
        ),
    ] = None,
    url: Annotated[
        str, typer.Option(metavar="URL", help="ask a server in place of a folder; its token is read from UNISONO_TOKEN")
    ] = "",
    task: Annotated[str, typer.Option(help="only this task; without it, every task that takes the inputs")] = "",
    text: Annotated[list[str] | None, typer.Option(help="this and the next six: an input by its role")] = None,
    pair: Annotated[list[str] | None, typer.Option(help="the second text of a pair")] = None,
    question: Annotated[list[str] | None, typer.Option()] = None,
    context: Annotated[list[str] | None, typer.Option(help="the text that holds the answer")] = None,
    image: Annotated[list[str] | None, typer.Option(metavar="FILE")] = None,
    audio: Annotated[list[str] | None, typer.Option(metavar="FILE")] = None,
    sequence: Annotated[list[str] | None, typer.Option(help="SMILES, DNA, protein")] = None,
    input_: Annotated[list[str] | None, typer.Option("--input", metavar="ROLE=VALUE", help="any other role")] = None,
    rows: Annotated[Path | None, typer.Option(help="JSON lines: a task's input roles and their values")] = None,
    draw: Annotated[
        Path | None, typer.Option(metavar="PNG|FOLDER", help="draw boxes, masks, answers on images")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="WAV|FOLDER", help="keep what a speak task says")
    ] = None,
    least: Annotated[float, typer.Option(help="leave out boxes of a lower score", min=0, max=1)] = 0.3,
    color: Annotated[bool | None, typer.Option("--color/--no-color", help="default: in a terminal")] = None,
    beams: Annotated[int | None, typer.Option(help="beams of tasks that write texts")] = None,
    confident: Annotated[
        float | None,
        typer.Option(
            help="leave at the first exit that is so sure (unisono exits); with --task, but of an export", min=0, max=1
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, mps")] = "cpu",
    json: Json = False,
) -> None:
    """Ask a trained model, in a folder or behind a server: a sentence, a file, or inputs by their roles."""
    named = {
        "text": text, "pair": pair, "question": question, "context": context, "image": image, "audio": audio,
        "sequence": sequence,
    }  # fmt: skip
    wanted: dict[str, list[str]] = {role: list(values) for role, values in named.items() if values}
    for said in input_ or ():
        role, equals, value = said.partition("=")
        if not equals:
            raise typer.BadParameter(f'--input {said}: say it as ROLE=VALUE, such as source="A sentence."')
        wanted.setdefault(role, []).append(value)
    typed = list(inputs or ())
    if not (typed or url):
        raise typer.BadParameter("say which: the folder of a run or of a model, or --url of a server")
    run = "" if url else typed.pop(0)
    if rows and (typed or wanted):
        raise typer.BadParameter("--rows brings the inputs; give no others beside it")
    if not (rows or typed or wanted):
        if sys.stdin.isatty():
            raise typer.BadParameter('nothing to predict: give a sentence, as unisono predict RUN "A sentence."')
        typed = [line.strip() for line in sys.stdin if line.strip()]
    from unisono import ask, predicting, show
    from unisono.runtime import Runtime, is_export

    answered: Callable[..., Iterator[Any]]
    classes: dict[str, Any] = {}
    if url:
        from unisono import remote
        from unisono.client import Client

        try:
            client = Client(url, os.environ.get("UNISONO_TOKEN") or None)
        except ValueError as error:
            raise ask.AskError(str(error)) from None
        tasks = remote.takes(client)
        if task and task not in tasks:
            raise ask.AskError(f'the server has no task "{task}"; it has {", ".join(tasks)}')
        answered = partial(remote.answers, client, tasks)
    elif is_export(run):
        if device not in ("cpu", "auto"):
            raise typer.BadParameter("an export runs on the processor: leave out --device")
        runtime = Runtime.load(run, confident=confident)
        if task:
            runtime.head(task)
        tasks = {name: ask.Takes.of_export(head) for name, head in runtime.heads.items()}
        classes = {name: getattr(head, "labels", ()) for name, head in runtime.heads.items()}
        answered = partial(ask.answers, runtime, tasks)
    else:
        from unisono import api

        if confident is None:
            model = api.load(run, device=device)
        else:
            from unisono.deploy.exits import leaving

            model = leaving(run, task, confident=confident, device=device)
        if task:
            model.head(task)
        tasks = {name: ask.Takes.of(known) for name, known in model.tasks.items()}
        classes = {name: getattr(head, "labels", ()) for name, head in model.heads.items()}
        answered = partial(ask.answers, model, tasks)
    if rows:
        task = task or ask.only(tasks)
        givens = ask.listed(show.read_rows(rows))
    else:
        givens = ask.gather({task: tasks[task]} if task else tasks, typed, wanted)
    options = {name: {"beams": beams} for name in tasks if beams is not None and "beams" in tasks[name].options}
    refused = predicting.tell(
        answered(givens, task, options), givens, {task: tasks[task]} if task else tasks,
        classes=classes, pictures=draw, sounds=output, least=least, colour=color, as_json=json,
    )  # fmt: skip
    if refused:
        raise typer.Exit(1)


@app.command()
def serve(
    run: ModelFolder,
    host: Annotated[str, typer.Option(help="address; any but this machine's own needs a token")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0: any that is free", min=0, max=65535)] = 8000,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, mps")] = "cpu",
    threads: Annotated[int, typer.Option(help="of the model; 0: as many as there are cores", min=0)] = 0,
    max_body: Annotated[float, typer.Option(help="MB that a request's body may have", min=0.001)] = 8,
    timeout: Annotated[float, typer.Option(help="seconds until a request is given up", min=0.01)] = 30,
    max_wait: Annotated[
        float,
        typer.Option(
            help="seconds in which a request has to be answered; one that would take longer is refused", min=0
        ),
    ] = 0.5,
    drain: Annotated[float, typer.Option(help="seconds to answer what was let in, once told to end", min=0)] = 30,
    watch: Annotated[
        float, typer.Option(help="seconds between looks whether the folder holds another model; 0: only on SIGHUP")
    ] = 0,
    confident: Annotated[
        float | None, typer.Option(help="of an export with exits: leave at the first that is so sure", min=0, max=1)
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="no line for each request")] = False,
) -> None:
    """Answer over HTTP: every task under /v1/TASK, all at once under /v1/all. The token is read from UNISONO_TOKEN."""
    from unisono.serve import need_extra

    need_extra()
    from unisono.serve import run as serving
    from unisono.serve.app import Limits
    from unisono.serve.engine import engine_of

    settings = serving.Settings(
        host, port, os.environ.get(serving.TOKEN) or None, Limits(int(max_body * 1e6), timeout),
        patience=max_wait, drain=drain, watch=watch or None, access_log=not quiet,
    )  # fmt: skip
    serving.serve(
        lambda: engine_of(run, device=device, threads=threads or None, confident=confident), Path(run), settings
    )


@app.command()
def export(
    run: ModelFolder,
    out: Annotated[
        Path | None, typer.Argument(metavar="OUT", help="a folder, or a file; default: exported, in the run")
    ] = None,
    task: Annotated[list[str] | None, typer.Option(help="only this task; may be repeated")] = None,
    precision: Annotated[Literal["fp32", "fp16", "int8"], typer.Option(help="of the weights")] = "fp32",
    calibrate: Annotated[
        int, typer.Option(metavar="ROWS", help="of int8: find ranges beforehand on training rows of each task", min=0)
    ] = 0,
    one_file: Annotated[bool, typer.Option("--one-file", help="one file .onnx with all that belongs to it")] = False,
    format_: Annotated[
        Literal["onnx", "torch"], typer.Option("--format", help="torch: packages of torch.export, .pt2")
    ] = "onnx",
    exits: Annotated[
        bool, typer.Option("--exits", help="with what unisono exits has put between the layers; asked by --confident")
    ] = False,
    compare: Annotated[bool, typer.Option("--compare", help="size, time and metric of every precision")] = False,
    rows: Annotated[int, typer.Option(help="held-out rows of each task to check on", min=1)] = 200,
    max_drop: Annotated[
        float, typer.Option(help="what a task may lose of its metric; int8 keeps matrices in fp32 for it", min=0)
    ] = 0.01,
    set_: Set = None,
    json: Json = False,
) -> None:
    """Write the model as ONNX graphs that run without PyTorch, checked against it on held-out rows."""
    from unisono.deploy.errors import need_extra

    need_extra()
    from unisono import api, show
    from unisono.deploy import exits as leaves
    from unisono.deploy.export import Settings, export
    from unisono.train.run import RECIPE, open_recipe

    recipe = open_recipe(run, set_ or ()) if (Path(run) / RECIPE).exists() else None
    settings = Settings(task or (), precision, rows, max_drop, calibrate, format_, one_file, compare)
    place = out or Path(run, "exported.onnx" if one_file else "exported")
    source = Path(run).resolve().name
    model = leaves.load(run, confident=leaves.NEVER) if exits else api.load(run)
    show.exported(export(model, place, settings, source=source, recipe=recipe, told=show.told), as_json=json)
