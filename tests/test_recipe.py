"""Recipes: what is accepted, and what a person is told about the rest."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from unisono.recipe import RecipeError, build, nearest, parse, read

MINIMAL = {"trunk": "minilm", "tasks": {"ner": {"kind": "tag", "data": "train.txt"}}}


def changed(path: str, value: object) -> dict:
    tree = yaml.safe_load(yaml.safe_dump(MINIMAL))
    node = tree
    *parents, last = path.split(".")
    for part in parents:
        node = node.setdefault(part, {})
    node[last] = value
    return tree


def message(tree: object, **kwargs: object) -> str:
    with pytest.raises(RecipeError) as caught:
        build(tree, **kwargs)
    return str(caught.value)


def test_the_minimum_fills_in_every_default():
    recipe = build(MINIMAL, name="mine")
    assert recipe.trunk.pretrained == "minilm"
    assert recipe.folder.as_posix() == "runs/mine"
    assert recipe.tasks["ner"].weight == 1.0


def test_a_resolved_recipe_reads_back_equal():
    recipe = build(MINIMAL)
    assert parse(recipe.to_yaml()) == recipe


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("tasks.ner.wieght", 0.5, 'tasks.ner.wieght: "wieght" is not a setting here; did you mean "weight"?'),
        (
            "train.token_per_step",
            10,
            'train.token_per_step: "token_per_step" is not a setting here; did you mean "tokens_per_step"?',
        ),
        (
            "tasks.ner.data",
            {"path": "x", "formt": "csv"},
            'tasks.ner.data.formt: "formt" is not a setting here; did you mean "format"?',
        ),
        ("train.epochs", -1, "train.epochs: input should be greater than 0, found -1"),
        ("tasks.ner.weight", "much", "found 'much'"),
        ("mix", {"by": "weights"}, '"weights" and "by: weights" go together'),
        ("mix", {"weights": {"nre": 1}}, 'there is no task "nre"; did you mean "ner"?'),
        ("trunk", {"pretrained": "minilm", "layers": 3}, "exclude each other"),
        ("trunk", {"layers": 2, "width": 10, "heads": 3}, "width 10 is not a multiple of heads 3"),
        ("trunk", {}, 'say "pretrained"'),
        ("tasks", {}, "at least 1 item"),
        ("tasks", {"a.b": {"kind": "tag", "data": "x"}}, '"a.b" cannot name a task'),
        ("train", {"epochs": 1, "steps": 2}, "exclude each other"),
    ],
)
def test_a_wrong_setting_is_named_with_its_place_and_the_nearest_valid_one(path, value, says):
    said = message(changed(path, value), where="recipe.yaml")
    assert says in said
    assert said.startswith("recipe.yaml: ")
    assert len(said.splitlines()) == 1


def test_every_problem_gets_a_line_of_its_own():
    tree = changed("tasks.ner.wieght", 1)
    tree["sede"] = 3
    assert len(message(tree).splitlines()) == 2


def test_overrides_are_yaml_and_reach_into_short_forms():
    recipe = build(
        MINIMAL,
        overrides=[
            "tasks.ner.weight=0.5",
            "trunk.dropout=0",
            "train.ema=0.9",
            "mix.by=uniform",
            "tasks.ner.data.limit=8",
        ],
    )
    assert recipe.tasks["ner"].weight == 0.5
    assert recipe.trunk.pretrained == "minilm" and recipe.trunk.dropout == 0
    assert recipe.mix.by == "uniform" and recipe.tasks["ner"].data.limit == 8


@pytest.mark.parametrize("override", ["tasks.ner.weight", "=3", "trunk.pretrained.deep=1", "seed={"])
def test_a_wrong_override_is_explained(override):
    assert override in message(MINIMAL, overrides=[override])


def test_environment_variables_and_their_defaults(monkeypatch):
    monkeypatch.setenv("PLACE", "/data")
    monkeypatch.delenv("NOWHERE", raising=False)
    assert build(changed("tasks.ner.data", "${PLACE}/a")).tasks["ner"].data.path == "/data/a"
    assert build(changed("tasks.ner.data", "${NOWHERE:-/b}")).tasks["ner"].data.path == "/b"
    assert "tasks.ner.data: environment variable NOWHERE is not set" in message(
        changed("tasks.ner.data", "${NOWHERE}/a")
    )


def test_data_beside_the_recipe_is_found(tmp_path):
    (tmp_path / "rows.csv").write_text("text,label\na,b\n")
    (tmp_path / "r.yaml").write_text("trunk: minilm\ntasks: {a: {kind: classify, data: rows.csv}}\n")
    assert read(tmp_path / "r.yaml").tasks["a"].data.path == str(tmp_path / "rows.csv")


def test_a_missing_recipe_names_its_neighbour(tmp_path):
    (tmp_path / "quick.yaml").write_text("")
    with pytest.raises(RecipeError, match="no such recipe; did you mean .*quick.yaml"):
        read(tmp_path / "quik.yaml")


@given(st.text(max_size=60))
def test_any_text_is_a_recipe_or_a_recipe_error(text):
    try:
        parse(text)
    except RecipeError as error:
        assert str(error)


@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=5),
        lambda c: (
            st.lists(c) | st.dictionaries(st.sampled_from(["trunk", "tasks", "train", "mix", "a", "data", "kind"]), c)
        ),
        max_leaves=12,
    )
)
def test_any_tree_is_a_recipe_or_a_recipe_error(tree):
    try:
        build(tree)
    except RecipeError as error:
        assert str(error)


def test_nearest_lists_names_when_none_is_near():
    assert nearest("zzzz", ["tag", "classify"]) == "; valid: classify, tag"
