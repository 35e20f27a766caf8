"""The methods by name: what each weighs, its paper, and its options with their defaults. Imports nothing heavy."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Method:
    """One way to balance.

    Args:
        kind: ``weighting``: losses, or their gradients' sizes, become λ, for shared and head parameters alike;
            ``aggregation``: the tasks' gradients of the shared parameters become one; heads keep their own gradient.
        paper: where it is defined.
        options: what a recipe may set, with the default of each.
        bounds: option -> least and greatest value, where a recipe is to be held to them.
    """

    kind: Literal["weighting", "aggregation"]
    paper: str
    options: Mapping[str, Any] = field(default_factory=dict)
    bounds: Mapping[str, tuple[float, float]] = field(default_factory=dict)


METHODS: dict[str, Method] = {
    "sum": Method("weighting", "L = Σ λᵢLᵢ with the recipe's λ"),
    "fixed": Method("weighting", "the same as sum"),
    "auto": Method(
        "weighting",
        "a plain sum whose λ a short search chooses; Xin et al. 2022, Kurin et al. 2022",
        {"trials": 8, "cost": 0.25, "span": 10.0, "rates": 1},
        {"trials": (2, 64), "cost": (0.01, 1), "span": (1.1, 1e6), "rates": (1, 5)},
    ),
    "uncertainty": Method("weighting", "Kendall et al. 2018, eq. 10", {"lr": 0.01}),
    "imtl-l": Method("weighting", "Liu et al. 2021, IMTL, eq. 4", {"lr": 0.01}),
    "dwa": Method("weighting", "Liu et al. 2019, eq. 7", {"temperature": 2.0, "period": 0}),
    "rlw": Method("weighting", "Lin et al. 2022, algorithm 2"),
    "gls": Method("weighting", "Chennupati et al. 2019, eq. 2"),
    "stch": Method("weighting", "Lin et al. 2024, eq. 6", {"mu": 0.1}),
    "famo": Method("weighting", "Liu et al. 2023, algorithm 1", {"lr": 0.025, "weight_decay": 0.001}),
    "gradnorm": Method("weighting", "Chen et al. 2018, algorithm 1", {"alpha": 1.5, "lr": 0.025}),
    "db-mtl": Method("weighting", "Lin et al. 2023, algorithm 1", {"beta": 0.9, "beta_sigma": 0.5}),
    "excess-mtl": Method("weighting", "He et al. 2024, eq. 6, 7, 9", {"robust_step_size": 1.0, "n_warmup_steps": 0}),
    "mgda": Method(
        "aggregation", "Désidéri 2012; Sener & Koltun 2018, algorithm 2", {"epsilon": 1e-5, "max_iters": 250}
    ),
    "pcgrad": Method("aggregation", "Yu et al. 2020, algorithm 1"),
    "gradvac": Method("aggregation", "Wang et al. 2021, eq. 4 and 5", {"beta": 0.01}),
    "cagrad": Method("aggregation", "Liu et al. 2021, CAGrad, algorithm 1", {"c": 0.5}),
    "graddrop": Method("aggregation", "Chen et al. 2020, algorithm 1"),
    "imtl-g": Method("aggregation", "Liu et al. 2021, IMTL, eq. 7 and 8"),
    "nash-mtl": Method("aggregation", "Navon et al. 2022, algorithm 1", {"optim_niter": 20}),
    "aligned-mtl": Method("aggregation", "Senushkin et al. 2023, eq. 10 and 11", {"scale_mode": "min"}),
    "fairgrad": Method("aggregation", "Ban & Ji 2024, eq. 6", {"alpha": 1.0}),
    "sdmgrad": Method(
        "aggregation", "Xiao et al. 2023, algorithm 1", {"lr": 10.0, "momentum": 0.5, "n_iter": 20, "lambda_": 0.3}
    ),
    "modo": Method("aggregation", "Chen et al. 2023, MoDo, algorithm 1", {"gamma": 0.1, "rho": 0.1}),
    "config": Method("aggregation", "Liu et al. 2024, ConFIG, eq. 3"),
    "dualproj": Method("aggregation", "Lopez-Paz & Ranzato 2017; Quinton & Rey 2024, section 4"),
    "upgrad": Method("aggregation", "Quinton & Rey 2024, eq. 6"),
}


SUMS = ("sum", "fixed", "auto")  # in a step a plain sum, for which there is nothing to make


def wrong_value(method: str, name: str, value: Any) -> str | None:
    """What is wrong with the value of an option, if it is."""
    default = METHODS[method].options[name]
    like = str if isinstance(default, str) else int if isinstance(default, int) else int | float
    if isinstance(value, bool) or not isinstance(value, like):
        return f"{value!r} is not like its default {default!r}"
    low, high = METHODS[method].bounds.get(name, (-math.inf, math.inf))
    if not isinstance(value, str) and not low <= value <= high:
        return f"{value!r} is not between {low:g} and {high:g}"
    return None


def unknown_option(method: str, options: Mapping[str, Any]) -> str | None:
    """The first option that the method does not have, if there is one."""
    return next((name for name in options if name not in METHODS[method].options), None)
