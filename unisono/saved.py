"""saved: a model's folder in the Hugging Face layout: config, weights, tokenizer, what heads were fitted to, a card."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from safetensors.torch import load_file, save_file
from torch import Tensor

from unisono import __version__, files
from unisono.heads import Head
from unisono.recipe import TASK_NAME, RecipeError
from unisono.stems import Stem, TextStem, find_stem
from unisono.tasks import Task
from unisono.trunk import Trunk

CONFIG, WEIGHTS = "config.json", "model.safetensors"
_MOST_CONFIG, _MOST_FITTED = 16 << 20, 256 << 20  # bytes


class ModelError(Exception):
    """A model folder that cannot be loaded, or a request that the model cannot serve; one line, with the next step."""


class Parts(NamedTuple):
    """What a model is made of.

    Args:
        stems, heads, tasks: by name. ``card``: the README.md.
    """

    stems: Mapping[str, Stem]
    trunk: Trunk
    heads: Mapping[str, Head]
    tasks: Mapping[str, Task]
    card: str = ""


def write(folder: Path, parts: Parts, weights: Mapping[str, Tensor]) -> None:
    """Writes a folder, whole or not at all."""
    new = folder.with_name(f".{folder.name}.writing")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    _write_config(new, parts)
    save_file({n: t.detach().cpu().contiguous() for n, t in weights.items()}, new / WEIGHTS, {"format": "pt"})
    files.replace_folder(new, folder)


def _write_config(folder: Path, parts: Parts) -> None:
    """Everything but the weights."""
    config = {
        "model_type": "unisono",
        "architectures": ["MultiTaskModel"],
        "unisono_version": __version__,
        "trunk": parts.trunk.config_dict(),
        "stems": {name: stem.config() for name, stem in parts.stems.items()},
        "tasks": {name: task.config() for name, task in parts.tasks.items()},
    }
    (folder / CONFIG).write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / "heads").mkdir(exist_ok=True)
    for name, head in parts.heads.items():
        fitted = json.dumps(head.fitted, ensure_ascii=False)
        (folder / "heads" / f"{name}.json").write_text(fitted, encoding="utf-8")
    for stem in parts.stems.values():
        stem.save(folder)
    (folder / "README.md").write_text(parts.card or f"# {', '.join(parts.tasks)}\n", encoding="utf-8")


def read_config(folder: Path) -> dict[str, Any]:
    """The configuration of a model's folder.

    Raises:
        ModelError: there is none, or it is not one of ours.
    """
    try:
        config = json.loads(files.read_text(folder / CONFIG, _MOST_CONFIG))
    except (FileNotFoundError, NotADirectoryError):
        raise ModelError(
            f"{folder}: no model here ({CONFIG} is missing); train one with: unisono train RECIPE"
        ) from None
    except OSError as error:
        raise ModelError(f"{folder}/{CONFIG}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{folder}/{CONFIG}: not JSON ({str(error).splitlines()[0]})") from None
    if not isinstance(config, dict) or config.get("model_type") != "unisono":
        told = config.get("model_type") if isinstance(config, dict) else type(config).__name__
        raise ModelError(f'{folder}: model_type is "{str(told)[:100]}", not "unisono"')
    return config


@contextmanager
def damage_told(folder: Path) -> Iterator[None]:
    """Whatever a damaged folder makes a library raise becomes a ModelError."""
    try:
        yield
    except Exception as error:
        if isinstance(error, RecipeError):  # a kind that is not installed
            raise ModelError(f"{folder}: {error}") from None
        if type(error).__module__.startswith("unisono."):
            raise
        why = f"{type(error).__name__}: {error}".splitlines()[0][:300]
        raise ModelError(f"{folder}: its files are damaged, or not of this version ({why}); copy it again") from None


def read_parts(folder: Path, config: Mapping[str, Any]) -> Parts:
    """The parts that ``config`` tells of, with fresh weights; what else they need lies in the folder."""
    for name in config["tasks"]:
        if not TASK_NAME.fullmatch(name):  # it is part of a file's name below
            raise ModelError(f'{folder}/{CONFIG}: "{name[:100]}" cannot name a task')
    trunk, embedding = Trunk.from_config(config["trunk"])
    stems: dict[str, Stem] = {}
    for name, told in config["stems"].items():
        if name == "text":
            stems[name] = TextStem(TextStem.load_tokenizer(folder), embedding, told["max_length"])
        else:
            made: Any = find_stem(name, told["options"])
            stems[name] = made(trunk.input_width, made.Options(**told["options"]), told["fitted"])
    tasks = {name: Task.from_config(name, task) for name, task in config["tasks"].items()}
    heads = {}
    for name, task in tasks.items():
        fitted = json.loads(files.read_text(folder / "heads" / f"{name}.json", _MOST_FITTED))
        heads[name] = task.kind.head.make(trunk.width, task.options, fitted)
    readme = folder / "README.md"
    card = files.read_text(readme, _MOST_CONFIG) if readme.exists() else ""
    return Parts(stems, trunk, heads, tasks, card)


def read_weights(folder: Path) -> dict[str, Tensor]:
    """The weights of a model's folder.

    Raises:
        ModelError: they are missing or damaged.
    """
    path = folder / WEIGHTS
    if path.exists() and not path.is_file():  # of a pipe, reading would wait for ever
        raise ModelError(f"{folder}/{WEIGHTS}: not a file")
    try:
        weights: dict[str, Tensor] = load_file(path)
    except FileNotFoundError:
        raise ModelError(f"{folder}: {WEIGHTS} is missing") from None
    except Exception as error:  # safetensors raises its own kind for damaged files
        raise ModelError(f"{folder}/{WEIGHTS}: damaged ({error}); copy the model again") from None
    return weights
