"""R-Drop: the loss of the paper over two answers to a row; rows are seen twice in training, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

import unisono
from unisono.heads import MISSING, Targets
from unisono.heads.classify import Classify, ClassifyOptions
from unisono.heads.r_drop import TWICE, seen_twice
from unisono.heads.regress import Regress, RegressOptions
from unisono.packed import Layout, Packed

WIDTH, ALPHA = 6, 0.7
LABELS = ("a", "c", None, "b")


def classify(**options) -> Classify:
    torch.manual_seed(0)
    fitted = {"labels": ["a", "b", "c"], "counts": [3, 2, 1], "known": [6, 6, 6]}
    return Classify(WIDTH, ClassifyOptions(dropout=0, r_drop=ALPHA, **options), fitted)


def states(rows: int) -> Packed:
    return Packed(torch.randn(2 * rows, WIDTH, generator=torch.Generator().manual_seed(3)), Layout([1] * 2 * rows))


def divergence(p: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    """KL(p ‖ q), term by term."""
    return sum(a * (a.log() - b.log()) for a, b in zip(p, q, strict=True))


def test_classes_have_the_loss_of_the_paper():
    head = classify()
    examples = [head.encode({"label": label}, {}) for label in LABELS]
    found = head.loss(states(4), head.collate(seen_twice(examples)))
    probabilities = head.logits(states(4)).softmax(-1)
    expected = 0.0
    for row, example in enumerate(examples):
        one, two = probabilities[2 * row], probabilities[2 * row + 1]
        label = int(example["label"][0])
        if label != MISSING:
            kl = (divergence(one, two) + divergence(two, one)) / 2
            expected += -one[label].log() - two[label].log() + ALPHA * kl
    assert_close(found.total, expected)
    assert found.units == 6


def test_of_independent_labels_each_that_is_known_counts():
    head = classify(multi=True)
    examples = [head.encode({"label": label}, {}) for label in ({"a": True, "c": False}, ["b"])]
    found = head.loss(states(2), head.collate(seen_twice(examples)))
    holds = head.logits(states(2)).sigmoid()
    expected = 0.0
    for row, example in enumerate(examples):
        for at, label in enumerate(example["label"].tolist()):
            if label != MISSING:
                one, two = (torch.stack([holds[2 * row + i, at], 1 - holds[2 * row + i, at]]) for i in (0, 1))
                expected += -one[1 - label].log() - two[1 - label].log()
                expected += ALPHA * (divergence(one, two) + divergence(two, one)) / 2
    assert_close(found.total, expected)
    assert found.units == 10


def test_numbers_are_held_together_by_their_squared_difference():
    head = Regress(WIDTH, RegressOptions(dropout=0, r_drop=ALPHA), {"mean": 1.0, "deviation": 2.0})
    examples = [head.encode({"label": label}, {}) for label in (3.0, None, -1.0)]
    found = head.loss(states(3), head.collate(seen_twice(examples)))
    values = head.values(states(3))
    expected = sum(
        (values[2 * r] - goal) ** 2 + (values[2 * r + 1] - goal) ** 2 + ALPHA * (values[2 * r] - values[2 * r + 1]) ** 2
        for r, goal in ((0, 1.0), (2, -1.0))
    )
    assert_close(found.total, expected)
    assert found.units == 4


def recipe(folder, **head) -> dict:
    texts = [f"row {at} {'good fine' if at % 2 else 'bad poor'} {'and so on ' * (at % 5)}" for at in range(40)]
    lines = [f"{text},{at % 2 if at % 7 else ''},{at % 3}\n" for at, text in enumerate(texts)]
    (folder / "rows.csv").write_text("text,label,number\n" + "".join(lines))
    data = {"path": str(folder / "rows.csv"), "ratio": {"validation": 0.2}}
    return {
        "run": str(folder / f"run{len(list(folder.glob('run*')))}"),
        "cache": str(folder / "cache"),
        "trunk": {"layers": 1, "width": 16, "heads": 2, "dropout": 0.1, "vocabulary": 300},
        "tasks": {
            "good": {"kind": "classify", "data": data, "columns": {"text": "text", "label": "label"}, "head": head},
            "many": {"kind": "regress", "data": data, "columns": {"text": "text", "label": "number"}, "head": head},
        },
        "train": {"steps": 6, "rows_per_step": 8, "micro_tokens": 60, "device": "cpu"},
    }


@pytest.mark.parametrize("share", [True, False])
def test_training_sees_rows_twice_and_side_by_side(tmp_path, monkeypatch, share):
    learned: list[tuple[Targets, int]] = []
    for head in (Classify, Regress):
        loss = head.loss

        def watched(self, states, targets, loss=loss):
            learned.append((targets, int(states.layout.total)))
            return loss(self, states, targets)

        monkeypatch.setattr(head, "loss", watched)
    trained = unisono.train({**recipe(tmp_path, r_drop=1.0, pool="mean"), "mix": {"share_rows": share}})
    assert len(learned) >= 12
    for targets, tokens in learned:
        name = "label" if "label" in targets else "value"
        assert TWICE in targets and torch.equal(targets[name][0::2].nan_to_num(), targets[name][1::2].nan_to_num())
        assert tokens <= 60
    model = unisono.load(trained.run)
    batch = model.collate("good", [model.encode("good", [{"text": "row"}])[0] | {"label": np.zeros(1, np.int32)}])
    assert TWICE not in batch.targets and len(batch.order) == 1


def test_without_dropout_it_changes_no_step(tmp_path):
    weights = []
    for head in ({"dropout": 0.0}, {"dropout": 0.0, "r_drop": 5.0}):
        asked = recipe(tmp_path, **head)
        asked["trunk"]["dropout"] = 0.0
        weights.append(unisono.load(unisono.train(asked).run).state_dict())
    for name, plain in weights[0].items():
        assert_close(weights[1][name], plain, rtol=1e-4, atol=1e-5, msg=name)


def test_it_and_mixup_exclude_each_other():
    with pytest.raises(ValueError, match='"mixup" and "r_drop" exclude each other'):
        ClassifyOptions(mixup=0.2, r_drop=1)


def test_equal_answers_are_not_apart():
    head = classify()
    same = states(2)
    same = Packed(same.values[0::2].repeat_interleave(2, 0), same.layout)
    example = head.encode({"label": "a"}, {})
    twice = head.loss(same, head.collate(seen_twice([example, example])))
    assert_close(twice.total, F.cross_entropy(head.logits(same), torch.zeros(4, dtype=torch.int64), reduction="sum"))
