"""Pieces: a byte-level BPE vocabulary learned from a task's own target texts. Sennrich et al. 2016; bytes as in GPT-2.

Every text has pieces and comes back unchanged but for Unicode composition (NFC): what no piece covers is spelled in
bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

PAD, BEGIN, END = 0, 1, 2  # the first pieces of every vocabulary


def learn(texts: Iterable[str], *, size: int, languages: Sequence[str] = ()) -> str:
    """Learns a vocabulary of at most ``size`` pieces, with one begin piece per language. Returns the tokenizer as JSON.

    The specials are entries of the vocabulary but not "added tokens": a text that spells ``</s>`` stays plain text.
    """
    specials = ["<pad>", "<s>", "</s>", *(f"<{language}>" for language in languages)]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=max(size, len(specials) + len(alphabet)),
        special_tokens=specials,
        initial_alphabet=alphabet,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    plain = json.loads(tokenizer.to_str())
    plain["added_tokens"] = []
    return json.dumps(plain, ensure_ascii=False)


class Pieces:
    """Text to piece numbers and back.

    Args:
        tokenizer: the JSON that ``learn`` returned.
        languages: those it was learned with.
    """

    def __init__(self, tokenizer: str, languages: Sequence[str] = ()) -> None:
        self._tokenizer = Tokenizer.from_str(tokenizer)
        self.languages = tuple(languages)
        self.specials = 3 + len(self.languages)  # numbers below this are no text

    def __len__(self) -> int:
        return int(self._tokenizer.get_vocab_size())

    def begin(self, language: str | None = None) -> int:
        """The piece that opens a text (of a language)."""
        return BEGIN if language is None else 3 + self.languages.index(language)

    def encode(self, text: str) -> list[int]:
        """Without begin and end."""
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def decode(self, ids: Iterable[int]) -> str:
        """Specials are left out; bytes that are no UTF-8 become U+FFFD."""
        return str(self._tokenizer.decode([i for i in ids if i >= self.specials], skip_special_tokens=False))
