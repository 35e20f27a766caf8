"""remote: what a person types, asked of a served model. The same answers as ``ask`` has of one in memory; no torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from unisono.ask import Given, Takes, asked, in_turns, sentences
from unisono.client import Client, ClientError, Unfit

_BESIDE = ("pair", "context")  # roles that only accompany another, where any input will do


def takes(client: Client) -> dict[str, Takes]:
    """What each task of a server takes.

    Raises:
        ClientError: nothing can be known of it.
    """
    out = {}
    for name, told in client.tasks().items():
        inputs = tuple(told["required"]) or tuple(role for role in told["inputs"] if role not in _BESIDE)
        out[name] = Takes(told["kind"], inputs, {**told["inputs"], **told["told"]}, tuple(told["options"]))
    return out


def answers(
    client: Client,
    tasks: Mapping[str, Takes],
    givens: Sequence[Given],
    task: str = "",
    options: Mapping[str, Mapping[str, Any]] | None = None,
) -> Iterator[tuple[Given, dict[str, Any] | str]]:
    """Each input with task -> prediction, or with the reason why it cannot be used.

    Args:
        tasks: of the server. ``task``: only this one; else all whose inputs are those given.
        options: task -> what its questions say beside the row.

    Raises:
        AskError: no task takes the inputs that are given. ClientError: the server does not answer.
    """
    options = options or {}
    tasks = {task: tasks[task]} if task else tasks
    texts = [n for n, t in tasks.items() if len(t.inputs) == 1 and t.reads[t.inputs[0]] in ("text", "tokens")]

    def predicted(name: str, rows: Mapping[int, Mapping[str, Any]]) -> Iterator[tuple[int, dict[str, Any] | str]]:
        for at, found in zip(rows, client.each(name, list(rows.values()), **options.get(name, {})), strict=True):
            yield at, _reason(found) if isinstance(found, ClientError) else found

    for some in in_turns(givens, tasks):
        if texts and not task and sentences(givens):
            for given, found in zip(some, _of_sentences(client, tasks, texts, some, options), strict=True):
                yield given, _reason(found) if isinstance(found, ClientError) else found
        else:
            yield from zip(some, asked(tasks, some, predicted, partly=bool(task)), strict=True)


def _of_sentences(
    client: Client,
    tasks: Mapping[str, Takes],
    names: Sequence[str],
    givens: Sequence[Given],
    options: Mapping[str, Mapping[str, Any]],
) -> Sequence[dict[str, Any] | ClientError]:
    """Of each sentence task -> prediction. The tasks are asked together where no option tells them apart."""
    if not options:
        together = client.each_all([given.value for given in givens])
        return [f if isinstance(f, ClientError) else {n: f[n] for n in names if n in f} for f in together]
    out: list[dict[str, Any] | ClientError] = [{} for _ in givens]
    for name in names:
        role = tasks[name].inputs[0]
        role = "text" if tasks[name].reads[role] == "tokens" else role
        found = client.each(name, [{role: given.value} for given in givens], **options.get(name, {}))
        for at, one in enumerate(found):
            so_far = out[at]
            if isinstance(one, ClientError):
                out[at] = one
            elif isinstance(so_far, dict):
                so_far[name] = one
    return out


def _reason(error: ClientError) -> str:
    """Why a row has no answer; an error that is not the row's ends the command."""
    if not isinstance(error, Unfit):
        raise error
    return error.message
