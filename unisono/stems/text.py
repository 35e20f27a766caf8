"""Text stem: raw text or split words -> subword ids, in the tokenizer's own threads; ids -> word vectors."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from torch import Tensor, nn
from transformers import AutoTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast
from transformers.utils import logging

from unisono.packed import Layout
from unisono.stems.base import Stem, Tokens
from unisono.stems.hiding import MASKED, SWAPPED, Contents, Hiding
from unisono.stems.windows import windows

TEXTS, PAIRS = ("text", "source", "question"), ("pair", "context")  # roles of a text, and of its second half
_WORD = re.compile(r"\w+|[^\w\s]")


def words_of(text: str) -> list[str]:
    """Runs of letters and digits, and single other signs."""
    return _WORD.findall(text)


_SPECIAL = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")}


class TextTokens(NamedTuple):
    """One raw text and the words found in it, so that heads of texts and heads of words share one trunk pass."""

    ids: np.ndarray  # (L,) int32
    words: np.ndarray  # (W,) int32: the place of each word's first token in ids, -1 where it was cut off
    strings: list[str]  # the W words
    spans: list[tuple[int, int]]  # their characters in the text, end exclusive


class TextStem(Stem, Hiding):
    """Turns text into word vectors for the trunk.

    Args:
        tokenizer: a fast tokenizer of Hugging Face.
        embedding: the word table, (V, D_in).
        max_length: tokens of a sequence at most, special ones counted; longer input is cut, its special tokens kept.
    """

    fields = ("ids", "types", "words", "context", "begins", "ends")
    reads = ("ids", "types")
    cuts = True

    def __init__(self, tokenizer: PreTrainedTokenizerBase, embedding: nn.Embedding, max_length: int = 512) -> None:
        super().__init__()
        if not getattr(tokenizer, "is_fast", False):
            raise ValueError(f"{type(tokenizer).__name__} is no fast tokenizer: save it with a tokenizer.json first")
        if len(tokenizer) > embedding.num_embeddings:
            raise ValueError(
                f"{len(tokenizer)} tokens in the tokenizer, only {embedding.num_embeddings} in the word table"
            )
        self.tokenizer, self.embedding, self.max_length = tokenizer, embedding, max_length
        self.most = max_length
        backend = tokenizer.backend_tokenizer.to_str()
        self._text = Tokenizer.from_str(backend)
        self._words = Tokenizer.from_str(_spaced(backend))
        self._text.no_padding()
        self._words.no_padding()
        self._ordinary = np.setdiff1d(np.arange(len(tokenizer), dtype=np.int32), tokenizer.all_special_ids)

    def tokens(
        self, rows: Sequence[Mapping[str, Any]], *, words: bool = False, max_length: int | None = None
    ) -> list[dict[str, np.ndarray]]:
        """Tokens of a batch of rows.

        Args:
            rows: role -> value: ``text``, ``source`` or ``question``, optionally ``pair`` or ``context``; with
                ``words``: ``tokens``, already split, or a raw text, whose words are found as ``tokens_of_text`` does.
            words: read ``tokens`` and also return where each word begins.
            max_length: overrides the stem's.

        Returns:
            Per row ``ids`` (L,) int32; ``types`` (L,) int32 unless all are 0; with ``words`` also ``words`` (W,) int32:
            the place of each word's first token, -1 for a word that was cut off or has no token (a control character).
        """
        if words and any(isinstance(row["tokens"], str) for row in rows):
            split = self.tokens(
                [row for row in rows if not isinstance(row["tokens"], str)], words=True, max_length=max_length
            )
            rest = iter(split)
            return [
                self._worded(row["tokens"], max_length) if isinstance(row["tokens"], str) else next(rest)
                for row in rows
            ]
        encoder = self._words if words else self._text
        encoder.enable_truncation(max_length or self.max_length, strategy="longest_first")
        inputs = [list(row["tokens"]) for row in rows] if words else [_text_of(row) for row in rows]
        encode = encoder.encode_batch if words else encoder.encode_batch_fast  # the fast one forgets words
        encoded = encode(inputs, is_pretokenized=words)
        out = []
        for one, given in zip(encoded, inputs, strict=True):
            example = {"ids": np.array(one.ids, dtype=np.int32)}
            types = np.array(one.type_ids, dtype=np.int32)
            if types.any():
                example["types"] = types
            if words:
                example["words"] = _first_tokens(one.word_ids, len(given))
            out.append(example)
        return out

    def _worded(self, text: str, max_length: int | None) -> dict[str, np.ndarray]:
        found = self.tokens_of_text(text, max_length=max_length)
        return {"ids": found.ids, "words": found.words}

    def windows(
        self, rows: Sequence[Mapping[str, Any]], *, stride: int, max_length: int | None = None
    ) -> list[list[dict[str, np.ndarray]] | str]:
        """Tokens of questions and contexts: one window a row, or several that overlap where a context is too long.

        Args:
            rows: role -> value: ``question`` and ``context``.
            stride, max_length: see ``unisono.stems.windows``.
        """
        pairs = [(row["question"], row["context"]) for row in rows]
        return windows(self._text, pairs, most=max_length or self.max_length, stride=stride)

    def tokens_of_text(self, text: str, *, max_length: int | None = None) -> TextTokens:
        """Tokens of a raw text, exactly as ``tokens`` gives them, and the words and punctuation marks found in it."""
        self._text.enable_truncation(max_length or self.max_length, strategy="longest_first")
        encoded = self._text.encode(text)
        spans = [match.span() for match in _WORD.finditer(text)]
        words = np.full(len(spans), -1, dtype=np.int32)
        token = 0
        real = [(i, a, b) for i, (a, b) in enumerate(encoded.offsets) if b > a]  # special tokens cover no characters
        for number, (start, end) in enumerate(spans):
            while token < len(real) and real[token][2] <= start:
                token += 1
            if (
                token < len(real) and real[token][1] < end
            ):  # the token that covers the word's first character, or its first
                words[number] = real[token][0]
        return TextTokens(np.array(encoded.ids, dtype=np.int32), words, [text[a:b] for a, b in spans], spans)

    def length(self, tokens: Mapping[str, np.ndarray]) -> int:
        return len(tokens["ids"])

    def collate(self, tokens: Sequence[Mapping[str, np.ndarray]]) -> dict[str, Tensor]:
        """``ids`` (N,) int64, and ``types`` (N,) int64 where a row is a pair."""
        out = {"ids": torch.from_numpy(np.concatenate([t["ids"] for t in tokens]).astype(np.int64))}
        if any("types" in t for t in tokens):
            types = [t["types"] if "types" in t else np.zeros(len(t["ids"]), np.int32) for t in tokens]
            out["types"] = torch.from_numpy(np.concatenate(types).astype(np.int64))
        return out

    def embed(self, fields: Mapping[str, Tensor], layout: Layout) -> Tensor:
        """(N, D_in) word vectors. Positions and token types are the trunk's business."""
        out: Tensor = self.embedding(fields["ids"])
        return out

    def learn_mask(self) -> None:
        """The tokenizer's own mask, which has a vector in the word table."""
        if self.tokenizer.mask_token_id is None:
            raise ValueError("this trunk's tokenizer has no mask token, which a task of kind mask needs")

    def holds(self) -> dict[str, Any]:
        """All pieces, as they read: bytes of other scripts may be half a letter."""
        return {"symbols": [self._text.decode([i], skip_special_tokens=False) for i in range(len(self.tokenizer))]}

    def contents(self, tokens: Mapping[str, np.ndarray]) -> Contents:
        ids = tokens["ids"]
        return Contents(ids, np.isin(ids, self._ordinary), ids == (self.tokenizer.mask_token_id or -1))

    def hide(self, tokens: Mapping[str, np.ndarray], how: np.ndarray, draw: np.random.Generator) -> Tokens:
        ids = tokens["ids"].copy()
        ids[how == MASKED] = self.tokenizer.mask_token_id
        ids[how == SWAPPED] = draw.choice(self._ordinary, (how == SWAPPED).sum())
        return {**tokens, "ids": ids}

    def config(self) -> dict[str, Any]:
        return {"max_length": self.max_length}

    def key(self) -> str:
        return f"{self.max_length} {self.tokenizer.backend_tokenizer.to_str()}"

    def save(self, folder: str | Path) -> None:
        """Writes the tokenizer in the layout of Hugging Face; the word table is saved with the model's weights."""
        self.tokenizer.save_pretrained(str(folder))

    @staticmethod
    def load_tokenizer(folder: str | Path) -> PreTrainedTokenizerBase:
        """The tokenizer that ``save`` wrote."""
        before = logging.get_verbosity()
        logging.set_verbosity_error()  # it would wonder at the model type in config.json, which is ours
        try:
            tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(str(folder), trust_remote_code=False)
        finally:
            logging.set_verbosity(before)
        return tokenizer

    @staticmethod
    def train_tokenizer(texts: Iterable[str], size: int = 8000) -> PreTrainedTokenizerFast:
        """A byte-level BPE tokenizer that frames texts as BERT does, learned from texts. Sennrich et al. 2016.

        The same texts give the same tokenizer (the library's WordPiece trainer does not keep that promise).

        Args:
            size: entries at most, the five special ones and the 256 bytes counted.
        """
        names = list(_SPECIAL.values())
        # A mask stands for a piece with the blank before it, so it takes that blank, as RoBERTa's does.
        specials = [AddedToken(n, lstrip=n == _SPECIAL["mask_token"], special=True, normalized=False) for n in names]
        tokenizer = Tokenizer(models.BPE())
        tokenizer.normalizer = normalizers.NFC()
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
        tokenizer.decoder = decoders.ByteLevel()
        alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
        trainer = trainers.BpeTrainer(
            vocab_size=max(size, len(names) + len(alphabet)), special_tokens=specials, initial_alphabet=alphabet,
            show_progress=False, min_frequency=2,
        )  # fmt: skip
        tokenizer.train_from_iterator(texts, trainer)
        at = {name: number for number, name in enumerate(names)}  # the trainer puts them first
        tokenizer.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1",
            special_tokens=[("[CLS]", at["[CLS]"]), ("[SEP]", at["[SEP]"])],
        )  # fmt: skip
        return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **{**_SPECIAL, "mask_token": specials[-1]})


