"""The words and sentences of the embedded everyday requests: a synchronous grammar of English and German.

Words are tables, one per kind of slot: ``en`` is what gets tagged, ``before`` the English words in front of it, the
other columns are further English words or the German forms. In sentences, ``{SLOT.column}`` picks a column; ``{SLOT}``
is ``before`` and ``en`` in English and ``de`` in German; ``{SLOT.bare}`` in English is ``en`` alone. ``{CITY2}`` is a
second, different ``CITY``.

They are written down in two text files: under the name of a slot, or of an intent, its lines, indented, with cells
between ``|``. A table's first line names its columns. A sentence of four cells is a ``Command``, one of two ``Plain``.
"""

from __future__ import annotations

from importlib.resources import files
from typing import NamedTuple


def _written(name: str) -> dict[str, list[list[str]]]:
    """Heading -> the cells of the lines below it; what is above the first empty line is for readers."""
    out: dict[str, list[list[str]]] = {}
    heading = ""
    for line in (files("unisono.data") / name).read_text(encoding="utf-8").partition("\n\n")[2].splitlines():
        if line.startswith("  "):
            out[heading].append([cell.strip() for cell in line.split("|")])
        elif line:
            heading = line
            out[heading] = []
    return out


def _table(head: list[str], *lines: list[str]) -> tuple[dict[str, str], ...]:
    return tuple(dict(zip(head, line, strict=True)) for line in lines)


def _times() -> tuple[dict[str, str], ...]:
    """Times of the day as they stand after *at* and *um*."""
    hours = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
    stunden = ["eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun", "zehn", "elf", "zwölf"]
    times = [("midnight", "Mitternacht"), ("one", "ein Uhr")]
    times += [(hours[h], f"{stunden[h]} Uhr") for h in range(1, 12)]
    times += [(f"half past {hours[h]}", f"halb {stunden[(h + 1) % 12]}") for h in range(4, 12)]
    times += [(f"a quarter past {hours[h]}", f"Viertel nach {stunden[h]}") for h in range(4, 12)]
    times += [(f"a quarter to {hours[h]}", f"Viertel vor {stunden[h]}") for h in range(4, 12)]
    return tuple({"en": en, "de": de} for en, de in times)


def _dates() -> tuple[dict[str, str], ...]:
    """Days: ``de`` as an adverbial, ``day`` as it stands after *für* and *auf*."""
    weekdays = {
        "Monday": "Montag",
        "Tuesday": "Dienstag",
        "Wednesday": "Mittwoch",
        "Thursday": "Donnerstag",
        "Friday": "Freitag",
        "Saturday": "Samstag",
        "Sunday": "Sonntag",
    }
    days = [
        ("the first of May", "ersten Mai"),
        ("the second of April", "zweiten April"),
        ("the third of June", "dritten Juni"),
        ("the fifth of October", "fünften Oktober"),
        ("the tenth of July", "zehnten Juli"),
        ("the twelfth of August", "zwölften August"),
        ("the twentieth of March", "zwanzigsten März"),
    ]
    plain = [("today", "heute"), ("tomorrow", "morgen"), ("the day after tomorrow", "übermorgen")]
    plain += [(f"next {day}", f"nächsten {tag}") for day, tag in weekdays.items()]
    return (
        *({"en": en, "before": "", "de": de, "day": de} for en, de in plain),
        *({"en": en, "before": "on", "de": f"am {de}", "day": de} for en, de in weekdays.items()),
        *({"en": en, "before": "on", "de": f"am {de}", "day": f"den {de}"} for en, de in days),
    )


WORDS: dict[str, tuple[dict[str, str], ...]] = {
    "TIME": _times(),
    "DATE": _dates(),
    **{slot: _table(*lines) for slot, lines in _written("everyday_words.txt").items()},
}

TAGS = {"WHEN": "DATE", "DEGREES": "NUMBER", "PERCENT": "NUMBER"}  # slots whose entity type has another name


class Command(NamedTuple):
    """Something to do. The frames turn it into an order, a question or a wish.

    ``imperative`` and ``infinitive`` hold the German verb around ``_``, the middle of the sentence. In the middle,
    ``~`` marks where *bitte* goes if that is behind a pronoun. No imperative: only wishes.
    """

    intent: str
    english: str
    imperative: str
    infinitive: str
    middle: str


class Plain(NamedTuple):
    """A question or a statement, whole."""

    intent: str
    english: str
    german: str


# English, German, which verb. "bitte" stands where the middle says.
ORDERS = (
    ("_.", "_.", "imperative"),
    ("please _.", "bitte _.", "imperative"),
    ("_, please.", "_, bitte.", "imperative"),
    ("can you _?", "kannst du _?", "infinitive"),
    ("could you please _?", "könntest du _?", "bitte"),
    ("would you please _?", "würdest du _?", "bitte"),
)
WISHES = (
    ("I want to _.", "ich will _.", "infinitive"),
    ("I would like to _.", "ich möchte _.", "infinitive"),
    ("I need to _.", "ich muss _.", "infinitive"),
)

SENTENCES: tuple[Command | Plain, ...] = tuple(
    Command(intent, *cells) if len(cells) == 4 else Plain(intent, *cells)
    for intent, lines in _written("everyday_sentences.txt").items()
    for cells in lines
)
