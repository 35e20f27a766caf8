"""An export is run as its manifest says, or refused in one line before anything of it is run."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("onnx")

import onnx
from onnx import TensorProto, helper

from tests.runtime import byhand
from tests.runtime.twins import alike
from unisono.runtime import Damaged, ExportedError, Runtime, is_export
from unisono.runtime.__main__ import main
from unisono.runtime.manifest import Manifest
from unisono.runtime.proto import look

TEXTS = ["good film", "a bad film", "what ?"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    return byhand.write(tmp_path_factory.mktemp("hand") / "export")


@pytest.fixture(scope="module")
def one(tmp_path_factory) -> Path:
    return byhand.write_one(tmp_path_factory.mktemp("one") / "export.onnx")


def wanted(text: str) -> dict[str, Any]:
    words = [word if word in byhand.WORDS else "[UNK]" for word in text.split()]
    scores = byhand.scores(" ".join(words))
    best = max(scores, key=scores.__getitem__)
    return {"label": best, "score": scores[best], "scores": scores}


@pytest.mark.parametrize("which", ["whole", "one"])
def test_a_folder_or_one_file_answers(which, request):
    path = request.getfixturevalue(which)
    runtime = Runtime.load(path, threads=1)
    assert is_export(path) and not is_export(path.parent)
    assert alike(runtime.predict("again", TEXTS), [wanted(text) for text in TEXTS])
    found = runtime.predict_all(TEXTS)
    assert alike(found, [{"like": wanted(text), "again": wanted(text)} for text in TEXTS])


def test_the_command(whole, capsys, monkeypatch):
    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["unisono-runtime", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as left:
            code = int(left.code or 0)
        return (code, *capsys.readouterr())

    code, out, _ = run(whole, *TEXTS)
    assert code == 0 and [list(json.loads(line)) for line in out.splitlines()] == [["like", "again"]] * 3
    code, out, _ = run(whole, "--task", "like", '{"text": "good film"}')
    assert code == 0 and alike(json.loads(out), wanted("good film"))
    code, _, err = run(whole, "--task", "lik", "good film")
    assert (code, err) == (1, 'error: this export has no task "lik"; did you mean "like"?\n')
    code, _, err = run(whole, "--task", "like", '{"text": ')
    assert code == 1 and err.startswith("error: not a row in JSON") and err.count("\n") == 1
    code, _, err = run(whole.parent, "x")
    assert code == 1 and "no export here (unisono.json is missing)" in err


def rewritten(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], Any]:
    def act(folder: Path) -> None:
        said = json.loads((folder / "unisono.json").read_text())
        change(said)
        (folder / "unisono.json").write_text(json.dumps(said))

    return act


def away(folder: Path) -> None:
    """A file that the manifest vouches for, but that lies elsewhere."""
    outside = folder.parent / "elsewhere.json"
    (folder / "tokenizer.json").rename(outside)
    (folder / "tokenizer.json").symlink_to(outside)


def flipped(folder: Path) -> None:
    content = bytearray((folder / "head.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "head.onnx").write_bytes(content)


DAMAGE: dict[str, tuple[Callable[[Path], Any], str]] = {
    "a byte is another": (flipped, "head.onnx: not the file that unisono.json vouches for"),
    "a file is missing": (lambda f: (f / "encoder.onnx").unlink(), "encoder.onnx: missing; copy the export again"),
    "a link leads away": (away, "tokenizer.json: leads out of the folder"),
    "a path leads away": (
        rewritten(lambda m: m["graphs"]["head"].update(file="../head.onnx")),
        '"../head.onnx" is no plain name of a file in the folder',
    ),
    "an absolute path": (rewritten(lambda m: m["files"].update({"/etc/passwd": "0" * 64})), "is no plain name"),
    "another format": (rewritten(lambda m: m.update(format=3)), "format 3, this runtime reads format 2"),
    "stems that are not told": (rewritten(lambda m: m.update(format=2)), "\"stems\" is missing"),
    "no tasks": (rewritten(lambda m: m.update(tasks={})), "no task"),
    "a strange kind": (
        rewritten(lambda m: m["tasks"]["like"].update(kind="speak")),
        'tasks: like: "kind": answer or caption or classify',
    ),
    "no such graph": (rewritten(lambda m: m["tasks"]["like"].update(graph="tail")), 'no graph "tail"'),
    "not a number": (
        rewritten(lambda m: m["tasks"]["like"]["decode"].update(threshold="x")), "a finite number is expected",
    ),
    "too long": (rewritten(lambda m: m["text"].update(max_length=10**9)), "a whole number from 4 to 65536 is expected"),
    "a label twice": (rewritten(lambda m: m["tasks"]["like"]["decode"].update(labels=["a", "a"])), "different texts"),
    "not the inputs": (
        rewritten(lambda m: m["graphs"]["head"].update(inputs=["states"])), "are not those that the manifest names",
    ),
    "not JSON": (lambda f: (f / "unisono.json").write_text("{"), "unisono.json: not JSON"),
    "deep JSON": (lambda f: (f / "unisono.json").write_text("[" * 100_000), "unisono.json: not JSON"),
    "bytes": (lambda f: (f / "unisono.json").write_bytes(b"\xff\xfe"), "unisono.json: not JSON"),
    "a list": (lambda f: (f / "unisono.json").write_text("[]"), "an object is expected, not \\[\\]"),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGE)
def test_what_is_damaged_is_refused_in_one_line(tmp_path, name):
    folder = byhand.write(tmp_path / "export")
    damage, message = DAMAGE[name]
    damage(folder)
    with pytest.raises(Damaged, match=message) as told:
        Runtime.load(folder)
    assert "\n" not in str(told.value)


def graph_of(change: Callable[[Any], Any]) -> bytes:
    made = byhand.head()
    change(made)
    return made.SerializeToString()


def elsewhere(tensor: Any) -> None:
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "../../etc/passwd"


def hidden_in_a_branch(made: Any) -> None:
    """External data in a constant of a branch of an If."""
    constant = helper.make_node("Constant", [], ["c"], value=onnx.numpy_helper.from_array(byhand._READ, "c"))
    elsewhere(constant.attribute[0].t)
    branch = helper.make_graph([constant], "b", [], [byhand.value("c", TensorProto.FLOAT, 3, 2)])
    made.graph.node.append(helper.make_node("If", ["x"], ["y"], then_branch=branch, else_branch=branch))


GRAPHS = {
    "weights elsewhere": (lambda m: elsewhere(m.graph.initializer[0]), "weights lie in other files"),
    "weights elsewhere, in a branch": (hidden_in_a_branch, "weights lie in other files"),
    "operators of others": (
        lambda m: m.opset_import.append(helper.make_opsetid("evil.ops", 1)), 'operators of "evil.ops"',
    ),
    "nothing to run": (lambda m: m.ClearField("graph"), "not an ONNX file, or cut off"),
    "no such operator": (lambda m: setattr(m.graph.node[0], "op_type", "Explode"), "ONNX Runtime cannot run it"),
    "another shape": (
        lambda m: m.graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(byhand._READ[:, :1], "read")),
        'gives no "logits" of the shape',
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", GRAPHS)
def test_graphs_that_an_export_may_not_have(tmp_path, name):
    change, message = GRAPHS[name]
    with pytest.raises(Damaged, match=message):
        Runtime.load(byhand.write(tmp_path / "export", head=graph_of(change))).predict("like", ["good"])


def test_one_file_that_is_no_export(tmp_path):
    (tmp_path / "a.onnx").write_bytes(byhand.head().SerializeToString())
    with pytest.raises(Damaged, match="an ONNX file, but no export of Unisono"):
        Runtime.load(tmp_path / "a.onnx")
    (tmp_path / "b.onnx").write_bytes(b"GIF89a")
    with pytest.raises(Damaged, match="not an ONNX file, or cut off"):
        Runtime.load(tmp_path / "b.onnx")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 10**9) | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)


def places(value: Any) -> list[tuple[Any, Any]]:
    """(container, key) of everything in a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, each in inner for place in [(value, key), *places(each)]]


@given(st.data())
def test_any_other_entry_is_refused_or_read(data):
    digests = dict.fromkeys(["encoder.onnx", "head.onnx", "tokenizer.json"], "0" * 64)
    said = json.loads(json.dumps(byhand.manifest(digests)))
    container, key = data.draw(st.sampled_from(places(said)))
    if data.draw(st.booleans()):
        container[key] = data.draw(JSON)
    else:
        del container[key]
    try:
        read = Manifest.read(said, "manifest", one_file=False)
        for task in read.tasks.values():
            byhand_head(task)
    except ExportedError as error:
        assert "\n" not in str(error)


def byhand_head(task: Any) -> None:
    from unisono.runtime.heads import HEADS

    HEADS[task.kind](task, {"tokenizer.json": byhand.tokenizer()}, None)


@given(st.data())
def test_any_bytes_are_a_graph_or_not(data):
    content = bytearray(byhand.head().SerializeToString())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content)))
    for some in (bytes(content), bytes(content[:cut])):
        with contextlib.suppress(ValueError):
            look(some)
