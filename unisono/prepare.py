"""Prepare: from a recipe to tasks whose rows are read, a model whose heads are fitted, and encoded examples."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from unisono import data
from unisono.apart import Apart
from unisono.data import Examples, Quarantine, Rows
from unisono.data.encode import Encoded
from unisono.model import MultiTaskModel
from unisono.origin import give, model_folder
from unisono.recipe import Recipe, RecipeError
from unisono.saved import ModelError
from unisono.stems import Hiding, Stem, TextStem
from unisono.tasks import Task, needed_stems, resolve, stem_and_options
from unisono.trunk import Trunk, load_encoder, rebuilt

log = logging.getLogger("unisono")


@dataclass(frozen=True)
class Tables:
    """The rows of a recipe's tasks.

    Args:
        tasks: name -> task.
        rows: name -> split (train, validation, test) -> its rows.
        quarantine: the rows that were left out, each with its reason.
    """

    tasks: dict[str, Task]
    rows: dict[str, dict[str, Rows]]
    quarantine: Quarantine

    def bad_rows(self) -> list[str]:
        """One line for each reason why rows of a split were left out."""
        kept = f", kept in {self.quarantine.path}" if self.quarantine.path else ""
        return [
            f'task "{task}": {count:,} {split} rows left out: {reason}{kept}'
            for task, splits in self.quarantine.counts.items()
            for split, reasons in splits.items()
            for reason, count in reasons.items()
        ]


def read_tables(recipe: Recipe, *, run: Path | None, where: str = "recipe") -> Tables:
    """Reads every task's rows through the cache.

    Args:
        run: folder that gets ``quarantine.jsonl``; None: bad rows are counted only.

    Raises:
        RecipeError: an unknown kind or option. DataError: files that cannot be used, or too many bad rows.
    """
    tasks = resolve(recipe, where)
    quarantine = Quarantine(run / "quarantine.jsonl" if run else None, recipe.max_bad_rows)
    tables = Tables(tasks, _rows(recipe, tasks, quarantine, where), quarantine)
    if not recipe.disjoint:
        return tables
    others = recipe.model_copy(update={"tasks": recipe.beside, "beside": {}, "stems": {}, "disjoint": False})
    beside = read_tables(others, run=None, where=f"{where}: beside") if recipe.beside else Tables({}, {}, quarantine)
    found = Apart({**tasks, **beside.tasks}, {**tables.rows, **beside.rows}).without_held_out(quarantine)
    return Tables(tasks, {name: found[name] for name in tasks}, quarantine)


def _rows(recipe: Recipe, tasks: Mapping[str, Task], quarantine: Quarantine, where: str) -> dict[str, dict[str, Rows]]:
    """Task -> split -> its rows."""
    rows = {}
    for name, task in tasks.items():
        rows[name] = data.load(
            name,
            recipe.tasks[name].data,
            task.roles,
            task.columns,
            cache=recipe.cache_folder,
            seed=recipe.seed,
            quarantine=quarantine,
        )
        if not len(rows[name].get("train", ())):
            raise RecipeError(f'{where}: task "{name}": no training rows in {recipe.tasks[name].data.path}')
    return rows


def build_model(recipe: Recipe, tables: Tables, teachers: Mapping[str, MultiTaskModel] | None = None) -> MultiTaskModel:
    """The recipe's model before training: pretrained or fresh trunk, and stems and heads fitted to the training rows.
    Seeded. Where the trunk is that of a run of ours, heads and stems begin as they are there, if they are alike.

    Args:
        teachers: task -> the model that will teach it, whose labels and vocabulary it takes over.

    Raises:
        RecipeError: a stem, a trunk or a head that cannot be made as the recipe says, or of these rows; a run without
            a model.
    """
    teachers = teachers or {}
    torch.manual_seed(recipe.seed)
    origin = _origin(recipe)
    trunk, text = _trunk_and_text(
        recipe, tables, origin, next((t for t in teachers.values() if "text" in t.stems), None)
    )
    stems = build_stems(recipe, tables, trunk.input_width, text)
    heads = {}
    for name, task in tables.tasks.items():
        if name in teachers:
            fitted = dict(teachers[name].head(name).fitted)
        else:
            try:
                fitted = task.kind.head.fit(iter(tables.rows[name]["train"]), task.options)
            except ValueError as error:
                raise RecipeError(f'task "{name}": {error}') from None
        if task.kind.head.hides:
            fitted["holds"] = {stem: _holds(name, stem, stems[stem]) for stem in task.stems}
        heads[name] = task.kind.head.make(trunk.width, task.options, fitted)
    model = MultiTaskModel(stems, trunk, heads, tables.tasks)
    if origin:
        for name in give(origin, model):
            log.info('task "%s" begins with a fresh head: %s has none like it', name, recipe.trunk.pretrained)
    return model


def _origin(recipe: Recipe) -> MultiTaskModel | None:
    """The model of ours that the recipe's trunk names."""
    folder = model_folder(recipe.trunk.pretrained) if recipe.trunk.pretrained else None
    if folder is None:
        return None
    try:
        return MultiTaskModel.from_pretrained(folder)
    except ModelError as error:
        raise RecipeError(f"trunk.pretrained: {error}") from None


