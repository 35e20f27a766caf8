"""Pieces: a byte-level BPE vocabulary learned from a task's own target texts. Sennrich et al. 2016; bytes as in GPT-2.

Every text has pieces and comes back unchanged but for Unicode composition (NFC): what no piece covers is spelled in
bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers


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
