"""Every drawing: well formed, escaped, with the numbers in it, in colours for light and dark."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Callable
from typing import Any
from xml.dom import minidom
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from pyebpf import HeatMap, RawTracepointContext, Table, raw_tracepoint, u64
from pyebpf.dsl.shared import Global
from pyebpf.present import theme
from pyebpf.present.hist import Hist
from pyebpf.present.keyed import KeyedHist
from pyebpf.present.picture import gallery, picture
from pyebpf.present.report import Rows, drawable
from pyebpf.present.series import KeyedSeries, Series
from pyebpf.present.stacks import CountedStack, StackCounts
from pyebpf.present.summary import Summary, SummaryTable
from tests.frozen import target

SVG = "{http://www.w3.org/2000/svg}"
EVIL = '<script>"&\x1b[2J\x00'
NOON = 1_700_049_600

last = Global[u64](0)


@raw_tracepoint("sys_enter")
def enter(ctx: RawTracepointContext) -> None:
    if ctx.args[1] > 300:
        last.value = ctx.args[1]


def hist(*counts: int) -> Hist:
    return Hist.log2(counts, "us", total=4_711)


def series(*counts: int) -> Series:
    numbers = np.array(counts, np.uint64)
    return Series(NOON, numbers, numbers, 1_000_000_000)


def table(text: bytes = b"sh") -> Table:
    kind = np.dtype([("comm", "S16"), ("pid", "<u4"), ("us", "<f8"), ("ports", "<u2", (12,))])
    return Table(np.array([(text, 4_711, 0.25, range(12))], kind))


def summaries(name: str = "read") -> SummaryTable:
    columns = {"count": np.array([4_711], np.uint64), "sum": np.array([9], np.uint64)}
    return SummaryTable("average", [name], columns, "us", section=EVIL)


#: Each drawing, what it shows, and how much of that there must be.
DRAWINGS: dict[str, tuple[Callable[[], Any], str, int]] = {
    "hist": (lambda: hist(0, 4_711, 3), "4,711", 3),
    "hist of nothing": (lambda: hist(0), "no values", 1),
    "keyed": (lambda: KeyedHist({EVIL: hist(4_711)}, hist(0), section=EVIL), "4,711", 2),
    "series": (lambda: series(3, 0, 4_711), "4,711", 2),
    "series of nothing": (series, "nothing yet", 1),
    "keyed series": (lambda: KeyedSeries({EVIL: series(4_711)}, section=EVIL), "4,711", 2),
    "summary": (lambda: Summary("sum", EVIL, sum=4_711), "4711", 1),
    "summaries": (lambda: summaries(EVIL), "4711", 1),
    "table": (lambda: table(EVIL.encode()), "4711", 1),
    "rows": (lambda: Rows([{EVIL: EVIL, "pid": 4_711, "ms": 0.1}]), "4711", 1),
    "no rows": (Rows, "nothing", 1),
    "heat": (lambda: HeatMap.of([hist(0, 4_711), hist(9, 1)], NOON, 1), "4,711", 2),
    "heat of nothing": (HeatMap, "nothing yet", 1),
    "flame": (lambda: StackCounts([CountedStack("", (EVIL,), (), 4_711)]).flame(), "4,711", 3),
    "text": (lambda: picture([EVIL, 4_711]), "4711", 1),
    "live": (lambda: gallery([(EVIL, picture(hist(4_711)))], "0.5 s"), "4,711", 2),
    "program": (lambda: enter.explain(target=target()), "300", 2),
}


@pytest.mark.parametrize("name", DRAWINGS)
def test_it_is_well_formed_and_escaped_and_has_the_numbers(name: str) -> None:
    make, shown, least = DRAWINGS[name]
    html = make()._repr_html_()
    minidom.parseString(html)
    assert html.count(shown) >= least
    assert not set("\x1b\x00") & set(html)
    assert html.count("<script>") == (1 if name == "flame" else 0)


@pytest.mark.parametrize("name", DRAWINGS)
def test_each_cell_of_a_table_says_at_which_side_it_is(name: str) -> None:
    cells = re.findall(r"<t[dh]\b[^>]*>", DRAWINGS[name][0]()._repr_html_())
    assert all('style="text-align:' in cell for cell in cells), cells


@pytest.mark.parametrize("name", [name for name in DRAWINGS if name != "flame"])
def test_its_colours_follow_the_page(name: str) -> None:
    html = DRAWINGS[name][0]()._repr_html_()
    assert "@media (prefers-color-scheme:dark){.pyebpf{" in html
    # What a notebook says of itself stands behind what the system prefers, and so it holds.
    places = [html.index(f"[data-jp-theme-light={word}] .pyebpf") for word in ("true", "false")]
    assert html.index("prefers-color-scheme") < places[0] < places[1]
    used = set(re.findall(r"var\(--pe-(\w+)\)", html))
    for colours in (theme._LIGHT, theme._DARK):
        assert used <= set(colours)


def luminance(colour: str) -> float:
    """Source: relative luminance and contrast of WCAG 2.2."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted(map(luminance, (one, other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize(
    ("colours", "page"),
    [(theme._LIGHT, "#ffffff"), (theme._DARK, "#111418")],
    ids=["light", "dark"],
)
def test_colours_can_be_told_from_the_page(colours: dict[str, str], page: str) -> None:
    assert contrast(colours["dim"], page) >= 4.5  # it is text
    assert contrast(colours["bar"], page) >= 3
    shades = [luminance(colours[f"h{at}"]) for at in range(1, len(theme.SHADES) + 1)]
    assert shades == sorted(shades, reverse=page == "#ffffff")  # more stands out more
    assert contrast(colours[f"h{len(theme.SHADES)}"], page) >= 7


