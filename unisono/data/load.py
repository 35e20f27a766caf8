"""load: the rows of a task, split by split, memory-mapped from the cache."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from unisono.data.convert import Plan, convert
from unisono.data.errors import DataError, nearest
from unisono.data.fingerprint import fingerprint
from unisono.data.locate import Found, locate, missing
from unisono.data.mapped import entry
from unisono.data.quarantine import Quarantine
from unisono.data.readers import Reader, Settings
from unisono.data.readers.base import Bad, Column, Record
from unisono.data.roles import MEDIA, Columns, Role, columns_of, label
from unisono.data.rows import Rows
from unisono.data.spec import Data
from unisono.data.splits import complete

Values = Mapping[str, Mapping[str, str] | list[str]]  # column -> value -> what it stands for

_FORM = 1  # of a cache entry; counted up when conversion changes


def load(
    task: str,
    spec: Data,
    roles: Mapping[str, Role],
    columns: Mapping[str, Columns],
    *,
    cache: Path,
    seed: int,
    quarantine: Quarantine,
) -> dict[str, Rows]:
    """The rows of one task.

    Args:
        task: its name, for messages.
        spec: where the rows come from.
        roles: role -> what it is.
        columns: role -> column name or number; a role that is not named has the column of its own name.
        cache: folder of converted rows; entries are named by content, so it may be shared by tasks and runs.
        seed: cuts missing splits and draws limited ones.
        quarantine: takes the bad rows.

    Returns:
        split ("train", "validation", "test", those that there are) -> rows.

    Raises:
        DataError: nothing can be read, or too many rows are bad.
    """
    try:
        return _load(task, spec, roles, columns, cache=cache, seed=seed, quarantine=quarantine)
    except DataError as e:
        prefix = f'task "{task}": '
        raise (e if str(e).startswith(prefix) else DataError(prefix + str(e))) from e.__cause__


def _load(
    task: str,
    spec: Data,
    roles: Mapping[str, Role],
    columns: Mapping[str, Columns],
    *,
    cache: Path,
    seed: int,
    quarantine: Quarantine,
) -> dict[str, Rows]:
    for name in columns:
        if name not in roles:
            raise DataError(
                f'columns.{name}: this task has no "{name}"{nearest(name, roles)} (it has: {", ".join(roles)})'
            )
    plan = Plan(
        roles, {name: columns_of(name, role, columns.get(name)) for name, role in roles.items()}, frozenset(columns)
    )
    settings = Settings(
        wanted=plan.wanted,
        header=spec.header,
        delimiter=spec.delimiter,
        encoding=spec.encoding,
        config=spec.config,
        pattern=spec.pattern,
        revision=spec.revision,
        seed=seed,
    )
    found = locate(spec, settings, roles)
    _refuse_idle(spec, found.reader)
    out: dict[str, Rows] = {}
    for split, sources in found.splits.items():
        rows = _converted(found, sources, plan, settings, cache, spec)
        seen = len(rows) + rows.bad_count
        quarantine.report(task, split, rows.bad(), seen, key=f"{task}/{split}/{rows.fingerprint}")
        if not len(rows):
            raise DataError(f"{split} has no rows: {', '.join(str(s) for s in sources[:4])}")
        out[split] = rows
    return complete(out, spec, seed)


def _refuse_idle(spec: Data, read: Reader) -> None:
    """Raises DataError for a setting that would change nothing here: it is misspelt, or meant for something else."""
    for name in ("header", "delimiter", "config", "revision", "pattern"):
        if getattr(spec, name) is not None and name not in read.heeds:
            raise DataError(f"data.{name}: is not for the format {read.name}, in which {spec.path} is read")


def _converted(found: Found, sources: list[Path], plan: Plan, settings: Settings, cache: Path, spec: Data) -> Rows:
    read = found.reader
    names = [_relative(s, found.root) for s in sources]
    files = [(_relative(p, found.root), p) for s in sources for p in read.files(s, settings)]
    absent = next((p for _, p in files if not os.path.exists(p)), None)
    if absent is not None:
        raise DataError(missing(absent))
    shape = {n: [r.kind, r.required, n in plan.named, list(plan.columns[n].items())] for n, r in plan.roles.items()}
    told: list[Any] = [settings.header, settings.delimiter, settings.encoding, settings.config, settings.revision]
    told += [settings.pattern, spec.values] if settings.pattern or spec.values else []
    told += [spec.files] if spec.files else []
    state = [read.state(s, settings) for s in sources]
    named = [c for n, r in plan.roles.items() if r.kind in MEDIA for c in plan.columns[n].values()]
    # Files that rows name are stored by their whole path: the entry is of this folder alone.
    place = [str(found.root.resolve())] if named else []
    name = fingerprint(_FORM, read.name, names, shape, told, state, *place, files=files)
    opened = [
        (unit, partial(_records, read, source, settings, named, spec, found.root))
        for unit, source in zip(names, sources, strict=True)
    ]
    return entry(
        cache / f"rows-{name[:32]}",
        lambda folder: convert(opened, plan, folder, fingerprint=name, counts=read.counts),
        Rows,
    )


def _records(
    read: Reader, source: Path, settings: Settings, media: list[Column], spec: Data, root: Path
) -> Iterator[Record]:
    """The records of a source as the recipe wants them.

    Args:
        media: columns that name files.
    """
    records = read.read(source, settings)
    if media:
        records = _located(records, source, {column: spec.files.get(str(column), "{}") for column in media}, root)
    return _spelled(records, spec.values) if spec.values else records


def _spelled(records: Iterator[Record], values: Values) -> Iterator[Record]:
    """The records with what their values stand for. A list counts from 0."""
    tables = {c: t if isinstance(t, Mapping) else {str(i): v for i, v in enumerate(t)} for c, t in values.items()}
    for record in records:
        if not isinstance(record.value, Bad):
            for column, value in record.value.items():
                table = tables.get(str(column))
                if table is not None and isinstance(value, (str, int, float, bool)):
                    record.value[column] = table.get(str(label(value)), value)
        yield record


def _located(records: Iterator[Record], source: Path, columns: Mapping[Column, str], root: Path) -> Iterator[Record]:
    """The records of a source with the names of files made whole: beside the source, or else under the root.

    Args:
        columns: those that name files -> the name that ``{}``, their value, is part of.
    """
    folders = (source if source.is_dir() else source.parent, root)
    for record in records:
        if not isinstance(record.value, Bad):
            for column, form in columns.items():
                name = record.value.get(column)
                if form != "{}" and isinstance(name, (str, int, float)):
                    name = form.replace("{}", said) if (said := label(name)) else None
                if isinstance(name, str) and name and "\0" not in name:
                    places = [os.path.join(folder, name) for folder in folders]
                    known = next(filter(os.path.isfile, places), places[0])  # of a name too long, it says no
                    record.value[column] = os.path.realpath(known)
        yield record


def _relative(path: Path, root: Path) -> str:
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)
