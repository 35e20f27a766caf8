"""Stages: presets are the lists that the docs show, stages end when they say, and a saved place is the same place."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from unisono.recipe import Recipe, RecipeError, build, parse
from unisono.recipe.staged import Until
from unisono.stages import Course, Patience, Stage, expand, frozen, planned_steps

TASKS = ("a", "b", "c")


def recipe(stages, **more) -> Recipe:
    tasks = {name: {"kind": "tag", "data": "x"} for name in TASKS}
    return build({"trunk": {"layers": 4, "width": 8, "heads": 1}, "tasks": tasks, "stages": stages, **more})


def staged(stages, layers: int = 4) -> tuple[Stage, ...]:
    return expand(recipe(stages).stages, TASKS, layers)


def shown(stages) -> list[tuple]:
    """What matters of each stage: tasks, frozen, share of the run."""
    return [("".join(s.tasks), " ".join(s.freeze), s.until and s.until.share) for s in staged(stages)]


def course(stages) -> Course:
    sizes = {"a": 100.0, "b": 50.0, "c": 10.0}
    return Course(staged(stages), lambda tasks: sum(sizes[t] for t in tasks) / 10)


def walk(course: Course, steps: int, planned: int = 100, **more) -> list[int]:
    """The stage after each step."""
    out = []
    for step in range(1, steps + 1):
        course.advance(step, step / planned, **more)
        out.append(course.number)
    return out


# -- what a recipe may say -----------------------------------------------------------------------------------------


def test_without_stages_there_is_one_of_all_tasks():
    (stage,) = staged([])
    assert stage.tasks == TASKS and not stage.freeze and stage.until is None


def test_a_resolved_recipe_reads_back_equal():
    for stages in (
        "gradual-unfreeze",
        {"preset": "one-by-one", "order": ["c", "a", "b"], "until": {"plateau": 3}},
        ["heads-first"],
        [
            {"tasks": ["a"], "freeze": ["trunk.0-2"], "lr": 0.5, "until": {"steps": 9}},
            {"name": "rest", "lr": {"heads": 2}},
        ],
    ):
        found = recipe(stages)
        assert parse(found.to_yaml()) == found


@pytest.mark.parametrize(
    ("stages", "says"),
    [
        ([{"tasks": ["aa"]}], 'stages.0.tasks: there is no task "aa"; did you mean "a"?'),
        ([{"tasks": ["a", "a"]}], "stages.0.tasks: a, a names a task twice"),
        (
            [{"freeze": ["embedings"]}],
            'stages.0.freeze: "embedings" is no part of the model; did you mean "embeddings"?',
        ),
        ([{"freeze": ["heads.d"]}], 'stages.0.freeze: there is no task "d"; valid: a, b, c'),
        ([{"freeze": ["trunk.2-4"]}], 'stages.0.freeze: there is no "trunk.2-4": the trunk has the layers 0 to 3'),
        ([{"freeze": ["trunk.2-1"]}], 'stages.0.freeze: "trunk.2-1" runs backwards'),
        ([{"tasks": ["a"]}, {}], "stages.0.until: is missing: only the last stage may go without an end"),
        (
            [{"preset": "one-by-one"}, {}],
            "stages.0.until: is missing: only the last stage may go without an end; after this preset",
        ),
        ([{"until": {}}], 'stages.0.until: say when the stage ends: "steps", "epochs", "share" or "plateau"'),
        ([{"until": {"stps": 3}}], 'stages.0.until.stps: "stps" is not a setting here; did you mean "steps"?'),
        ([{"frezze": ["trunk"]}], 'stages.0.frezze: "frezze" is not a setting here; did you mean "freeze"?'),
        ([{"until": {"share": 0.6}}, {"until": {"share": 0.4}}, {}], "before the last sum to 1"),
        ("one-by-on", "stages.0.preset: input should be 'one-by-one'"),
        ({"preset": "heads-first", "order": ["a"]}, '"order" belongs to the presets one-by-one and easy-to-hard'),
        ({"preset": "one-by-one", "order": ["a", "b"]}, 'stages.0.order: task "c" is missing'),
        ({"preset": "heads-first", "freeze": ["trunk"]}, '"preset" stands for whole stages and excludes "freeze"'),
    ],
)
def test_a_wrong_stage_is_named_with_its_place(stages, says):
    with pytest.raises(RecipeError) as caught:
        recipe(stages)
    assert says in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_layers_of_a_pretrained_trunk_are_looked_at_once_they_are_known():
    tasks = {name: {"kind": "tag", "data": "x"} for name in TASKS}
    wanted = build({"trunk": "minilm", "tasks": tasks, "stages": [{"freeze": ["trunk.0-6"]}]})
    with pytest.raises(
        RecipeError, match=r'mine: stages.0.freeze: there is no "trunk.0-6": the trunk has the layers 0 to 5'
    ):
        expand(wanted.stages, TASKS, 6, where="mine")


def test_shares_of_presets_count_too():
    with pytest.raises(RecipeError, match="nothing is left for the last"):
        staged({"preset": "one-by-one", "until": {"share": 0.5}})


@pytest.mark.parametrize(
    ("task", "says"),
    [
        ({"when_done": "distill"}, '"when_done: distill" needs "patience"'),
        ({"patience": 0}, "greater than or equal to 1"),
    ],
)
def test_wrong_patience_is_refused(task, says):
    with pytest.raises(RecipeError, match=re.escape(says)):
        build({"trunk": "minilm", "tasks": {"a": {"kind": "tag", "data": "x", **task}}})


# -- presets -------------------------------------------------------------------------------------------------------


def test_presets_expand_to_the_documented_lists():
    third = pytest.approx(1 / 3)
    assert shown("one-by-one") == [("a", "", third), ("ab", "", third), ("abc", "", None)]
    assert shown({"preset": "one-by-one", "order": ["c", "a", "b"]}) == [
        ("c", "", third),
        ("ac", "", third),
        ("abc", "", None),
    ]
    assert shown("heads-first") == [("abc", "trunk", 0.1), ("abc", "", None)]
    tenth = pytest.approx(0.1)
    assert shown("gradual-unfreeze") == [
        ("abc", "trunk", tenth),
        ("abc", "embeddings trunk.0-2", tenth),
        ("abc", "embeddings trunk.0-1", tenth),
        ("abc", "embeddings trunk.0", tenth),
        ("abc", "embeddings", tenth),
        ("abc", "", None),
    ]
    hard = staged("easy-to-hard")
    assert [(s.easiest, s.measures, s.until and s.until.share) for s in hard] == [
        (None, True, 0.1), (1, False, pytest.approx(0.3)), (2, False, pytest.approx(0.3)), (3, False, None),
    ]  # fmt: skip
    assert shown({"preset": "easy-to-hard", "order": ["b", "c", "a"]}) == shown(
        {"preset": "one-by-one", "order": ["b", "c", "a"]}
    )


def test_a_preset_among_stages_and_with_an_end_of_its_own():
    stages = staged([{"preset": "heads-first", "until": {"epochs": 1}}, {"name": "end", "lr": 0.5}])
    assert [(s.name, s.until) for s in stages] == [("heads", Until(epochs=1)), ("all", Until(epochs=1)), ("end", None)]
    assert stages[2].lr.trunk == stages[2].lr.heads == 0.5
    alone = staged({"preset": "heads-first", "until": {"epochs": 1}})
    assert [s.until for s in alone] == [Until(epochs=1), None]


def test_names_are_given_to_stages_without_one():
    assert [s.name for s in staged([{"until": {"steps": 1}}, {"name": "x", "until": {"steps": 1}}, {}])] == [
        "stage 1",
        "x",
        "stage 3",
    ]


@pytest.mark.parametrize("layers", [1, 2, 6, 12])
def test_gradual_unfreeze_thaws_one_layer_at_a_time_and_leaves_none(layers):
    stages = expand(recipe("gradual-unfreeze").stages, TASKS, layers)

    def learning(stage: Stage) -> set[int]:
        return {d for d in range(layers + 1) if not frozen(f"trunk.{d}", stage.freeze, lambda name: int(name[6:]))}

    assert [learning(s) for s in stages] == [set(range(k, layers + 1)) for k in range(layers + 1, -1, -1)]
    assert sum(s.until.share for s in stages[:-1]) == pytest.approx(0.5)


# -- what is frozen ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parts", "which"),
    [
        ([], ""),
        (["embeddings"], "word position"),
        (["trunk"], "word position 0 1 2"),
        (["trunk.1"], "1"),
        (["trunk.0-1", "heads.b"], "0 1 b"),
        (["heads"], "a b"),
        (["heads.a", "embeddings"], "word position a"),
    ],
)
def test_parts_are_the_parameters_that_they_name(parts, which):
    names = {
        "stems.text.embedding.weight": "word", "trunk.encoder.embeddings.position.weight": "position",
        **{f"trunk.encoder.layer.{i}.dense.weight": str(i) for i in range(3)},
        "heads.a.logits.weight": "a", "heads.b.logits.weight": "b",
    }  # fmt: skip

    def depth(name: str) -> int:
        layer = re.search(r"layer\.(\d+)", name)
        return int(layer[1]) + 1 if layer else 0

    assert {short for name, short in names.items() if frozen(name, parts, depth)} == set(which.split())


# -- when a stage ends ---------------------------------------------------------------------------------------------


def test_a_stage_ends_after_its_steps():
    assert walk(course([{"until": {"steps": 3}}, {"until": {"steps": 2}}, {}]), 8) == [0, 0, 1, 1, 2, 2, 2, 2]


def test_a_stage_ends_after_passes_over_its_own_tasks_rows():
    found = course([{"tasks": ["c"], "until": {"epochs": 2}}, {"tasks": ["b"], "until": {"epochs": 0.5}}, {}])
    assert walk(found, 6) == [0, 1, 1, 1, 2, 2]  # c has a step's rows, b five


def test_a_stage_ends_after_its_share_of_the_run():
    assert walk(course([{"until": {"share": 0.3}}, {"until": {"share": 0.3}}, {}]), 10, planned=10) == [
        0, 0, 1, 1, 1, 2, 2, 2, 2, 2,
    ]  # fmt: skip


def test_a_stage_ends_on_a_plateau_of_its_own_tasks():
    found = course(
        [{"tasks": ["a", "b"], "until": {"plateau": {"patience": 2, "min_delta": 0.1}}}, {"until": {"plateau": 2}}]
    )
    ended = []
    for step, mean in enumerate((0.1, 0.5, 0.55, 0.65, 0.7, 0.7, 0.9, 0.8, 0.85), start=1):
        found.evaluated({"a": mean - 0.05, "b": mean + 0.05, "c": step})  # c gets better all the time, but is not in
        ended.append(found.advance(step, 0.0))
    assert ended == [False] * 5 + [True] + [False] * 3
    for step in (10, 11):
        found.evaluated({"a": 0.1, "b": 0.1, "c": 0.1})
        found.advance(step, 0.0)
    assert found.done


def test_the_first_of_several_ends_counts():
    both = [{"until": {"steps": 5, "share": 0.02}}, {"until": {"steps": 2, "share": 0.9}}, {}]
    assert walk(course(both), 5) == [0, 1, 1, 2, 2]


def test_a_stage_whose_tasks_have_all_left_is_over():
    found = course([{"tasks": ["a"], "until": {"steps": 50}}, {"tasks": ["a", "b"]}])
    assert walk(found, 2, gone={"a"}) == [1, 1] and not found.done
    found.advance(3, 0.03, gone={"a", "b"})
    assert found.done


def test_the_last_stage_may_end_the_run():
    found = course([{"until": {"steps": 2}}])
    walk(found, 1)
    assert not found.done
    walk(found, 2)
    assert found.done


def test_easy_to_hard_orders_tasks_by_how_far_their_losses_fell():
    found = course("easy-to-hard")
    seen = []
    for step in range(1, 11):
        found.advance(step, step / 10, relative={"a": 0.9, "b": 0.1, "c": 0.4})
        seen.append("".join(found.tasks))
    assert seen == ["b", "b", "b", "bc", "bc", "bc", "abc", "abc", "abc", "abc"]
    assert found.order == ["b", "c", "a"]


def test_stages_by_steps_alone_plan_the_run():
    sizes = {"a": 100.0, "b": 50.0, "c": 10.0}

    def epoch(tasks):
        return sum(sizes[t] for t in tasks) / 10

    assert planned_steps(staged([{"until": {"steps": 3}}, {"tasks": ["b"], "until": {"epochs": 2}}]), epoch) == 13
    assert planned_steps(staged([{"until": {"steps": 3}}, {}]), epoch) is None
    assert planned_steps(staged([{"until": {"steps": 3}}, {"until": {"share": 0.1}}]), epoch) is None


events = st.lists(st.none() | st.fixed_dictionaries({t: st.floats(0, 1) for t in TASKS}), min_size=1, max_size=40)


@given(st.sampled_from(["easy-to-hard", "one-by-one", "gradual-unfreeze", "mixed"]), events, st.integers(0, 39))
def test_a_saved_place_goes_on_the_same(which, seen, cut):
    stages = (
        which
        if which != "mixed"
        else [{"until": {"steps": 4, "plateau": 1}}, {"until": {"plateau": 2}}, {"until": {"epochs": 1}}]
    )
    whole, parts = course(stages), course(stages)
    for step, main in enumerate(seen, start=1):
        for each in (whole, parts):
            if main:
                each.evaluated(main)
            each.advance(step, step / 40, relative=main)
        if step == cut:
            kept = json.loads(json.dumps(parts.state_dict()))
            parts = course(stages)
            parts.load_state_dict(kept)
        assert parts.state_dict() == whole.state_dict() and parts.tasks == whole.tasks


# -- patience ------------------------------------------------------------------------------------------------------


def test_a_task_leaves_when_its_metric_has_stopped_improving():
    patience = Patience({"a": 2, "b": 1})
    scores = [(0.1, 0.5, 0), (0.2, 0.6, 0), (0.2, 0.7, 0), (0.15, 0.7, 0), (0.9, 0.7, 0)]
    left = [patience.evaluated(step, dict(zip(TASKS, s, strict=True)), TASKS) for step, s in enumerate(scores)]
    assert left == [[], [], [], ["a", "b"], []]
    assert patience.gone == {"a": 3, "b": 3}
    assert patience.reason("a") == "no better than 0.2 for 2 evaluations in a row"
    assert patience.reason("b") == "no better than 0.7 for 1 evaluation"


def test_a_task_is_judged_only_while_it_is_in():
    patience = Patience({"a": 1})
    for step in range(5):
        assert patience.evaluated(step, {"a": 0.5}, ["b"] if step else ["a"]) == []
    assert patience.evaluated(9, {"a": 0.5}, ["a"]) == ["a"]


def test_a_saved_patience_goes_on_the_same():
    whole, parts = Patience({"a": 3}), Patience({"a": 3})
    for step in range(6):
        main = {"a": 0.1 + 0.2 if step < 2 else 0.3}
        assert whole.evaluated(step, main, ["a"]) == parts.evaluated(step, main, ["a"])
        kept = json.loads(json.dumps(parts.state_dict()))
        parts = Patience({"a": 3})
        parts.load_state_dict(kept)
    assert parts.gone == whole.gone == {"a": 3}


def test_the_stages_of_the_page_are_valid():
    page = (Path(__file__).parents[1] / "docs" / "stages.md").read_text(encoding="utf-8")
    blocks = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", page, re.S)]
    assert len(blocks) >= 4
    for block in blocks:
        names = {"ner", "sentiment", "en-de", *block.get("tasks", {})}
        tasks = {name: {"kind": "tag", "data": "x", **block.get("tasks", {}).get(name, {})} for name in names}
        built = build({"trunk": {"layers": 6, "width": 8, "heads": 1}, **block, "tasks": tasks})
        expand(built.stages, list(built.tasks), 6)
