"""Stem: what reads one kind of input: values of rows -> the fields of examples -> what its graph takes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, ClassVar

import numpy as np

from ..fields import Fields

Arrays = Mapping[str, np.ndarray]
Tokens = dict[str, np.ndarray]  # of one row: 1-D arrays


class Stem(ABC):
    """Reads as the stem of its name in ``unisono.stems`` does. What vectors become of it is said by its graph, whose
    output ``values`` (n, D_in) has the vectors of several examples end to end.
    """

    kind: ClassVar[str]  # its name among all readers
    reads: ClassVar[tuple[str, ...]]  # the fields that ``tokens`` gives, of which vectors are made
    most: int  # vectors of a row at most

    def told(self) -> dict[str, Any]:
        """Plain JSON from which ``of`` makes an equal one: of a dataclass, what it was made with but for ``most``."""
        return {name: value for name, value in asdict(self).items() if name != "most"}  # type: ignore[call-overload]

    @classmethod
    @abstractmethod
    def of(cls, said: Fields, most: int) -> Stem:
        """From what the manifest says.

        Raises:
            Damaged: it is not as it should be.
        """

    @abstractmethod
    def tokens(self, rows: Sequence[Mapping[str, Any]], *, most: int | None = None) -> Sequence[Tokens | str]:
        """The fields of each row's input; for a row that cannot be used, the reason instead.

        Args:
            rows: role -> value; each has at least one value that this stem reads.
            most: vectors of a row; None: the stem's own limit.

        Raises:
            ImportError: a package is missing, with the command that installs it.
        """

    @abstractmethod
    def length(self, tokens: Arrays) -> int:
        """How many vectors a row becomes."""

    @abstractmethod
    def calls(self, examples: Sequence[Arrays]) -> Iterator[tuple[list[int], Arrays]]:
        """The graph's inputs: of each call the numbers of the examples whose vectors it gives, in this order."""
