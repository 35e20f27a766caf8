"""Care: rows that were left out, labels that were missing, steps that were skipped, and what else was said."""

from __future__ import annotations

from unisono.report.facts import Facts
from unisono.report.formats import percent, shorten
from unisono.report.markup import element, table
from unisono.report.section import Section, section
from unisono.report.training import KEPT

REASONS = 60  # reasons that are listed
ROWS = 4  # rows of a skipped step that are named


def rows(facts: Facts) -> Section | None:
    """Bad rows by reason, and training rows without a label."""
    bad, missing = facts.quarantine, facts.training.no_label
    if not bad and not missing:
        return None
    reasons = [
        [task, split, f"{found.count:,}", reason, found.example, element("code", shorten(found.text, 420))]
        for (task, split, reason), found in list(bad.items())[:REASONS]
    ]
    labels = [
        [task, f"{n:,}", f"{every:,}", percent(n / every) if every else "–"] for task, (n, every) in missing.items()
    ]
    total = sum(found.count for found in bad.values())
    return section(
        "rows",
        "Rows and labels",
        "",
        element("h3", f"Quarantine: {total:,} bad row{'s' if total != 1 else ''} left out") if bad else None,
        table(["task", "split", "rows", "reason", "first of them", "its text"], reasons, numbers=(2,)) if bad else None,
        element("p", f"and {len(bad) - REASONS} more reasons in quarantine.jsonl") if len(bad) > REASONS else None,
        element("h3", "Training rows without a label") if missing else None,
        element("p", "They are not drawn for that task; they cost it nothing.", class_="lead") if missing else None,
        table(["task", "without a label", "of rows", "share"], labels, numbers=(1, 2, 3)) if missing else None,
    )


def skipped(facts: Facts) -> Section | None:
    """Steps that were not taken."""
    skips, first = facts.training.skips, facts.training.skipped
    if not skips:
        return None
    counts = [[task or "–", reason, f"{count:,}"] for (task, reason), count in skips.most_common()]
    steps = []
    for skip in first:
        named = "; ".join(f"{file}, row {row}" for file, row in skip.rows[:ROWS])
        more = f" and {len(skip.rows) - ROWS} more" if len(skip.rows) > ROWS else ""
        steps.append([f"{skip.step:,}", skip.task or "–", skip.reason, named + more])
    return section(
        "skipped",
        "Skipped steps",
        "A loss or a gradient was not finite, so the weights stayed as they were.",
        table(["task", "reason", "steps"], counts, numbers=(2,)),
        element(
            "details",
            element("summary", f"the first {KEPT}" if sum(skips.values()) > KEPT else "each of them"),
            table(["step", "task", "reason", "rows"], steps, numbers=(0,)),
        ),
    )


def notes(facts: Facts) -> Section | None:
    """What the training said for a person to read."""
    found = facts.training.notes
    if not found:
        return None
    said = [
        [f"{step:,}", level, text + (f" ({times} times)" if times > 1 else "")]
        for (level, text), (step, times) in list(found.items())[:KEPT]
    ]
    return section("notes", "Notes", "", table(["step", "", "note"], said, numbers=(0,)))


def settings(facts: Facts) -> Section | None:
    """The resolved recipe as the run's folder holds it."""
    if facts.settings is None:
        return None
    return section(
        "settings", "Settings", "The resolved recipe, every setting written out.", element("pre", facts.settings)
    )
