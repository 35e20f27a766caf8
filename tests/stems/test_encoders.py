"""Pretrained encoders as stems: their states are those of transformers' own models on the same images and sounds."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from tests.stems.small_encoders import IMAGES, SOUNDS, written
from unisono.packed import Layout
from unisono.stems import ENCODERS, AudioStem, ImageStem, Stem, find_stem

PIL = pytest.importorskip("PIL.Image")
sf = pytest.importorskip("soundfile")
WIDTH = 12
SIZES = [(32, 32), (60, 40), (33, 90), (20, 24)]


def picture(height: int, width: int, seed: int) -> Any:
    noise = np.random.default_rng(seed).integers(0, 256, (height // 4 + 1, width // 4 + 1, 3), dtype=np.uint8)
    return PIL.fromarray(noise).resize((width, height), PIL.Resampling.BICUBIC)


def png(image: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


PICTURES = [picture(*size, seed) for seed, size in enumerate(SIZES)]
NOISE = [0.1 * np.random.default_rng(n).normal(size=n).astype(np.float32) for n in (900, 2000, 900, 7999)]


def wav(samples: np.ndarray, rate: int) -> bytes:
    out = io.BytesIO()
    sf.write(out, samples, rate, format="WAV", subtype="FLOAT")
    return out.getvalue()


@pytest.fixture(scope="module")
def encoders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, Any, Any]]:
    folder = tmp_path_factory.mktemp("encoders")
    return {name: written(folder / name, name) for name in {**IMAGES, **SOUNDS}}


def loaded(name: str, folder: str, **options: Any) -> Any:
    kind: Any = ENCODERS[name]
    told = kind.Options(encoder=folder, **options)
    torch.manual_seed(0)
    stem = kind(WIDTH, told, kind.fit([], told))
    stem.begin()
    return stem.eval()


def embedded(stem: Stem, examples: Any) -> torch.Tensor:
    return stem.embed(stem.collate(examples), Layout(stem.length(e) for e in examples))


def seen(name: str, model: Any, processor: Any, images: list[Any]) -> torch.Tensor:
    """(B, 1 + h * w, E): transformers' states, without tokens that stand for neither the image nor a patch."""
    with torch.no_grad():
        found = model(**processor(images, return_tensors="pt")).last_hidden_state
    more = {"deit": 1, "dinov2_with_registers": 3}.get(name, 0)
    return torch.cat([found[:, :1], found[:, 1 + more :]], 1)


@pytest.mark.parametrize("name", IMAGES)
def test_states_of_images_are_those_of_transformers(name, encoders):
    folder, model, processor = encoders[name]
    stem = loaded("image", folder)
    examples = stem.tokens([{"image": png(image)} for image in PICTURES])
    found = stem.states(stem.collate(examples), len(examples))
    assert_close(found, seen(name, model, processor, PICTURES), atol=1e-4, rtol=1e-4)
    vectors = embedded(stem, examples)
    assert vectors.shape == (len(PICTURES) * stem.most, WIDTH) and stem.most == 17
    assert_close(vectors, torch.cat([embedded(stem, [e]) for e in examples]))


@pytest.mark.parametrize("name", ["vit", "dinov2"])
def test_another_size_has_the_whole_image_and_interpolated_places(name, encoders):
    folder, model, processor = encoders[name]
    stem = loaded("image", folder, size=(24, 48))
    (example,) = stem.tokens([{"image": png(PICTURES[1])}])
    ready = processor([PICTURES[1]], size={"height": 24, "width": 48}, do_center_crop=False, return_tensors="pt")
    more = {"interpolate_pos_encoding": True} if name == "vit" else {}
    with torch.no_grad():
        expected = model(**ready, **more).last_hidden_state
    assert_close(stem.states(stem.collate([example]), 1), expected, atol=1e-4, rtol=1e-4)
    assert example["grid"].tolist() == [3, 6, 60, 40] and "cut" not in example


def test_only_an_image_that_was_cut_is_marked_as_such(encoders):
    stem = loaded("image", encoders["dinov2"][0])
    square, tall = stem.tokens([{"image": png(PICTURES[0])}, {"image": png(PICTURES[1])}])
    assert "cut" in tall and "cut" in square  # 36 pixels of which 32 are seen
    assert "cut" not in loaded("image", encoders["vit"][0]).tokens([{"image": png(PICTURES[1])}])[0]


@pytest.mark.parametrize("name", SOUNDS)
def test_states_of_sounds_of_several_lengths_are_those_of_transformers(name, encoders):
    folder, model, processor = encoders[name]
    stem = loaded("audio", folder)
    examples = stem.tokens([{"audio": wav(samples, stem.rate)} for samples in NOISE])
    found = stem.states(stem.collate(examples))
    for samples, own, example in zip(NOISE, found, examples, strict=True):
        ready = processor(samples, sampling_rate=stem.rate, return_tensors="pt")
        with torch.no_grad():
            expected = (model.encoder if name == "whisper" else model)(**ready).last_hidden_state[0]
        if name == "whisper":  # the silence that fills its window
            assert len(expected) == 50
            expected = expected[: -(-len(samples) // 320)]
        assert_close(own, expected, atol=1e-4, rtol=1e-4)
        assert stem.length(example) == 1 + len(expected) <= stem.most
    assert_close(embedded(stem, examples), torch.cat([embedded(stem, [e]) for e in examples]), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("room", "name"), [("image", "vit"), ("audio", "wav2vec2"), ("audio", "whisper")])
def test_a_frozen_encoder_stands_still_and_a_free_one_learns(room, name, encoders):
    folder = encoders[name][0]
    row = {"image": png(PICTURES[0]), "audio": wav(NOISE[3], 16000)}
    for freeze in (False, True):
        stem = loaded(room, folder, freeze=freeze, lr=1e-5).train()
        embedded(stem, stem.tokens([row])).square().sum().backward()
        learning = [p for p in stem.encoder.model.parameters() if p.grad is not None and p.grad.abs().sum() > 0]
        assert bool(learning) is not freeze and stem.encoder.project.weight.grad is not None
        assert stem.encoder.model.training is not freeze
        assert stem.rates == {"encoder.model.": 1e-5}


def test_short_sounds_and_masks_of_training(encoders):
    stem = loaded("audio", encoders["wav2vec2"][0]).train()
    tokens = stem.tokens([{"audio": wav(NOISE[0][:n], 8000)} for n in (5, 60, 900)])
    assert tokens[0] == "a sound too short for the encoder"
    assert embedded(stem, tokens[1:]).isfinite().all()  # too few states for a mask


def test_without_an_encoder_the_stems_are_the_plain_ones():
    assert find_stem("image", {"patch": 4}) is ImageStem and find_stem("audio") is AudioStem


def test_what_cannot_be_an_encoder_is_refused(encoders, tmp_path):
    with pytest.raises(ValueError, match="not an encoder of images: vit, deit, dinov2"):
        loaded("image", encoders["whisper"][0])
    with pytest.raises(ValueError, match=r"size \[30, 32\]: no multiple of the encoder's patch 8"):
        loaded("image", encoders["vit"][0], size=(30, 32))
    with pytest.raises(OSError, match="encoder './nothing-here': no such folder"):
        loaded("image", "./nothing-here")
    _, model, processor = encoders["vit"]
    model.config.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(ValueError, match="no safetensors file; weights in pickle files can run code"):
        loaded("image", str(tmp_path))
