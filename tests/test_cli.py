"""The command line: what a person types, what comes back, and the exit codes a script relies on."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from tests.commands import unisono
from tests.train.runs import TASKS, run, small


@pytest.fixture(scope="module")
def recipe(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("cli")
    path = folder / "recipe.yaml"
    content = small(folder / "run", steps=2, evaluate_every=2).model_dump(mode="json")
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.fixture(scope="module")
def trained(recipe) -> Path:
    run(small(recipe.parent / "run", steps=2, evaluate_every=2))
    return recipe.parent / "run"


def test_help_names_every_command_and_imports_no_torch():
    show = "import sys, unisono.cli as c\ntry:\n c.app(['--help'])\nexcept SystemExit: pass\n"
    code = show + "assert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for command in ("init", "check", "train", "evaluate", "predict", "data", "doctor", "schema"):
        assert command in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["train", "nowhere.yaml"], 2, "nowhere.yaml: no such recipe"),
        (["train"], 2, "Missing argument"),
        (["tarin", "x"], 2, "No such command"),
        (["evaluate", "/nowhere"], 2, "no such recipe"),
        (["predict", "/nowhere", "hello"], 1, "no model here"),
    ],
)
def test_wrong_usage_is_explained_without_a_traceback(arguments, code, says):
    done = unisono(*arguments)
    assert done.returncode == code
    assert says in done.stderr and "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_misspelt_setting_is_one_line_and_exit_code_2(recipe, tmp_path):
    content = yaml.safe_load(recipe.read_text())
    content["tasks"]["slots"]["wieght"] = content["tasks"]["slots"].pop("weight")
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(yaml.safe_dump(content))
    done = unisono("check", str(wrong))
    assert done.returncode == 2
    assert (
        done.stderr.strip()
        == f'error: {wrong}: tasks.slots.wieght: "wieght" is not a setting here; did you mean "weight"?'
    )


def test_an_unknown_kind_or_option_names_the_nearest(recipe):
    done = unisono("check", str(recipe), "--set", "tasks.slots.kind=tags")
    assert done.returncode == 2
    assert 'tasks.slots.kind: "tags" is not a kind of task; did you mean "tag"?' in done.stderr
    done = unisono("check", str(recipe), "--set", "tasks.slots.head.droput=0.1")
    assert 'tasks.slots.head.droput: "droput" is not a setting here; did you mean "dropout"?' in done.stderr


def test_check_looks_at_what_a_search_would_try(recipe):
    search = "{tasks.slots.wieght: [1], train.warmup: {range: [0, 2]}, train.trunk_lr: [1e-4, 1e-3]}"
    done = unisono("check", str(recipe), "--set", f"tune.search={search}")
    assert done.returncode == 2
    assert done.stderr.strip().splitlines() == [
        f'error: {recipe}: tune.search: tasks.slots.wieght: "wieght" is not a setting here; did you mean "weight"?',
        f"error: {recipe}: tune.search: train.warmup: input should be less than 1, found 2.0",
    ]
    done = unisono("check", str(recipe), "--set", "tune.serach={}")
    assert 'tune.serach: "serach" is not a setting here; did you mean "search"?' in done.stderr


def test_check_tries_the_recipe_and_touches_nothing(recipe):
    before = sorted(recipe.parent.iterdir())
    done = unisono("check", str(recipe), "--json", "--set", f"run={recipe.parent / 'never'}")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert {t["name"] for t in report["tasks"]} == set(TASKS)
    assert report["steps"] == 2 and report["seconds"] > 0 and report["gigabytes"] > 0
    assert sorted(recipe.parent.iterdir()) == before


def test_train_evaluate_predict(trained, recipe):
    done = unisono("train", str(recipe), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["reason"] == "done"
    done = unisono("evaluate", str(trained), "--json")
    assert done.returncode == 0, done.stderr
    scores = json.loads(done.stdout)
    assert scores["intent"]["split"] == "test" and 0 <= scores["intent"]["scores"]["accuracy"] <= 1
    done = unisono("predict", str(trained), "Wake me at seven", "--json")
    (found,) = json.loads(done.stdout)
    assert found["input"] == "Wake me at seven" and set(TASKS) < set(found)
    done = unisono("predict", str(trained), "Wake me at seven")
    assert "Wake me at seven" in done.stdout and "intent" in done.stdout


def test_predict_reads_standard_input_and_rows(trained, tmp_path):
    done = unisono("predict", str(trained), "--task", "intent", "--json", input="one line\n\nanother\n")
    assert [f["input"] for f in json.loads(done.stdout)] == ["one line", "another"]
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"tokens": ["Wake", "me"]}\n')
    done = unisono("predict", str(trained), "--task", "slots", "--rows", str(rows), "--json")
    assert len(json.loads(done.stdout)[0]["slots"]["tags"]) == 2
    rows.write_text('{"tokens": ["Wake"]}\n{oops\n')
    done = unisono("predict", str(trained), "--task", "slots", "--rows", str(rows))
    assert done.returncode == 2 and "rows.jsonl line 2: not JSON" in done.stderr


def test_data_describes_every_split(recipe):
    done = unisono("data", str(recipe), "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["intent"]["train"]["rows"] == 60 and found["intent"]["train"]["balance"]["label"]
    assert unisono("data", str(recipe)).returncode == 0


def test_held_out_rows_that_training_has_are_told(tmp_path):
    table = "text,label\n" + "".join(f"this is row {i},{i % 2}\n" for i in range(40))
    (tmp_path / "rows.csv").write_text(table)
    same = "data: {path: ., splits: {train: rows.csv, test: rows.csv}}"
    (tmp_path / "recipe.yaml").write_text(
        f"tasks: {{a: {{kind: classify, {same}}}}}\ntrunk: {{layers: 1, width: 16, heads: 2}}\n"
    )
    told = unisono("data", "recipe.yaml", cwd=tmp_path).stdout
    assert "a test: 36 of 40 rows have the inputs of a training row" in told  # four are for validation
    assert "a validation:" not in told.replace("a validation label:", "")
    assert 'task "a": 36 of 40 test rows have the inputs of' in unisono("check", "recipe.yaml", cwd=tmp_path).stdout


def test_init_writes_a_recipe_that_check_accepts(tmp_path):
    table = "text,label\n" + "".join(f"this is row {i},{'yes' if i % 2 else 'no'}\n" for i in range(40))
    (tmp_path / "rows.csv").write_text(table)
    done = unisono("init", "rows.csv", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert unisono("init", "rows.csv", cwd=tmp_path).returncode == 2
    small_trunk = "trunk={layers: 1, width: 16, heads: 2, vocabulary: 300}"
    done = unisono("check", "recipe.yaml", "--set", small_trunk, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "the recipe can run" in done.stdout


def test_init_writes_over_nothing_unasked(tmp_path):
    (tmp_path / "rows.csv").write_text("text,label\n" + "".join(f"this is row {i},{i % 2}\n" for i in range(40)))
    assert unisono("init", "rows.csv", "--output", "new/recipe.yaml", cwd=tmp_path).returncode == 0
    (tmp_path / "new" / "recipe.yaml").write_text("mine")
    refused = unisono("init", "rows.csv", "--output", "new/recipe.yaml", cwd=tmp_path)
    assert refused.returncode == 2 and "--force" in refused.stderr
    assert (tmp_path / "new" / "recipe.yaml").read_text() == "mine"
    assert unisono("init", "rows.csv", "--output", "new/recipe.yaml", "--force", cwd=tmp_path).returncode == 0
    assert "tasks:" in (tmp_path / "new" / "recipe.yaml").read_text()


def test_check_lists_the_kinds_of_task():
    told = unisono("check", "--kinds")
    assert told.returncode == 0, told.stderr
    found = json.loads(unisono("check", "--kinds", "--json").stdout)
    assert all(kind in told.stdout for kind in found) and found["tag"]["main metric"] == ["f1", "accuracy"]


def test_rows_that_a_head_cannot_learn_from_are_one_line(tmp_path):
    (tmp_path / "rows.csv").write_text("text,label\n" + "".join(f"this is row {i},yes\n" for i in range(40)))
    (tmp_path / "recipe.yaml").write_text(
        "tasks: {same: {kind: classify, data: rows.csv}}\ntrunk: {layers: 1, width: 16, heads: 2}\n"
    )
    for command in ("check", "train"):
        done = unisono(command, "recipe.yaml", cwd=tmp_path)
        assert done.returncode == 2
        assert done.stderr.splitlines()[-1].endswith(
            'task "same": every training row has the label "yes": there is nothing to tell apart'
        )


def test_schema_is_json_and_knows_the_options_of_heads_and_stems():
    found = json.loads(unisono("schema").stdout)
    assert found["$defs"]["translate_head"]["properties"]["beams"]
    stems = found["properties"]["stems"]["properties"]
    assert stems["sequence"] == {"$ref": "#/$defs/sequence_stem"}
    plain, pretrained = (found["$defs"][one["$ref"].rsplit("/", 1)[1]] for one in stems["image"]["anyOf"])
    assert plain["properties"]["patch"]["maximum"] == 64 and pretrained["required"] == ["encoder"]


def test_interrupted_training_exits_with_130_and_the_same_command_goes_on(recipe, tmp_path):
    content = yaml.safe_load(recipe.read_text())
    content.update(run=str(tmp_path / "run"))
    content["train"].update(steps=100000, evaluate_every=50000)
    path = tmp_path / "long.yaml"
    path.write_text(yaml.safe_dump(content))
    command = [sys.executable, "-m", "unisono.cli", "train", str(path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    journal = tmp_path / "run" / "events.jsonl"
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and not (journal.exists() and '"stepped"' in journal.read_text()):
        time.sleep(0.2)
    process.send_signal(2)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "the same command goes on from there" in out
    assert list((tmp_path / "run" / "checkpoints").iterdir())
