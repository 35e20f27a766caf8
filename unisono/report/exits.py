"""Exits: score against time of a task whose rows may leave early, as an SVG file of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from unisono.report import colours, scatter
from unisono.report.formats import number
from unisono.report.page import STYLE


def svg(found: Mapping[str, Any]) -> str:
    """The curve that ``unisono exits`` measured.

    Args:
        found: its document.
    """
    dots = [scatter.Dot(100 * p["time"], p["score"], _words(p), front=True) for p in found["points"]]
    whole = found["whole"]
    dots.append(scatter.Dot(100 * whole["time"], whole["score"], f"without exits\nscore {number(whole['score'])}"))
    name = f"{found['task']}: {found['metric']} against time, leaving at exits"
    plot = str(
        scatter.chart(
            name, dots, x_label="processor time, % of the whole model's", y_label=found["metric"], joined=True
        )
    )
    style = f"<style>{colours.variables()}{colours.classes()}{STYLE}</style>"
    page = '<rect width="100%" height="100%" style="fill: var(--page)"/>'
    opened, _, rest = plot.partition(">")
    opened = opened.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg" font-family="sans-serif"', 1)
    return f"{opened}>{style}{page}{rest}\n"


def _words(point: Mapping[str, Any]) -> str:
    return (
        f"confident {point['confident']:g}\nscore {number(point['score'])}\n{point['layers']:.2f} layers\n"
        f"time {point['time']:.0%}"
    )
