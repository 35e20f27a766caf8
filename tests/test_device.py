"""A device is what is here, or one line that says what is."""

from __future__ import annotations

import pytest
import torch

from tests.commands import unisono
from tests.train.runs import run, small
from unisono.device import device_of


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("device") / "run"
    run(small(folder, steps=1, evaluate_every=1))
    return folder


def test_auto_is_what_there_is():
    assert device_of("cpu") == torch.device("cpu")
    assert device_of("auto").type == (torch.accelerator.current_accelerator() or torch.device("cpu")).type


@pytest.mark.parametrize("wanted", ["gpu", "", "cpu:1", "cuda:x", "auto:0", "mps:0", "cuda:1:2"])
def test_what_is_no_device_is_told_with_those_that_are(wanted):
    with pytest.raises(ValueError, match="is not known; valid: auto, cpu, cuda, mps"):
        device_of(wanted)


@pytest.mark.parametrize("here", [0, 2])
def test_a_card_that_is_not_here(monkeypatch, here):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: here > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: here)
    with pytest.raises(ValueError, match="there are 2, numbered from 0" if here else "cuda is not available here"):
        device_of("cuda:2")
    if here:
        assert device_of("cuda:1") == torch.device("cuda", 1)


def test_the_commands_say_it(trained):
    for command in (["evaluate", str(trained)], ["predict", str(trained), "hello"], ["serve", str(trained)]):
        done = unisono(*command, "--device", "gpu")
        assert done.returncode == 1
        assert done.stderr.strip() == 'error: device: "gpu" is not known; valid: auto, cpu, cuda, mps'
