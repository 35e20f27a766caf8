"""Scores of tags: entity precision, recall and F1 where tags spell entities, accuracy of words everywhere.

Entities are read and counted as CoNLL's conlleval script does (Tjong Kim Sang and De Meulder 2003,
https://aclanthology.org/W03-0419): an entity counts if type, first and last word are all right, and odd sequences are
read kindly (``O I-PER`` begins an entity, ``B-PER I-LOC`` are two). BILOU and BMES are read as BIOES.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache

from unisono.metrics.gold import Prediction, Row, Scores, labelled

Entity = tuple[str, int, int]  # type, first word, the word after the last

_ROLES = {"B": "B", "I": "I", "M": "I", "E": "E", "L": "E", "S": "S", "U": "S", "O": "O"}


def score_tags(predictions: Sequence[Prediction], rows: Sequence[Row]) -> Scores:
    """Compares ``tags`` with the rows' ``tags``. All scores are fractions.

    ``accuracy`` over the words that have a gold tag. Where tags spell entities also ``f1``, ``precision`` and
    ``recall`` over all entities, and ``f1/TYPE`` for each type, all from the rows of which every word has a tag.
    ``rows`` counts the rows with tags; without any, there are no scores.

    Raises:
        ValueError: a prediction has not as many tags as its row.
    """
    pairs = [(p["tags"], list(g)) for p, g in labelled(predictions, rows, "tags")]
    for number, (said, gold) in enumerate(pairs):
        if len(said) != len(gold):
            raise ValueError(f"{len(said)} predicted tags for {len(gold)} gold tags, in labelled row {number}")
    words = [(a, b) for said, gold in pairs for a, b in zip(said, gold, strict=True) if b is not None]
    if not words:
        return {}
    scores: Scores = {"accuracy": sum(a == b for a, b in words) / len(words)}
    if any("entities" in p for p in predictions) or spells_entities({b for _, b in words}):
        scores |= _entity_scores([(said, gold) for said, gold in pairs if None not in gold])
    return {**scores, "rows": float(sum(any(tag is not None for tag in gold) for _, gold in pairs))}


def spells_entities(tags: Iterable[str]) -> bool:
    """Whether tags are written in a scheme of entities (B-PER, I-PER, O and the like); parts of speech are not."""
    parsed = [(_parse(tag), len(tag) > 1) for tag in tags]
    roles = {p[0] for p, _ in parsed if p is not None} - {"O"}
    typed = any(long for _, long in parsed)
    return None not in {p for p, _ in parsed} and bool(roles) and (typed or ("B" in roles and len(roles) > 1))


def entities(tags: Sequence[str]) -> list[Entity]:
    """The entities that a sentence's tags spell, as conlleval reads them."""
    out: list[Entity] = []
    start, last, kind = -1, "O", ""  # the entity under way (none: -1), and the role and type of the word before
    for i, tag in enumerate(tags):
        role, this = _parse(tag) or ("O", "")
        # At every word an entity goes on only if nothing parts it from the word before.
        if start >= 0 and not (role in "IE" and last in "BI" and this == kind):
            out.append((kind, start, i))
            start = -1
        if start < 0 and role != "O":
            start = i
        last, kind = role, this
    if start >= 0:
        out.append((kind, start, len(tags)))
    return out


def _entity_scores(pairs: Sequence[tuple[Sequence[str], Sequence[str]]]) -> Scores:
    hits: Counter[str] = Counter()
    found: Counter[str] = Counter()
    meant: Counter[str] = Counter()
    for said, gold in pairs:
        ours, theirs = entities(said), entities(gold)
        found.update(kind for kind, _, _ in ours)
        meant.update(kind for kind, _, _ in theirs)
        hits.update(kind for kind, _, _ in set(ours) & set(theirs))
    n, f, m = hits.total(), found.total(), meant.total()
    scores = {"f1": _ratio(2 * n, f + m), "precision": _ratio(n, f), "recall": _ratio(n, m)}
    return scores | {f"f1/{t}": _ratio(2 * hits[t], found[t] + meant[t]) for t in sorted(found | meant)}


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


@lru_cache(maxsize=4096)
def _parse(tag: str) -> tuple[str, str] | None:
    """(role, type) of a tag such as "B-PER", "I" or "O"; None for a tag of no scheme."""
    role = _ROLES.get(tag[:1])
    if role is None or (len(tag) > 1 and tag[1] != "-"):
        return None
    return ("O", "") if role == "O" else (role, tag[2:] or "_")
