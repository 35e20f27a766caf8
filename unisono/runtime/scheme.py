"""Tag schemes: how tags of words spell entities (BIO, IOB1, BIOES), which tags may follow which, and plain tags beside.

Ramshaw and Marcus 1995 (IOB1), Tjong Kim Sang and Veenstra 1999 (BIO, there IOB2), Ratinov and Roth 2009 (BIOES, there
BILOU). Odd sequences, such as ``O I-PER``, are read as CoNLL's conlleval script reads them: an entity begins there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np

Name = Literal["plain", "IOB1", "BIO", "BIOES"]

UNTYPED = "_"  # the type of an entity whose tags are bare letters
ROLES = {"B": "B", "I": "I", "M": "I", "E": "E", "L": "E", "S": "S", "U": "S", "O": "O"}  # BILOU and BMES, too


def parse(tag: str) -> tuple[str, str] | None:
    """(role, type) of a tag such as "B-PER", "I" or "O"; None for a tag of no scheme."""
    role = ROLES.get(tag[:1])
    if role is None or (len(tag) > 1 and tag[1] != "-"):
        return None
    return ("O", "") if role == "O" else (role, tag[2:] or UNTYPED)


class Scheme:
    """A list of tags and what may follow what. The tags are numbered in their order.

    Args:
        name: the scheme.
        tags: V tags, those that the scheme needs among them.

    Attributes:
        allowed: (V, V) bool: tag j may follow tag i.
        first, last: (V,) bool: a sentence may begin, may end with the tag.
        outside, inside: (V,) bool: the tag is of no entity; it goes on with one (always false for plain tags).
        types: (V,) the type of entity that a tag is of.
    """

    def __init__(self, name: Name, tags: Sequence[str]) -> None:
        assert name in get_args(Name), name
        self.name, self.tags = name, tuple(tags)
        self.number = {tag: i for i, tag in enumerate(self.tags)}
        self.plain = name == "plain"
        v = len(self.tags)
        self.allowed = np.ones((v, v), dtype=bool)
        self.first, self.last = np.ones(v, dtype=bool), np.ones(v, dtype=bool)
        self.outside, self.inside, self.types = np.zeros(v, dtype=bool), np.zeros(v, dtype=bool), np.full(v, "")
        if not self.plain:
            self._constrain()

    def _constrain(self) -> None:
        parsed = [parse(t) or ("O", "") for t in self.tags]
        role, kind = np.array([r for r, _ in parsed]), np.array([k for _, k in parsed])
        same = kind[:, None] == kind  # (V, V)
        begins, inside, ends = np.isin(role, ["B", "S"]), np.isin(role, ["I", "E"]), np.isin(role, ["E", "S"])
        self.types, self.outside, self.inside = kind, role == "O", inside
        open_, after = (~ends & ~self.outside)[:, None], ~self.outside[:, None]
        if self.name == "BIO":
            self.allowed, self.first = ~inside | (after & same), ~inside
        elif self.name == "IOB1":  # B- only parts an entity from one of its type just before
            self.allowed, self.first = ~begins | (after & same), ~begins
        else:
            self.allowed = np.where(open_, inside & same, ~inside)
            self.first, self.last = ~inside, ends | self.outside
        # (V + 1, V): an entity begins at a word with tag j, after tag i or (row V) at the head of a sentence.
        starts = ~self.outside & (begins | ~(open_ & same))
        self._starts = np.vstack([starts, ~self.outside])

    def valid(self, tags: np.ndarray) -> bool:
        """Whether the numbered tags (W,) of a sentence, all known, keep to the scheme."""
        return not len(tags) or bool(
            self.first[tags[0]] and self.last[tags[-1]] and self.allowed[tags[:-1], tags[1:]].all()
        )

    def starts(self, tags: np.ndarray, heads: np.ndarray) -> np.ndarray:
        """(W,) bool: where entities begin, in any number of sentences end to end.

        Args:
            tags: (W,) numbered tags, all known.
            heads: (W,) bool: the word is the first of its sentence.
        """
        before = np.where(heads, len(self.tags), np.roll(tags, 1))
        out: np.ndarray = self._starts[before, tags]
        return out

    def spans(self, tags: np.ndarray, heads: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """First word of each entity, and the word after its last. Arguments as for ``starts``."""
        begins = self.starts(tags, heads)
        first = begins.nonzero()[0]
        borders = np.append((begins | self.outside[tags] | heads).nonzero()[0], len(tags))
        return first, borders[np.searchsorted(borders, first, side="right")]
