"""Text stem: raw text or split words -> subword ids, in the tokenizer's own threads; ids -> word vectors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from torch import Tensor, nn
from transformers import AutoTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast
from transformers.utils import logging

from unisono.packed import Layout
from unisono.runtime.text import Reader, TextTokens
from unisono.stems.base import Stem, Tokens
from unisono.stems.hiding import MASKED, SWAPPED, Contents, Hiding

_SPECIAL = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")}


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
        self._reader = Reader(tokenizer.backend_tokenizer.to_str())
        self._ordinary = np.setdiff1d(np.arange(len(tokenizer), dtype=np.int32), tokenizer.all_special_ids)

    def tokens(
        self, rows: Sequence[Mapping[str, Any]], *, words: bool = False, max_length: int | None = None
    ) -> list[dict[str, np.ndarray]]:
        """Tokens of a batch of rows: see ``Reader.tokens``.

        Args:
            max_length: overrides the stem's.
        """
        return self._reader.tokens(rows, words=words, most=max_length or self.max_length)

    def windows(
        self, rows: Sequence[Mapping[str, Any]], *, stride: int, max_length: int | None = None
    ) -> list[list[dict[str, np.ndarray]] | str]:
        """Tokens of questions and contexts: one window a row, or several that overlap where a context is too long."""
        return self._reader.windows(rows, stride=stride, most=max_length or self.max_length)

    def tokens_of_text(self, text: str, *, max_length: int | None = None) -> TextTokens:
        """Tokens of a raw text, exactly as ``tokens`` gives them, and the words and punctuation marks found in it."""
        return self._reader.tokens_of_text(text, most=max_length or self.max_length)

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
        return {"symbols": [self._reader.piece(i) for i in range(len(self.tokenizer))]}

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
