"""Rows to batches: examples in any order become one pack, and their answers find back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import unisono
from tests.train.runs import TASKS, run, small
from unisono.model import MultiTaskModel


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> MultiTaskModel:
    folder: Path = tmp_path_factory.mktemp("run")
    run(small(folder, {"intent": TASKS["intent"], "again": TASKS["intent"]}, steps=1, evaluate_every=1))
    return unisono.load(folder)


def test_collate_sorts_by_length_and_remembers_the_order(model):
    examples = [{"ids": np.arange(n, dtype=np.int32) % 9} for n in (5, 2, 9)]
    batch = model.collate("intent", [{**e, **model.head("intent").encode({}, e)} for e in examples])
    assert batch.inputs.layout.lengths == (2, 5, 9)
    assert batch.restore(["two", "five", "nine"]) == ["five", "two", "nine"]


def test_tasks_over_the_same_rows_share_their_inputs(model):
    rows = [{"text": "Wake me up at seven."}, {"text": "Hi"}]
    batches = model.collate_shared({task: model.encode(task, rows) for task in ("intent", "again")})
    assert [batch.task for batch in batches] == ["intent", "again"]
    assert batches[0].inputs is batches[1].inputs


def test_a_row_that_one_task_lacks_has_no_label_there(model):
    label = model.head("intent").labels[0]
    rows = [{"text": "Hi", "label": label}, {"text": "Play something by Queen, please!", "label": label}]
    one, two = model.encode("intent", rows)
    intent, again = model.collate_shared({"intent": [one, two], "again": [None, model.encode("again", rows[1:])[0]]})
    assert model.units_of(intent) == 2 and intent.inputs.layout.count == again.inputs.layout.count == 2
    assert model.units_of(again) == 1