def test_svg_says_what_is_in_it() -> None:
    (drawn,) = ET.fromstring(hist(1, 4_711)._repr_html_()).iter(f"{SVG}svg")
    assert drawn.get("role") == "img"
    assert drawn.get("aria-label") == "usecs"
    assert drawn.findtext(f"{SVG}desc") == ("2 slots, 4,712 values, most of them (4,711) in 2 -> 3")


def test_bars_are_as_long_as_their_counts() -> None:
    root = ET.fromstring(hist(0, 0, 10, 40, 20)._repr_html_())
    widths = [float(bar.get("width", "")) for bar in root.iter(f"{SVG}rect")]
    assert widths == [80, 320, 160]
    names = [text.text for text in root.iter(f"{SVG}text")]
    assert names == ["usecs", "4 -> 7", "10", "8 -> 15", "40", "16 -> 31", "20"]


def test_a_histogram_is_summed_up_below() -> None:
    assert hist(0, 0, 100).summed() == (
        "100 values, mean 47.11 us, about half below 6 us, 99 % below 7.96 us"
    )
    assert Hist.log2([0] * 20 + [1]).summed().startswith("1 value, about half below 2,097,000")


# -- heat maps


def test_a_heat_map_has_a_column_for_each_histogram() -> None:
    heat = HeatMap.of([hist(1, 0, 5), hist(0, 0, 7)], NOON, 2)
    assert heat.counts.tolist() == [[1, 0, 5], [0, 0, 7]]
    assert heat.ends.tolist() == [NOON + 2, NOON + 4]
    total = heat.total()
    assert total is not None
    assert total.counts.tolist() == [1, 0, 12]
    root = ET.fromstring(heat._repr_html_())
    titles = [title.text for title in root.iter(f"{SVG}title")]
    assert titles == ["12:00:02  0 -> 1: 1", "12:00:02  4 -> 7: 5", "12:00:04  4 -> 7: 7"]
    assert str(heat).splitlines() == [
        "4 -> 7 |██|",
        "2 -> 3 |  |",
        "0 -> 1 |░ |",
        "        12:00:02 to 12:00:04, 7 at most",
    ]
    assert heat.to_json_lines().count("\n") == 1


@pytest.mark.parametrize("most", [1, 2, 3, 5, 7, 8, 100, 10**6, 10**18])
def test_shades_go_from_one_to_the_greatest_count(most: int) -> None:
    heat = HeatMap.of([hist(1, most)], NOON, 1)
    root = ET.fromstring(heat._repr_html_())
    shades = [box.get("class") for box in root.iter(f"{SVG}rect")]
    assert shades[1] == "h7"
    assert shades[0] == ("h7" if most == 1 else "h1")
    legend = [text.text for text in root.iter(f"{SVG}text")][-len(shades[2:]) :]
    bounds = [[int(word.replace(",", "")) for word in str(one).split(" to ")] for one in legend]
    assert bounds[0][0] == 1
    assert bounds[-1][-1] == most
    assert all(one[-1] + 1 == other[0] for one, other in itertools.pairwise(bounds))


def test_a_heat_map_keeps_the_last_columns_and_refuses_what_does_not_fit() -> None:
    heat = HeatMap(most=2)
    before = time.time()
    for count in (1, 2, 3):
        assert heat.add(hist(count)) is heat
    assert heat.counts.tolist() == [[2], [3]]
    assert before <= heat.ends[0] <= heat.ends[1] <= time.time()
    assert repr(heat) == "<HeatMap 2 columns, count=5>"
    with pytest.raises(ValueError, match="slots differ"):
        heat.add(hist(1, 2))
    with pytest.raises(ValueError, match="before the last one"):
        heat.add(hist(1), at=0)
    with pytest.raises(TypeError, match=r"not KeyedHist: total\(\) merges the keys"):
        heat.add(KeyedHist({}, hist(0)))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="1 column or more"):
        HeatMap(0)


# -- tables and programs


def test_tables_say_how_much_is_not_shown() -> None:
    many = Table({"n": np.arange(60)})
    assert many._repr_html_().count("<tr>") == 51
    assert "and 10 more" in many._repr_html_()
    assert str(many).splitlines()[-2:] == ["49", "and 10 more"]
    assert str(table()) == (
        "comm   pid    us  ports\nsh    4711  0.25  [0, 1, 2, 3, 4, 5, 6, 7, …]"
    )


def test_results_of_tools_are_drawn() -> None:
    def text(_: object) -> str:
        return "\nas text\n"

    kept = hist(1)
    assert drawable(kept, text) is kept
    assert drawable([{"a": 1}], text) == [{"a": 1}]
    assert drawable({"a": 1}, text) == [{"a": 1}]
    assert drawable(7, text) == "as text"
    assert "<pre>as text</pre>" in drawable(7, text)._repr_html_()


def test_an_explanation_is_text_and_each_line_with_what_it_became() -> None:
    said = enter.explain(target=target())
    assert said == "enter: raw_tracepoint sys_enter"
    assert repr(said) == said
    rows = ET.fromstring(said._repr_html_()).iter("tr")  # type: ignore[attr-defined]
    cells = [["".join(cell.itertext()) for cell in row] for row in rows]
    assert cells[0] == ["", "Python", "IR", "eBPF"]
    shown = {row[1].strip(): row for row in cells}
    number, _, ir, code = shown["if ctx.args[1] > 300:"]
    assert number == str(enter.function.__code__.co_firstlineno + 2)
    assert "gt" in ir
    assert "if r1 < 0x12d" in code
