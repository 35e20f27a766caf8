"""The tune section: spaces that are read, and wrong ones refused in one line that says what to write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.train.runs import small
from unisono.recipe import Recipe, RecipeError, build, parse
from unisono.study import spaces

SEARCH = {
    "train.trunk_lr": {"log": ["1e-5", "1e-3"]},  # as YAML reads 1e-5
    "tasks.slots.weight": [0.3, 1, 3],
    "mix": ["uniform", {"by": "temperature", "temperature": 3}],
    "train.warmup": {"range": [0, 0.5]},
    "tasks.en-de.head.layers": {"int": [1, 3]},
}


def recipe(folder: Path, **tune: Any) -> Recipe:
    return build({**small(folder).model_dump(mode="json"), "tune": {"search": SEARCH, **tune}}, where="r.yaml")


class Last:
    """Proposes the last of all values."""

    def suggest_categorical(self, name, choices):
        return choices[-1]

    def suggest_int(self, name, low, high):
        return high

    def suggest_float(self, name, low, high, *, log):
        return high if log else low


def test_values_are_those_of_the_recipe(tmp_path):
    wanted = recipe(tmp_path)
    spaces.check(wanted)
    found = spaces.suggest(Last(), wanted.tune.search)
    assert found == {
        "train.trunk_lr": 1e-3, "tasks.slots.weight": 3, "mix": {"by": "temperature", "temperature": 3},
        "train.warmup": 0.0, "tasks.en-de.head.layers": 3,
    }  # fmt: skip
    assert isinstance(found["tasks.en-de.head.layers"], int)
    kept = {**found, "mix": '{"by": "temperature", "temperature": 3}'}
    assert spaces.settings(wanted.tune.search, kept) == found


def test_a_grid_has_every_point_once(tmp_path):
    search = {"tasks.slots.weight": [0.3, 1], "tasks.en-de.head.layers": {"int": [1, 3]}}
    wanted = recipe(tmp_path, search=search, by="grid")
    points = spaces.points(wanted.tune.search)
    assert len({tuple(point.values()) for point in points}) == len(points) == 6 == wanted.tune.count
    assert recipe(tmp_path).tune.count == 20 and recipe(tmp_path, trials=7).tune.count == 7


def test_a_resolved_recipe_reads_back(tmp_path):
    wanted = recipe(tmp_path, objective=["slots", "intent"], by="nsga2")
    assert parse(wanted.to_yaml()) == wanted
    assert wanted.tune.objectives == ["slots", "intent"]
    assert recipe(tmp_path, objective="slots").tune.objectives == ["slots"]


@pytest.mark.parametrize(
    ("tune", "says"),
    [
        ({"search": {}}, "tune.search"),
        ({"search": {"train.trunk_lr": []}}, "train.trunk_lr: an empty list"),
        ({"search": {"train.trunk_lr": [1, 1]}}, "train.trunk_lr: 1 stands there twice"),
        ({"search": {"train.trunk_lr": 0.1}}, "train.trunk_lr: write a list of values, .* found 0.1"),
        ({"search": {"train.trunk_lr": {"lgo": [1, 2]}}}, '"lgo" is not a span of numbers; did you mean "log"'),
        ({"search": {"train.trunk_lr": {"log": [0, 1]}}}, "log: both numbers must be greater than 0"),
        ({"search": {"train.trunk_lr": {"range": [2, 1]}}}, "range: the first number must be the smaller"),
        ({"search": {"train.trunk_lr": {"range": [1]}}}, "range: write two numbers"),
        ({"search": {"train.steps": {"int": [1, 2.5]}}}, "int: write whole numbers"),
        ({"by": "grid"}, 'train.trunk_lr: "by: grid" needs a list of values'),
        ({"search": {"mix": ["uniform"]}, "by": "grid", "trials": 3}, "the grid has 1 points"),
        ({"objective": ["slots", "intent"], "prune": "hyperband"}, '"prune: hyperband" needs one objective'),
        ({"objective": ["slot"]}, 'tune.objective: there is no task "slot"; did you mean "slots"'),
        ({"objective": []}, 'write "mean", or each task once'),
        ({"by": "tpee"}, "tune.by"),
    ],
)
def test_wrong_sections_are_refused_in_one_line(tmp_path, tune, says):
    with pytest.raises(RecipeError, match=says) as caught:
        recipe(tmp_path, **tune)
    assert str(caught.value).startswith("r.yaml: tune") and len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("search", "says"),
    [
        ({"tasks.slots.wieght": [1]}, 'tasks.slots.wieght: "wieght" is not a setting here; did you mean "weight"'),
        ({"tasks.slot.weight": [1]}, 'tasks.slot.weight: there is no task "slot"; did you mean "slots"'),
        ({"trian.trunk_lr": [1]}, 'trian: "trian" is not a setting here; did you mean "train"'),
        (
            {"tasks.en-de.head.layer": [1]},
            'tasks.en-de.head.layer: "layer" is not a setting here; did you mean "layers"',
        ),
        ({"tasks.slots.kind": ["tag", "tags"]}, '"tags" is not a kind of task; did you mean "tag"'),
        ({"train.warmup": {"range": [0, 2]}}, "train.warmup: input should be less than 1, found 2.0"),
        ({"seed": [1, 2]}, '"seed" is not for a search to change'),
        ({"tune.trials": [1, 2]}, '"tune" is not for a search to change'),
    ],
)
def test_paths_and_values_that_do_not_fit_the_recipe_are_refused(tmp_path, search, says):
    with pytest.raises(RecipeError, match=says) as caught:
        spaces.check(recipe(tmp_path, search=search), "r.yaml")
    assert str(caught.value).startswith("r.yaml: tune.search: ") and len(str(caught.value).splitlines()) == 1


def test_the_section_is_written_as_people_write_it(tmp_path):
    text = yaml.safe_dump({**small(tmp_path).model_dump(mode="json"), "tune": None})
    text = text.replace(
        "tune: null", "tune: {search: {train.trunk_lr: {log: [1e-5, 1e-3]}, balance: [sum, upgrad]}, by: gp}"
    )
    wanted = parse(text)
    assert wanted.tune.search["train.trunk_lr"] == {"log": (1e-5, 1e-3)}
    spaces.check(wanted)
