"""What a recipe may write under ``trunk``: a bundled name, a folder, a hub name, or the shape of a new encoder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from unisono.hub import locate, quiet
from unisono.trunk.encoder import Trunk


def load_encoder(
    spec: str | Mapping[str, Any], *, dropout: float | None = None, revision: str | None = None
) -> tuple[Trunk, nn.Embedding, PreTrainedTokenizerBase | None]:
    """The trunk of a recipe, its word table and its tokenizer.

    Args:
        spec: ``minilm``, a folder or a hub name; or a mapping of the arguments of ``Trunk.scratch``.
        dropout: overrides every dropout of the encoder; None keeps its own.
        revision: of a hub name: branch, tag or commit.

    Returns:
        The tokenizer is None for a new encoder: train one with ``TextStem.train_tokenizer`` first.

    Raises:
        FileNotFoundError: the package, folder or hub name cannot be had; the message says how to get it.
    """
    if not isinstance(spec, str):
        trunk, words = Trunk.scratch(**({} if dropout is None else {"dropout": dropout}) | dict(spec))
        return trunk, words, None
    trunk, words = Trunk.pretrained(spec, dropout=dropout, revision=revision)
    with quiet():
        tokenizer = AutoTokenizer.from_pretrained(locate(spec), revision=revision, trust_remote_code=False)
    return trunk, words, tokenizer
