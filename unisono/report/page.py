"""Page: the sections of a report as one HTML file that needs nothing else, in light and in dark."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from unisono import files
from unisono.recipe import RecipeError
from unisono.report import auto, care, colours, conflicts, course, headline, stages, studied
from unisono.report.facts import Facts, read
from unisono.report.markup import Markup, element
from unisono.report.section import Section

# In the order of the page. Each gives nothing where the run has no such facts.
SECTIONS: tuple[Callable[[Facts], Section | None], ...] = (
    headline.headline,
    headline.best_scores,
    course.losses,
    course.metrics,
    auto.auto,
    course.weights,
    course.rates,
    course.norm,
    course.mix,
    conflicts.conflicts,
    stages.stages,
    studied.affinity,
    studied.compare,
    studied.tune,
    care.rows,
    care.skipped,
    care.notes,
    care.settings,
)

STYLE = """
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1140px; padding: 28px 20px 80px; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "DejaVu Sans", sans-serif; }
h1 { font-size: 27px; line-height: 1.2; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 20px; margin: 0 0 4px; }
h3 { font-size: 15px; margin: 22px 0 6px; }
header p { margin: 2px 0 0; color: var(--soft); overflow-wrap: anywhere; }
nav { display: flex; flex-wrap: wrap; gap: 2px 16px; margin: 14px 0 0; padding: 8px 0;
  border-bottom: 1px solid var(--line); font-size: 14px; }
nav a { color: var(--plus); text-decoration: none; }
nav a:hover { text-decoration: underline; }
section { margin: 38px 0 0; }
.lead { color: var(--soft); margin: 0 0 12px; max-width: 78ch; }
.verdict { font-size: 17px; max-width: 70ch; margin: 0 0 14px; padding: 10px 14px; background: var(--panel);
  border-left: 4px solid var(--plus); overflow-wrap: anywhere; }
.tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(160px, 1fr)); gap: 10px; margin: 12px 0 20px; }
.tile { background: var(--panel); border-radius: 6px; padding: 8px 12px; }
.tile dt { color: var(--soft); font-size: 13px; }
.tile dd { margin: 0; font-size: 17px; font-weight: 600; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; }
.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(320px, 100%), 1fr)); gap: 18px 22px; }
.figures.large { grid-template-columns: repeat(auto-fill, minmax(min(460px, 100%), 1fr)); }
figure { margin: 0 0 16px; min-width: 0; }
figcaption { font-weight: 600; font-size: 14px; margin: 0 0 2px; overflow-wrap: anywhere; }
table { border-collapse: collapse; font-size: 14px; font-variant-numeric: tabular-nums; margin: 6px 0; }
th, td { text-align: left; padding: 4px 18px 4px 0; border-bottom: 1px solid var(--grid); vertical-align: top; }
th { color: var(--soft); font-weight: 500; white-space: nowrap; border-bottom-color: var(--line); }
td { overflow-wrap: break-word; max-width: 46ch; }
.n { text-align: right; white-space: nowrap; }
summary { cursor: pointer; color: var(--plus); font-size: 14px; }
code, pre { font: 13px/1.45 ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
pre { background: var(--panel); padding: 12px 14px; border-radius: 6px; overflow-x: auto; margin: 6px 0; }
.legend { display: flex; flex-wrap: wrap; gap: 2px 16px; align-items: center; font-size: 13px; color: var(--soft);
  margin: 2px 0 4px; }
.legend span { display: inline-flex; align-items: center; gap: 6px; }
.key { width: 22px; height: 10px; } .scale { width: 182px; height: 10px; }
.patch { width: 12px; height: 12px; border-radius: 2px; background: var(--c); }
.bar { display: inline-block; height: 10px; background: var(--s0); border-radius: 2px; }
.plot { display: block; width: 100%; height: auto; font-size: 11px; }
.plot text { fill: var(--ink); }
.plot .tick { fill: var(--soft); } .plot .ink { fill: var(--ink); } .plot .on { fill: var(--on); }
.grid { stroke: var(--grid); stroke-width: 1; } .axis { stroke: var(--line); stroke-width: 1; }
.mark { stroke: var(--soft); stroke-width: 1; stroke-dasharray: 3 3; }
.line { fill: none; stroke: var(--c); stroke-width: 1.8; stroke-linejoin: round; stroke-linecap: round; }
.faint { fill: none; stroke: var(--c); stroke-width: 1; opacity: 0.3; stroke-linejoin: round; }
.faint.d1, .faint.d2 { stroke-dasharray: none; }
.dot { fill: var(--c); stroke: var(--page); stroke-width: 1; stroke-dasharray: none; }
.band { fill: var(--c); fill-opacity: 0.75; stroke: var(--page); stroke-width: 1; stroke-dasharray: none; }
.band.d1, .patch.d1 { opacity: 0.6; } .band.d2, .patch.d2 { opacity: 0.35; } .band.pale { fill-opacity: 0.3; }
.strips rect { fill: var(--ink); fill-opacity: 0; } .strips rect:hover { fill-opacity: 0.08; }
rect.plus, circle.plus { fill: var(--plus); } rect.minus, circle.minus { fill: var(--minus); }
circle.neither { fill: var(--muted); } rect.none { fill: var(--panel); } rect.under { fill: var(--page); }
.interval { stroke-width: 4; stroke-linecap: round; opacity: 0.5; }
.interval.plus { stroke: var(--plus); } .interval.minus { stroke: var(--minus); }
.interval.neither { stroke: var(--muted); }
@media print { nav { display: none; } section { break-inside: avoid; } }
"""


def render(facts: Facts) -> str:
    """A report as HTML that is well-formed XML, too; it loads nothing, and forbids itself to."""
    name = headline.name_of(facts)
    sections = [made for make in SECTIONS if (made := make(facts)) is not None]
    links = [element("a", s.title, href=f"#{s.anchor}") for s in sections if s.anchor != "run"]
    tasks = len(facts.tasks)
    page = element(
        "html",
        element(
            "head",
            element("meta", charset="utf-8"),
            element(
                "meta", http_equiv="Content-Security-Policy", content="default-src 'none'; style-src 'unsafe-inline'"
            ),
            element("meta", name="viewport", content="width=device-width, initial-scale=1"),
            element("title", f"{name} · Unisono"),
            element("style", Markup(colours.variables() + colours.classes() + STYLE)),
        ),
        element(
            "body",
            element(
                "header",
                element("h1", name),
                element("p", f"{tasks} task{'s' if tasks != 1 else ''}, one Transformer · {facts.run}"),
            ),
            element("nav", *links) if links else None,
            element("main", *(s.body for s in sections)),
        ),
        lang="en",
    )
    return f"<!DOCTYPE html>\n{page}\n"


def write_report(run: Path | str, out: Path | str | None = None) -> Path:
    """Writes the report of a run, whole or not at all, and returns where it is.

    Args:
        run: the folder of a run, finished or not.
        out: the HTML file; default: ``report.html`` in the run's folder.

    Raises:
        RecipeError: it is not the folder of a run, one of its files is broken, or ``out`` is a folder.
    """
    run = Path(run)
    path = Path(out) if out is not None else run / "report.html"
    if path.is_dir():
        raise RecipeError(f"{path}: a folder, expected a file to write; say --out {path / 'report.html'}")
    page = render(read(run))
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write_atomic(path, page)
    return path
