"""Small encoders with random weights, written by transformers' own classes as the hub's are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import (
    DeiTConfig,
    DeiTModel,
    Dinov2Config,
    Dinov2Model,
    Dinov2WithRegistersConfig,
    Dinov2WithRegistersModel,
    HubertConfig,
    HubertModel,
    ViTConfig,
    ViTModel,
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2Model,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperModel,
)  # fmt: skip
from transformers.models.bit.image_processing_pil_bit import BitImageProcessorPil
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
PATCHES = {**SMALL, "image_size": 32, "patch_size": 8}
SQUARE = {"height": 32, "width": 32}
CONVOLVED: dict[str, Any] = {
    **SMALL, "vocab_size": 8, "conv_dim": (8, 8, 8), "conv_kernel": (10, 3, 2), "conv_stride": (5, 2, 2),
    "num_feat_extract_layers": 3, "num_conv_pos_embeddings": 8, "num_conv_pos_embedding_groups": 2,
    "mask_time_length": 4,
}  # fmt: skip

IMAGES: dict[str, tuple[Any, Any, Any]] = {
    "vit": (ViTModel, ViTConfig(**PATCHES), ViTImageProcessorPil(size=SQUARE)),
    "deit": (
        DeiTModel,
        DeiTConfig(**PATCHES),
        BitImageProcessorPil(size={"height": 36, "width": 36}, crop_size=SQUARE),
    ),
    "dinov2": (
        Dinov2Model,
        Dinov2Config(**{**SMALL, "image_size": 56, "patch_size": 8, "mlp_ratio": 2}),
        BitImageProcessorPil(size={"shortest_edge": 36}, crop_size=SQUARE, image_mean=[0.4, 0.5, 0.6]),
    ),
    "dinov2_with_registers": (
        Dinov2WithRegistersModel,
        Dinov2WithRegistersConfig(**{**PATCHES, "num_register_tokens": 3, "mlp_ratio": 2}),
        BitImageProcessorPil(size={"shortest_edge": 32}, crop_size=SQUARE),
    ),
}
SOUNDS: dict[str, tuple[Any, Any, Any]] = {
    "wav2vec2": (Wav2Vec2Model, Wav2Vec2Config(**CONVOLVED), Wav2Vec2FeatureExtractor(sampling_rate=8000)),
    "wav2vec2-stable": (
        Wav2Vec2Model,
        Wav2Vec2Config(**CONVOLVED, do_stable_layer_norm=True, feat_extract_norm="layer"),
        Wav2Vec2FeatureExtractor(sampling_rate=8000, do_normalize=False),
    ),
    "hubert": (HubertModel, HubertConfig(**CONVOLVED), Wav2Vec2FeatureExtractor(sampling_rate=8000)),
    "whisper": (
        WhisperModel,
        WhisperConfig(
            vocab_size=40, num_mel_bins=20, encoder_layers=2, encoder_attention_heads=2, decoder_layers=1,
            decoder_attention_heads=2, d_model=16, encoder_ffn_dim=24, decoder_ffn_dim=24, max_source_positions=50,
            pad_token_id=0, bos_token_id=1, eos_token_id=2, decoder_start_token_id=1,
        ),
        WhisperFeatureExtractor(feature_size=20, chunk_length=1),
    ),
}  # fmt: skip


def written(folder: Path, name: str) -> tuple[str, Any, Any]:
    """(the folder of a small encoder, transformers' own model, its processor)."""
    kind, config, processor = {**IMAGES, **SOUNDS}[name]
    torch.manual_seed(len(name))
    model = kind(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():  # the usual start leaves tables of places near nothing
            parameter.add_(torch.randn_like(parameter) * 0.1)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return str(folder), model, processor
