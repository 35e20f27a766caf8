"""The page: every section when there is something to show, true to the files, closed to what a run's texts contain."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.report.folders import STEPS, TASKS, affine, compared, cosine, scores, tuned, write_events, write_run
from unisono.recipe import RecipeError
from unisono.report import read, render, write_report

PLAIN = ["run", "scores", "losses", "metrics", "weights", "rates", "norm", "mix"]
COMPLETE = [*PLAIN, "conflicts", "stages", "affinity", "compare", "tune", "rows", "skipped", "notes", "settings"]
HOSTILE = '<script>alert("x")</script>&amp;\'><img src=x onerror=y> \x1b[31m \ud800 ]]> <!-- 😀'
ELEMENTS = {
    *("html", "head", "meta", "title", "style", "body", "header", "h1", "h2", "h3", "p", "nav", "a", "main", "section"),
    *("dl", "div", "dt", "dd", "table", "thead", "tbody", "tr", "th", "td", "span", "details", "summary", "figure"),
    *(
        "figcaption",
        "svg",
        "line",
        "text",
        "g",
        "rect",
        "circle",
        "polyline",
        "i",
        "b",
        "ol",
        "ul",
        "li",
        "code",
        "pre",
    ),
}


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    return write_run(tmp_path_factory.mktemp("report") / "run")


@pytest.fixture(scope="module")
def page(run) -> ET.Element:
    return parsed(render(read(run)))


def parsed(written: str) -> ET.Element:
    return ET.fromstring(written)


def section(page: ET.Element, anchor: str) -> ET.Element:
    (found,) = [s for s in page.iter("section") if s.get("id") == anchor]
    return found


def words(element: ET.Element) -> str:
    """What is read in an element, without what shows only under the pointer."""
    own = "" if element.tag == "title" else (element.text or "")
    return own + "".join(words(child) + (child.tail or "") for child in element)


def tables(element: ET.Element) -> list[list[list[str]]]:
    """The tables of an element, as rows of cells, the header first."""
    return [[[words(cell) for cell in row] for row in table.iter("tr")] for table in element.iter("table")]


def titles(element: ET.Element) -> list[str]:
    return [t.text or "" for t in element.iter("title")]


def anchors(page: ET.Element) -> list[str]:
    return [s.get("id", "") for s in page.iter("section")]


def test_every_section_is_there_when_its_facts_are(page):
    assert anchors(page) == COMPLETE
    assert [a.get("href") for a in page.iter("a")] == [f"#{anchor}" for anchor in COMPLETE[1:]]


def test_a_run_with_events_alone_has_the_sections_of_events_alone(tmp_path):
    write_events(tmp_path, plain=True)
    assert anchors(parsed(render(read(tmp_path)))) == PLAIN


@pytest.mark.parametrize(
    ("file", "anchor"),
    [
        ("compare/compare.json", "compare"),
        ("affinity/affinity.json", "affinity"),
        ("tune/tune.json", "tune"),
        ("recipe.yaml", "settings"),
    ],
)
def test_a_section_leaves_with_its_file(tmp_path, file, anchor):
    run = write_run(tmp_path / "run")
    (run / file).unlink()
    assert anchors(parsed(render(read(run)))) == [each for each in COMPLETE if each != anchor]


def test_a_run_that_has_only_begun_has_a_headline(tmp_path):
    write_events(tmp_path, plain=True)
    journal = tmp_path / "events.jsonl"
    journal.write_text(journal.read_text().splitlines()[0] + "\n")
    page = parsed(render(read(tmp_path)))
    assert anchors(page) == ["run"]
    assert "not finished" in words(page)


def test_a_folder_of_studies_alone_has_their_sections(tmp_path):
    run = write_run(tmp_path / "run")
    for name in ("events.jsonl", "finished.json", "recipe.yaml", "quarantine.jsonl"):
        (run / name).unlink()
    page = parsed(render(read(run)))
    assert anchors(page) == ["affinity", "compare", "tune"]
    assert "3 tasks, one Transformer" in words(page) and "not finished" not in words(page)


def test_a_run_of_one_step_can_be_drawn(tmp_path):
    write_events(tmp_path, steps=1, plain=True)
    assert "losses" in anchors(parsed(render(read(tmp_path))))


def test_the_headline_says_what_the_files_say(page):
    said = words(section(page, "run"))
    for fact in (
        "finished",
        str(STEPS),
        "62 min",
        "28.1 M",
        "cpu fp32",
        "upgrad",
        "temperature",
        "7",
        "8,000 tokens/s",
    ):
        assert fact in said
    (tasks,) = tables(section(page, "run"))
    drawn = {t: sum(8 + 4 * i + step % 5 for step in range(1, STEPS + 1)) for i, t in enumerate(TASKS)}
    for i, task in enumerate(TASKS):
        share = f"{100 * drawn[task] / sum(drawn.values()):.1f} %"
        assert tasks[i + 1][0] == task
        assert tasks[i + 1][2:] == [f"{1000 * (i + 1):,}", "200", f"{drawn[task]:,}", share]


def test_best_scores_are_those_of_the_best_evaluation_with_all_digits_under_the_pointer(page):
    best, last = scores(TASKS, STEPS - 60), scores(TASKS, STEPS)
    whole, parts = section(page, "scores").iter("table")
    exact = [[s.get("title") for s in row.iter("span")] for row in whole.iter("tr")][1:]
    first = [next(iter(values)) for values in best.values()]
    assert exact == [[repr(best[t][m]), repr(last[t][m])] for t, m in zip(TASKS, first, strict=True)]
    assert f"best (step {STEPS - 60})" in words(whole) and f"latest (step {STEPS})" in words(whole)
    assert [[words(c) for c in row][:3] for row in parts.iter("tr")][1:] == [
        ["ner", "f1/PER", "0.9123"], ["", "f1/LOC", "0.8765"],
    ]  # fmt: skip


def test_metrics_are_marked_with_their_values(page):
    said = titles(section(page, "metrics"))
    for step in range(60, STEPS + 1, 60):
        value = scores(TASKS, step)["sentiment"]["accuracy"]
        assert f"step {step}\naccuracy {value:.4f}" in said
        assert f"step {step}\nsentiment {value:.4f}" in said


def test_weights_that_never_change_are_a_sentence(tmp_path, page):
    write_events(tmp_path, plain=True)
    constant = section(parsed(render(read(tmp_path))), "weights")
    assert "Constant: sentiment 1.0, ner 1.0, en-de 1.0." in words(constant)
    assert not list(constant.iter("svg")) and list(section(page, "weights").iter("svg"))


def test_groups_with_one_learning_rate_share_a_line(page):
    (chart,) = section(page, "rates").iter("svg")
    names = [t for t in titles(chart) if "\n" not in t and not t.startswith("stage")]
    assert names == ["heads: sentiment, ner, en-de", "stems, trunk"]


def test_the_map_of_conflicts_shows_the_mean_cosine_of_each_pair_and_layer(page):
    said = "\n".join(titles(section(page, "conflicts"))).replace("−", "-")
    for (i, one), (j, other) in [((0, TASKS[0]), (1, TASKS[1])), ((1, TASKS[1]), (2, TASKS[2]))]:
        for layer, name in ((0, "embeddings"), (2, "layer.1"), (4, "all")):
            value = cosine(layer, i, j)
            opposed = STEPS // 20 if value < 0 else 0
            assert f"{one} · {other}, {name}, below 0 in {opposed} of {STEPS // 20}: {value:+.4f}" in said


def test_stages_and_tasks_that_left(page):
    here = section(page, "stages")
    stages, left = tables(here)
    assert stages[1:] == [
        ["1", "warm", "0", "sentiment, ner", "embeddings, trunk.0-2", "trunk 0.5, heads 1"],
        ["2", "all in", "100", "sentiment, ner, en-de", "nothing", "trunk 1, heads 1"],
    ]
    assert left[1:] == [["ner", "240", "distilled", "no better for 3 evaluations"]]
    assert 'ner: stage 2, "all in", steps 100 to 240' in titles(here)
    assert f"ner: distilled, steps 240 to {STEPS}" in titles(here)
    assert not any(t.startswith("en-de: stage 1") for t in titles(here))


def test_differences_have_their_intervals_verdicts_and_the_sentence(page):
    here = section(page, "compare")
    wanted = compared(TASKS)
    assert wanted["sentence"] in words(here) and wanted["warnings"][0] in words(here)
    (rows,) = tables(here)
    assert rows[1] == ["sentiment", "accuracy, test", "0.8200", "0.8450", "+2.34", "+1.11 to +3.57", "gained"]
    assert rows[2] == ["ner", "f1", "0.8233", "0.8500", "−1.25", "−2.02 to −0.48", "lost"]
    assert rows[3][4:] == ["+0.41", "−0.62 to +1.55", "unclear"]
    assert rows[4] == ["Δm", "", "", "", "+0.50", "−0.31 to +1.29", "unclear"]
    assert "sentiment and ner oppose one another in layer.2, layer.1 (cosine −0.37)" in words(here)
    assert "Δm, all tasks: +0.50  [−0.31, +1.29]" in titles(here)
    seeds = [s.get("title") for s in here.iter("span") if s.get("title")]
    assert "0.81, 0.82, 0.83" in seeds and "0.84, 0.85, None" in seeds


def test_affinity_groups_and_what_training_them_showed(page):
    here = section(page, "affinity")
    wanted = affine(TASKS)
    for i, one in enumerate(TASKS):
        for j, other in enumerate(TASKS):
            value = f"{wanted['affinity'][i][j]:+.5f}".replace("-", "−")
            assert f"an update on {one}, the loss of {other}: {value}" in titles(here)
    assert [words(li) for li in here.iter("li")] == ["sentiment", "ner, en-de", "no test split"]
    assert "0.0123" in words(here) and "Learn them in two groups." in words(here)
    head, together, groups, alone = tables(here)[0]
    assert head == ["learned together", *(f"{task}, f1" for task in TASKS), *head[4:]]
    assert together == ["all together", *["0.6150"] * 3, "−0.25", "−0.30", "−1.50 to +2.12"]
    assert groups[0] == "sentiment | ner, en-de" and groups[4:] == ["+0.25", "+0.45", "−1.50 to +2.12"]
    assert alone == ["each alone", *["0.6150"] * 3, "–", "–", "–"]  # what the others are measured by
    assert "sentiment | ner, en-de: +0.45  [−1.50, +2.12]" in titles(here)


def test_trials_and_their_front(page):
    here = section(page, "tune")
    wanted = tuned(TASKS)
    assert "4 recipes tried (3 complete, 1 pruned)" in words(here)
    dots = [c for c in here.iter("circle") if c.get("class", "").startswith("dot")]
    assert len(dots) == 3 and sum("s1" in c.get("class", "") for c in dots) == len(wanted["pareto"])
    assert any(t.startswith("trial 1\nsentiment 0.8500\nner 0.2500") for t in titles(here))
    best, front, mattered, trials = tables(here)
    assert best[1:] == [["number", "1"], ["params.train.trunk_lr", "2e−4"]]
    assert [row[0] for row in front[1:]] == ["0", "1"]
    assert [(row[0], row[2]) for row in mattered[1:]] == [("train.trunk_lr", "75.0 %"), ("balance", "25.0 %")]
    assert [row[0] for row in trials[1:]] == ["0", "1", "2", "3"] and trials[3][2] == "–"


def test_one_objective_is_drawn_over_the_trials(tmp_path):
    run = write_run(tmp_path / "run")
    trials = [{"number": i, "state": "COMPLETE", "values": [v], "params": {}} for i, v in enumerate((0.1, 0.3, 0.2))]
    found = {"objectives": ["mean"], "trials": trials, "best": {"number": 1}}
    (run / "tune" / "tune.json").write_text(json.dumps(found))
    here = section(parsed(render(read(run))), "tune")
    assert [t.splitlines()[0] for t in titles(here)] == ["trial 0", "trial 2", "trial 1"], "the best is drawn on top"


def test_bad_rows_missing_labels_skipped_steps_and_notes(page):
    bad, missing = tables(section(page, "rows"))
    assert bad[1:] == [
        ["ner", "train", "17", "3 columns, expected 4", "train.txt, row 812", "EU NNP B-NP"],
        ["sentiment", "train", "1", '"meh" is not a label', "train.txt, row 4", "EU NNP B-NP"],
    ]
    assert missing[1:] == [["sentiment", "1,234", "5,000", "24.7 %"]]
    assert "Quarantine: 18 bad rows" in words(section(page, "rows"))
    counts, each = tables(section(page, "skipped"))
    assert counts[1:] == [["sentiment", "the loss is not finite", "1"]]
    assert each[1:] == [["50", "sentiment", "the loss is not finite", "train.csv, row 812; train.csv, row 9"]]
    assert tables(section(page, "notes"))[0][1:] == [
        ["0", "warning", "out of memory: passes now hold 512 tokens at most"]
    ]


def test_settings_are_the_recipe_word_for_word(run, page):
    (pre,) = section(page, "settings").iter("pre")
    assert pre.text == (run / "recipe.yaml").read_text()


def test_nothing_is_loaded_and_nothing_runs(run, page):
    written = render(read(run))
    assert not re.search(r"https?://|@import|url\(|//[a-z]", written)
    for element in page.iter():
        assert element.tag in ELEMENTS
        assert not [name for name in element.attrib if name.startswith("on") or name in ("src", "srcset", "xlink")]
        assert element.get("href", "#").startswith("#")
    policy = next(m.get("content") for m in page.iter("meta") if m.get("http-equiv") == "Content-Security-Policy")
    assert policy == "default-src 'none'; style-src 'unsafe-inline'"


def test_elements_are_closed_as_html_wants_it(run):
    """HTML ignores the slash of <div/>, and would put all that follows inside."""
    assert set(re.findall(r"<([a-z]+)[^<>]*/>", render(read(run)))) <= {"meta", "line", "rect", "circle", "polyline"}


def test_names_and_texts_of_a_run_stay_texts(tmp_path):
    tasks = [f"a {HOSTILE}", f"b {HOSTILE}", "c"]
    folder = tmp_path / "run"
    harmless = HOSTILE.replace("\ud800", "").replace("\x1b", "")  # what a YAML file can hold
    folder.mkdir()
    clean = [t.replace("\ud800", "") for t in tasks]  # the journal writes UTF-8
    write_run(folder, clean, word=harmless)
    for file in (folder / "compare" / "compare.json", folder / "quarantine.jsonl", folder / "events.jsonl"):
        file.write_text(
            file.read_text(encoding="utf-8").replace("three seeds", r"\ud800\u0000").replace("EU NNP", r"\udfff")
        )
    written = render(read(folder))
    written.encode()  # no half of a surrogate pair is left
    page = parsed(written)
    assert {e.tag for e in page.iter()} <= ELEMENTS
    shown = clean[0].replace("\x1b", "\ufffd")
    for anchor in ("run", "scores", "losses", "metrics", "conflicts", "stages", "affinity", "compare", "rows"):
        assert shown in "".join(section(page, anchor).itertext()), anchor
    assert f"three tasks{harmless}" in words(page)
    assert "\ufffd" in words(section(page, "rows"))


def test_many_tasks_make_a_page_that_can_be_opened(tmp_path):
    tasks = [f"task-{i:02}" for i in range(40)]
    write_run(tmp_path / "run", tasks, steps=60)
    written = render(read(tmp_path / "run"))
    assert anchors(parsed(written)) == COMPLETE
    assert len(written) < 5_000_000


def test_a_long_run_makes_no_larger_page(tmp_path):
    sizes = {}
    for steps in (1000, 4000):
        write_events(tmp_path / str(steps), ("one",), steps, plain=True)
        sizes[steps] = len(render(read(tmp_path / str(steps))))
    assert sizes[4000] < 1.5 * sizes[1000]


def test_light_and_dark(run):
    written = render(read(run))
    assert "prefers-color-scheme: dark" in written and "color-scheme: light dark" in written
    used = set(re.findall(r"var\(--([a-z0-9]+)\)", written))
    light, dark = written.split("@media (prefers-color-scheme: dark)")[:2]
    for name in used - {"c"}:  # --c is given by a class
        assert f"--{name}:" in light and f"--{name}:" in dark.split("}")[0], name


def test_the_file_is_whole_or_the_old_one(tmp_path):
    run = write_run(tmp_path / "run")
    assert write_report(run) == run / "report.html"
    parsed((run / "report.html").read_text(encoding="utf-8"))
    elsewhere = tmp_path / "new" / "page.html"
    assert write_report(run, elsewhere) == elsewhere
    before = elsewhere.read_bytes()
    assert before == (run / "report.html").read_bytes()
    (run / "events.jsonl").write_text("broken\n{}\n")
    with pytest.raises(RecipeError, match="line 1"):
        write_report(run, elsewhere)
    assert elsewhere.read_bytes() == before
    assert [p.name for p in elsewhere.parent.iterdir()] == ["page.html"]