def _text_of(row: Mapping[str, Any]) -> str | tuple[str, str]:
    """The text of a row, with the second half if it has one: of these, one may be missing."""
    first, second = (next((row[r] for r in roles if row.get(r) is not None), None) for roles in (TEXTS, PAIRS))
    if first is None or second is None:
        return first or second or ""
    return first, second


def _first_tokens(word_of_token: Sequence[int | None], count: int) -> np.ndarray:
    """(L,) the word of each token -> (W,) the first token of each word, -1 for words without one."""
    first = np.full(count, -1, dtype=np.int32)
    for token in range(len(word_of_token) - 1, -1, -1):
        word = word_of_token[token]
        if word is not None:
            first[word] = token
    return first


def _spaced(backend: str) -> str:
    """The same tokenizer for words that are already split: each is read as if a space stood before it.

    Byte-level and SentencePiece tokenizers (RoBERTa, XLM-R) otherwise take a word for the middle of another.
    """
    settings = json.loads(backend)

    def visit(node: Any) -> None:
        if isinstance(node, dict):
            if node.get("type") == "ByteLevel" and "add_prefix_space" in node:
                node["add_prefix_space"] = True
            if node.get("type") == "Metaspace" and "prepend_scheme" in node:
                node["prepend_scheme"] = "always"
            for child in node.values():
                visit(child)
        elif isinstance(node, list):
            for child in node:
                visit(child)

    visit(settings["pre_tokenizer"])
    return json.dumps(settings)
