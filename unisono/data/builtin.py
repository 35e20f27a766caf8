"""builtin: data sets that come with the package, made from a seed. ``builtin:NAME`` in a recipe."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from unisono.data.errors import DataError, nearest


@dataclass(frozen=True)
class Builtin:
    """A data set made by code.

    Args:
        rows: (split, seed) -> rows; the same arguments give the same rows.
        modules: the modules that decide the rows, ``tables``: files beside the first of them that do; when any changes,
            cached rows are made anew.
    """

    rows: Callable[[str, int], Iterator[dict[str, Any]]]
    modules: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()


def _everyday(split: str, seed: int) -> Iterator[dict[str, Any]]:
    from unisono.data.everyday import everyday  # late: most runs never need it

    return everyday(split, seed)


BUILTINS: dict[str, Builtin] = {
    "everyday": Builtin(
        _everyday,
        modules=("unisono.data.everyday", "unisono.data.everyday_grammar"),
        tables=("everyday_words.txt", "everyday_sentences.txt"),
    ),
}


def register_builtin(name: str, builtin: Builtin) -> None:
    """Adds a data set. Raises ValueError for a name that is taken."""
    if name in BUILTINS:
        raise ValueError(f'there is a builtin data set "{name}" already')
    BUILTINS[name] = builtin


def builtin(name: str) -> Builtin:
    """The data set of that name. Raises DataError with the nearest name."""
    if name not in BUILTINS:
        known = ", ".join(sorted(BUILTINS))
        raise DataError(f'there is no builtin data set "{name}"{nearest(name, BUILTINS)} (there are: {known})')
    return BUILTINS[name]


def source_hash(name: str) -> str:
    """Names the code that makes a data set."""
    made = builtin(name)
    found = [Path(spec.origin) for module in made.modules if (spec := find_spec(module)) and spec.origin]
    digest = hashlib.sha256()
    for file in (*found, *(found[0].with_name(table) for table in made.tables)):
        digest.update(file.read_bytes())
    return digest.hexdigest()
