"""pretrained: an encoder of images or sounds from the hub: its shape and its processor's settings, and its weights.

What is kept of it is plain JSON and tensors, so a saved model needs neither the hub nor the folder that it came from.
Weights come from safetensors files alone: pickle files can run code.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel

from unisono.hub import locate, quiet
from unisono.stems import base

_FOREIGN = ("_name_or_path", "transformers_version", "architectures", "dtype", "id2label", "label2id")
_SPARE = ("pooler", "mask_token", "masked_spec_embed", "decoder", "classifier")  # a checkpoint may come without them
_LOUD = 0.05  # how loud its vectors begin: about as loud as a word table, so that places are not drowned


class EncoderOptions(base.Options):
    """What a recipe may say of a pretrained encoder."""

    encoder: str = Field(min_length=1, description="a folder or a hub name of a pretrained encoder")
    revision: str | None = Field(None, description="of a hub name: branch, tag or commit")
    freeze: bool = Field(False, description="the encoder does not learn, and runs without gradients and dropout")
    lr: float | None = Field(None, ge=0, description="learning rate of the encoder; default: train.trunk_lr")


class Encoder(nn.Module):
    """A pretrained encoder whose last hidden states become vectors of the trunk's width.

    Args:
        width: D_in.
        config: as ``shape`` gave it.
        frozen: it never learns, whatever a stage thaws.
    """

    def __init__(self, width: int, config: Mapping[str, Any], *, frozen: bool) -> None:
        super().__init__()
        self.model: Any = build(config)
        self.frozen = frozen
        if frozen:
            self.model.requires_grad_(False).eval()
        self.project = nn.Linear(hidden_size(config), width)
        self.norm = nn.LayerNorm(width)
        nn.init.constant_(self.norm.weight, _LOUD)

    def train(self, mode: bool = True) -> Encoder:
        super().train(mode)
        if self.frozen:
            self.model.eval()
        return self

    def states(self, run: Callable[[Any], Tensor]) -> Tensor:
        """(..., E), what ``run`` makes with the model, without a gradient if it is frozen."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            return run(self.model)

    def forward(self, states: Tensor) -> Tensor:
        """(..., E) -> (..., D_in)."""
        out: Tensor = self.norm(self.project(states.to(self.project.weight.dtype)))
        return out


@contextmanager
def fetching(options: EncoderOptions) -> Iterator[dict[str, Any]]:
    """What every ``from_pretrained`` is told, in silence. Its errors become one line that names the encoder.

    Raises:
        OSError: not to be had. ValueError: no safetensors.
    """
    place = locate(options.encoder, "encoder")
    try:
        with quiet():
            yield {"pretrained_model_name_or_path": place, "revision": options.revision, "trust_remote_code": False}
    except OSError as error:
        first = str(error).strip().splitlines()[0]
        if "safetensors" in first:
            raise ValueError(
                f'"{options.encoder}" has no safetensors file; weights in pickle files can run code and are not '
                "loaded: save the model anew with transformers' save_pretrained, or take another revision"
            ) from None
        raise OSError(first if options.encoder in first else f'encoder "{options.encoder}": {first}') from None


def shape(options: EncoderOptions, families: Collection[str], of: str) -> dict[str, Any]:
    """The configuration of an encoder as plain JSON.

    Args:
        families: those that can be read. ``of``: what they read, for the message.

    Raises:
        OSError: not to be had. ValueError: another family.
    """
    with fetching(options) as told:
        found = AutoConfig.from_pretrained(**told)
    if found.model_type not in families:
        raise ValueError(f'"{options.encoder}" is a {found.model_type}, not an encoder of {of}: {", ".join(families)}')
    whole: dict[str, Any] = json.loads(found.to_json_string(use_diff=False))
    return {key: value for key, value in whole.items() if key not in _FOREIGN}


def hidden_size(config: Mapping[str, Any]) -> int:
    """E, the width of an encoder's states."""
    return int(config.get("hidden_size") or config["d_model"])


def build(config: Mapping[str, Any]) -> nn.Module:
    """The encoder of that shape with fresh weights, without a decoder and a pooler."""
    # A decoder would only be thrown away, and layers left out at random gain little where few layers are learned anew.
    quieter = {"decoder_layers": 0, "encoder_layerdrop": 0.0, "layerdrop": 0.0}
    with quiet():
        settings = AutoConfig.for_model(**{**config, **{name: quieter[name] for name in quieter if name in config}})
        return _alone(AutoModel.from_config(settings, trust_remote_code=False))


def fill(model: nn.Module, options: EncoderOptions) -> None:
    """Gives the encoder its pretrained weights.

    Raises:
        OSError: not to be had. ValueError: no safetensors, or weights are missing.
    """
    with fetching(options) as told:
        found, report = AutoModel.from_pretrained(
            **told, dtype=torch.float32, use_safetensors=True, output_loading_info=True
        )
    absent = [name for name in report["missing_keys"] if not any(part in name.split(".") for part in _SPARE)]
    if absent:
        raise ValueError(f'"{options.encoder}" lacks {len(absent)} weights of its own shape, such as {absent[0]}')
    model.load_state_dict(_alone(found).state_dict())


def _alone(model: Any) -> nn.Module:
    if model.config.is_encoder_decoder:
        model = model.get_encoder()
    if getattr(model, "pooler", None) is not None:
        model.pooler = None
    out: nn.Module = model
    return out
