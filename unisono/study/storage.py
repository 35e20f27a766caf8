"""Storage: the Optuna study of a search, in SQLite beside the run or wherever the recipe says."""

from __future__ import annotations

import json
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

from unisono.recipe import Recipe, RecipeError
from unisono.study.errors import StudyError

PATIENCE = 60  # seconds to wait while another worker writes to SQLite
_FREE = ("run", "cache")  # what workers on several machines may have different
_FREE_TUNE = ("trials", "storage")  # and what a later call may change


def need_optuna() -> None:
    """Raises:
    StudyError: Optuna is not installed.
    """
    try:
        import optuna  # noqa: F401
    except ImportError:
        raise StudyError("unisono tune needs Optuna: pip install 'unisono[tune]'") from None


def open_study(recipe: Recipe, folder: Path, where: str = "recipe") -> Any:
    """The study of a recipe's search, made if it is not there yet.

    Args:
        folder: of the search; holds the database where the recipe names none.

    Raises:
        RecipeError: the storage cannot be used, or its study is of another recipe.
    """
    import optuna

    assert recipe.tune is not None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    study = optuna.create_study(
        storage=_storage(recipe, folder, where),
        study_name=recipe.name,
        directions=["maximize"] * len(recipe.tune.objectives),
        load_if_exists=True,
        pruner=optuna.pruners.HyperbandPruner() if recipe.tune.prune == "hyperband" else optuna.pruners.NopPruner(),
    )
    wanted = _identity(recipe)
    known = study.user_attrs.get("recipe")
    if known is None:
        study.set_user_attr("recipe", wanted)
    elif known != wanted:
        changed = "; ".join(_differences(json.loads(known), json.loads(wanted))[:3])
        raise RecipeError(
            f'{where}: the study "{recipe.name}" was begun with another recipe ({changed}). '
            "Start again with --fresh, or elsewhere with --set name=NAME"
        )
    return study


def forget_study(recipe: Recipe, folder: Path, where: str = "recipe") -> None:
    """Deletes the study from a storage that the recipe names."""
    import optuna

    if recipe.tune and recipe.tune.storage:
        with suppress(KeyError):
            optuna.delete_study(study_name=recipe.name, storage=_storage(recipe, folder, where))


def _storage(recipe: Recipe, folder: Path, where: str) -> Any:
    import optuna
    from sqlalchemy.exc import SQLAlchemyError

    assert recipe.tune is not None
    url = recipe.tune.storage or f"sqlite:///{(folder / 'study.db').absolute()}"
    # Workers of one file wait for each other; a server may have dropped a connection that rested while a trial ran.
    options = {"connect_args": {"timeout": PATIENCE}} if url.startswith("sqlite") else {"pool_pre_ping": True}
    try:
        return optuna.storages.RDBStorage(url, engine_kwargs=options)
    except (SQLAlchemyError, ImportError, ValueError, RuntimeError) as error:
        said = str(error).strip().splitlines()[0]
        raise RecipeError(f"{where}: tune.storage: {url}: cannot be used as a database ({said})") from None


def _identity(recipe: Recipe) -> str:
    """What must be the same for two calls to work on one study, as text."""
    raw = {key: value for key, value in recipe.model_dump(mode="json").items() if key not in _FREE}
    raw["tune"] = {key: value for key, value in raw["tune"].items() if key not in _FREE_TUNE}
    return json.dumps(raw, sort_keys=True)


def _differences(old: Any, new: Any, path: str = "") -> list[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        keys = sorted({*old, *new})
        return [d for key in keys for d in _differences(old.get(key), new.get(key), f"{path}.{key}" if path else key)]
    return [] if old == new else [f"{path}: {old!r} there, {new!r} here"]
