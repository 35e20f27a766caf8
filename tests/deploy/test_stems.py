"""The graph of each stem gives the vectors that the stem gives, of one example and of several; others are refused."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
import torch

from tests.stems.small_encoders import written
from unisono.deploy.errors import ExportError
from unisono.deploy.onnxfile import to_onnx
from unisono.deploy.sessions import Session
from unisono.deploy.stems import VALUES, ExportedStem, exported_stem
from unisono.inputs import SEGMENTS, collate
from unisono.runtime.inputs import Inputs
from unisono.stems import ENCODERS, STEMS, Stem

WIDTH = 8
MARK = torch.linspace(-1, 1, WIDTH)
CELLS = [{"a": 1.5, "b": "x"}, {"a": 2.5, "b": "y"}, {"a": 4.0, "b": None}, {"a": None, "b": "x"}] * 2


def ppm(height: int, width: int) -> bytes:
    return b"P6\n%d %d\n255\n" % (width, height) + np.random.default_rng(height).bytes(3 * height * width)


def raw(count: int) -> bytes:
    return (np.random.default_rng(count).normal(0, 3000, count)).astype("<i2").tobytes()


CASES: dict[str, tuple[str, dict[str, Any], list[Any]]] = {
    "images": ("image", {"patch": 4, "longest": 16}, [ppm(4, 4), ppm(16, 8), ppm(3, 40), ppm(16, 8)]),
    "convolved": ("image", {"patch": 4, "longest": 16, "convolutions": 2, "channels": 3}, [ppm(4, 4), ppm(9, 16)]),
    "one size": ("image", {"patch": 4, "size": [8, 12], "colours": "grey"}, [ppm(4, 4), ppm(30, 8)]),
    "sequences": ("sequence", {"rare": 1}, ["C", "CCO", "C(=O)N", "CCBr"]),
    "aligned": ("sequence", {"alphabet": "dna", "rare": 1, "aligned": True}, ["ACGTAC", "CC", "GGGTTT", "TACGA"]),
    "tables": ("table", {"rare": 1}, CELLS),
    **{
        f"sounds, {pace}": (
            "audio",
            {"rate": 4000, "bands": 8, "channels": 2, "subsample": pace, "pcm": {"rate": 4000}},
            [raw(90), raw(1), raw(1234), raw(4000)],
        )
        for pace in (1, 2, 4, 8)
    },
}


SOUND = {"pcm": {"rate": 8000}}
HUB: dict[str, tuple[str, dict[str, Any]]] = {
    "vit": ("image", {}),
    "deit": ("image", {}),
    "dinov2": ("image", {}),
    "dinov2_with_registers": ("image", {}),
    "vit of another size": ("image", {"size": [16, 40]}),
    "wav2vec2": ("audio", SOUND),
    "wav2vec2-stable": ("audio", SOUND),
    "hubert": ("audio", SOUND),
}
HUB_VALUES = {"image": CASES["images"][2][:2], "audio": [raw(900), raw(60), raw(900), raw(2500)]}


@cache
def encoder(case: str) -> tuple[Stem, ExportedStem]:
    name, options = HUB[case]
    kind: Any = ENCODERS[name]
    with TemporaryDirectory() as folder:
        told = kind.Options(encoder=written(Path(folder), case.split()[0])[0], **options)
        stem = kind(WIDTH, told, kind.fit([], told))
        stem.begin()
    return stem.eval(), exported_stem(stem, MARK, name)


@cache
def made(case: str) -> tuple[Stem, ExportedStem]:
    name, options, values = CASES[case]
    kind: Any = STEMS[name]
    told = kind.Options(**options)
    torch.manual_seed(0)
    stem = kind(WIDTH, told, kind.fit([{"path": None, "bytes": v} if name == "audio" else v for v in values], told))
    return stem.eval(), exported_stem(stem, MARK, name)


def check(name: str, values: list[Any], stem: Stem, ready: ExportedStem, graph: Any) -> None:
    rows = [{name: {"path": None, "bytes": value} if isinstance(value, bytes) else value} for value in values]
    examples, theirs = ready.reader.tokens(rows), stem.tokens(rows)
    for ours, wanted in zip(examples, theirs, strict=True):
        assert not isinstance(ours, str) and ours.keys() == wanted.keys()
        assert all(np.allclose(ours[field], wanted[field], atol=1e-4, equal_nan=True) for field in ours)

    def run(_: str, fields: Any) -> dict[str, np.ndarray]:
        found = graph({field: torch.from_numpy(np.asarray(value, order="C")) for field, value in fields.items()})
        return {VALUES: found[VALUES].detach().numpy()}

    for some in (examples, examples[:1], examples[-1:], examples[::-1]):
        inputs = collate({name: stem}, some)
        with torch.no_grad():
            wanted = stem.embed(inputs.parts[name].fields, inputs.layout) + MARK
        placed = [((name,), {**e, SEGMENTS: np.array([stem.length(e)])}) for e in some]
        found = Inputs({name: ready.reader}, {name: name}).pack(placed).inputs(run)[VALUES]
        torch.testing.assert_close(torch.from_numpy(found), wanted, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("case", CASES)
def test_what_is_traced_gives_the_vectors_of_the_stem(case):
    stem, ready = made(case)
    check(CASES[case][0], CASES[case][2], stem, ready, ready.graph.module)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_the_graph_gives_the_vectors_of_the_stem(case):
    stem, ready = made(case)
    check(CASES[case][0], CASES[case][2], stem, ready, Session(to_onnx(ready.graph)))


@pytest.mark.parametrize("case", HUB)
def test_what_is_traced_of_an_encoder_from_the_hub_gives_its_vectors(case):
    stem, ready = encoder(case)
    check(HUB[case][0], HUB_VALUES[HUB[case][0]], stem, ready, ready.graph.module)


@pytest.mark.slow
@pytest.mark.parametrize("case", HUB)
def test_the_graph_of_an_encoder_from_the_hub_gives_its_vectors(case):
    stem, ready = encoder(case)
    check(HUB[case][0], HUB_VALUES[HUB[case][0]], stem, ready, Session(to_onnx(ready.graph)))


def test_the_encoder_of_whisper_is_refused(tmp_path):
    kind: Any = ENCODERS["audio"]
    told = kind.Options(encoder=written(tmp_path, "whisper")[0])
    with pytest.raises(ExportError, match="^its audio goes through Whisper's encoder, which cannot be exported$"):
        exported_stem(kind(WIDTH, told, kind.fit([], told)), None, "audio")
