"""builtin: data sets that come with the package, made from a seed. ``builtin:NAME`` in a recipe."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from unisono.data.errors import DataError, nearest

Generator = Callable[[str, int], Iterator[dict[str, Any]]]  # (split, seed) -> rows


def _everyday(split: str, seed: int) -> Iterator[dict[str, Any]]:
    from unisono.data.everyday import everyday  # late: most runs never need it

    return everyday(split, seed)


BUILTINS: dict[str, Generator] = {"everyday": _everyday}


def register_builtin(name: str, generator: Generator) -> None:
    """Adds a data set. Raises ValueError for a name that is taken."""
    if name in BUILTINS:
        raise ValueError(f'there is a builtin data set "{name}" already')
    BUILTINS[name] = generator


def builtin(name: str) -> Generator:
    """The generator of that name. Raises DataError with the nearest name."""
    if name not in BUILTINS:
        raise DataError(
            f'there is no builtin data set "{name}"{nearest(name, BUILTINS)} (there are: {", ".join(sorted(BUILTINS))})'
        )
    return BUILTINS[name]


def source_hash(name: str) -> str:
    """Changes when the generator's module does, so that a cache made by older code is not used."""
    target: Any = builtin(name)
    if target is _everyday:
        import unisono.data.everyday as target
    try:
        return hashlib.sha256(Path(inspect.getfile(target)).read_bytes()).hexdigest()
    except (OSError, TypeError):
        return ""
