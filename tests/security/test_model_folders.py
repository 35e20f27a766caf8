"""Model folders of a stranger: code in the place of weights, headers that lie, configurations that name what is
elsewhere.
"""

from __future__ import annotations

import json
import os
import pickle
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.security.bounds import bounded
from unisono.model import MultiTaskModel
from unisono.saved import ModelError

WEIGHTS, CONFIG, TOKENIZER = "model.safetensors", "config.json", "tokenizer.json"


class Pwn:
    """What runs a command when it is unpickled."""

    def __reduce__(self):
        return os.system, ("touch pwned",)


def weights(header: object, length: int | None = None, body: bytes = bytes(64)) -> Callable[[Path], None]:
    """A file of weights with this header."""
    content = header if isinstance(header, bytes) else json.dumps(header).encode()
    size = struct.pack("<Q", len(content) if length is None else length)
    return lambda folder: (folder / WEIGHTS).write_bytes(size + content + body) and None


def tensor(shape: list[int], offsets: list[int], kind: str = "F32") -> dict:
    return {"a": {"dtype": kind, "shape": shape, "data_offsets": offsets}}


def cut(name: str, keep: float) -> Callable[[Path], None]:
    def attack(folder: Path) -> None:
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: int(len(content) * keep)])

    return attack


def put(name: str, content: bytes) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes(content) and None


def config(change: Callable[[dict], None]) -> Callable[[Path], None]:
    return changed(CONFIG, change)


def changed(name: str, change: Callable[[dict], None]) -> Callable[[Path], None]:
    def attack(folder: Path) -> None:
        found = json.loads((folder / name).read_text())
        change(found)
        (folder / name).write_text(json.dumps(found))

    return attack


def placed(name: str, make: Callable[[Path], object]) -> Callable[[Path], None]:
    def attack(folder: Path) -> None:
        (folder / name).unlink()
        make(folder / name)

    return attack


def set_(*path: str, to: object) -> Callable[[dict], None]:
    def change(node: dict) -> None:
        for name in path[:-1]:
            node = node[name]
        node[path[-1]] = to

    return change


def pickled(name: str) -> Callable[[Path], None]:
    def attack(folder: Path) -> None:
        (folder / WEIGHTS).unlink()
        (folder / name).write_bytes(pickle.dumps(Pwn()))

    return attack


REFUSED: dict[str, Callable[[Path], None]] = {
    "a pickle for weights": put(WEIGHTS, pickle.dumps(Pwn())),
    "a pickle beside no weights": pickled("pytorch_model.bin"),
    "another pickle beside no weights": pickled("model.pt"),
    "an empty file": put(WEIGHTS, b""),
    "seven bytes": put(WEIGHTS, bytes(7)),
    "half the weights": cut(WEIGHTS, 0.5),
    "nearly all weights": cut(WEIGHTS, 0.999),
    "weights' head alone": cut(WEIGHTS, 0.001),
    "a header of 2^63 bytes": weights({}, 2**63),
    "a header of 2^64 - 1 bytes": weights({}, 2**64 - 1),
    "a header of 100 MB that is not there": weights({}, 100_000_000),
    "a header that is no JSON": weights(b"{" * 1000),
    "a header without end": weights(b'{"a":' * 100_000),
    "a tensor of 2^62 numbers": weights(tensor([2**31, 2**31], [0, 64])),
    "a tensor whose size turns over": weights(tensor([2**62, 4], [0, 64])),
    "a tensor of 4 GB in 64 bytes": weights(tensor([2**30], [0, 2**32])),
    "offsets that run backwards": weights(tensor([16], [64, 0])),
    "offsets below nothing": weights(tensor([16], [-64, 0])),
    "tensors upon one another": weights({**tensor([16], [0, 64]), "b": tensor([16], [0, 64])["a"]}),
    "a kind of number that is none": weights(tensor([16], [0, 64], "PYTHON")),
    "other weights": weights(tensor([16], [0, 64])),
    "weights that are a pipe": placed(WEIGHTS, os.mkfifo),
    "weights that are a device": placed(WEIGHTS, lambda path: path.symlink_to("/dev/zero")),
    "weights that are a folder": placed(WEIGHTS, Path.mkdir),
    "weights that are a link in a circle": placed(WEIGHTS, lambda path: path.symlink_to(path)),
    "a configuration that is a pipe": placed(CONFIG, os.mkfifo),
    "a configuration that is a device": placed(CONFIG, lambda path: path.symlink_to("/dev/zero")),
    "a configuration that is no JSON": put(CONFIG, b"{"),
    "a configuration that is a list": put(CONFIG, b"[]"),
    "a configuration without end": put(CONFIG, b'{"a":' * 100_000),
    "a configuration that is not UTF-8": put(CONFIG, b'{"a": "\xff"}'),
    "another library's": config(set_("model_type", to="bert")),
    "no trunk": config(lambda c: c.pop("trunk") and None),
    "a trunk that is a text": config(set_("trunk", to="bert")),
    "a trunk of no family": config(set_("trunk", "model_type", to="../../evil")),
    "a trunk's family by path": config(set_("trunk", "model_type", to="os.system")),
    "a trunk of half a head": config(set_("trunk", "num_attention_heads", to=3)),
    "a trunk of another width": config(set_("trunk", "hidden_size", to=32)),
    "a trunk of no layers' number": config(set_("trunk", "num_hidden_layers", to="many")),
    "a function that is none": config(set_("trunk", "hidden_act", to="__import__('os').system('touch pwned')")),
    "no stems": config(lambda c: c.pop("stems") and None),
    "a stem that is none": config(set_("stems", "os", to={"options": {}, "fitted": {}})),
    "a stem without options": config(set_("stems", "image", to={})),
    "no tasks": config(lambda c: c.pop("tasks") and None),
    "tasks that are a list": config(set_("tasks", to=["a"])),
    "a task that goes up": config(lambda c: c["tasks"].update({"../../../etc/passwd": c["tasks"]["intent"]})),
    "a task by a whole path": config(lambda c: c["tasks"].update({"/etc/passwd": c["tasks"]["intent"]})),
    "a task that is no mapping": config(set_("tasks", "intent", to=5)),
    "a kind that is none": config(set_("tasks", "intent", "kind", to="os.system")),
    "an option that is none": config(set_("tasks", "intent", "options", "dropout", to="much")),
    "what a head learned, gone": lambda folder: (folder / "heads" / "intent.json").unlink(),
    "what a head learned, a pipe": placed("heads/intent.json", os.mkfifo),
    "what a head learned, no JSON": put("heads/intent.json", b"\x80\x04"),
    "what a head learned, a list": put("heads/intent.json", b"[]"),
    "what a head learned, without end": put("heads/intent.json", b"[" * 100_000),
    "a tokenizer that is no JSON": put(TOKENIZER, b"{"),
    "a tokenizer that is a list": put(TOKENIZER, b"[]"),
    "a tokenizer without end": put(TOKENIZER, b'{"a":' * 100_000),
    "half a tokenizer": cut(TOKENIZER, 0.5),
    "a tokenizer of no model": changed(TOKENIZER, set_("model", to={"type": "Python"})),
    "a tokenizer with an expression that is none": changed(
        TOKENIZER, set_("pre_tokenizer", to={"type": "Split", "pattern": {"Regex": "(" * 1000}, "behavior": "Isolated",
                                             "invert": False}),
    ),
    "no tokenizer": lambda folder: [p.unlink() for p in folder.glob("tokenizer*")] and None,
    "an empty folder": lambda folder: shutil.rmtree(folder) or folder.mkdir(),
    "no folder": lambda folder: shutil.rmtree(folder),
    "a file for a folder": lambda folder: shutil.rmtree(folder) or (folder.write_bytes(b"x") and None),
}  # fmt: skip

