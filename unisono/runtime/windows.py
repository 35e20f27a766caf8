"""windows: a question and a context as one sequence, or where the context is too long as several that overlap."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from tokenizers import Encoding, Tokenizer

NARROW = "max_length leaves no room for a question and a context"
BLANK = "no token was found in the context"


def windows(
    tokenizer: Tokenizer, pairs: Sequence[tuple[str, str]], *, most: int, stride: int
) -> list[list[dict[str, np.ndarray]] | str]:
    """Tokens of each pair, as the tokenizer frames two texts; the context alone is cut.

    Args:
        tokenizer: its truncation is set anew.
        pairs: (question, context).
        most: tokens of a window, special ones counted. A question may take up half of it, what is longer is cut off.
        stride: tokens of the context that a window shares with the one before; at most a quarter of ``most``.

    Returns:
        Per pair its windows, or why there are none. Of a window: ``ids`` (L,); ``types`` (L,) unless all are 0;
        ``context`` (1,): the place of the context's first token in it; ``begins`` and ``ends`` (C,): the characters of
        the context that each of its C tokens covers, ``ends`` exclusive and blanks at either side left out; equal where
        a token covers nothing. All int32.
    """
    room = most - tokenizer.num_special_tokens_to_add(True)
    if room < 2:
        return [NARROW] * len(pairs)
    asked = [_cut(tokenizer, question, room // 2) for question, _ in pairs]
    tokenizer.enable_truncation(most, stride=min(stride, room // 4), strategy="only_second")
    encoded = tokenizer.encode_batch([(question, context) for question, (_, context) in zip(asked, pairs, strict=True)])
    out: list[list[dict[str, np.ndarray]] | str] = []
    for first, (_, context) in zip(encoded, pairs, strict=True):
        found = [_window(one, context) for one in (first, *first.overflowing)]
        seen = [window for window in found if (window["begins"] < window["ends"]).any()]
        out.append(seen or BLANK)
    return out


def _cut(tokenizer: Tokenizer, text: str, most: int) -> str:
    """The beginning of a text that has at most so many tokens."""
    tokenizer.no_truncation()
    while len(read := tokenizer.encode(text, add_special_tokens=False)) > most:
        text = text[: min(read.offsets[most - 1][1], len(text) - 1)]
    return text


def _window(encoded: Encoding, context: str) -> dict[str, np.ndarray]:
    own = [place for place, sequence in enumerate(encoded.sequence_ids) if sequence == 1]
    spans = [_bare(context, *encoded.offsets[place]) for place in own]
    out = {"ids": np.array(encoded.ids, np.int32)}
    types = np.array(encoded.type_ids, np.int32)
    if types.any():
        out["types"] = types
    begins, ends = np.array(spans, np.int32).reshape(-1, 2).T.copy()
    return {**out, "context": np.array(own[:1] or [0], np.int32), "begins": begins, "ends": ends}


def _bare(text: str, begin: int, end: int) -> tuple[int, int]:
    """Characters without the blanks at either side: tokens of some tokenizers hold the blank before a word."""
    while begin < end and text[begin].isspace():
        begin += 1
    while begin < end and text[end - 1].isspace():
        end -= 1
    return begin, end
