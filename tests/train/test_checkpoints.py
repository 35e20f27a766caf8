"""Checkpoints promise: what comes back is what was saved, to the bit, or it is refused; no kill loses one."""

from __future__ import annotations

import errno
import importlib.util
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.testing import assert_close

from unisono import files
from unisono.train import checkpoints, tensorfile
from unisono.train.optim import optimizer_tensors, restore_optimizer

STATE = {"epoch": 3, "best": 0.1 + 0.2, "rows": [1, 2], "nested": {"a": None}}
TEXTS = {"recipe.yaml": "trunk: minilm  # Übung\n"}


def tensors(seed: int = 0) -> dict[str, dict[str, torch.Tensor]]:
    make = torch.Generator().manual_seed(seed)
    table = torch.randn(7, 5, generator=make)
    return {
        "model": {"table": table, "tied": table, "t": table.t(), "half": table.bfloat16(), "scalar": torch.tensor(3.5)},
        "optimizer": {"step": torch.tensor(2.0), "exp_avg": torch.randn(7, 5, generator=make)},
        "random": {"cpu": torch.arange(50, dtype=torch.uint8), "flag": torch.tensor([True, False])},
        "empty": {},
    }


def save(folder: Path, step: int = 12) -> Path:
    return checkpoints.save(folder, step, tensors(step), STATE, TEXTS)


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_what_comes_back_is_what_was_saved(tmp_path):
    loaded = checkpoints.load(save(tmp_path))
    assert (loaded.step, loaded.state, loaded.texts) == (12, STATE, TEXTS)
    assert loaded.tensors.keys() == tensors().keys()
    for group, named in tensors(12).items():
        assert loaded.tensors[group].keys() == named.keys()
        for name, tensor in named.items():
            assert_close(loaded.tensors[group][name], tensor, rtol=0, atol=0)
            assert loaded.tensors[group][name].dtype == tensor.dtype
    assert names(tmp_path) == ["step-00000012"]


def test_files_are_what_the_library_reads_and_writes(tmp_path):
    """Our writer against safetensors' own: each reads the other's file."""
    named = {k: v for k, v in tensors()["model"].items() if k != "tied"}
    digest, size = tensorfile.write(tmp_path / "ours", named)
    assert (digest, size) == (files.sha256(tmp_path / "ours"), (tmp_path / "ours").stat().st_size)
    save_file({k: v.contiguous().clone() for k, v in named.items()}, tmp_path / "theirs")
    for read in (load_file(tmp_path / "ours"), tensorfile.read(tmp_path / "theirs")):
        assert_close(read, named, rtol=0, atol=0)


def test_tensors_that_share_memory_are_stored_once(tmp_path):
    big = torch.randn(1000)
    _, size = tensorfile.write(tmp_path / "x", {"a": big, "b": big, "part": big[:10]})
    assert size < 4400
    assert_close(tensorfile.read(tmp_path / "x"), {"a": big, "b": big, "part": big[:10]}, rtol=0, atol=0)


