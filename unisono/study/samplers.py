"""Samplers: what proposes the settings of a trial, by the name that a recipe gives it."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import optuna

# Optuna's papers: TPE Bergstra et al. 2011 (https://papers.nips.cc/paper/4443), NSGA-II Deb et al. 2002
# (https://doi.org/10.1109/4235.996017), its Gaussian process with Ament et al. 2023 (https://arxiv.org/abs/2310.20708).


def sampler(by: str, *, seed: int, number: int, trials: int) -> Any:
    """A sampler for one trial.

    Its draws depend on the seed and the number of the trial, and for the methods that learn on the trials before it:
    so grid and random searches come out the same whoever runs them and however often they are interrupted, the others
    where one worker runs them from first to last.

    Args:
        trials: how many the study will have; a quarter of them, 10 at most, are random to begin with.
    """
    own = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
    first = min(10, max(2, trials // 4))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        if by == "tpe":
            # The liar keeps several workers from trying the same at once: what still runs is taken for a bad trial.
            return optuna.samplers.TPESampler(seed=own, n_startup_trials=first, constant_liar=True)
        if by == "gp":
            return optuna.samplers.GPSampler(seed=own, n_startup_trials=first)
        if by == "nsga2":
            return optuna.samplers.NSGAIISampler(seed=own, population_size=max(4, trials // 5))
        return optuna.samplers.RandomSampler(seed=own)  # of a grid everything is given
