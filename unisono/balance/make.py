"""From a method's name to the method. Needs TorchJD."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from unisono.balance.base import Balance
from unisono.balance.methods import METHODS, SUMS

INSTALL = 'pip install "unisono[balance]"'


class MissingDependency(ImportError):
    """A package that the method needs is not installed; one line with the command that installs it."""


def make(method: str, count: int, options: Mapping[str, Any] | None = None, *, period: int = 1) -> Balance | None:
    """The method over ``count`` tasks; None for the plain sum, which needs none.

    Args:
        options: as in ``METHODS[method].options``.
        period: steps in an epoch, for the methods that speak of epochs.
    """
    if method in SUMS:
        return None
    settings = {**METHODS[method].options, **(options or {})}
    if "period" in settings:
        settings["period"] = settings["period"] or period
    try:
        return _maker(method)(count, **settings)
    except ImportError as error:
        raise MissingDependency(f'balance "{method}" needs more packages ({error}); {INSTALL}') from None


def _maker(method: str) -> Callable[..., Balance]:
    from unisono.balance import by_matrix, db_mtl, gradnorm, gramian, scalarized

    makers: dict[str, Callable[..., Balance]] = {
        "uncertainty": scalarized.uncertainty,
        "imtl-l": scalarized.imtl_l,
        "dwa": scalarized.DWA,
        "rlw": scalarized.RandomWeights,
        "gls": scalarized.gls,
        "stch": scalarized.stch,
        "famo": scalarized.FAMO,
        "gradnorm": gradnorm.GradNorm,
        "db-mtl": db_mtl.DBMTL,
        "excess-mtl": by_matrix.ExcessMTL,
        "mgda": gramian.mgda,
        "pcgrad": gramian.pcgrad,
        "gradvac": gramian.GradVac,
        "cagrad": gramian.cagrad,
        "graddrop": by_matrix.GradDrop,
        "imtl-g": gramian.imtl_g,
        "nash-mtl": gramian.Nash,
        "aligned-mtl": gramian.aligned_mtl,
        "fairgrad": gramian.fairgrad,
        "sdmgrad": gramian.sdmgrad,
        "modo": gramian.modo,
        "config": gramian.config,
        "dualproj": gramian.dualproj,
        "upgrad": gramian.upgrad,
    }
    return makers[method]