def test_every_damage_is_detected(tmp_path):
    """Every file cut, deleted, and flipped in one bit, the manifest included."""
    path = save(tmp_path / "run")
    assert checkpoints.problems(path) == []
    for file in sorted(path.iterdir()):
        content = file.read_bytes()
        damaged = [content[:-1], content[: len(content) // 2], b"", content + b" ", b"\0" * len(content)]
        for bit in range(0, 8 * len(content), 29 if file.name == "manifest.json" else 1999):
            flipped = bytearray(content)
            flipped[bit // 8] ^= 1 << bit % 8
            damaged.append(bytes(flipped))
        for bad in damaged:
            file.write_bytes(bad)
            assert checkpoints.problems(path), f"{file.name} damaged, not detected"
        with pytest.raises(checkpoints.BrokenCheckpoint):
            checkpoints.load(path)
        file.unlink()
        assert any(file.name in p for p in checkpoints.problems(path))
        file.write_bytes(content)
    assert checkpoints.problems(path) == []


def test_a_sound_checkpoint_under_another_step_is_refused(tmp_path):
    os.rename(save(tmp_path), tmp_path / "step-00000099")
    assert checkpoints.problems(tmp_path / "step-00000099") == ["manifest.json is of step 12"]


def test_latest_passes_over_broken_ones_and_says_why(tmp_path):
    assert checkpoints.latest(tmp_path / "nowhere") == (None, [])
    good, bad, worse = (save(tmp_path, step) for step in (8, 9, 10))
    (bad / "model.safetensors").write_bytes(b"")
    shutil.rmtree(worse)
    worse.mkdir()
    path, skipped = checkpoints.latest(tmp_path)
    assert path == good
    assert [s.path for s in skipped] == [worse, bad]
    assert "manifest.json" in skipped[0].problems[0] and "model.safetensors has 0 bytes" in skipped[1].problems[0]


def test_saving_a_step_again_replaces_it(tmp_path):
    save(tmp_path)
    path = checkpoints.save(tmp_path, 12, {"model": {"x": torch.ones(2)}}, {"again": True})
    assert checkpoints.load(path).state == {"again": True}
    assert names(tmp_path) == ["step-00000012"]


def test_killed_between_the_two_renames_the_old_one_is_found(tmp_path):
    path = save(tmp_path)
    os.rename(path, files.set_aside(path))
    assert checkpoints.latest(tmp_path) == (path, [])


def test_prune_keeps_the_newest_good_ones_and_the_best(tmp_path):
    for step in range(1, 7):
        save(tmp_path, step)
    (tmp_path / "step-00000006" / "state.json").unlink()
    gone = checkpoints.prune(tmp_path, keep=2, protect={1})
    assert names(tmp_path) == [f"step-{s:08d}" for s in (1, 4, 5, 6)]
    assert [checkpoints.step_of(p) for p in gone] == [3, 2]


def test_leftovers_of_killed_saves_are_removed_by_the_next(tmp_path):
    for leftover in (".step-00000003.0123abcd.writing", ".step-00000003.0123abcd.removed"):
        (tmp_path / leftover).mkdir(parents=True)
        (tmp_path / leftover / "model.safetensors").write_bytes(b"half")
    (tmp_path / ".mine").mkdir()
    save(tmp_path)
    assert names(tmp_path) == [".mine", "step-00000012"]


def test_a_full_disk_is_explained_and_costs_nothing(tmp_path, monkeypatch):
    old = save(tmp_path, 11)
    write = tensorfile.write

    def full(path, named):
        if path.name.startswith("optimizer"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(path, named)

    monkeypatch.setattr(tensorfile, "write", full)
    with pytest.raises(OSError, match=r"step 12 could not be saved.*No space left.*MB free.*untouched"):
        save(tmp_path)
    assert names(tmp_path) == ["step-00000011"]
    assert checkpoints.problems(old) == []


def test_an_exception_in_the_middle_leaves_nothing(tmp_path, monkeypatch):
    def interrupted(path, named):
        raise KeyboardInterrupt

    monkeypatch.setattr(tensorfile, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save(tmp_path)
    assert names(tmp_path) == []


@pytest.mark.parametrize("bad", ["../x", "state.json", ".hidden", "a/b"])
def test_names_that_are_not_plain_files_are_refused(tmp_path, bad):
    with pytest.raises(ValueError, match="cannot be the name"):
        checkpoints.save(tmp_path, 1, {}, {}, {bad: ""})


SAVER = """
import signal, sys, torch
from pathlib import Path
from unisono.train import checkpoints
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored, where the tests were started in the background
x = torch.randn(200_000)
step = 0
while True:
    step += 1
    named = {"model": {"x": x}, "ema": {"x": x + step}}
    checkpoints.save(Path(sys.argv[1]), step if step % 3 else step - 1, named, {"step": step})
    checkpoints.prune(Path(sys.argv[1]), keep=2)
    print(step, flush=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda s: s.name)
def test_no_kill_loses_a_checkpoint(tmp_path, how):
    """A process that does nothing but save, replace and prune, killed at random moments: what it reported is there."""
    choose = random.Random(0)
    for _ in range(8):
        process = subprocess.Popen(
            [sys.executable, "-c", SAVER, tmp_path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert process.stdout.readline() == "1\n"
        time.sleep(choose.random() * 0.05)
        process.send_signal(how)
        reported = 1 + len(process.stdout.read().split())
        process.wait()
        path, skipped = checkpoints.latest(tmp_path)
        assert skipped == []
        assert checkpoints.load(path).state["step"] >= reported
        shutil.rmtree(tmp_path)
        tmp_path.mkdir()


def small_model(seed: int) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 2), nn.Linear(2, 2))


def by_id(model: nn.Module) -> dict[int, str]:
    return {id(p): name for name, p in model.named_parameters()}


def learn(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int) -> None:
    for _ in range(steps):
        model[:3](torch.randn(16, 4)).square().mean().backward()  # the last layer never gets a gradient
        optimizer.step()
        optimizer.zero_grad()


@pytest.mark.parametrize("how", [{"fused": True}, {"foreach": True}, {"foreach": False}, {"amsgrad": True}], ids=str)
def test_a_resumed_optimizer_and_generator_go_on_to_the_bit(tmp_path, how):
    model = small_model(0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, **how)
    learn(model, optimizer, 3)
    optimizer.param_groups[0]["lr"] = 0.005
    named, plain = optimizer_tensors(optimizer, by_id(model))
    groups = {"model": model.state_dict(), "optimizer": named, "random": {"cpu": torch.get_rng_state()}}
    path = checkpoints.save(tmp_path, 3, groups, {"optimizer": plain})
    learn(model, optimizer, 3)

    loaded = checkpoints.load(path)
    other = small_model(1)
    other.load_state_dict(loaded.tensors["model"])
    again = torch.optim.AdamW(reversed(list(other.parameters())), lr=0.01, **how)  # names matter, not their order
    restore_optimizer(again, by_id(other), loaded.tensors["optimizer"], loaded.state["optimizer"])
    torch.set_rng_state(loaded.tensors["random"]["cpu"])
    assert again.param_groups[0]["lr"] == 0.005
    learn(other, again, 3)
    assert_close(other.state_dict(), model.state_dict(), rtol=0, atol=0)
    taken = optimizer_tensors(again, by_id(other))[0]
    assert_close(taken, optimizer_tensors(optimizer, by_id(model))[0], rtol=0, atol=0)


def test_optimizer_state_of_an_unknown_parameter_or_another_shape_is_refused():
    model = small_model(0)
    optimizer = torch.optim.AdamW(model.parameters())
    learn(model, optimizer, 1)
    named, plain = optimizer_tensors(optimizer, by_id(model))
    with pytest.raises(ValueError, match=r"optimizer state for '9\.weight'"):
        restore_optimizer(optimizer, by_id(model), {"exp_avg/9.weight": named["exp_avg/0.weight"]}, plain)
    with pytest.raises(ValueError, match="shape"):
        restore_optimizer(optimizer, by_id(model), {"exp_avg/0.weight": torch.ones(3)}, plain)


def test_write_atomic_replaces_whole_files_and_leaves_nothing_over(tmp_path, monkeypatch):
    files.write_atomic(tmp_path / "a.json", "ä")
    files.write_atomic(tmp_path / "a.json", b"{}")
    assert (tmp_path / "a.json").read_bytes() == b"{}"

    def full(source, target):
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="full"):
        files.write_atomic(tmp_path / "a.json", b"new")
    assert names(tmp_path) == ["a.json"] and (tmp_path / "a.json").read_bytes() == b"{}"


def test_random_damage_is_noticed_and_the_checkpoint_before_is_used():
    """The benchmark, in small."""
    path = Path(__file__).parents[2] / "benchmarks" / "checkpoint_damage.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    benchmark = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    done, noticed, _ = benchmark.run(50, seed=1)
    assert noticed == done and done.total() == 50


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_killed_training_goes_on_by_the_same_command_and_ends_the_same():
    """The benchmark, in small; in its own process, since it forks."""
    benchmark = Path(__file__).parents[2] / "benchmarks" / "kill_resume.py"
    done = subprocess.run([sys.executable, benchmark, "--kills", "4"], capture_output=True, text=True, timeout=800)
    assert done.returncode == 0, done.stdout + done.stderr
