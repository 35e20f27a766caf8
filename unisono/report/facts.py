"""Facts: a run's folder as facts. Nothing is trained, loaded or computed anew; only files are read."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from unisono.recipe import RecipeError
from unisono.report import jsonfiles, results, training
from unisono.report.results import Affinity, Auto, Compare, Tune
from unisono.report.training import Ended, Training


@dataclass
class Bad:
    """Rows that were left out for one reason."""

    count: int
    example: str  # file and row of the first
    text: str  # its beginning


@dataclass
class Facts:
    """All that a report tells."""

    run: Path
    training: Training
    finished: Ended | None  # finished.json
    settings: str | None  # recipe.yaml as it is
    recipe: dict[str, Any]  # the same, read; {} without one
    quarantine: dict[tuple[str, str, str], Bad] = field(default_factory=dict)  # (task, split, reason), commonest first
    compare: Compare | None = None
    affinity: Affinity | None = None
    tune: Tune | None = None
    auto: Auto | None = None

    @property
    def trained(self) -> bool:
        """Whether the folder holds a run of its own; otherwise only studies have been here."""
        return bool(self.training.started or self.training.step)

    @property
    def tasks(self) -> list[str]:
        """In the recipe's order."""
        studies = (study.tasks for study in (self.compare, self.affinity, self.tune) if study)
        return self.training.tasks or next(studies, [])


def read(run: Path) -> Facts:
    """The facts of a run, also of one that is not finished; or of studies alone, where the recipe has not been run.

    Raises:
        RecipeError: it is not the folder of a run, or one of its files is broken.
    """
    if not run.is_dir():
        raise RecipeError(f"{run}: no such folder; name the folder of a run, as runs/NAME")
    settings, recipe = _settings(run / "recipe.yaml")
    journal = run / "events.jsonl"
    studied = any((run / name / f"{name}.json").exists() for name in ("compare", "affinity", "tune"))
    return Facts(
        run=run,
        training=training.Training() if studied and not journal.exists() else training.read(journal),
        finished=_finished(run / "finished.json"),
        settings=settings,
        recipe=recipe,
        quarantine=_quarantine(run / "quarantine.jsonl"),
        compare=results.read(run, "compare", Compare),
        affinity=results.read(run, "affinity", Affinity),
        tune=results.read(run, "tune", Tune),
        auto=results.read(run, "auto", Auto, command="train"),
    )


def _finished(path: Path) -> Ended | None:
    found = jsonfiles.document(path, "unisono train")
    try:
        return None if found is None else training.ended(found)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RecipeError(f"{path}: cannot be read ({error}); restore the file, or delete it") from None


def _settings(path: Path) -> tuple[str | None, dict[str, Any]]:
    if not path.exists():
        return None, {}
    try:
        written = path.read_text(encoding="utf-8")
        found = yaml.safe_load(written)
    except (yaml.YAMLError, ValueError) as error:
        raise RecipeError(f"{path}: not YAML ({' '.join(str(error).split())[:120]}); restore the file") from None
    return written, found if isinstance(found, dict) else {}


def _quarantine(path: Path) -> dict[tuple[str, str, str], Bad]:
    if not path.exists():
        return {}
    counts: Counter[tuple[str, str, str]] = Counter()
    first: dict[tuple[str, str, str], dict[str, Any]] = {}
    for _, entry in jsonfiles.lines(path):
        key = (str(entry.get("task", "")), str(entry.get("split", "")), str(entry.get("reason", "")))
        counts[key] += 1
        first.setdefault(key, entry)
    out = {}
    for key, count in counts.most_common():
        entry = first[key]
        out[key] = Bad(count, f"{entry.get('file', '')}, row {entry.get('row', '')}", str(entry.get("text", "")))
    return out
