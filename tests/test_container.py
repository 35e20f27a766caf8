"""The container's files agree with one another and with the code. No engine of containers is needed."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml
from typer.main import get_command

from unisono.cli import app

ROOT = Path(__file__).parents[1]
SETTINGS = ("FROM", "RUN", "COPY", "ENV", "WORKDIR", "USER", "EXPOSE", "HEALTHCHECK", "ENTRYPOINT", "CMD")


def instructions() -> list[tuple[str, str]]:
    """(word, what follows it) of each instruction, its lines joined."""
    text = "\n".join(line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.startswith("#"))
    lines = [line for line in text.replace("\\\n", " ").splitlines() if line.strip()]
    return [tuple(line.split(None, 1)) for line in lines]  # type: ignore[misc]


def of(word: str) -> list[str]:
    return [rest for name, rest in instructions() if name == word]


@pytest.fixture(scope="module")
def service() -> dict:
    return yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]["unisono"]


def words(text: str) -> list[str]:
    """The JSON list of an instruction."""
    found = yaml.safe_load(text)
    assert isinstance(found, list) and all(isinstance(word, str) for word in found)
    return found


def test_only_known_instructions_and_stages_in_their_order():
    assert {word for word, _ in instructions()} <= set(SETTINGS)
    stages: list[str] = []
    for line in of("FROM"):
        image, _, name = line.partition(" AS ")
        assert name and (image in stages or re.fullmatch(r"python:3\.\d+-slim", image)), line
        stages.append(name)
    assert {"runtime", "full"} <= set(stages) and stages[
        -1
    ] == "runtime"  # the one that is built unless another is named
    for line in of("COPY"):
        for stage in re.findall(r"--from=(\S+)", line):
            assert stage in stages


def test_every_file_that_is_copied_is_there_and_is_not_ignored():
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = [line.split()[:-1] for line in of("COPY") if "--from" not in line]
    assert copied
    for source in (name for names in copied for name in names):
        assert (ROOT / source).exists() and source in kept
    assert "*" in (ROOT / ".dockerignore").read_text().splitlines()


def options(command: str) -> set[str]:
    made = get_command(app).commands[command]
    return {name for parameter in made.params for name in parameter.opts}


def test_the_command_and_its_options_exist(service):
    (entry,) = (words(line) for line in of("ENTRYPOINT"))
    (default,) = (words(line) for line in of("CMD"))
    assert entry == ["unisono", "serve"]
    for given in (default, service["command"]):
        assert {word for word in given if word.startswith("-")} <= options("serve")
        assert given[0] == "/model" and given[given.index("--host") + 1] == "0.0.0.0"


def test_ports_paths_users_and_checks_agree(service):
    (port,) = of("EXPOSE")
    (default,) = (words(line) for line in of("CMD"))
    (check,) = of("HEALTHCHECK")
    own = words(check.partition("CMD ")[2])
    assert default[default.index("--port") + 1] == port == service["command"][service["command"].index("--port") + 1]
    assert service["ports"] == [f"127.0.0.1:{port}:{port}"]
    assert service["healthcheck"]["test"] == ["CMD", *own] and f":{port}/readyz" in own[-1]
    compile(own[-1], "check", "exec")
    assert of("USER") == [service["user"]] and not service["user"].startswith("0")
    assert service["read_only"] and "/tmp" in service["tmpfs"] and service["cap_drop"] == ["ALL"]
    assert any(volume.endswith(":/model:ro") for volume in service["volumes"])
    drain = float(service["command"][service["command"].index("--drain") + 1])
    assert float(service["stop_grace_period"].removesuffix("s")) > drain
    from unisono.serve.guard import OPEN

    assert "/readyz" in OPEN  # a check brings no token
    assert service["build"]["target"] in [line.split()[-1] for line in of("FROM")]


def test_no_secret_is_in_the_files(service):
    text = (ROOT / "Dockerfile").read_text() + (ROOT / "compose.yaml").read_text()
    assert not re.search(r"(?i)(token|secret|password|key)\s*[:=]\s*['\"]?[A-Za-z0-9]{8,}", text)
    assert service["environment"]["UNISONO_TOKEN"].startswith("${UNISONO_TOKEN:?")
    assert not any("UNISONO_TOKEN" in line for line in of("ENV"))


def installed(stage: str) -> set[str]:
    """The packages that a stage installs by name, as they are spelled on the index."""
    at = [n for n, (word, rest) in enumerate(instructions()) if word == "FROM" and rest.endswith(f" AS {stage}")]
    (run,) = [rest for word, rest in instructions()[at[0] : at[0] + 2] if word == "RUN"]
    names = {re.split(r"[<>=\[]", word)[0] for word in shlex.split(run.split("&&")[0])[2:] if not word.startswith("-")}
    return {name.lower().replace("_", "-") for name in names}


def test_the_slim_image_has_what_serving_an_export_imports():
    code = (
        "import sys, unisono.cli, unisono.serve.run, unisono.serve.app, unisono.serve.engine, prometheus_client\n"
        "import onnxruntime, tokenizers, PIL.Image, soundfile, soxr\n"
        "print(*sorted({name.split('.')[0] for name in sys.modules}))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(ran.stdout.split())
    assert not {"torch", "transformers", "datasets", "sklearn"} & loaded
    known = packages_distributions()
    wanted = {d.lower().replace("_", "-") for name in loaded for d in known.get(name, ())} - {"unisono"}
    # What these bring with them, or use where it happens to be installed.
    brought = {"annotated-doc", "annotated-types", "anyio", "cffi", "click", "cloudpickle", "h11", "httptools", "idna",
               "markdown-it-py", "mdurl", "pycparser", "pydantic-core", "pygments", "rich",
               "setuptools", "shellingham", "sniffio", "typing-extensions", "typing-inspection", "uvloop"}  # fmt: skip
    assert wanted - brought <= installed("build-runtime")
    assert installed("build-runtime") <= wanted | {"onnxruntime"}, "nothing that is not used"
