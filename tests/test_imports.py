"""Who may import whom, and what an import costs."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "unisono"

# The rooms that everyone may use: they know nothing of the others.
SHARED = {"packed", "dropout", "files", "memory", "pictures", "sounds", "views", "hub", "device", "__version__"}

# Room -> the rooms it may import besides itself and the shared ones. "data.spec" is that module alone.
MAY: dict[str, set[str]] = {
    "packed": set(),
    "dropout": set(),
    "files": set(),
    "memory": set(),
    "pictures": {"runtime"},
    "hub": set(),
    "sounds": {"runtime"},
    "views": set(),
    "device": set(),
    "runtime": set(),
    "data": set(),
    "stems": {"runtime"},
    "trunk": set(),
    "heads": {"runtime"},
    "metrics": set(),
    "mix": set(),
    "stages": {"recipe"},
    "balance": set(),
    "doctor": set(),
    "recipe": {"data.spec", "balance.methods"},
    "kinds": {"data", "heads", "metrics"},
    "tasks": {"kinds", "data", "stems", "heads", "recipe"},
    "schema": {"kinds", "stems", "recipe"},
    "inputs": {"stems"},
    "batch": {"inputs", "heads"},
    "hiding": {"inputs", "stems", "heads"},
    "blending": {"stems", "heads"},
    "saved": {"tasks", "stems", "trunk", "heads", "recipe"},
    "together": {"tasks", "inputs", "stems", "heads", "runtime"},
    "batcher": {"saved", "batch", "hiding", "blending", "tasks", "inputs", "stems", "heads", "recipe"},
    "model": {"batcher", "saved", "together", "batch", "tasks", "inputs", "stems", "trunk", "heads", "runtime"},
    "origin": {"saved", "model"},
    "apart": {"tasks", "data", "recipe"},
    "prepare": {"apart", "saved", "origin", "model", "tasks", "data", "stems", "trunk", "recipe"},
    "evaluate": {"model", "data", "heads", "metrics"},
    "train": {
        "apart",
        "batch",
        "model",
        "evaluate",
        "prepare",
        "mix",
        "balance",
        "stages",
        "recipe",
        "tasks",
        "heads",
        "data",
    },
    "begin": {"tasks", "data", "recipe"},
    "teach": {"deploy", "train", "recipe"},
    "api": {"saved", "teach", "train", "evaluate", "prepare", "model", "recipe"},
    "study": {
        "apart",
        "api",
        "teach",
        "train",
        "evaluate",
        "prepare",
        "model",
        "kinds",
        "tasks",
        "heads",
        "metrics",
        "data",
        "recipe",
    },
    "report": {"recipe"},
    "client": set(),
    "ask": {"tasks", "data", "recipe", "runtime"},
    "remote": {"ask", "client"},
    "said": set(),
    "draw": {"report.colours"},
    "targets": set(),
    "predicting": {"ask", "said", "draw", "targets", "show", "heads"},
    "deploy": {
        "saved",
        "model",
        "origin",
        "batch",
        "prepare",
        "evaluate",
        "metrics",
        "inputs",
        "tasks",
        "stems",
        "trunk",
        "heads",
        "runtime",
        "data",
        "recipe",
    },
    "serve": {"together", "api", "model", "tasks", "heads", "report.colours", "runtime"},
    "show": {"doctor", "recipe", "deploy"},
    "cli": {
        "api",
        "train",
        "teach",
        "study",
        "deploy",
        "kinds",
        "tasks",
        "schema",
        "begin",
        "doctor",
        "report",
        "serve",
        "show",
        "ask",
        "client",
        "predicting",
        "remote",
        "runtime",
    },
    "__init__": {"api", "client", "model", "recipe"},  # when first used
}


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """(line, what of ours is imported, without "unisono.") for every import of a file, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level:  # from the file's own folder, or from one further up
            above = ("unisono", *path.relative_to(PACKAGE).parts)[: -node.level]
            names = [".".join([*above, *([node.module] if node.module else [])])]
        elif isinstance(node, ast.ImportFrom) and node.module == "unisono":
            names = [f"unisono.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        else:
            continue
        yield from ((node.lineno, name.removeprefix("unisono.")) for name in names if name.startswith("unisono."))


def violations(path: Path) -> list[str]:
    room = room_of(path)
    allowed = {room} | SHARED | MAY.get(room, set())
    return [
        f"{path.relative_to(PACKAGE.parent)}:{line}: {room} may not import unisono.{name}"
        for line, name in imports(path)
        if not any(name == other or name.startswith(f"{other}.") for other in allowed)
    ]


FILES = sorted(PACKAGE.rglob("*.py"))


def test_every_room_is_in_the_table():
    assert {room_of(path) for path in FILES} <= set(MAY), "a new room: say in this table what it may import"


@pytest.mark.parametrize("room", sorted(MAY))
def test_rooms_import_what_the_table_allows(room):
    assert [line for path in FILES if room_of(path) == room for line in violations(path)] == []


def test_the_table_has_no_circles():
    def reach(room: str) -> set[str]:
        direct = {name.split(".")[0] for name in MAY[room]}
        return direct.union(*(reach(name) for name in direct))

    assert [room for room in MAY if room in reach(room)] == []


def test_the_check_itself_sees_a_forbidden_import(monkeypatch, tmp_path):
    (tmp_path / "heads").mkdir()
    bad = tmp_path / "heads" / "bad.py"
    bad.write_text(
        "from unisono.packed import Packed\ndef f():\n    from unisono import trunk\n    from ..stems import x\n"
    )
    monkeypatch.setattr(sys.modules[__name__], "PACKAGE", tmp_path)
    assert [line.split(": ", 1)[1] for line in violations(bad)] == [
        "heads may not import unisono.trunk",
        "heads may not import unisono.stems",
    ]


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


HELP = (
    "import sys; sys.argv = ['unisono', '--help']\nfrom unisono.cli import main\ntry: main()\nexcept SystemExit: pass\n"
)


@pytest.mark.parametrize(
    "code",
    [
        "import unisono",
        "import unisono.recipe",
        "import unisono.data",
        "import unisono.doctor",
        "import unisono.runtime",
        "import unisono; unisono.Client('http://localhost')",
        "import unisono.remote, unisono.predicting",
        HELP,
    ],
    ids=["unisono", "recipe", "data", "doctor", "runtime", "client", "remote", "help"],
)
def test_no_torch(code):
    heavy = "{'torch', 'transformers', 'accelerate', 'sklearn'}"
    assert run(f"{code}\nimport sys; print(sorted({heavy} & set(sys.modules)))").splitlines()[-1] == "[]"


@pytest.mark.slow
def test_rooms_do_not_hide_the_functions_of_the_face():
    """``unisono.train`` and ``unisono.evaluate`` are functions, though rooms of the same names get imported."""
    out = run(
        "import unisono, unisono.train.loop, unisono.evaluate\n"
        "from unisono.train import loop\n"
        "print(unisono.train.__module__, unisono.evaluate.__module__, loop.__name__)"
    )
    assert out.split() == ["unisono.api", "unisono.api", "unisono.train.loop"]


def test_the_face_names_what_it_has():
    import unisono

    assert set(unisono.__all__) <= set(dir(unisono))
    with pytest.raises(AttributeError, match="no attribute 'tain'"):
        _ = unisono.tain
