"""Symbols: a sequence of letters cut into what it is made of: letters, k-mers, or the tokens of a SMILES string."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import islice
from typing import Literal

Alphabet = Literal["smiles", "dna", "rna", "protein", "letters"]

# Atoms, bonds, branches and ring closures; atoms in brackets are one token. Schwaller et al. 2018
# (https://doi.org/10.1039/C8SC02339E), supplementary information, without the signs of reactions.
_SMILES = re.compile(r"\[[^\[\]]{1,100}\]|Br|Cl|%\(\d{1,5}\)|%\d\d|[BCNOPSFIbcnops()\-=#$:/\\.~*0-9]")

# One-letter codes of IUPAC-IUB (https://doi.org/10.1093/nar/13.9.3021), those of several bases and of gaps included.
_DNA = "ACGTRYSWKMBDHVN-"
_LETTERS = {"dna": _DNA, "rna": _DNA.replace("T", "U"), "protein": "ABCDEFGHIJKLMNOPQRSTUVWXYZ*-"}
_PAIRED = {"dna": str.maketrans(_DNA, "TGCAYRSWMKVHDBN-"), "rna": str.maketrans(_LETTERS["rna"], "UGCAYRSWMKVHDBN-")}
_NAMES = {"dna": "DNA", "rna": "RNA", "protein": "a protein"}


class Unreadable(ValueError):
    """A sequence that its alphabet cannot spell; the message says why, without the sequence."""


def clean(text: str, alphabet: Alphabet) -> str:
    """The bare sequence: SMILES up to the first blank (a name may follow), letters without blanks and in capitals."""
    if alphabet == "smiles":
        return (text.split(maxsplit=1) or [""])[0]
    text = "".join(text.split())
    return text if alphabet == "letters" else text.upper()


def symbols(text: str, alphabet: Alphabet, k: int = 1, most: int | None = None) -> list[str]:
    """The symbols of a cleaned sequence, from the first, at most ``most``. Work and memory are bounded by ``most``.

    Args:
        k: letters of a symbol; symbols overlap, each begins one letter later (Ji et al. 2021, DNABERT,
            https://doi.org/10.1093/bioinformatics/btab083). A shorter sequence is one symbol.

    Raises:
        Unreadable: a sign that the alphabet does not have.
    """
    if alphabet == "smiles":
        return _smiles(text, most)
    if most is not None:
        text = text[: most + k - 1]
    if alphabet != "letters":
        foreign = set(text) - set(_LETTERS[alphabet])
        if foreign:
            raise Unreadable(f"{min(foreign)!r} is no letter of {_NAMES[alphabet]}")
    return [text[i : i + k] for i in range(max(1, len(text) - k + 1))]


def reverse_complement(text: str, alphabet: Alphabet) -> str:
    """The opposite strand, read in its own direction. Only of ``dna`` and ``rna``."""
    return text.translate(_PAIRED[alphabet])[::-1]


def guess(sequences: Iterable[str], count: int = 1000) -> Alphabet:
    """The alphabet in which nearly all of the first ``count`` sequences can be spelt, the smallest one."""
    seen = [s for s in islice(sequences, count) if s.strip()]
    for alphabet in ("dna", "rna"):
        plain = _LETTERS[alphabet].replace("-", "")
        if seen and sum(set(clean(s, "dna")) <= set(plain) for s in seen) > 0.99 * len(seen):
            return "dna" if alphabet == "dna" else "rna"
    # Every amino acid has a letter, but proteins have no digits, brackets or bonds, as a set of molecules surely has.
    if seen and sum("".join(s.split()).rstrip("*").isalpha() for s in seen) > 0.99 * len(seen):
        return "protein"
    return "smiles"


def _smiles(text: str, most: int | None) -> list[str]:
    out: list[str] = []
    at = 0
    while at < len(text) and (most is None or len(out) < most):
        found = _SMILES.match(text, at)
        if found is None:
            raise Unreadable(f"{text[at]!r} is no sign of SMILES")
        out.append(found[0])
        at = found.end()
    return out
