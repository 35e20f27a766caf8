"""Recipes of a stranger: YAML that runs code, that grows, that goes in circles; values that are none; files that are no
files.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.security.bounds import bounded
from unisono.recipe import RecipeError, parse, read

TASK = "a: {kind: classify, data: x.csv}"


def with_(line: str, task: str = TASK) -> str:
    return f"trunk: {{layers: 1, width: 16, heads: 2}}\ntasks:\n  {task}\n{line}\n"


def laughs(levels: int, open_: str, close: str, item: str) -> str:
    """Each line has nine times what the line before it has."""
    lines = [f"l0: &l0 {open_}{item}{close}"]
    lines += [f"l{i}: &l{i} {open_}{', '.join([f'*l{i - 1}'] * 9)}{close}" for i in range(1, levels)]
    return with_("\n".join(lines))


MERGED = "\n".join(
    ["m0: &m0 {a: 1}", *(f"m{i}: &m{i} {{<<: [{', '.join([f'*m{i - 1}'] * 9)}], b{i}: 1}}" for i in range(1, 12))]
)

TEXTS = {
    "code": with_('run: !!python/object/apply:os.system ["touch pwned"]'),
    "code in a name": with_('? !!python/object/apply:os.system ["touch pwned"]\n: 1'),
    "a module": with_("run: !!python/module:os"),
    "a class": with_("run: !!python/name:os.system"),
    "an object": with_("run: !!python/object:unisono.recipe.Recipe {}"),
    "a tag of its own": with_("run: !Ref x"),
    "a file by tag": with_("run: !include /etc/passwd"),
    "aliases that grow": laughs(12, "[", "]", "lol"),
    "aliases that grow, in a place where lists are": with_(laughs(12, "[", "]", "lol") + "\nstages: *l11"),
    "merges that grow": with_(MERGED),
    "an alias in itself": with_("stages: &a [*a]"),
    "an alias in itself, by name": with_("train: &a {steps: *a}"),
    "a mapping in itself": "&a\ntrunk: *a\ntasks: *a\n",
    "lists without end": with_("stages: " + "[" * 50_000),
    "lists of some depth": with_("stages: " + "[" * 200 + "]" * 200),
    "mappings without end": with_("stages: " + "{a: " * 20_000),
    "a name of many lines": with_("? |\n  a\n  b\n: 1"),
    "a number of 100,000 digits": with_("seed: " + "9" * 100_000),
    "a number of 1,000 digits": with_("seed: " + "9" * 1_000),
    "a number in base 60": with_("seed: " + "1:" * 10_000 + "1"),
    "not a number": with_("train: {head_lr: .nan}"),
    "endless": with_("train: {head_lr: .inf}"),
    "not a number, of steps": with_("train: {steps: .nan}"),
    "not a number, of weight": with_("", "a: {kind: classify, data: x.csv, weight: .nan}"),
    "a text for a number": with_("train: {steps: many}"),
    "a trunk of nothing": "trunk: {layers: 0, width: 0, heads: 0}\ntasks: {" + TASK + "}",
    "a task that goes up": with_("", "../../a: {kind: classify, data: x.csv}"),
    "a task with a null": with_("", '"a\\0b": {kind: classify, data: x.csv}'),
    "an empty task": with_("", '"": {kind: classify, data: x.csv}'),
    "no tasks": "trunk: {layers: 1}\ntasks: {}",
    "a list": "- a\n- b\n",
    "a text": "hello",
    "nothing": "",
    "two documents": with_("---\na: 1"),
    "nulls": "a\0b",
    "not UTF-8": b"a: \xff\xfe",
    "UTF-16": with_("").encode("utf-16"),
    "half a letter": with_('run: "\\ud800"'),
    "tabs": "trunk:\n\tlayers: 1",
    "1 MB of one line": "a" * 1_000_000,
    "a million names": "".join(f"k{i}: 1\n" for i in range(100_000)),
    "a variable that there is not": with_("run: ${UNISONO_NO_SUCH_VARIABLE}"),
}


@pytest.mark.parametrize("attack", TEXTS)
def test_a_recipe_of_a_stranger_is_refused(attack, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path, text = tmp_path / "recipe.yaml", TEXTS[attack]
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    with bounded(seconds=20), pytest.raises(RecipeError) as error:
        read(path)
    lines = str(error.value).splitlines()
    assert 1 <= len(lines) <= 20 and all(len(line) < 2000 for line in lines) and "Traceback" not in str(error.value)
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("override", ["seed=!!python/name:os.system", "stages=&a [*a]", f"stages={'[' * 50_000}"])
def test_so_is_an_override(override):
    with bounded(), pytest.raises(RecipeError):
        parse(with_(""), overrides=[override])


def test_aliases_and_merges_that_a_person_writes_are_read():
    tasks = (
        "a: &task {kind: classify, data: &rows {path: 'builtin:everyday'}}\n  b: {<<: *task, data: *rows, weight: 2}"
    )
    assert parse(with_("", tasks)).tasks["b"].weight == 2


PLACES = {
    "a pipe": os.mkfifo,
    "an endless device": lambda path: path.symlink_to("/dev/zero"),
    "a link in a circle": lambda path: path.symlink_to(path),
    "a link to nothing": lambda path: path.symlink_to("nowhere"),
    "a folder": Path.mkdir,
    "a file that is too large": lambda path: path.write_bytes(b"# " + b"x" * (1 << 20)),
}


@pytest.mark.parametrize("attack", PLACES)
def test_what_is_no_file_is_not_waited_for(attack, tmp_path):
    PLACES[attack](tmp_path / "recipe.yaml")
    with bounded(), pytest.raises(RecipeError) as error:
        read(tmp_path / "recipe.yaml")
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.slow
def test_the_command_tells_it_in_a_line(tmp_path):
    (tmp_path / "recipe.yaml").write_text(TEXTS["aliases that grow"])
    command = [sys.executable, "-m", "unisono.cli", "check", str(tmp_path / "recipe.yaml")]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 2 and ran.stderr.startswith("error: ") and len(ran.stderr.splitlines()) == 1
