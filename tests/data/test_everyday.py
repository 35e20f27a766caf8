"""The embedded data set: well formed in both languages, the same every time, and held out as it says."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from itertools import combinations

import pytest

from tests.counting import calls
from unisono.data.everyday import ROWS, everyday
from unisono.data.everyday_grammar import SENTENCES, WORDS, Plain

SPLITS = tuple(ROWS)


@pytest.fixture(scope="module")
def data() -> dict[str, list[dict]]:
    return {split: list(everyday(split, seed=0)) for split in SPLITS}


def entities(row: dict) -> list[str]:
    """The tagged spans of a row, in a plain reading of BIO."""
    out: list[list[str]] = []
    for token, tag in zip(row["tokens"], row["tags"], strict=True):
        if tag.startswith("B-"):
            out.append([token])
        elif tag.startswith("I-"):
            out[-1].append(token)
    return [" ".join(words) for words in out]


@pytest.mark.parametrize("split", SPLITS)
def test_rows_are_well_formed(data, split):
    rows = data[split]
    assert len(rows) == ROWS[split]
    for row in rows:
        assert list(row) == ["text", "intent", "tokens", "tags", "german"]
        # any plain splitter into words and signs finds the same tokens in the text
        assert re.findall(r"\w+|[^\w\s]", row["text"]) == row["tokens"]
        assert len(row["tokens"]) == len(row["tags"])
        before = "O"
        for tag in row["tags"]:
            assert tag == "O" or tag[:2] == "B-" or before[2:] == tag[2:], f"{tag} after {before}"
            before = tag
        for text in (row["text"], row["german"]):
            assert text[0].isupper()
            assert text[-1] in ".?"
            assert not re.search(r"  |[{}_~]| [.,?]", text), text
        assert row["text"][-1] == row["german"][-1]


def test_rows_are_the_same_in_every_version(data):
    """Figures in the documentation were measured on them; whoever changes rows on purpose changes this too."""
    prints = {s: hashlib.sha256(json.dumps(r, ensure_ascii=False).encode()).hexdigest()[:16] for s, r in data.items()}
    assert prints == {"train": "a9bf909e9e752a4c", "validation": "c26568bbe625a767", "test": "35461947c7b6ca4a"}


def test_every_row_of_a_split_is_another(data):
    texts = [row["text"] for split in SPLITS for row in data[split]]
    assert len(set(texts)) == len(texts)


def test_it_is_what_it_says(data):
    tags = {tag[2:] for row in data["train"] for tag in row["tags"]} - {""}
    assert len({row["intent"] for row in data["train"]}) >= 16
    assert len(tags) >= 12
    by_intent = [sum(row["intent"] == s.intent for row in data["train"]) for s in SENTENCES]
    assert min(by_intent) > 80


@pytest.mark.parametrize("seed", range(3))
def test_words_of_the_test_split_occur_in_training(seed):
    words = {
        split: {
            word for row in everyday(split, seed) for word in re.findall(r"[\w-]+", f"{row['text']} {row['german']}")
        }
        for split in SPLITS
    }
    assert words["validation"] | words["test"] <= words["train"]


def test_every_value_and_pattern_occurs_in_training(data):
    text = "\n".join(f"{row['text']}\n{row['german']}" for row in data["train"])
    for table in WORDS.values():
        assert not [value["en"] for value in table if value["en"] not in text]
    for sentence in SENTENCES:
        pattern = re.sub(r"\\\{.*?\\\}", ".+", re.escape(sentence.english))
        assert re.search(pattern, text, re.IGNORECASE), sentence


@pytest.mark.parametrize("seeds", [(0, 0), (0, 1), (1, 0)], ids=str)
def test_test_sentences_join_what_training_never_joins(seeds):
    """With two entities or more, a pair of them stands in no training sentence; with one, that one in that pattern."""

    def joined(row: dict) -> set[tuple]:
        found = sorted(entities(row))
        if len(found) > 1:
            return set(combinations(found, 2))
        return {(found[0], *(word for word, tag in zip(row["tokens"], row["tags"], strict=True) if tag == "O"))}

    in_training = set().union(*(joined(row) for row in everyday("train", seeds[0])))
    for split in ("validation", "test"):
        for row in everyday(split, seeds[1]):
            assert joined(row) - in_training, row["text"]


def test_both_languages_use_the_same_slots():
    slot = re.compile(r"\{([A-Z]+\d?)[.}]")
    for sentence in SENTENCES:
        if isinstance(sentence, Plain):
            spoken = [sentence.german]
        else:
            verbs = [verb for verb in (sentence.imperative, sentence.infinitive) if verb]
            spoken = [verb.replace("_", sentence.middle) for verb in verbs]
        for german in spoken:
            assert set(slot.findall(sentence.english)) == set(slot.findall(german)), sentence


@pytest.mark.parametrize(
    ("english", "german"),
    [
        ("Turn on the light on the balcony, please.", "Schalte das Licht auf dem Balkon ein, bitte."),
        ("Wake me up at half past nine, please.", "Weck mich um halb zehn, bitte."),
        ("Would you please let me know in an hour?", "Würdest du mir bitte in einer Stunde Bescheid sagen?"),
        ("I need to call my neighbour.", "Ich muss meinen Nachbarn anrufen."),
        ("Is there a good Greek restaurant in Zurich?", "Gibt es in Zürich ein gutes griechisches Restaurant?"),
        ("We have run out of rice.", "Wir haben keinen Reis mehr."),
    ],
)
def test_some_sentences_by_hand(data, english, german):
    assert {row["text"]: row["german"] for split in SPLITS for row in data[split]}[english] == german


def test_it_depends_on_the_seed_alone(data):
    assert list(everyday("test", 0)) == data["test"]
    assert list(everyday("test", 1)) != data["test"]
    assert list(everyday("train", 0, rows=50)) == data["train"][:50]
    # and not on the random hashes of the process
    script = "from unisono.data.everyday import everyday; print([r['text'] for r in everyday('test', 0)][-1])"
    last = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.strip()
    assert last == data["test"][-1]["text"]


def test_it_is_quick(data):
    rows = sum(map(len, data.values()))
    assert calls(lambda: [list(everyday(split, seed=5)) for split in SPLITS]) < 400 * rows


def test_errors_say_what_there_is():
    with pytest.raises(ValueError, match="no split 'dev'; it has train, validation, test"):
        next(everyday("dev"))
    with pytest.raises(ValueError, match="at most 1500"):
        next(everyday("test", rows=1501))
    assert len(list(everyday("test", rows=1500))) == 1500
