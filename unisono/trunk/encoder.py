"""Trunk: a Hugging Face encoder, without its word table and its pooler, run on packs."""

from __future__ import annotations

import copy
import inspect
import json
import logging
import re
from collections.abc import Callable, Sequence
from typing import Any, Literal, overload

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PreTrainedConfig, PreTrainedModel

from unisono.dropout import Dropout
from unisono.hub import locate, quiet
from unisono.packed import Layout, Packed
from unisono.trunk.attention import NAME
from unisono.trunk.first import offer_first
from unisono.trunk.lora import adapt, adapters
from unisono.trunk.slim import HEADS, UNITS, shape, sliced

log = logging.getLogger("unisono")

# The names under which the families keep their dropout probabilities; classifiers' own are not the trunk's.
_DROPOUTS = (
    "hidden_dropout_prob", "attention_probs_dropout_prob", "dropout", "attention_dropout", "dropout_rate",
    "embedding_dropout", "mlp_dropout", "hidden_dropout", "activation_dropout",
)  # fmt: skip

_ELSEWHERE = ("auto_map", "attn_implementation", "experts_implementation", "quantization_config", "adapter_path")


class Trunk(nn.Module):
    """The encoder that all tasks share: (N, D_in) vectors of a pack -> (N, D) states.

    Made by ``pretrained``, ``scratch`` or ``from_config``, each of which also returns the word table, for the text
    stem. Where the family allows, all sequences run end to end without padding; ``packs`` says so. Whether it does is
    found out by trying: a small pack must give the states that each of its sequences gives alone.

    Args:
        encoder: a Hugging Face encoder whose word table has been taken out.
        input_width: D_in, the width of the word table (ELECTRA-small and ALBERT: narrower than D).
    """

    def __init__(self, encoder: PreTrainedModel, input_width: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.input_width = input_width
        accepted = inspect.signature(encoder.forward).parameters
        self.takes_types = "token_type_ids" in accepted and (getattr(encoder.config, "type_vocab_size", 0) or 0) > 1
        self.takes_positions = "position_ids" in accepted
        table = getattr(getattr(encoder, "embeddings", None), "position_embeddings", None)
        table = table if isinstance(table, nn.Embedding) else None
        # RoBERTa's family counts from pad_token_id + 1, and marks its table by a padding row.
        self._first_position = table.padding_idx + 1 if table is not None and table.padding_idx is not None else 0
        self.positions: int | None = table.num_embeddings - self._first_position if table is not None else None
        self._multiple = 1  # of the tokens in a pack, when compiled
        self._compiled: Callable[..., Any] | None = None
        self.packs = self._try_packing()
        self.offers_first = self.packs and offer_first(encoder)

    @classmethod
    def pretrained(
        cls, name_or_path: str, *, dropout: float | None = None, revision: str | None = None
    ) -> tuple[Trunk, nn.Embedding]:
        """A pretrained encoder and its word table.

        Args:
            name_or_path: ``minilm`` (bundled in a package), a folder, or a name on the Hugging Face hub.
            dropout: overrides every dropout of the encoder; None keeps the checkpoint's.
            revision: of a hub name: branch, tag or commit; None: its main branch.
        """
        path = locate(name_or_path)
        with quiet():
            config = _with_dropout(
                AutoConfig.from_pretrained(path, revision=revision, trust_remote_code=False), dropout
            )
            model = AutoModel.from_pretrained(
                path, config=config, revision=revision, dtype=torch.float32, trust_remote_code=False
            )
        return cls._take(model)

    @classmethod
    def scratch(
        cls,
        *,
        layers: int,
        width: int,
        heads: int,
        vocabulary: int,
        feedforward: int | None = None,
        positions: int = 512,
        dropout: float = 0.1,
        family: str = "bert",
    ) -> tuple[Trunk, nn.Embedding]:
        """A random encoder and its word table, drawn from the global generator.

        Args:
            width: D; ``heads`` must divide it.
            vocabulary: rows of the word table.
            feedforward: width of the hidden feed-forward layer, 4 * D if None.
            family: a Hugging Face ``model_type``: bert, roberta, distilbert, electra, albert, modernbert …
        """
        counts_from_padding = any(word in family for word in ("roberta", "camembert", "esm"))
        settings = {
            "model_type": family, "num_hidden_layers": layers, "hidden_size": width, "num_attention_heads": heads,
            "intermediate_size": feedforward or 4 * width, "vocab_size": vocabulary, "pad_token_id": 0,
            "max_position_embeddings": positions + counts_from_padding,
            **({"embedding_size": width} if family in ("electra", "albert") else {}),
            **({"hidden_dim": feedforward or 4 * width} if family == "distilbert" else {}),
            **({"bos_token_id": None, "eos_token_id": None, "cls_token_id": None, "sep_token_id": None}
               if family in ("modernbert", "eurobert") else {}),
        }  # fmt: skip
        return cls.from_config(settings, dropout=dropout)

    @classmethod
    def from_config(cls, settings: dict[str, Any], *, dropout: float | None = None) -> tuple[Trunk, nn.Embedding]:
        """A random trunk of the shape that ``config_dict`` gave, and its word table. Downloads nothing."""
        # A folder of somebody's may name code or kernels that transformers would fetch: a shape has no need of these.
        plain = {key: value for key, value in settings.items() if not key.startswith("_") and key not in _ELSEWHERE}
        with quiet():
            config = AutoConfig.for_model(**copy.deepcopy(plain))
            model = AutoModel.from_config(_with_dropout(config, dropout), trust_remote_code=False)
            shape(model)
            return cls._take(model)

    @classmethod
    def _take(cls, model: PreTrainedModel) -> tuple[Trunk, nn.Embedding]:
        if model.config.is_encoder_decoder:
            model = model.get_encoder()
        words = model.get_input_embeddings()
        model.set_input_embeddings(None)
        if getattr(model, "pooler", None) is not None:
            model.pooler = None
        for module in list(model.modules()):
            for name, child in list(module.named_children()):
                if type(child) is nn.Dropout:
                    setattr(module, name, Dropout(child.p))
        return cls(model, words.embedding_dim), words

    @property
    def width(self) -> int:
        """D."""
        config = self.encoder.config
        return int(getattr(config, "hidden_size", None) or config.d_model)

    @property
    def family(self) -> str:
        return str(self.encoder.config.model_type)

    @property
    def adapter_size(self) -> int:
        """How many numbers LoRA has added to the encoder."""
        parts = [part for _, layer in adapters(self.encoder) for part in (layer.lora_A, layer.lora_B)]
        return sum(p.numel() for part in parts for p in part.parameters())

    def config_dict(self) -> dict[str, Any]:
        """The shape of the encoder as plain JSON, for ``from_config``."""
        settings: dict[str, Any] = json.loads(self.encoder.config.to_json_string(use_diff=False))
        foreign = ("_name_or_path", "transformers_version", "architectures", "dtype", "id2label", "label2id")
        return {key: value for key, value in settings.items() if key not in foreign}

    @property
    def layers(self) -> list[list[str]]:
        """Names of the parameters by depth: first the embeddings, then one list per layer."""
        out: list[list[str]] = [[] for _ in range(self._count + 1)]
        for name, _ in self.named_parameters():
            out[self.depth(name)].append(name)
        return out

    @property
    def _count(self) -> int:
        return int(getattr(self.encoder.config, "num_hidden_layers", 0) or self.encoder.config.num_layers)

    def depth(self, parameter: str) -> int:
        """0 for a parameter of the embeddings, 1 for the first layer, ... L for the last layer and what follows it.

        Layer-wise learning rates lean on it. A layer used several times over (ALBERT) counts as the last.
        """
        numbered = re.search(r"\.(\d+)\.", parameter)
        if numbered and self.family != "albert":
            return int(numbered[1]) + 1
        return 0 if "embed" in parameter else self._count

    def slimmed(self, heads: Sequence[Sequence[int]], units: Sequence[Sequence[int]]) -> Trunk:
        """A trunk with some attention heads and feed-forward units of each layer, numbered from 0; see ``slim``.

        Raises:
            ValueError: the family is not BERT's.
        """
        state = sliced(self.encoder, heads, units)
        settings = self.config_dict() | {HEADS: [len(h) for h in heads], UNITS: [len(u) for u in units]}
        with torch.random.fork_rng():  # fresh weights are drawn, only to be replaced
            out, _ = Trunk.from_config(settings)
        out.encoder.load_state_dict(state)
        return out.to(next(self.parameters()).device).eval()

    def adapt(self, *, rank: int, alpha: float, dropout: float, targets: Sequence[str]) -> None:
        """Freezes the encoder; only LoRA's adapters beside the ``targets`` learn from now on. See ``lora.adapt``."""
        adapt(self.encoder, rank=rank, alpha=alpha, dropout=dropout, targets=targets)

    def checkpoint(self, on: bool = True) -> None:
        """Keeps only each layer's input for the backward pass and computes the rest again: a third more work."""
        if on:
            self.encoder.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        else:
            self.encoder.gradient_checkpointing_disable()

    def compile_encoder(self, multiple: int = 256) -> None:
        """Compiles the encoder with ``torch.compile``, for packs rounded up to multiples of ``multiple`` tokens.

        A sequence of zeros fills a pack up, so that few shapes are met; attention, of many shapes, stays as it is.
        If the compiler fails, a warning says why and the encoder runs on as before. Padded families are left alone.
        """
        if not self.packs:
            log.warning("trunk family %r runs padded and is not compiled", self.family)
            return
        # Kept out of the module tree: the weights must not appear twice in the state dict.
        self._compiled, self._multiple = torch.compile(self.encoder.forward, dynamic=False), multiple

    @overload
    def forward(
        self, packed: Packed, types: Tensor | None = None, *, layers: Literal[False] = False, first: bool = False
    ) -> Packed: ...

    @overload
    def forward(
        self, packed: Packed, types: Tensor | None = None, *, layers: Literal[True]
    ) -> tuple[Packed, list[Packed]]: ...

    def forward(
        self, packed: Packed, types: Tensor | None = None, *, layers: bool = False, first: bool = False
    ) -> Packed | tuple[Packed, list[Packed]]:
        """States of every token.

        Args:
            packed: (N, D_in) word vectors, or vectors of any other stem.
            types: (N,) token types of pairs; None: all 0. Families without types ignore them.
            layers: also return the states below the first layer and after each.
            first: only the state of each sequence's first token is wanted; BERT's family then saves most of a layer.

        Returns:
            (N, D), or with ``first`` (B, D), sequences of length 1; with ``layers`` also a list of L + 1 packs (N, D).

        Raises:
            ValueError: a sequence is longer than the trunk's position table.
        """
        self._fits(packed.layout)
        types = types if self.takes_types else None
        if first and self.offers_first and not layers:
            return self._packed(packed, types, False, first=True)[0]
        out = self._packed(packed, types, layers) if self.packs else self._padded(packed, types, layers)
        last = Packed(out[-1].first(), Layout([1] * packed.layout.count)) if first else out[-1]
        return (last, out[:-1]) if layers else last

    def below(self, packed: Packed, types: Tensor | None = None) -> Tensor:
        """(N, D) what goes into the first layer, of BERT's family run on packs.

        Raises:
            ValueError: a sequence is longer than the trunk's position table, or the trunk runs padded.
        """
        if not self.packs:
            raise ValueError(f"a {self.family} trunk runs padded, and not layer by layer")
        self._fits(packed.layout)
        return self.embedded(packed.values, packed.layout.positions(packed.device), types)

    def embedded(self, values: Tensor, positions: Tensor, types: Tensor | None) -> Tensor:
        """(N, D) what goes into the first layer, of BERT's family; arguments as for ``arguments``."""
        encoder: Any = self.encoder
        out = encoder.embeddings(**self.arguments(values, positions, types))
        if hasattr(encoder, "embeddings_project"):  # ELECTRA's words are narrower than its layers
            out = encoder.embeddings_project(out)
        return out[0]

    def _fits(self, layout: Layout) -> None:
        if self.positions is not None and layout.longest > self.positions:
            raise ValueError(
                f"a sequence has {layout.longest} tokens, but this {self.family} trunk knows {self.positions} "
                f"positions: set the stem's max_length to {self.positions} or less"
            )

    def _packed(self, packed: Packed, types: Tensor | None, layers: bool, first: bool = False) -> list[Packed]:
        layout, values = packed.layout, packed.values
        total, fill = layout.total, -layout.total % self._multiple
        if fill:
            most = self.positions or fill
            layout = Layout((*layout.lengths, *[most] * (fill // most), *[fill % most] * (fill % most > 0)))
            values = torch.cat([values, values.new_zeros(fill, values.shape[1])])
            types = None if types is None else torch.cat([types, types.new_zeros(fill)])
        asked = self.arguments(values, layout.positions(packed.device), types)
        if first:
            asked["first"], total = True, packed.layout.count
        got = self._encode(**asked, layout=layout, output_hidden_states=layers)
        out = Layout([1] * total) if first else packed.layout
        states = (x.squeeze(0) for x in (*(got.hidden_states if layers else ()), got.last_hidden_state))
        return [Packed(x[:total] if fill else x, out) for x in states]

    def arguments(self, values: Tensor, positions: Tensor, types: Tensor | None) -> dict[str, Any]:
        """What the Hugging Face encoder is called with for a pack, but for what its attention function has to know.

        Args:
            values: (N, D_in). ``positions``: (N,) the place of each in its own sequence. ``types``: (N,), or all are 0.
        """
        out: dict[str, Any] = {"inputs_embeds": values[None]}
        if types is not None and self.takes_types:
            out["token_type_ids"] = types.long()[None]
        if self.takes_positions:
            out["position_ids"] = (positions + self._first_position)[None]
        return out

    def _encode(self, **inputs: Any) -> Any:
        if self._compiled is not None:
            try:
                return self._compiled(**inputs)
            except Exception as reason:  # whatever a compiler or its C++ toolchain may raise
                log.warning("torch.compile failed (%s); the trunk runs uncompiled", str(reason).splitlines()[0])
                self._compiled, self._multiple = None, 1
        return self.encoder(**inputs)

    def _padded(self, packed: Packed, types: Tensor | None, layers: bool) -> list[Packed]:
        values, mask = packed.padded()
        extra = {} if types is None else {"token_type_ids": packed.like(types.long()).padded()[0]}
        got = self.encoder(inputs_embeds=values, attention_mask=mask.long(), output_hidden_states=layers, **extra)
        states = (*(got.hidden_states if layers else ()), got.last_hidden_state)
        return [Packed.from_padded(x, packed.layout.lengths) for x in states]

    @torch.no_grad()
    def _try_packing(self) -> bool:
        """Whether the family runs packed. If so, its attention is set to ours; if not, a warning names it."""
        usual, was_training = self.encoder.config._attn_implementation, self.encoder.training
        self.encoder.eval()
        window = getattr(self.encoder.config, "sliding_window", None) or 1
        layout = Layout((3, min(window, 130) + 3, 2))  # the second reaches beyond a window
        flat = torch.arange(layout.total * self.input_width, dtype=torch.float32, device=self.encoder.device)
        pack = Packed(flat.sin().view(layout.total, -1).to(self.encoder.dtype), layout)  # no generator is touched
        alone = torch.cat([self.encoder(inputs_embeds=x[None]).last_hidden_state[0] for x in pack.split()])
        try:
            if not self.encoder._supports_attention_backend:
                raise NotImplementedError("the family does not use the attention registry")
            self.encoder.set_attn_implementation(NAME)
            gap = (self._packed(pack, None, False)[0].values - alone).abs().max() / alone.abs().max()
            if gap > 1e-3:
                raise NotImplementedError(f"packed states differ from padded ones by {gap:.1g}")
        except (NotImplementedError, TypeError, ValueError, RuntimeError) as reason:
            self.encoder.set_attn_implementation(usual)
            log.warning(
                "trunk family %r runs padded, which is slower on mixed lengths (%s)."
                " Without padding run bert, roberta, distilbert, electra, albert and modernbert.",
                self.family,
                reason,
            )
            return False
        finally:
            self.encoder.train(was_training)
        return True


def _with_dropout(config: PreTrainedConfig, p: float | None) -> PreTrainedConfig:
    if p is not None:
        for name in _DROPOUTS:
            if isinstance(getattr(config, name, None), int | float):
                setattr(config, name, p)
    return config