def _holds(task: str, name: str, stem: Stem) -> dict[str, Any]:
    """What a task that hides a part of its input may have to say of a stem's vectors."""
    if not isinstance(stem, Hiding):
        raise RecipeError(f'task "{task}": nothing of the stem "{name}" can be hidden')
    try:
        stem.learn_mask()
    except ValueError as error:
        raise RecipeError(f'task "{task}": {error}') from None
    return stem.holds()


def build_stems(recipe: Recipe, tables: Tables, width: int, text: TextStem | None) -> dict[str, Stem]:
    """The stems that the tasks need, fitted to the training rows.

    Args:
        width: D_in. ``text``: the text stem, which comes with the trunk.
    """
    out: dict[str, Stem] = {} if text is None else {"text": text}
    for name in needed_stems(tables.tasks):
        if name == "text":
            continue
        kind: Any
        kind, options = stem_and_options(recipe, name)
        try:
            out[name] = kind(width, options, kind.fit(_inputs(tables, name), options))
            out[name].begin()
        except (ImportError, ValueError, OSError) as error:
            raise RecipeError(f"stems.{name}: {error}") from None
    return out


def _inputs(tables: Tables, stem: str) -> Iterator[Any]:
    """What the training rows of all tasks hold for a stem; None where a row has nothing."""
    for name, task in tables.tasks.items():
        roles = [role for role in task.roles_of(stem) if role in task.roles]
        if roles:
            for row in tables.rows[name]["train"]:
                yield from (row.get(role) for role in roles)


def _trunk_and_text(
    recipe: Recipe, tables: Tables, origin: MultiTaskModel | None, teacher: MultiTaskModel | None
) -> tuple[Trunk, TextStem | None]:
    """Args:
    origin: whose trunk and text stem it is. ``teacher``: whose tokenizer a trunk from scratch takes over.
    """
    wanted = recipe.trunk
    reads_text = any("text" in task.stems for task in tables.tasks.values())
    habit: int | None = None  # the longest input that the origin takes
    if origin:
        trunk, tokenizer, embedding = origin.trunk, None, torch.nn.Embedding(1, origin.trunk.input_width)
        if reads_text:
            if "text" not in origin.stems:
                raise RecipeError(f"trunk.pretrained: {wanted.pretrained} reads no text, and has no tokenizer for it")
            tokenizer, embedding, habit = origin.text.tokenizer, origin.text.embedding, origin.text.max_length
    elif wanted.pretrained:
        try:
            trunk, embedding, tokenizer = load_encoder(
                wanted.pretrained, dropout=wanted.dropout, revision=wanted.revision
            )
        except OSError as error:  # Transformers' errors run over many lines; the first says what is wrong
            raise RecipeError(f"trunk: {str(error).strip().splitlines()[0]}") from None
    else:
        assert wanted.layers and wanted.width and wanted.heads  # the recipe has made sure
        if teacher and reads_text:
            tokenizer = teacher.text.tokenizer
        else:
            tokenizer = TextStem.train_tokenizer(_texts(tables), wanted.vocabulary) if reads_text else None
        trunk, embedding = Trunk.scratch(
            family=wanted.family,
            layers=wanted.layers,
            width=wanted.width,
            heads=wanted.heads,
            feedforward=wanted.feedforward or 4 * wanted.width,
            vocabulary=len(tokenizer) if tokenizer else 1,
            positions=max(512, wanted.max_length or 0),
            dropout=0.1 if wanted.dropout is None else wanted.dropout,
        )
    if origin or wanted.keep is not None:
        try:
            trunk = rebuilt(trunk, wanted.keep, dropout=wanted.dropout)
        except ValueError as error:
            raise RecipeError(f"trunk.keep: {error}") from None
    if wanted.lora:
        try:
            trunk.adapt(
                rank=wanted.lora.rank,
                alpha=wanted.lora.alpha,
                dropout=wanted.lora.dropout,
                targets=wanted.lora.projections,
            )
        except (ImportError, ValueError) as error:
            raise RecipeError(f"trunk.lora: {error}") from None
        embedding.requires_grad_(False)  # the word table belongs to the pretrained weights
    if wanted.checkpointing:
        trunk.checkpoint()
    if not reads_text:
        return trunk, None
    able = trunk.positions or 8192  # a trunk without a position table can go on; the tokenizer's limit is a habit
    return trunk, TextStem(tokenizer, embedding, min(wanted.max_length or habit or able, able))


