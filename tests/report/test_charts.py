"""Charts: what is drawn stands where its value says, in the colour its meaning says."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unisono.report import areas, heat, intervals, lines, scatter
from unisono.report.axes import SMALL, WIDE, Scale, make_frame, spread
from unisono.report.colours import DASHES, SLOTS, slot_class
from unisono.report.intervals import Estimate
from unisono.report.lines import Curve, smoothed
from unisono.report.markup import Markup, element, join, text
from unisono.report.scatter import Dot
from unisono.report.thin import Line, Shares


def drawn(svg: str, tag: str, style: str) -> list[ET.Element]:
    return [e for e in ET.fromstring(svg).iter(tag) if style in e.get("class", "").split()]


def places(polyline: ET.Element) -> list[tuple[float, float]]:
    return [tuple(map(float, p.split(","))) for p in polyline.get("points", "").split()]


def test_markup_escapes_all_but_markup():
    assert element("p", "<b>", Markup("<b/>"), title='"&') == '<p title="&quot;&amp;">&lt;b&gt;<b/></p>'
    assert element("p", class_="x", aria_label="y", id=None) == '<p class="x" aria-label="y"></p>'
    assert element("rect", x=1.0, y=2.25, width=-0.01) == '<rect x="1" y="2.2" width="0"/>'
    assert text("a\x00b\ud800\nc") == "a\ufffdb\ufffd\nc"
    assert join(["<", None, Markup("<i>")]) == "&lt;<i>"


def test_a_line_passes_through_its_points():
    points = [(0.0, 0.0), (50.0, 10.0), (100.0, 5.0)]
    svg = lines.chart("x", [Curve("loss", points)])
    (found,) = drawn(svg, "polyline", "line")
    frame = make_frame(SMALL, (0.0, 100.0), (0.0, 10.0))
    for (x, y), (px, py) in zip(points, places(found), strict=True):
        assert (px, py) == pytest.approx((frame.x(x), frame.y(y)), abs=0.06)
    assert places(found)[1][1] < places(found)[2][1] < places(found)[0][1], "upwards is more"


def test_ticks_stand_at_their_values():
    root = ET.fromstring(lines.chart("x", [Curve("loss", [(0.0, 0.0), (100.0, 10.0)])]))
    labels = {t.text: float(t.get("y", 0)) - 4 for t in root.iter("text") if t.get("text-anchor") == "end"}
    frame = make_frame(SMALL, (0.0, 100.0), (0.0, 10.0))
    assert labels["10"] == pytest.approx(frame.y(10.0), abs=0.1) and labels["0"] == pytest.approx(frame.y(0.0), abs=0.1)


def test_values_far_apart_get_a_logarithmic_axis_that_says_so():
    points = [(float(i), 1.0) for i in range(20)] + [(20.0, 1000.0)]
    svg = lines.chart("x", [Curve("norm", points)], y_label="norm")
    assert "norm, logarithmic" in svg and "logarithmic" not in lines.chart("x", [Curve("norm", points[:-1])])
    scale = Scale(1.0, 1000.0, 100.0, 0.0, log=True)
    assert [scale(v) for v in (1.0, 10.0, 1000.0, 0.0)] == pytest.approx([100.0, 200 / 3, 0.0, 100.0])


def test_a_logarithmic_axis_does_not_follow_a_value_near_zero_for_ever():
    points = [(float(i), 1.0) for i in range(9)] + [(9.0, 1e-30), (10.0, 1000.0)]
    root = ET.fromstring(lines.chart("x", [Curve("loss", points)]))
    labels = {t.text for t in root.iter("text")}
    assert "0.001" in labels and not any("e−" in (label or "") for label in labels)


def test_a_noisy_line_is_a_smooth_one_over_its_pale_self():
    line = Line()
    for step in range(1, 101):
        line.add(step, float(step % 2))
    svg = lines.chart("x", [smoothed("loss", line, 3)])
    (strong,), (pale,) = drawn(svg, "polyline", "line"), drawn(svg, "polyline", "faint")
    assert "s3" in strong.get("class") and "s3" in pale.get("class")
    inner, outer = ([y for _, y in places(polyline)[10:-10]] for polyline in (strong, pale))
    assert max(inner) - min(inner) < 0.3 * (max(outer) - min(outer))
    assert not drawn(lines.chart("x", [smoothed("loss", _short())]), "polyline", "faint")


def _short() -> Line:
    line = Line()
    line.add(1, 1.0)
    line.add(2, 0.5)
    return line


def test_names_stand_beside_the_ends_of_their_lines_without_overlap():
    curves = [Curve(f"task {i}", [(0.0, i / 100), (1.0, i / 1000)], i) for i in range(8)]
    found = drawn(lines.chart("x", curves, size=WIDE, direct=True), "text", "label")
    ys = sorted(float(e.get("y", 0)) for e in found)
    assert {e.text for e in found} == {c.name for c in curves}
    assert all(b - a >= 12.9 for a, b in pairwise(ys))


def test_very_many_lines_are_grey_and_named_under_the_pointer():
    curves = [Curve(f"task {i}", [(0.0, 0.0), (1.0, float(i))], i, faint=[(0.0, 1.0)]) for i in range(30)]
    svg = lines.chart("x", curves, direct=True)
    found = drawn(svg, "polyline", "muted")
    assert len(found) == 30 and [e.findtext("title") for e in found] == [c.name for c in curves]
    assert not drawn(svg, "polyline", "faint") and not drawn(svg, "text", "label")


def test_pointing_reads_the_value_that_is_nearest():
    root = ET.fromstring(lines.chart("x", [Curve("a", [(1.0, 0.25), (2.0, 0.5)]), Curve("b", [(2.0, 7.0)], 1)]))
    assert [r.findtext("title") for r in root.iter("rect")] == ["step 1\na 0.2500", "step 2\na 0.5000\nb 7.0"]


@given(st.lists(st.floats(0, 200), min_size=1, max_size=12).map(sorted), st.floats(1, 15))
def test_labels_are_spread_within_their_room(wanted, gap):
    found = spread(wanted, gap, 0.0, 200.0)
    assert all(b - a >= gap - 1e-9 for a, b in pairwise(found))
    assert found[-1] <= 200 + 1e-9
    if gap * (len(wanted) - 1) <= 200:
        assert found[0] >= -1e-9
    if all(b - a >= gap for a, b in pairwise(wanted)):
        assert found == pytest.approx(wanted)


def test_bands_fill_the_whole_at_every_step():
    shares = Shares()
    for step in range(1, 41):
        shares.add(step, {"a": step, "b": 40 - step, "c": 10})
    frame = make_frame(WIDE, (0.5, 40.5), (0.0, 1.0))
    found = [places(band) for band in drawn(areas.chart("x", shares, {"a": 0, "b": 1, "c": 2}), "polyline", "band")]
    assert len(found) == 3
    half = len(found[0]) // 2
    for below, above in pairwise(found):
        tops, bottoms = below[:half], above[half:][::-1]
        assert tops == bottoms, "each band stands on the one before"
    assert {y for _, y in found[0][half:]} == {round(frame.y(0.0), 1)}
    assert {y for _, y in found[-1][:half]} == {round(frame.y(1.0), 1)}
    assert found[0][0][1] == pytest.approx(frame.y(1 / 50), abs=0.06), "a has 1 of 50 rows in the first step"


def test_the_smallest_of_many_bands_share_one():
    shares = Shares()
    shares.add(1, {f"t{i}": 100 - i for i in range(30)})
    found = areas.bands(shares)
    assert len(found) == areas.BANDS and found[-1][0] == f"{30 - areas.BANDS + 1} others"
    assert frozenset().union(*(members for _, members in found)) == {f"t{i}" for i in range(30)}
    assert "t0" not in found[-1][1] and "t29" in found[-1][1]


def test_a_patch_has_its_values_sign_strength_and_number():
    svg = heat.chart("x", ["r"], ["a", "b", "c", "d"], [[0.5, -1.0, None, -3.0]])
    (plus,), (half, full) = drawn(svg, "rect", "plus"), drawn(svg, "rect", "minus")
    assert [e.get("fill-opacity") for e in (plus, half, full)] == ["0.50", "1.00", "1.00"]
    assert len(drawn(svg, "rect", "none")) == 1
    said = [t.text for t in ET.fromstring(svg).iter("title")]
    assert said == ["r, a: +0.5000", "r, b: −1.0000", "r, c: –", "r, d: −3.0000"]
    assert [t.text for t in drawn(svg, "text", "on")] == ["−1.00", "−3.00"], "light text on strong colours only"
    assert [t.text for t in drawn(svg, "text", "ink")] == ["+0.50"]


@pytest.mark.parametrize(
    ("low", "high", "verdict", "colour"),
    [(0.1, 2.0, "gained", "plus"), (-2.0, -0.1, "lost", "minus"), (-1.0, 1.0, "unclear", "neither"),
     (0.0, 1.0, "unclear", "neither"), (None, None, "unclear", "neither")],
)  # fmt: skip
def test_an_interval_is_judged_by_the_side_of_zero_it_lies_on(low, high, verdict, colour):
    e = Estimate("ner", 0.05, low, high)
    svg = intervals.chart("x", [e], "%")
    assert e.verdict == verdict
    assert len(drawn(svg, "circle", colour)) == 1
    assert len(drawn(svg, "line", "interval")) == (low is not None)


def test_an_interval_stands_around_its_mean():
    svg = intervals.chart("x", [Estimate("ner", 1.0, 0.5, 2.0), Estimate("b", -1.0, -1.5, 0.5)], "%")
    for line, dot in zip(drawn(svg, "line", "interval"), drawn(svg, "circle", "estimate"), strict=True):
        assert float(line.get("x1")) < float(dot.get("cx")) < float(line.get("x2"))


def test_the_front_is_joined_from_left_to_right_and_lies_on_top():
    dots = [Dot(3, 1, "c", True), Dot(1, 3, "a", True), Dot(1, 1, "low"), Dot(2, 2, "b", True)]
    svg = scatter.chart("x", dots, x_label="a", y_label="b", joined=True)
    (line,) = drawn(svg, "polyline", "line")
    xs = [x for x, _ in places(line)]
    assert len(xs) == 3 and xs == sorted(xs)
    assert [c.findtext("title") for c in ET.fromstring(svg).iter("circle")] == ["low", "c", "a", "b"]


def test_no_two_tasks_look_alike_until_colours_and_dashes_are_used_up():
    looks = [slot_class(i) for i in range(SLOTS * len(DASHES))]
    assert len(set(looks)) == len(looks) and slot_class(len(looks)) == looks[0]
