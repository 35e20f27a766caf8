"""Parameter groups hold each parameter once at the rate the recipe asks for; the schedule is a function of progress."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from unisono.train.optim import Schedule, parameter_groups

SHAPES = {
    "stems.text.norm.bias": (4,),
    "trunk.embeddings.weight": (9, 4),
    "trunk.layer.0.weight": (4, 4),
    "trunk.layer.0.bias": (4,),
    "trunk.layer.1.weight": (4, 4),
    "trunk.norm.weight": (4,),
    "heads.ner.logits.weight": (3, 4),
    "heads.ner.logits.bias": (3,),
    "heads.topic.logits.weight": (2, 4),
}


def depth(name: str) -> int:
    return int(name.split(".")[2]) + 1 if "layer" in name else 2 if "norm" in name else 0


def groups(**changes):
    named = {name: nn.Parameter(torch.zeros(shape)) for name, shape in SHAPES.items()}
    options = {"trunk_lr": 1e-4, "head_lr": 1e-3, "depth": depth, "depth_count": 2, "weight_decay": 0.1} | changes
    made = parameter_groups(named.items(), **options)
    where = {id(p): group for group in made for p in group["params"]}
    return {name: where[id(p)] for name, p in named.items()}, made


def test_each_parameter_is_in_one_group_and_only_matrices_decay():
    found, made = groups()
    assert sum(len(g["params"]) for g in made) == len(SHAPES)
    assert len({g["name"] for g in made}) == len(made)
    for name, shape in SHAPES.items():
        assert found[name]["weight_decay"] == (0.1 if len(shape) == 2 else 0)


def test_rates_of_trunk_heads_and_layers():
    found, _ = groups(layer_decay=0.5, head_lrs={"ner": 5e-3})
    rates = {name: group["base_lr"] for name, group in found.items()}
    assert rates["stems.text.norm.bias"] == rates["trunk.embeddings.weight"] == 0.25e-4
    assert rates["trunk.layer.0.weight"] == rates["trunk.layer.0.bias"] == 0.5e-4
    assert rates["trunk.layer.1.weight"] == rates["trunk.norm.weight"] == 1e-4
    assert rates["heads.ner.logits.weight"] == rates["heads.ner.logits.bias"] == 5e-3
    assert rates["heads.topic.logits.weight"] == 1e-3


def test_a_parameter_outside_the_rooms_is_refused():
    with pytest.raises(ValueError, match="neither stems, trunk nor heads"):
        parameter_groups([("loss.scale", nn.Parameter(torch.ones(1)))], trunk_lr=1, head_lr=1)


@pytest.mark.parametrize("shape", ["cosine", "linear", "constant"])
def test_schedule_rises_then_falls(shape):
    schedule = Schedule(shape, warmup=0.2)
    at = [schedule.scale(i / 100) for i in range(101)]
    assert at[0] == 0 and math.isclose(at[10], 0.5) and math.isclose(at[20], 1)
    assert at[:21] == sorted(at[:21]) and at[20:] == sorted(at[20:], reverse=True)
    assert math.isclose(at[100], 1 if shape == "constant" else 0, abs_tol=1e-9)
    assert schedule.scale(1.5) == at[100]
    if shape != "constant":
        assert math.isclose(at[60], 0.5)  # half of the way down, halfway


def test_warmup_of_nothing_and_of_everything():
    assert Schedule(warmup=0).scale(0) == 1
    assert Schedule(warmup=1).scale(1) == 1
    with pytest.raises(ValueError, match="share of the run"):
        Schedule(warmup=100)
