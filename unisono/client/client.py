"""The client: a served model's tasks, asked as those of a model in memory are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

from unisono.client.bodies import body
from unisono.client.errors import ClientError, NoTask, Unfit, error_of
from unisono.client.streams import Part, parts
from unisono.client.wire import Wire, read_some

Row = Mapping[str, Any] | str
Prediction = dict[str, Any]
_ALL = {"text": "text", "sequence": "sequence", "image": "image", "audio": "audio"}  # what every task is asked with


class Client:
    """Asks a server that ``unisono serve`` runs; safe to use from several threads.

    A question that the server has no room for (503, 429) is asked again when it says, and one that found no connection
    after short waits; never one whose answer has begun, and no longer than ``patience``.

    Args:
        url: such as ``http://localhost:8000``.
        token: that the server asks for.
        timeout: seconds that one try may take.
        patience: seconds that a question may take, all its tries together.
        connections: how many rows are asked at once; the server packs those that it has at one time together.

    Raises:
        ValueError: no such address.
    """

    def __init__(
        self, url: str, token: str | None = None, *, timeout: float = 30.0, patience: float = 60.0, connections: int = 8
    ) -> None:
        self._wire = Wire(url, token, timeout=timeout)
        self._patience, self._connections = patience, connections
        self._known: dict[str, dict[str, Any]] = {}

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connections that are kept."""
        self._wire.close()

    def tasks(self) -> dict[str, dict[str, Any]]:
        """Task -> its ``kind``, its ``inputs`` (role -> what it holds), those ``required``, ``options``, ``stream``.

        Raises:
            ClientError: any of its kinds.
        """
        found = self._wire.json("GET", "/v1/tasks", seconds=self._patience)
        if not all(isinstance(told, dict) and told.get("inputs") for told in found.values()):
            raise error_of(200, None)
        self._known = found
        return found

    def card(self) -> str:
        """The model's card, Markdown."""
        return str(self._wire.json("GET", "/v1/card", seconds=self._patience).get("card", ""))

    def predict(self, task: str, rows: Iterable[Row], **options: Any) -> list[Prediction]:
        """Predictions for rows, in their order, as ``MultiTaskModel.predict`` gives them.

        Args:
            task: one of ``tasks()``.
            rows: role -> value; a plain string stands for the one text (for a tagger: its words, split at white space;
                of ``{"text": ...}`` the server finds the words, and says which). An image or a sound is a file's name
                or its bytes.
            options: such as ``beams=4``.

        Raises:
            ClientError: of the first row that has no answer; its ``at`` is the row's number.
        """
        return _all_of(self.each(task, rows, **options))

    def each(self, task: str, rows: Iterable[Row], **options: Any) -> list[Prediction | ClientError]:
        """As ``predict``; a row without an answer gives the reason in its place.

        Raises:
            NoTask: there is no such task. ClientError: nothing can be known of the server.
        """
        takes = self._takes(task)

        def ask(row: Row) -> Prediction:
            return self._wire.json("POST", _path(task), self._body(takes, row, options), seconds=self._patience)

        return self._several(ask, rows)

    def predict_all(self, given: Row | Sequence[Row]) -> Any:
        """Every task's prediction from what is given: ``text``, ``sequence``, ``image``, ``audio``, one or several.

        Args:
            given: a text, a mapping with these, or several.

        Returns:
            task -> prediction, for each task that can do with it (a tagger's with ``words``); for several, a list.

        Raises:
            ClientError: of the first that has no answer; its ``at`` is its number.
        """
        if isinstance(given, (str, Mapping)):
            return _all_of(self.each_all([given]))[0]
        return _all_of(self.each_all(given))

    def each_all(self, given: Iterable[Row]) -> list[dict[str, Prediction] | ClientError]:
        """As ``predict_all`` of several; one without an answer gives the reason in its place."""

        def ask(one: Row) -> dict[str, Prediction]:
            row = {"text": one} if isinstance(one, str) else one
            return self._wire.json("POST", _path("all"), body(row, _ALL), seconds=self._patience)

        return self._several(ask, given)

    def stream(self, task: str | None, row: Row, **options: Any) -> Iterator[Part]:
        """Parts of answers as they are found: texts as they grow, then each whole.

        Args:
            task: one whose ``stream`` is true; None: every task that can do with the row.

        Raises:
            ClientError: any of its kinds; ``Unanswered``: the connection broke before the answers were whole.
        """
        if task is None:
            path, content = _path("all"), body({"text": row} if isinstance(row, str) else row, _ALL)
        else:
            path, content = _path(task), self._body(self._takes(task), row, options)
        with self._wire.answer("POST", f"{path}?stream=true", content, seconds=self._patience) as (answer, line, until):
            yield from parts(iter(lambda: read_some(answer, line, until), b""))
            for _ in iter(lambda: read_some(answer, line, until), b""):  # to its end, so that the connection is kept
                pass

    # ----------------------------------------------------------------------------------------------------------------

    def _takes(self, task: str) -> dict[str, Any]:
        if task not in self._known and task not in self.tasks():
            raise NoTask(f'the server has no task "{task}"; there are: {", ".join(self._known)}', code="no_task")
        return self._known[task]

    def _body(self, takes: Mapping[str, Any], row: Row, options: Mapping[str, Any]) -> dict[str, Any]:
        kinds: Mapping[str, str] = takes["inputs"]
        if isinstance(row, str):
            role, kind = next(iter(kinds.items()))
            row = {role: row.split() if kind == "tokens" else row}
        if isinstance(row.get("tokens"), str):
            row = {**row, "tokens": row["tokens"].split()}
        known = {**kinds, **takes.get("told", {})}
        if "tokens" in kinds:
            known["text"] = "text"  # the server finds the words
        told = {role: value for role, value in row.items() if role in known}  # a label is not looked at
        if not told:
            raise Unfit(f"nothing to look at: give {' or '.join(kinds)}; the row has {', '.join(row)}", code="unfit")
        return {**body(told, known), **options}

    def _several(self, ask: Callable[[Row], Any], rows: Iterable[Row]) -> list[Any]:
        def one(row: Row) -> Any:
            try:
                return ask(row)
            except ClientError as error:
                return error

        rows = list(rows)
        if len(rows) < 2:
            return [one(row) for row in rows]
        with ThreadPoolExecutor(min(self._connections, len(rows)), thread_name_prefix="unisono-client") as threads:
            return list(threads.map(one, rows))


def _path(task: str) -> str:
    return f"/v1/{quote(task, safe='')}"


def _all_of(found: Sequence[Any]) -> list[Any]:
    for at, one in enumerate(found):
        if isinstance(one, ClientError):
            one.at = at if len(found) > 1 else None
            raise one
    return list(found)
