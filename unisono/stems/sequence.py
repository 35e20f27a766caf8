"""Sequence stem: molecules (SMILES), DNA, RNA, proteins, any letters -> a vector a symbol, behind a start vector."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from unisono.packed import Layout
from unisono.runtime.stems.molecules import spellings
from unisono.runtime.stems.sequence import FIRST, START, UNKNOWN, Symbols, spelt
from unisono.runtime.stems.symbols import Alphabet, Unreadable, clean, guess, reverse_complement, symbols
from unisono.stems import base
from unisono.stems.base import Stem, Tokens
from unisono.stems.hiding import MASKED, SWAPPED, Contents, Hiding

_HIDDEN = -1  # where the mask stands
_DRAWS = 4  # random spellings tried for each one wanted: those of another length are of no use


class SequenceOptions(base.Options):
    """What a recipe may say under ``stems: sequence:``."""

    alphabet: Alphabet | Literal["auto"] = Field(
        "auto", description="smiles, dna, rna, protein, or letters (any, each a symbol); auto: told from the rows"
    )
    k: int = Field(1, ge=1, le=8, description="letters of a symbol; they overlap (k-mers); not for smiles")
    max_length: int = Field(256, ge=2, description="most vectors of a row, the start vector counted; the rest is cut")
    rare: int = Field(2, ge=1, description="a symbol that training has less often is read as unknown")
    drop: float = Field(0.0, ge=0, lt=1, description="share of symbols that are read as unknown while training")
    canonical: bool = Field(False, description="smiles: written anew by RDKit; what it cannot read is quarantined")
    randomise: int = Field(
        0,
        ge=0,
        le=100,
        description="smiles: most other spellings kept of a molecule, to draw from; implies canonical",
    )
    reverse_complement: bool = Field(False, description="dna, rna: while training, every other row is the other strand")
    aligned: bool = Field(
        False,
        description="all rows begin at the same point of what they are cut from: a symbol has a vector of its own at "
        "each place",
    )

    @model_validator(mode="after")
    def _agree(self) -> SequenceOptions:
        if self.reverse_complement and self.alphabet not in ("dna", "rna"):
            raise ValueError('"reverse_complement" needs "alphabet: dna" or "alphabet: rna"')
        if (self.canonical or self.randomise) and self.alphabet not in ("smiles", "auto"):
            raise ValueError(f'"canonical" and "randomise" are for molecules, not for "alphabet: {self.alphabet}"')
        if self.k > 1 and (self.alphabet == "smiles" or self.canonical or self.randomise):
            raise ValueError('"k" is for letters; the symbols of SMILES are not all of one letter')
        if self.aligned and (self.reverse_complement or self.randomise):
            raise ValueError('"aligned" rows have no other spelling: leave out "reverse_complement" and "randomise"')
        return self


class SequenceStem(Stem, Hiding):
    """One learned vector for each symbol of the vocabulary, with ``aligned`` one for each symbol at each place, and one
    before all others: the ``first`` state of a head.

    What a molecule or a strand may also be written as is read once and kept beside it, at the same length; in training
    ``embed`` draws for each row one of its spellings, all of them alike often. Otherwise it is the first: canonical.

    ``fitted``: ``alphabet``; ``symbols``, those of the vocabulary in the order of their numbers; with ``aligned``
    ``places``, the vectors of the longest training row.
    """

    Options: ClassVar[type[base.Options]] = SequenceOptions
    cuts: ClassVar[bool] = True
    fields: ClassVar[tuple[str, ...]] = ("symbols", "others")
    knows: ClassVar[bool] = True

    def __init__(self, width: int, options: SequenceOptions, fitted: Mapping[str, Any]) -> None:
        super().__init__()
        self.options, self.fitted = options, dict(fitted)
        self.most = options.max_length
        known, canonical = tuple(fitted["symbols"]), bool(options.canonical or options.randomise)
        self.reader = Symbols(fitted["alphabet"], options.k, canonical, known, self.most, fitted.get("places", 0))
        self.embedding = nn.Embedding(self.reader.vocabulary * max(1, self.reader.places), width)
        nn.init.normal_(self.embedding.weight, std=0.02)  # as BERT's word table, whose norm comes after
        self.mask: nn.Parameter | None = None

    @classmethod
    def fit(cls, values: Iterable[Any], options: SequenceOptions) -> dict[str, Any]:
        """The vocabulary of the training rows, other spellings included, in alphabetical order."""
        texts = [str(value) for value in values if value is not None]
        alphabet = _alphabet(texts, options)
        counts: Counter[str] = Counter()
        places = 1
        for text in texts:
            try:
                for spelling in _spelt(text, alphabet, options, options.max_length - 1):
                    counts.update(spelling)
                    places = max(places, 1 + len(spelling))
            except Unreadable:
                continue  # tokens will say so, once, with the row's number
        known = sorted(s for s, n in counts.items() if n >= options.rare)
        return {"alphabet": alphabet, "symbols": known, **({"places": places} if options.aligned else {})}

    def tokens(
        self, rows: Sequence[Mapping[str, Any]], *, words: bool = False, max_length: int | None = None
    ) -> list[Tokens | str]:
        """``symbols`` (L,) int32, the start included; ``others`` (K L,) int32, the K other spellings end to end, where
        there are any. A sequence that the alphabet or RDKit cannot read gives the reason instead.
        """
        most = min(max_length or self.most, self.most) - 1
        out: list[Tokens | str] = []
        for row in rows:
            try:
                first, *others = _spelt(str(row["sequence"]), self.fitted["alphabet"], self.options, max(most, 1))
            except Unreadable as reason:
                out.append(str(reason))
                continue
            tokens = {"symbols": self.reader.numbers(first)}
            if others:
                tokens["others"] = np.concatenate([self.reader.numbers(other) for other in others])
            out.append(tokens)
        return out

    def length(self, tokens: Mapping[str, np.ndarray]) -> int:
        return len(tokens["symbols"])

    def unknown(self, tokens: Mapping[str, np.ndarray]) -> int:
        return int((tokens["symbols"] == UNKNOWN).sum()) if "symbols" in tokens else 0

    def collate(self, tokens: Sequence[Mapping[str, np.ndarray]]) -> dict[str, Tensor]:
        """``symbols`` (N,) int64; where a row has other spellings, also ``others`` (M,) int64, all of them end to end,
        and ``counts`` (B,) int64, how many spellings each row has besides the first; where symbols are hidden, also
        ``hidden`` (N,) bool.
        """
        out = {"symbols": _joined([t["symbols"] for t in tokens])}
        if any(t["symbols"].min() == _HIDDEN for t in tokens):
            out["hidden"] = out["symbols"] == _HIDDEN
        others = [t["others"] for t in tokens if "others" in t]
        if others:
            out["others"] = _joined(others)
            out["counts"] = torch.tensor([len(t.get("others", ())) // len(t["symbols"]) for t in tokens])
        return out

    def embed(self, fields: Mapping[str, Tensor], layout: Layout) -> Tensor:
        """(N, D_in) vectors of the symbols; in training of one spelling of each row, some symbols hidden."""
        numbers = fields["symbols"]  # (N,)
        if "hidden" in fields:
            assert self.mask is not None
            seen: Tensor = self._vectors(numbers.clamp(min=START), layout)
            return torch.where(fields["hidden"][:, None], self.mask.to(seen.dtype), seen)
        if self.training and "others" in fields:
            numbers = self._draw(fields, layout)
        if self.training and self.options.drop:
            hidden = (torch.rand(len(numbers), device=numbers.device) < self.options.drop) & (numbers != START)
            numbers = numbers.masked_fill(hidden, UNKNOWN)
        return self._vectors(numbers, layout)

    def learn_mask(self) -> None:
        if self.mask is None:
            self.mask = nn.Parameter(torch.randn(self.embedding.embedding_dim) * 0.02)

    def holds(self) -> dict[str, Any]:
        return {"symbols": ["", "?", *self.fitted["symbols"]]}

    def contents(self, tokens: Mapping[str, np.ndarray]) -> Contents:
        """A symbol that training did not have is not asked for."""
        numbers = tokens["symbols"]
        return Contents(numbers, numbers >= FIRST, np.zeros(len(numbers), bool))

    def hide(self, tokens: Mapping[str, np.ndarray], how: np.ndarray, draw: np.random.Generator) -> Tokens:
        numbers = tokens["symbols"].copy()
        numbers[how == MASKED] = _HIDDEN
        numbers[how == SWAPPED] = draw.integers(FIRST, self.reader.vocabulary, (how == SWAPPED).sum())
        return {**{name: value for name, value in tokens.items() if name != "others"}, "symbols": numbers}

    def varied(self, tokens: Mapping[str, np.ndarray]) -> Tokens:
        """One of the row's spellings."""
        length = len(tokens["symbols"])
        spellings = np.concatenate([tokens["symbols"], tokens.get("others", tokens["symbols"][:0])])
        at = int(torch.randint(len(spellings) // length, ())) * length
        rest = {name: value for name, value in tokens.items() if name != "others"}
        return {**rest, "symbols": spellings[at : at + length]}

    def config(self) -> dict[str, Any]:
        return {"options": self.options.model_dump(mode="json"), "fitted": self.fitted}

    def _vectors(self, numbers: Tensor, layout: Layout) -> Tensor:
        """(N,) numbers of symbols -> (N, D_in)."""
        if self.reader.places:
            at = layout.positions(numbers.device).clamp(max=self.reader.places - 1)
            numbers = numbers + at * self.reader.vocabulary
        out: Tensor = self.embedding(numbers)
        return out

    def _draw(self, fields: Mapping[str, Tensor], layout: Layout) -> Tensor:
        """(N,) the symbols of one spelling of each row."""
        first, others, counts = fields["symbols"], fields["others"], fields["counts"]
        device = first.device
        lengths = torch.tensor(layout.lengths, device=device)  # (B,)
        chosen = (torch.rand(layout.count, device=device) * (counts + 1)).long().clamp(max=counts)  # (B,) 0: the first
        ends = (counts * lengths).cumsum(0)
        begin = len(first) + ends - counts * lengths + (chosen - 1) * lengths  # in first and others end to end
        begin = torch.where(chosen == 0, layout.starts(device), begin)
        return torch.cat([first, others])[begin[layout.segments(device)] + layout.positions(device)]


def _alphabet(texts: Sequence[str], options: SequenceOptions) -> Alphabet:
    if options.canonical or options.randomise:
        return "smiles"
    return guess(texts) if options.alphabet == "auto" else options.alphabet


def _spelt(text: str, alphabet: Alphabet, options: SequenceOptions, most: int) -> Iterator[list[str]]:
    """The symbols of a sequence, then those of its other spellings, all of one length."""
    canonical = bool(options.canonical or options.randomise)
    first = spelt(text, alphabet, options.k, canonical=canonical, most=most)
    yield first
    if options.reverse_complement:
        seen = clean(text, alphabet)[: len(first) + options.k - 1]
        yield symbols(reverse_complement(seen, alphabet), alphabet, options.k)
    if options.randomise:
        whole, *others = (symbols(s, alphabet) for s in spellings(clean(text, alphabet), _DRAWS * options.randomise))
        # A row's vectors are counted before its spelling is drawn, so only spellings of the same length will do: walks
        # that begin at the end of a branch mostly are. A molecule that has to be cut keeps one: cut elsewhere, it is
        # another.
        yield from [other for other in others if len(other) == len(whole) <= most][: options.randomise]


def _joined(arrays: Sequence[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.concatenate(arrays).astype(np.int64))
