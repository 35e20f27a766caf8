"""A small recipe with LoRA: adapters beside a pretrained encoder, which lies in a folder as Hugging Face writes it."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModel

from tests.train.runs import TASKS, small
from unisono.data.everyday import everyday
from unisono.recipe import Recipe, build
from unisono.stems.text import TextStem

SHAPE = {
    "num_hidden_layers": 2, "hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 32, "pad_token_id": 0,
    "max_position_embeddings": 64,
}  # fmt: skip


def pretrained(folder: Path, *, seed: int = 0) -> Path:
    """Writes an encoder and its tokenizer."""
    tokenizer = TextStem.train_tokenizer([row["text"] for row in islice(everyday("train", 0), 200)], 300)
    torch.manual_seed(seed)
    AutoModel.from_config(AutoConfig.for_model("bert", vocab_size=len(tokenizer), **SHAPE)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def adapted(folder: Path, trunk: Path, tasks: dict[str, Any] | None = None, **more: Any) -> Recipe:
    """A recipe whose run is ``folder``. ``more``: lora, dropout, balance, stages, seed, and settings of train."""
    lora = {"rank": 2, "alpha": 4, **more.pop("lora", {})}
    dropout = more.pop("dropout", None)
    sections = {name: more.pop(name) for name in ("balance", "stages", "seed") if name in more}
    recipe = small(folder, tasks or TASKS, **more).model_dump(mode="json")
    return build({**recipe, **sections, "trunk": {"pretrained": str(trunk), "lora": lora, "dropout": dropout}})
