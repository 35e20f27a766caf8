"""The gate keeps in fp32 the matrices that cost a task its metric, no more of them than needed, and names them."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.train.runs import small
from unisono.deploy.gate import Gated, gated
from unisono.deploy.madeup import made_up
from unisono.deploy.onnxfile import to_onnx
from unisono.deploy.plan import ENCODER, plan
from unisono.deploy.quantize import to_int8
from unisono.deploy.rows import Data
from unisono.deploy.scores import Base, Scored, in_memory, scored
from unisono.model import MultiTaskModel
from unisono.prepare import build_model, read_tables
from unisono.recipe import Trunk

MOST = 0.02
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> MultiTaskModel:
    """Of random weights: what it says is what counts as right, so it need not have learned."""
    folder = tmp_path_factory.mktemp("gate")
    lines = [f"{'ship ' * (i % 7)}they open {i} % of it,{i * i % 17}" for i in range(40)]
    (folder / "rows.csv").write_text("\n".join(["text,label", *lines]))
    recipe = small(folder / "run", {"size": {"kind": "regress", "data": str(folder / "rows.csv")}})
    trunk = Trunk(layers=2, width=64, heads=2, vocabulary=300, max_length=128)
    recipe = recipe.model_copy(update={"trunk": trunk})
    model = build_model(recipe, read_tables(recipe, run=None)).eval()
    with torch.no_grad():
        for parameter in model.trunk.parameters():
            parameter.mul_(3)
    return model


def gate(model: MultiTaskModel) -> tuple[Scored, Gated, list[str]]:
    """What all of int8 costs, what the gate makes of it, and what it tells."""
    planned = plan(model)
    rows = made_up(model, "size", 60)
    said = model.predict("size", rows)
    base = {"size": Base("spearman", 1.0, [{**r, "label": p["value"]} for r, p in zip(rows, said, strict=True)])}
    protos: dict[str, Any] = {graph.name: to_onnx(graph) for graph in planned.graphs()}
    plain = scored(planned, in_memory(planned, {n: to_int8(p) for n, p in protos.items()}, "int8"), base)
    examples = {"size": Data({}).examples(model, "size", 24)}
    told: list[str] = []
    return plain["size"], gated(planned, protos, base, examples, most=MOST, ranges=None, told=told.append), told


def test_where_nothing_is_lost_all_is_quantized(model):
    plain, found, told = gate(model)
    assert 0 < plain.drop <= MOST and found.kept == {} and told == []


def test_a_matrix_that_hurts_stays_in_fp32_and_is_named(model):
    layer = model.trunk.encoder.encoder.layer[0]  # the last test here: the model stays as it is made now
    with torch.no_grad():  # one channel so large that eight bits leave nothing of the others; no one reads it
        layer.intermediate.dense.bias[0] += 1000
        layer.output.dense.weight[:, 0] = 0
    plain, found, told = gate(model)
    assert plain.drop > MOST
    assert found.scores["size"].drop <= MOST
    assert found.kept == {ENCODER: ("trunk.encoder.encoder.layer.0.output.dense",)}
    assert "size loses" in told[0]
