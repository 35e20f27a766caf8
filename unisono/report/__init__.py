"""report: a run's folder as one HTML page that needs no network. Reads files alone: no torch, no model."""

from unisono.report.facts import Facts, read
from unisono.report.page import render, write_report

__all__ = ["Facts", "read", "render", "write_report"]