def _texts(tables: Tables, most: int = 200_000) -> Iterator[str]:
    """The inputs of all tasks, at most ``most`` rows of each."""
    for name, task in tables.tasks.items():
        for at, row in enumerate(tables.rows[name]["train"]):
            if at >= most:
                break
            for role in task.roles_of("text"):
                value: Any = row.get(role)
                if value:
                    yield " ".join(value) if isinstance(value, list) else value


def encode(
    recipe: Recipe, tables: Tables, model: MultiTaskModel, splits: tuple[str, ...] = ("train", "validation", "test")
) -> dict[str, dict[str, Examples]]:
    """Every task's rows as encoded examples, through the cache: task -> split -> examples."""
    out: dict[str, dict[str, Examples]] = {}
    for name, task in tables.tasks.items():
        out[name] = {}
        keys = [hashlib.sha256(stem.key().encode()).hexdigest() for stem in model.stems_of(name).values()]
        told = [keys, task.config(), model.head(name).fitted]
        for split in splits:
            if split in tables.rows[name]:
                turned = recipe.tasks[name].symmetric and split == "train"
                out[name][split] = data.encode(
                    tables.rows[name][split],
                    partial(_encoded, model, name, turned=turned),
                    json.dumps([*told, "both ways"] if turned else told, sort_keys=True),
                    cache=recipe.cache_folder,
                    quarantine=tables.quarantine,
                    task=name,
                    split=split,
                    length=lambda example, name=name: model.length(name, example),  # type: ignore[misc]
                )
        if "train" in splits and not len(out[name]["train"]):
            why = next(iter(tables.quarantine.reasons(name, "train")), "there is none")
            kept = f" (all: {tables.quarantine.path})" if tables.quarantine.path else ""
            raise RecipeError(f'task "{name}": no training row could be encoded: {why}{kept}')
        longest = max((_longest(model, name, e) for e in out[name].values() if len(e)), default=0)
        if model.trunk.positions is not None and longest > model.trunk.positions:
            raise RecipeError(
                f'task "{name}": a row makes {longest:,} vectors, the trunk knows {model.trunk.positions:,} positions: '
                f"set tasks.{name}.max_length, or trunk.max_length for a trunk from scratch"
            )
    return out


def _encoded(model: MultiTaskModel, task: str, rows: Sequence[Mapping[str, Any]], *, turned: bool) -> Sequence[Encoded]:
    """What the model makes of rows; with ``turned`` two examples of a pair, its texts in each other's place in one."""
    found: Sequence[Encoded] = model.encode(task, rows)
    if not turned:
        return found
    pairs = [at for at, row in enumerate(rows) if row.get("text") and row.get("pair")]
    others = model.encode(task, [{**rows[at], "text": rows[at]["pair"], "pair": rows[at]["text"]} for at in pairs])
    out = list(found)
    for at, other in zip(pairs, others, strict=True):
        one = found[at]
        if isinstance(one, dict) and isinstance(other, dict):
            out[at] = [one, other]
    return out


def _longest(model: MultiTaskModel, task: str, examples: Examples) -> int:
    """Vectors of the longest sequence."""
    if not model.tasks[task].kind.apart:
        return int(examples.lengths.max())
    return max(model.longest(task, examples[i]) for i in range(len(examples)))


def labelled(task: Task, rows: Rows, examples: Examples) -> np.ndarray:
    """(n,) the numbers of the examples that carry a label of any kind; the others have nothing to teach this task.

    Of a kind that holds inputs against each other, rows without any label still say which inputs belong together; one
    that has no labels learns from all rows.
    """
    if not task.kind.labels:
        return np.arange(len(examples))
    known = np.zeros(len(rows), dtype=bool)
    at = 0
    for batch in rows.record_batches():
        for role in task.kind.labels:
            column = batch.column(role)
            fields = column.flatten() if pa.types.is_struct(column.type) else [column]  # one text a language
            for field in fields:
                known[at : at + len(batch)] |= _there(field)
        at += len(batch)
    if task.sides and not known.any():
        batches = rows.record_batches()
        known = np.concatenate([np.logical_and.reduce([_there(b.column(r)) for r in task.sides]) for b in batches])
    return np.flatnonzero(known[examples.source])


def _there(column: pa.Array) -> np.ndarray:
    """(n,) whether a value is not None."""
    out: np.ndarray = column.is_valid().to_numpy(zero_copy_only=False)
    return out
