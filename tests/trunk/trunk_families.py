"""Small random encoders of every family, and the padded Hugging Face run that a pack must equal."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel

from unisono.packed import Layout, Packed
from unisono.trunk import Trunk

VOCABULARY = 60
_BERT = {"num_hidden_layers": 2, "hidden_size": 32, "num_attention_heads": 4, "intermediate_size": 48}
_COMMON = {"vocab_size": VOCABULARY, "pad_token_id": 0, "max_position_embeddings": 160}

SETTINGS = {
    "bert": {**_BERT, **_COMMON},
    "roberta": {**_BERT, **_COMMON, "pad_token_id": 1},
    "xlm-roberta": {**_BERT, **_COMMON, "pad_token_id": 1, "type_vocab_size": 1},
    "distilbert": {"n_layers": 2, "dim": 32, "n_heads": 4, "hidden_dim": 48, **_COMMON},
    "electra": {**_BERT, **_COMMON, "embedding_size": 16},
    "albert": {**_BERT, **_COMMON, "embedding_size": 16},
    "modernbert": {
        **_BERT, **_COMMON, "num_hidden_layers": 3, "global_attn_every_n_layers": 2, "local_attention": 8,
        "bos_token_id": None, "eos_token_id": None, "cls_token_id": None, "sep_token_id": None,
    },
    "eurobert": {**_BERT, **_COMMON, "num_key_value_heads": 2, "bos_token_id": None, "eos_token_id": None},
    "deberta-v2": {
        **_BERT, **_COMMON, "relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_biased_input": False,
        "type_vocab_size": 0,
    },
}  # fmt: skip
PACKED = [family for family in SETTINGS if family != "deberta-v2"]
FAMILIES = list(SETTINGS)


@cache
def small(family: str) -> tuple[Trunk, nn.Embedding, nn.Module]:
    """A trunk of the family, its word table, and the Hugging Face model with the same weights, all in eval mode."""
    torch.manual_seed(0)
    settings = {"model_type": family, **SETTINGS[family]}
    trunk, words = Trunk.from_config(settings)
    reference = AutoModel.from_config(AutoConfig.for_model(**settings), attn_implementation="eager")
    # Biases and norms start at 0 and 1, which hides mistakes: draw them all.
    with torch.no_grad():
        for parameter in trunk.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    missing, unexpected = reference.load_state_dict(trunk.encoder.state_dict(), strict=False)
    assert not unexpected and all(
        "word_emb" in n or "tok_emb" in n or "embed_tokens" in n or "pooler" in n for n in missing
    )
    reference.get_input_embeddings().load_state_dict(words.state_dict())
    return trunk.eval(), words.eval(), reference.eval()


def some_ids(lengths: list[int], seed: int = 0) -> Packed:
    generator = torch.Generator().manual_seed(seed)
    return Packed(torch.randint(5, VOCABULARY, (sum(lengths),), generator=generator), Layout(lengths))


def padded_states(model: nn.Module, ids: Packed, types: Tensor | None = None) -> Tensor:
    """(N, D): the Hugging Face model on the padded batch, with attention mask, in the order of the pack."""
    pad = model.config.pad_token_id
    tokens, mask = ids.padded(pad)
    extra = {} if types is None else {"token_type_ids": ids.like(types).padded()[0]}
    out = model(input_ids=tokens, attention_mask=mask.long(), **extra).last_hidden_state
    return Packed.from_padded(out, ids.layout.lengths).values
