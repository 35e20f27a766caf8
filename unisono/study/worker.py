"""Worker: runs trials of a search until all are finished. ``python -m unisono.study.worker FILE`` is one of several."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from optuna.trial import TrialState

from unisono.recipe import Recipe, RecipeError, read
from unisono.study import claims, spaces, tidy
from unisono.study.claims import Claim, Claims
from unisono.study.errors import StudyError
from unisono.study.outcome import Outcome, Report
from unisono.study.presence import Presence
from unisono.study.samplers import sampler
from unisono.study.storage import open_study
from unisono.study.variants import with_settings
from unisono.train.events import Listener

WORKERS = "workers"  # the folder of the workers' signs of life and of what they say
Run = Callable[[Recipe, Sequence[str], Report | None], Outcome]


def work(recipe: Recipe, folder: Path, *, run: Run | None = None, on_end: Callable[[], Any] | None = None) -> None:
    """Runs trials until as many are finished as the recipe asks for, over all workers together.

    Args:
        recipe: with its ``tune`` section.
        folder: of the search: workers, database and runs.
        run: runs one trial; default: ``unisono.study.trial.run_trial``.
        on_end: called after each.

    Raises:
        KeyboardInterrupt: interrupted; the trial under way is free again, and its run goes on from its checkpoint.
    """
    tune = recipe.tune
    assert tune is not None
    study = open_study(recipe, folder)
    grid = spaces.points(tune.search) if tune.by == "grid" else None
    with Presence(folder / WORKERS) as presence:
        queue = Claims(
            study,
            tune.count,
            presence,
            sampler=lambda number: sampler(tune.by, seed=recipe.seed, number=number, trials=tune.count),
            given=lambda number: grid[number] if grid else {},
        )
        while (claim := queue.take()) is not None:
            with claim.alive():
                _try(claim, study, recipe, folder, run or listening(tuple))
            if on_end:
                on_end()


def trial_folder(folder: Path, number: int) -> Path:
    """Where the run of a trial lies."""
    return folder / f"trial-{number:04d}"


def listening(listeners: Callable[[], Sequence[Listener]]) -> Run:
    """``run_trial`` with listeners of its training."""
    from unisono.study.trial import run_trial

    return lambda recipe, objectives, report: run_trial(recipe, objectives, report, listeners)


def _try(claim: Claim, study: Any, recipe: Recipe, folder: Path, run: Run) -> None:
    tune, attempt = recipe.tune, claim.attempt
    assert tune is not None
    place = trial_folder(folder, claim.number)
    try:
        changed = spaces.suggest(attempt, tune.search)
        own = with_settings(recipe, {**changed, "tune": None, "run": str(place)})
    except RecipeError as error:  # values that fit one by one, but not together
        claims.end(study, attempt, TrialState.PRUNED, {claims.ERROR: str(error).splitlines()[0]})
        return
    report = _reporter(attempt) if tune.prune == "hyperband" else None
    try:
        outcome = run(own, tune.objectives, report)
    except BaseException:  # Ctrl-C, or a fault of ours: the trial is somebody's to try again
        claims.end(study, attempt, TrialState.FAIL, {claims.LEFT: True})
        raise
    if outcome.state == "interrupted":
        claims.end(study, attempt, TrialState.FAIL, {claims.LEFT: True})
        raise KeyboardInterrupt
    if outcome.state == "complete":
        ended = claims.end(study, attempt, TrialState.COMPLETE, values=list(outcome.values))
    else:
        # A pruned trial for Optuna, whose samplers learn from these and not from failed ones.
        notes = {claims.ERROR: outcome.error} if outcome.error else None
        ended = claims.end(study, attempt, TrialState.PRUNED, notes)
    if ended:  # else the run is another worker's by now
        tidy.drop_checkpoints(place)
        if outcome.state != "complete":
            tidy.drop_model(place)


def _reporter(attempt: Any) -> Report:
    def report(number: int, value: float) -> bool:
        try:
            attempt.report(value, number)
            return bool(attempt.should_prune())
        except RuntimeError:  # another worker has taken this one for dead; what it finds is of use all the same
            return False

    return report


def main(arguments: Sequence[str]) -> None:
    """Works on the recipe in a file, until done or until standard input is closed, as it is when the parent dies."""
    path = Path(arguments[0])
    signal.signal(signal.SIGTERM, _interrupt)
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    try:
        work(read(path), path.parent)
    except KeyboardInterrupt:
        sys.exit(130)
    except (RecipeError, StudyError, OSError) as error:
        sys.exit(f"error: {error}")


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _leave_with_parent() -> None:
    while sys.stdin.buffer.read(1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main(sys.argv[1:])
