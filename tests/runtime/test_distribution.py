"""unisono-runtime: a wheel of its own, installed where there is no PyTorch, answers as the export does here."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from tests.runtime.twins import alike
from unisono import __version__
from unisono.runtime import Runtime

ROOT = Path(__file__).parents[2]
TEXT = "Wake me up at seven, please!"


def run(*command: str | Path) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode and any(sign in done.stderr for sign in ("Connection", "No matching distribution", "resolve")):
        pytest.skip("no package registry can be reached")
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_wheel_answers_without_pytorch(exported, tmp_path):
    run(sys.executable, "-m", "build", "--wheel", "--outdir", tmp_path, ROOT / "runtime")
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name == f"unisono_runtime-{__version__}-py3-none-any.whl"
    ours = {path.relative_to(ROOT / "unisono" / "runtime") for path in (ROOT / "unisono" / "runtime").rglob("*.py")}
    named = {Path(name) for name in zipfile.ZipFile(wheel).namelist() if name.startswith("unisono_runtime/")}
    assert {Path("unisono_runtime") / path for path in ours} | {Path("unisono_runtime/py.typed")} <= named

    venv.create(tmp_path / "device", with_pip=True)
    bin_ = tmp_path / "device" / ("Scripts" if sys.platform == "win32" else "bin")
    run(bin_ / "python", "-m", "pip", "install", "-q", "--disable-pip-version-check", wheel)
    there = {each["name"].lower() for each in json.loads(run(bin_ / "python", "-m", "pip", "list", "--format=json"))}
    assert "unisono-runtime" in there and not {"torch", "transformers", "unisono", "pydantic"} & there
    said = json.loads(run(bin_ / "unisono-runtime", exported, TEXT))
    assert alike(said, Runtime.load(exported, threads=1).predict_all(TEXT), apart=1e-4)
