"""everyday: an embedded, synthetic data set of everyday requests: English with intent and entities, and a translation.

A synchronous grammar (``everyday_grammar``) makes every sentence, so this is practice ground, not evidence: real speech
has more ways to say things, and errors. What it does test honestly is composition. Every pair of slot values ("Vienna"
with "next Monday") belongs to one split, whatever the seed: a test sentence always joins values that no training
sentence joins (with a single value: joins it to a pattern that no training sentence joins it to), while each of its
words and its pattern does occur in training.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import combinations
from typing import Any, Generic, NamedTuple, TypeVar
from zlib import crc32

from unisono.data.everyday_grammar import ORDERS, SENTENCES, TAGS, WISHES, WORDS, Command, Plain

ROWS = {"train": 3000, "validation": 300, "test": 300}
MOST = 5  # times as many rows can be asked for: then some intents have little left that is new
HELD_OUT = 12  # percent of the pairs of slot values that belong to the test split, and as many to validation

_SLOT = re.compile(r"\{(?P<slot>(?P<kind>[A-Z]+)\d?)(?:\.(?P<column>\w+))?\}")
_TOKEN = re.compile(r"\w+|[^\w\s]")

T = TypeVar("T")
Values = dict[str, dict[str, str]]  # the slots of a sentence ("CITY", "CITY2"), each with its row of the word table


class _Pattern(NamedTuple):
    """One way to say a sentence, cut at its slots: (literal, slot, column) in turn; the last slot is empty."""

    template: str
    english: tuple[tuple[tuple[str, ...], str, str], ...]
    german: tuple[tuple[str, str, str], ...]


def everyday(split: str, seed: int = 0, *, rows: int | None = None) -> Iterator[dict[str, Any]]:
    """Yields the rows of one split. The same arguments always give the same rows, none of them twice.

    Args:
        split: ``train``, ``validation`` or ``test``.
        seed: draws the sentences. Which combinations belong to which split does not depend on it.
        rows: how many; default 3,000 for training, 300 for the others, at most five times that.

    Yields:
        ``text`` (English), ``intent`` (str), ``tokens`` and ``tags`` (lists of str; tags are BIO), ``german`` (str).

    Raises:
        ValueError: no such split, or too many rows.
    """
    if split not in ROWS:
        raise ValueError(f"everyday has no split {split!r}; it has {', '.join(ROWS)}")
    wanted = ROWS[split] if rows is None else rows
    if wanted > MOST * ROWS[split]:
        raise ValueError(f"everyday: {wanted} rows asked of split {split!r}, which gives at most {MOST * ROWS[split]}")
    rng = random.Random(f"everyday {split} {seed}")
    words = {kind: _Words(table, rng) for kind, table in WORDS.items()}
    patterns = {sentence: _Deck(_patterns(sentence), rng) for sentence in SENTENCES}
    by_intent: dict[str, list[Command | Plain]] = {}
    for sentence in SENTENCES:
        by_intent.setdefault(sentence.intent, []).append(sentence)
    sentences = {intent: _Deck(those, rng) for intent, those in by_intent.items()}

    intents = _Deck(list(by_intent), rng)
    seen: set[str] = set()
    while len(seen) < wanted:
        sentence = sentences[intents.draw()].draw()
        for _ in range(16):  # a sentence with little to vary may have nothing in this split: then another has its turn
            pattern = patterns[sentence].draw()
            values: Values = {}
            for slot, kind in _slots(sentence):
                values[slot] = words[kind].draw()
            if _split(pattern, values) == split:
                row = _row(sentence.intent, pattern, values)
                if row["text"] not in seen:
                    seen.add(row["text"])
                    for slot, kind in _slots(sentence):
                        words[kind].used[values[slot]["en"]] += 1
                    yield row
                    break


class _Deck(Generic[T]):
    """Draws without putting back and begins anew when empty, so that everything comes up equally often."""

    def __init__(self, items: Sequence[T], rng: random.Random) -> None:
        self.items, self.rng = items, rng
        self.left: list[T] = []

    def draw(self) -> T:
        if not self.left:
            self.left = self.rng.sample(self.items, len(self.items))
        return self.left.pop()


class _Words:
    """Draws from a word table the less used of two words. Only words that made it into a row count as used."""

    def __init__(self, table: Sequence[dict[str, str]], rng: random.Random) -> None:
        self.table, self.rng = table, rng
        self.used = dict.fromkeys((word["en"] for word in table), 0)

    def draw(self) -> dict[str, str]:
        one, two = self.rng.choice(self.table), self.rng.choice(self.table)
        return one if self.used[one["en"]] < self.used[two["en"]] else two


@cache
def _slots(sentence: Command | Plain) -> tuple[tuple[str, str], ...]:
    """The slots of a sentence with their kinds, each once: (("CITY", "CITY"), ("CITY2", "CITY"))."""
    return tuple(dict.fromkeys((m["slot"], m["kind"]) for m in _SLOT.finditer(sentence.english)))


def _split(pattern: _Pattern, values: Values) -> str | None:
    """The split that a combination belongs to: the one its held-out pair belongs to; None if its pairs disagree."""
    names = sorted(value["en"] for value in values.values())
    if len(set(names)) < len(names):  # from Rome to Rome
        return None
    pairs = combinations(names, 2) if len(names) > 1 else [(pattern.template, names[0])]
    held_out = {owner for one, other in pairs if (owner := _owner(one, other)) != "train"}
    if not held_out:
        return "train"
    return held_out.pop() if len(held_out) == 1 else None


@cache
def _owner(one: str, other: str) -> str:
    place = crc32(f"{one} & {other}".encode()) % 100
    return "test" if place < HELD_OUT else "validation" if place < 2 * HELD_OUT else "train"


@cache
def _patterns(sentence: Command | Plain) -> tuple[_Pattern, ...]:
    """Every way to say a sentence: as it is, or as an order, a polite question or a wish."""
    if isinstance(sentence, Plain):
        return (_pattern(sentence.english, sentence.german),)
    pronoun = "~" in sentence.middle  # who speaks is in the sentence already: "I want to wake me" is no wish
    frames = (*(ORDERS if sentence.imperative else ()), *(() if pronoun else WISHES))
    out = []
    for english, german, verb in frames:
        middle = sentence.middle if pronoun else f"~ {sentence.middle}"
        middle = middle.replace("~", "bitte") if verb == "bitte" else middle.replace("~ ", "")
        predicate = sentence.imperative if verb == "imperative" else sentence.infinitive
        said = predicate.replace("_", middle)
        out.append(_pattern(english.replace("_", sentence.english), german.replace("_", said)))
    return tuple(out)


def _pattern(english: str, german: str) -> _Pattern:
    pieces = _pieces(english[0].upper() + english[1:])
    return _Pattern(
        english,
        tuple((tuple(_TOKEN.findall(literal)), slot, column) for literal, slot, column in pieces),
        tuple(_pieces(german[0].upper() + german[1:])),
    )


def _pieces(text: str) -> list[tuple[str, str, str]]:
    out, at = [], 0
    for m in _SLOT.finditer(text):
        out.append((text[at : m.start()], m["slot"], m["column"] or ""))
        at = m.end()
    return [*out, (text[at:], "", "")]


def _row(intent: str, pattern: _Pattern, values: Values) -> dict[str, Any]:
    tokens: list[str] = []
    tags: list[str] = []

    def add(words: Sequence[str], entity: str = "") -> None:
        tokens.extend(words)
        tags.extend([f"B-{entity}"] + [f"I-{entity}"] * (len(words) - 1) if entity else ["O"] * len(words))

    for literal, slot, column in pattern.english:
        add(literal)
        if not slot:
            continue
        value = values[slot]
        if column in ("", "bare"):
            if not column:
                add(value.get("before", "").split())
            kind = slot.rstrip("2")
            add(value["en"].split(), TAGS.get(kind, kind))
        else:
            add(value[column].split())
    german = "".join(lit + (values[slot][column or "de"] if slot else "") for lit, slot, column in pattern.german)
    text = re.sub(r" ([.,?])", r"\1", " ".join(tokens))
    return {"text": text, "intent": intent, "tokens": tokens, "tags": tags, "german": german[0].upper() + german[1:]}
