"""Auto: the search for λ is seeded, resumed and told; the run that follows is that of a recipe with these λ."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from tests.train.runs import TASKS, Heard, run, small
from tests.train.test_loop import _stop_after, tensors
from unisono.recipe import Recipe, RecipeError, build, read
from unisono.study import spaces
from unisono.study.compare import compare
from unisono.train import auto, beginning
from unisono.train.beginning import Beginning
from unisono.train.check import check
from unisono.train.events import Chosen, Finished, Noted, Stepped

TWO = {name: TASKS[name] for name in ("intent", "slots")}
SEARCH = {"method": "auto", "trials": 4, "cost": 0.5}  # of 40 steps: 4 trials of 3, 2 of them to 6


def recipe(folder: Path, balance: object = SEARCH, **train: object) -> Recipe:
    raw = small(folder, TWO, **{"steps": 40, "evaluate_every": 20, "tokens_per_step": 100, **train})
    return build({**raw.model_dump(mode="json"), "balance": balance})


def found(folder: Path) -> dict:
    """What a search wrote, without how long it took."""
    state = json.loads((folder / "auto" / "auto.json").read_text(encoding="utf-8"))
    del state["seconds"]
    return state


@pytest.fixture(scope="module")
def searched(tmp_path_factory) -> tuple[Path, Heard]:
    folder = tmp_path_factory.mktemp("auto") / "run"
    return folder, run(recipe(folder))


def test_the_trials_with_least_left_go_on_and_the_best_is_chosen(searched):
    folder, heard = searched
    state = found(folder)
    assert state["rounds"] == [[4, 3], [2, 6]] and state["share"] == pytest.approx(18 / 40)
    first = [trial["left"][0] for trial in state["trials"]]
    went_on = [at for at, trial in enumerate(state["trials"]) if len(trial["left"]) == 2]
    assert sorted(went_on) == sorted(sorted(range(4), key=lambda at: first[at])[:2])
    assert state["chosen"] == min(went_on, key=lambda at: state["trials"][at]["left"][1])
    for trial in state["trials"]:
        for losses, left in zip(trial["losses"], trial["left"], strict=True):
            shares = [losses[task] / state["untrained"][task] for task in TWO]
            assert left == pytest.approx(sum(shares) / 2)
    assert sorted(path.name for path in (folder / "auto").iterdir()) == ["auto.json", "recipe.yaml"]
    notes = [e.text for e in heard.of(Noted) if e.text.startswith("balance: auto")]
    assert len(notes) == 6 and "trial 1 of 4, λ intent 1 · slots 1: " in notes[0]


def test_it_tells_what_it_chose(searched):
    folder, heard = searched
    state = found(folder)
    weights = state["trials"][state["chosen"]]["weights"]
    (event,) = heard.of(Chosen)
    assert (event.weights, event.number, event.tried) == (weights, state["chosen"] + 1, 4)
    assert all(step.weights == weights for step in heard.of(Stepped)) and len(heard.of(Stepped)) == 40
    lines = (folder / "events.jsonl").read_text(encoding="utf-8").splitlines()
    assert sum(json.loads(line)["event"] == "chosen" for line in lines) == 1
    card = (folder / "model" / "README.md").read_text(encoding="utf-8")
    assert "λ were chosen by `balance: auto`: the best of 4 plain sums" in card
    assert f"| intent | classify | 60 / 11 / 0 | `builtin:everyday` | {weights['intent']:g} |" in card


def test_the_run_is_that_of_a_recipe_with_these_weights(searched, tmp_path):
    folder, _ = searched
    written = read(folder / "auto" / "recipe.yaml")
    assert written.balance.method == "sum" and written.folder == Path(f"{folder}-again")
    run(written.model_copy(update={"run": str(tmp_path)}))
    a, b = tensors(folder), tensors(tmp_path)
    assert a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("at", [2, 5])
def test_an_interrupted_search_goes_on_and_finds_the_same(searched, tmp_path, monkeypatch, at):
    _stop_after(at, monkeypatch)  # in the first trial's third step, or in the sixth of the first that goes on
    heard = run(recipe(tmp_path))
    assert [e.reason for e in heard.of(Finished)] == ["interrupted"] and not heard.of(Chosen)
    assert not (tmp_path / "finished.json").exists()
    monkeypatch.undo()
    assert run(recipe(tmp_path)).of(Finished)[0].reason == "done"
    assert found(tmp_path) == found(searched[0])
    a, b = tensors(searched[0]), tensors(tmp_path)
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_a_resumed_run_does_not_search_again(searched, tmp_path, monkeypatch):
    take = Beginning.__init__
    _stop_after(10, monkeypatch)  # no trial goes so far
    assert run(recipe(tmp_path)).of(Finished)[0].step == 10
    monkeypatch.undo()

    def never(*given: object) -> None:
        raise AssertionError("searched again")

    monkeypatch.setattr(Beginning, "__init__", never)
    heard = run(recipe(tmp_path))
    assert [e.step for e in heard.of(Stepped)] == list(range(11, 41)) and not heard.of(Chosen)
    a, b = tensors(searched[0]), tensors(tmp_path)
    assert all(torch.equal(a[name], b[name]) for name in a)
    monkeypatch.setattr(Beginning, "__init__", take)


def test_without_validation_rows_it_judges_on_training_rows_that_trials_do_not_see(tmp_path, monkeypatch):
    tasks = {n: {**t, "data": {**t["data"], "ratio": {"validation": 0.0}, "splits": {}}} for n, t in TWO.items()}
    lines = [json.dumps({"text": f"{'so' * (n % 3)} good {n}", "label": "ab"[n % 2]}) for n in range(40)]
    (tmp_path / "rows.jsonl").write_text("\n".join(lines))
    data = {"path": str(tmp_path / "rows.jsonl"), "ratio": {"validation": 0.0}}
    tasks = {name: {"kind": "classify", "data": data} for name in ("one", "two")}
    raw = small(tmp_path / "run", tasks, steps=30, tokens_per_step=60).model_dump(mode="json")
    seen: list[tuple[dict, dict]] = []
    take = Beginning.held_out_losses

    def watching(self: Beginning) -> dict[str, float]:
        parts = self.examples["one"]
        seen.append(({tuple(e["ids"]) for e in parts["train"]}, {tuple(e["ids"]) for e in parts["validation"]}))
        return take(self)

    monkeypatch.setattr(Beginning, "held_out_losses", watching)
    heard = run(build({**raw, "balance": "auto"}))
    assert heard.of(Chosen) and set(found(tmp_path / "run")["untrained"]) == {"one", "two"}
    assert seen and all(len(train) == 36 and len(held) == 4 and not train & held for train, held in seen)
    assert heard.of(Stepped)[-1].step == 30 and not heard.events[-1].scores  # the run itself learns from all rows


def test_a_trial_whose_loss_is_not_finite_is_not_chosen(tmp_path, monkeypatch):
    take = beginning.Beginning.train

    def train(self: Beginning, *, until: int | None = None) -> Finished:
        if self.recipe.tasks["intent"].weight == self.recipe.tasks["slots"].weight:
            raise auto.TrainingFailed("the loss is not finite")
        return take(self, until=until)

    monkeypatch.setattr(Beginning, "train", train)
    heard = run(recipe(tmp_path))
    assert found(tmp_path)["trials"][0]["left"] == [None] and found(tmp_path)["chosen"] != 0
    assert any("λ intent 1 · slots 1: the loss is not finite" in e.text for e in heard.of(Noted))


def test_learning_rates_are_searched_where_that_is_asked(tmp_path):
    heard = run(recipe(tmp_path, {**SEARCH, "rates": 3}))
    (event,) = heard.of(Chosen)
    assert [trial["rate"] for trial in found(tmp_path)["trials"][:3]] == [1.0, pytest.approx(1 / 3), 3.0]
    chosen = read(tmp_path / "auto" / "recipe.yaml").train
    assert chosen.trunk_lr == pytest.approx(1e-3 * event.rate) and chosen.head_lr == pytest.approx(1e-3 * event.rate)


def test_one_task_has_nothing_to_choose(tmp_path):
    heard = run(small(tmp_path, {"intent": TASKS["intent"]}).model_copy(update={"balance": recipe(tmp_path).balance}))
    (event,) = heard.of(Chosen)
    assert event.weights == {"intent": 1.0} and event.share == 0.0


def test_a_check_counts_the_search(tmp_path):
    report = check(recipe(tmp_path))
    assert "balance: auto adds a search of 45 % of the run's steps; it is in the time" in report.notes
    assert not tmp_path.joinpath("auto").exists()


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"trials": 1}, "trials: 1 is not between 2 and 64"),
        ({"trials": 2.5}, "trials: 2.5 is not like its default 8"),
        ({"cost": 0}, "cost: 0 is not between 0.01 and 1"),
        ({"span": 1}, "span: 1 is not between 1.1 and 1e+06"),
        ({"rates": True}, "rates: True is not like its default 1"),
        ({"trial": 3}, '"trial" is not an option of auto; did you mean "trials"?'),
    ],
)
def test_wrong_options_are_one_line(tmp_path, options, line):
    with pytest.raises(RecipeError) as error:
        recipe(tmp_path, {"method": "auto", **options})
    assert line in str(error.value) and "\n" not in str(error.value)


def test_minutes_alone_do_not_say_how_long_a_search_may_be(tmp_path):
    with pytest.raises(RecipeError, match=r'"train.minutes" alone .* add train.steps or train.epochs') as error:
        recipe(tmp_path, steps=None, minutes=5)
    assert "\n" not in str(error.value)
    assert recipe(tmp_path, minutes=5).balance.method == "auto"


def test_studies_that_choose_weights_themselves_refuse(tmp_path):
    with pytest.raises(RecipeError, match=r"^r: --grid and balance: auto both choose λ; leave one of them out$"):
        compare(recipe(tmp_path), grid=True, where="r")
    raw = recipe(tmp_path).model_dump(mode="json")
    tuned = build({**raw, "tune": {"search": {"tasks.slots.weight": [1, 2]}}})
    with pytest.raises(RecipeError, match=r"^r: tune.search: tasks.slots.weight: balance: auto chooses λ by itself"):
        spaces.check(tuned, "r")
    spaces.check(build({**raw, "tune": {"search": {"balance.trials": [2, 8], "train.trunk_lr": [1e-4, 1e-3]}}}), "r")


@pytest.mark.slow
def test_studies_train_with_what_each_run_chooses(tmp_path):
    result = compare(recipe(tmp_path, steps=12, evaluate_every=12), seeds=1, resamples=10)
    assert result["seeds"] == [1]
    joint = tmp_path / "compare" / "joint-seed1"
    assert found(joint)["chosen"] is not None and not list(joint.glob("auto/trial-*"))
