"""The command line. Each command imports what it needs when it runs, so that ``--help`` stays quick."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

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


@app.command()
def exits(
    run: RunFolder,
    task: Annotated[str, typer.Option(help="of kind classify; needed where there are several")] = "",
    layers: Annotated[
        str | None, typer.Option("--layers", help="exits after these numbers of layers, as 2,4; default: after each")
    ] = None,
    rows: Annotated[int, typer.Option(help="held-out rows that the curve is measured on", min=1)] = 1000,
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


@app.command()
def evaluate(
    run: RunFolder,
    split: Annotated[str, typer.Option(help="train, validation or test; default: test, else validation")] = "",
    task: Annotated[list[str] | None, typer.Option(help="only this task; may be repeated")] = None,
    predictions: Annotated[Path | None, typer.Option(help="folder for each task's predictions as JSON lines")] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, mps")] = "cpu",
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
        typer.Option(help="with --task: leave at the first of its exits that is so sure (unisono exits)", min=0, max=1),
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, mps")] = "cpu",
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
        if device != "cpu" or confident is not None:
            raise typer.BadParameter("an export runs on the processor, and as it is: leave out --device, --confident")
        runtime = Runtime.load(run)
        if task:
            runtime.head(task)
        tasks = {name: ask.Takes.of_export(head) for name, head in runtime.heads.items()}
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
    device: Annotated[str, typer.Option(help="cpu, cuda, mps")] = "cpu",
    threads: Annotated[int, typer.Option(help="of the model; 0: as many as there are cores", min=0)] = 0,
    max_body: Annotated[float, typer.Option(help="MB that a request's body may have", min=0.001)] = 8,
    timeout: Annotated[float, typer.Option(help="seconds until a request is given up", min=0.01)] = 30,
    max_wait: Annotated[
        float, typer.Option(help="seconds that a request may have to wait for its turn; beyond, it is refused", min=0)
    ] = 0.5,
    drain: Annotated[float, typer.Option(help="seconds to answer what was let in, once told to end", min=0)] = 30,
    watch: Annotated[
        float, typer.Option(help="seconds between looks whether the folder holds another model; 0: only on SIGHUP")
    ] = 0,
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
    serving.serve(lambda: engine_of(run, device=device, threads=threads or None), Path(run), settings)


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
    from unisono.deploy.export import Settings, export
    from unisono.train.run import RECIPE, open_recipe

    recipe = open_recipe(run, set_ or ()) if (Path(run) / RECIPE).exists() else None
    settings = Settings(task or (), precision, rows, max_drop, calibrate, format_, one_file, compare)
    place = out or Path(run, "exported.onnx" if one_file else "exported")
    source = Path(run).resolve().name
    show.exported(export(api.load(run), place, settings, source=source, recipe=recipe, told=show.told), as_json=json)


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


def main() -> None:
    """Runs a command. Exit codes: 0 done, 1 failed, 2 usage or recipe error, 130 interrupted."""
    try:
        app()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:  # the reader of our output has left
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        if os.environ.get("UNISONO_TRACEBACK"):
            raise
        sys.exit(_explain(error))


def _explain(error: Exception) -> int:
    """Prints an error for a person; returns the exit code."""
    ours = type(error).__module__.startswith("unisono.")
    if ours or isinstance(error, OSError):
        for line in str(error).splitlines():
            print(f"error: {line}", file=sys.stderr)
        return 2 if type(error).__name__ in ("RecipeError", "AskError", "TargetError") else 1
    print(
        f"error: {type(error).__name__}: {error}\n"
        "This is a fault of Unisono's own; UNISONO_TRACEBACK=1 shows where, please report it.",
        file=sys.stderr,
    )
    return 1


if __name__ == "__main__":
    main()