# What a folder may say without any effect: the model is as it would be without.
PASSED_OVER: dict[str, Callable[[Path], None]] = {
    "a pickle beside the weights": put("pytorch_model.bin", pickle.dumps(Pwn())),
    "code beside the weights": put("modeling.py", b"import os; os.system('touch pwned')"),
    "code that the trunk names": config(
        lambda c: c["trunk"].update(auto_map={"AutoModel": "modeling.Evil", "AutoConfig": "modeling.Evil"})
    ),
    "code of another's that the trunk names": config(
        lambda c: c["trunk"].update(auto_map={"AutoModel": "evil/repo--modeling.Evil"})
    ),
    "kernels of another's": config(lambda c: c["trunk"].update(attn_implementation="evil/kernels")),
    "kernels of another's, within": config(lambda c: c["trunk"].update(_attn_implementation="evil/kernels")),
    "a quantiser": config(lambda c: c["trunk"].update(quantization_config={"quant_method": "evil"})),
    "a name elsewhere": config(lambda c: c["trunk"].update(_name_or_path="/etc")),
    "adapters elsewhere": put("adapter_config.json", b'{"base_model_name_or_path": "evil/repo", "peft_type": "LORA"}'),
    "code that the tokenizer names": changed(
        "tokenizer_config.json", lambda c: c.update(auto_map={"AutoTokenizer": ["evil.Evil", "modeling.Evil"]})
    ),
    "a template that runs": changed(
        "tokenizer_config.json",
        lambda c: c.update(chat_template="{{ cycler.__init__.__globals__.os.system('touch pwned') }}"),
    ),
}


@pytest.fixture
def folder(small_model, tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copytree(small_model, tmp_path / "model"))


@pytest.mark.parametrize("attack", REFUSED)
def test_a_folder_of_a_stranger_is_refused(folder, attack):
    REFUSED[attack](folder)
    with bounded(seconds=20, megabytes=300), pytest.raises(ModelError) as error:
        MultiTaskModel.from_pretrained(folder)
    assert len(str(error.value).splitlines()) == 1 and len(str(error.value)) < 1000
    assert not (folder.parent / "pwned").exists()


@pytest.mark.parametrize("attack", PASSED_OVER)
def test_what_a_folder_names_is_not_run_and_not_fetched(folder, attack, monkeypatch):
    def no(*_: object, **__: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr("socket.socket.connect", no)
    before = MultiTaskModel.from_pretrained(folder).predict("intent", ["Wake me"])
    PASSED_OVER[attack](folder)
    with bounded(seconds=20, megabytes=300):
        assert MultiTaskModel.from_pretrained(folder).predict("intent", ["Wake me"]) == before
    assert not (folder.parent / "pwned").exists()
