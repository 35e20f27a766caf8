"""Cases of stems, to run the promises of ``test_contract.py`` over. A new stem is one more ``Case``."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.stems.small_encoders import written
from unisono.packed import Layout
from unisono.stems import Stem, TextStem, Tokens, find_stem

soundfile = pytest.importorskip("soundfile")
pytest.importorskip("PIL")
WIDTH = 12
RATE = 8000


def ppm(height: int, width: int, seed: int = 0) -> bytes:
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return b"P6\n%d %d\n255\n" % (width, height) + noise.tobytes()


def wav(samples: int, rate: int = RATE) -> bytes:
    out = io.BytesIO()
    soundfile.write(out, 0.1 * np.random.default_rng(samples).normal(size=samples), rate, format="WAV")
    return out.getvalue()


@dataclass(frozen=True)
class Case:
    """One stem with one set of options, and rows to show it.

    Args:
        stem: its name; ``options``: what a recipe says of it.
        rows: of several lengths, all of which can be read.
        broken: rows that cannot be used, each of another kind.
        chance: something is drawn in training.
        encoder: a pretrained one of ``small_encoders``, which stands in for the stem.
    """

    name: str
    stem: str
    rows: Sequence[Mapping[str, Any]]
    broken: Sequence[Mapping[str, Any]] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    chance: bool = False
    encoder: str | None = None

    def build(self, folder: Callable[[str], str]) -> Stem:
        """A stem of the same weights every time, fitted on the rows, set to evaluate.

        Args:
            folder: the name of an encoder -> where it lies.
        """
        torch.manual_seed(0)
        if self.stem == "text":
            tokenizer = TextStem.train_tokenizer([" ".join(map(str, row.values())) for row in self.rows], 300)
            return TextStem(tokenizer, nn.Embedding(len(tokenizer), WIDTH), 16).eval()
        said = {**self.options, **({"encoder": folder(self.encoder)} if self.encoder else {})}
        kind = find_stem(self.stem, said)
        options = kind.Options(**said)
        fitted = kind.fit([None, *(row[self.stem] for row in self.rows)], options)
        made: Any = kind
        stem: Stem = made(WIDTH, options, json.loads(json.dumps(fitted)))
        stem.begin()
        with torch.no_grad():
            for parameter in stem.parameters():  # biases that are not 0, so that a neighbour's would show
                parameter.add_(torch.randn_like(parameter) * 0.05)
        return stem.eval()


def folder_of(factory: Any) -> Callable[[str], str]:
    """Where small encoders lie: written when they are first asked for."""
    at: dict[str, str] = {}

    def find(name: str) -> str:
        if name not in at:
            at[name] = written(factory.mktemp("encoder") / name, name)[0]
        return at[name]

    return find


def read(stem: Stem, rows: Sequence[Mapping[str, Any]]) -> list[Tokens]:
    """Examples of rows that can all be read."""
    found = stem.tokens(rows)
    assert not any(isinstance(one, str) for one in found), found
    return [one for one in found if not isinstance(one, str)]


def embedded(stem: Stem, examples: Sequence[Mapping[str, np.ndarray]]) -> Tensor:
    """(N, D_in) of examples laid end to end, drawn anew if the stem is training."""
    examples = stem.draw(examples)
    return stem.embed(stem.collate(examples), Layout(stem.length(e) for e in examples))


_IMAGES = [
    {"image": ppm(*size, seed)} for seed, size in enumerate([(16, 16), (8, 12), (16, 16), (4, 16), (40, 30), (8, 12)])
]
_NO_IMAGES = [{"image": value} for value in (b"junk", b"", "/nowhere.png", ppm(8, 8)[:50], 3)]
_SOUNDS = [{"audio": wav(n)} for n in (50, 200, 279, 280, 281, 1000, 3333, 8000)]
_NO_SOUNDS = [{"audio": value} for value in (b"junk", b"", "/nowhere.wav", wav(500)[:60], 3, wav(3 * RATE))]
_TEXTS = [
    {"text": "Wake me at seven."}, {"text": ""}, {"text": "A man", "pair": "A woman and a dog"}, {"text": "far " * 99},
]  # fmt: skip
_SMILES = ["CC(=O)Oc1ccccc1C(=O)O", "C1CCCCC1", "[Na+].[Cl-]", "BrCC%10CCl.C%10", "C/C=C\\C"]
_DNA = ["ACGTACGT", "ttgacaNN", "GATTACA", "CCCCC"]
_TABLE = [{"age": "31", "city": "Rome"}, {"age": None, "city": "Oslo"}, {"age": "?", "city": "Rome"}, {"age": 5}]


def _column(name: str, values: Sequence[Any]) -> list[dict[str, Any]]:
    return [{name: value} for value in values]


_AUDIO = {"rate": RATE, "bands": 12, "channels": 4, "seconds": 2}
_IMAGE = {"patch": 4, "longest": 16}
_NO_DNA = _column("sequence", ["E", " ", 3])

CASES = [
    Case("text", "text", _TEXTS),
    Case("image", "image", _IMAGES, _NO_IMAGES, _IMAGE),
    Case("image-convolutions", "image", _IMAGES, _NO_IMAGES, {**_IMAGE, "convolutions": 2, "channels": 3}),
    Case("image-grey", "image", _IMAGES, _NO_IMAGES, {**_IMAGE, "colours": "grey", "flip": True, "colour": 0.5}, True),
    Case("image-size", "image", _IMAGES, _NO_IMAGES, {**_IMAGE, "size": (8, 8), "crop": 0.5, "zoom": 0.5}, True),
    *(Case(f"audio-{n}", "audio", _SOUNDS, _NO_SOUNDS, {**_AUDIO, "subsample": n}, True) for n in (1, 2, 4, 8)),
    Case("smiles", "sequence", _column("sequence", _SMILES), _column("sequence", ["C!", " "])),
    Case(
        "dna", "sequence", _column("sequence", _DNA), _NO_DNA,
        {"alphabet": "dna", "k": 3, "rare": 1, "reverse_complement": True, "drop": 0.3}, True,
    ),
    Case("protein", "sequence", _column("sequence", ["MKTAYIAKQR", "GSHM"]), _column("sequence", [" "])),
    Case("letters", "sequence", _column("sequence", ["any thing", "Größe"]), (), {"alphabet": "letters", "rare": 1}),
    Case("table", "table", _column("table", _TABLE), _column("table", [{"town": 1}, 3, {"age": "x"}]), {"rare": 1}),
    Case("table-drop", "table", _column("table", _TABLE), (), {"rare": 1, "drop": 0.5}, True),
    Case("vit", "image", _IMAGES, _NO_IMAGES, encoder="vit"),
    Case("dinov2", "image", _IMAGES, _NO_IMAGES, encoder="dinov2"),
    Case("wav2vec2", "audio", _SOUNDS[5:], _NO_SOUNDS, {"seconds": 2}, encoder="wav2vec2", chance=True),
    Case("whisper", "audio", _SOUNDS[5:], _NO_SOUNDS[:-1], encoder="whisper"),
]  # fmt: skip
