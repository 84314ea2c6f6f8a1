"""Counted stacks as folded text and as flame graphs, with names that would break either."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyebpf import (
    Hash,
    RawTracepointContext,
    StackTrace,
    i64,
    raw_tracepoint,
    record,
    testing,
    tgid,
    u32,
    u64,
)
from pyebpf.present.flame import FlameGraph
from pyebpf.symbols import CountedStack, StackCounts

SVG = "{http://www.w3.org/2000/svg}"
WORK = CountedStack("app", ("main", "work"), (), 30)
READ = CountedStack("app", ("main",), ("entry", "vfs_read"), 10)
BOTH = StackCounts([WORK, READ, WORK])


def test_folded_text() -> None:
    assert BOTH.folded() == "app;main;entry;vfs_read 10\napp;main;work 60"
    assert str(BOTH) == BOTH.folded()
    assert BOTH.folded(marks=True).startswith("app;main;entry_[k];vfs_read_[k] 10\n")
    assert (len(BOTH), BOTH.total) == (2, 70)
    assert BOTH.top(1) == [WORK._replace(count=60)]
    assert (BOTH + StackCounts([READ])).top(9)[1].count == 20
    with pytest.raises(ValueError, match="samples and us cannot be added"):
        BOTH + StackCounts([], unit="us")
    assert StackCounts([]).folded() == ""


def test_a_delimiter_where_both_are() -> None:
    assert BOTH.folded(delimiter="-") == "app;main;-;entry;vfs_read 10\napp;main;work 60"


def test_blocks_of_lines() -> None:
    first = "    vfs_read\n    entry\n    main\n    -                app\n        10\n"
    last = "    work\n    main\n    -                app\n        60\n"
    assert BOTH.listed() == f"{first}\n{last}"
    marked = first.replace("vfs_read", "vfs_read_[k]").replace("entry\n", "entry_[k]\n    --\n")
    assert BOTH.listed(marks=True, delimiter="--").startswith(marked)
    assert "    waker:           app\n" in BOTH.listed(head="waker:")
    assert StackCounts([CountedStack("a\nb", (), (), 1)]).listed().count("\n") == 2


def test_lines_of_json() -> None:
    rows = [json.loads(line) for line in BOTH.to_json_lines(ts="now").splitlines()]
    assert rows[1] == {
        "ts": "now", "process": "app", "user": ["main", "work"], "kernel": [], "samples": 60,
    }  # fmt: skip


def test_changed_stacks_that_are_equal_are_one() -> None:
    counts = BOTH.mapped(lambda stack: stack._replace(user=("main",), kernel=()))
    assert counts.folded() == "app;main 70"


def boxes(drawing: str) -> dict[str, ET.Element]:
    root = ET.fromstring(drawing)
    return {group.get("data-name", ""): group for group in root.iter(f"{SVG}g")}


def test_a_flame_graph() -> None:
    drawn = boxes(BOTH.flame("Where time goes").svg())
    assert set(drawn) == {"all", "app", "main", "work", "entry", "vfs_read"}
    work, main = drawn["work"], drawn["main"]
    assert work.findtext(f"{SVG}title") == "work (60 samples, 85.71 %)"
    tops = {name: float(box[1].get("y", "")) for name, box in drawn.items()}
    assert tops["work"] < tops["main"] < tops["app"] < tops["all"]
    rects = [box[1] for box in (main, work)]
    left, right = (
        (float(r.get("x", "")), float(r.get("x", "")) + float(r.get("width", ""))) for r in rects
    )
    assert left[0] <= right[0]
    assert right[1] <= left[1]
    assert "Where time goes" in BOTH.flame("Where time goes")._repr_html_()


def test_a_drawing_of_nothing() -> None:
    ET.fromstring(StackCounts([]).flame().svg())
    assert "0 samples" in StackCounts([])._repr_html_()


def test_boxes_that_cannot_be_seen_are_counted() -> None:
    rows = [CountedStack("", (f"f{n}",), (), 1) for n in range(5_000)]
    drawing = StackCounts(rows).flame().svg()
    assert set(boxes(drawing)) == {"all"}
    assert "5,000 boxes too narrow to draw" in drawing


HOSTILE = [
    "</title><script>alert(1)</script>",
    "a;b 7\nc 9",
    '"><img src=x>',
    "\x00\x1b[2J",
    "]]>&",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_text(name: str) -> None:
    made = StackCounts([CountedStack(name, (name,), (name,), 3)], unit="samples")
    root = ET.fromstring(made.flame(name).svg())
    assert len(list(root.iter(f"{SVG}script"))) == 1
    assert not list(root.iter(f"{SVG}img"))
    (line,) = made.folded().splitlines()
    assert line.count(";") == 2
    assert line.endswith(" 3")
    assert line.isprintable()


@given(st.lists(st.text(max_size=8), min_size=1, max_size=4), st.integers(1, 1 << 60))
def test_any_names_make_a_line_and_a_drawing(names: list[str], count: int) -> None:
    made = StackCounts([CountedStack("", tuple(names), (), count)])
    assert re.fullmatch(rf"[^;\n]*(;[^;\n]*){{{len(names) - 1}}} {count}", made.folded())
    assert len(list(ET.fromstring(made.flame().svg()).iter(f"{SVG}g"))) == len(names) + 1


def test_a_drawing_in_a_file_has_a_page_of_its_own(tmp_path: Path) -> None:
    graph = FlameGraph([([("main", "user")], 2)], unit="us")
    graph.save(tmp_path / "flame.svg")
    text = (tmp_path / "flame.svg").read_text()
    assert text == graph._repr_svg_()
    assert "prefers-color-scheme:dark" in text
    assert "prefers-color-scheme" not in graph._repr_html_()  # a notebook has its own colours
    # One text for parsers of XML and of HTML.
    assert not set("<&") & set(text.partition("<script>")[2].partition("</script>")[0])


# -- from maps


@record
class Key:
    pid: u32
    user: i64
    kernel: i64


stacks = StackTrace(max_entries=1)  # each of the two maps has one place
places = StackTrace(max_entries=8, stack_build_id=True)
samples = Hash[Key, u64](max_entries=8)
pairs = Hash[tuple[i64, u32], u32](max_entries=8)
alone = Hash[i64, u64](max_entries=8)
texts = Hash[i64, Key](max_entries=8)


@raw_tracepoint("sys_enter")
def sample(ctx: RawTracepointContext) -> None:
    samples[Key(pid=tgid(), user=stacks.user(), kernel=stacks.kernel())] += 1
    pairs[places.user(), tgid()] += 1
    alone[stacks.kernel()] += 1
    texts[1] = Key(pid=tgid(), user=0, kernel=0)


def test_stacks_in_keys_are_named_and_counted() -> None:
    with testing.run(sample) as t:
        assert t[stacks].counts(t[samples]).folded() == ""
        t.set("user_stack", (0x10, 0x20))
        t.fire(sample)
        t.fire(sample)
        t.set("user_stack", (0x30,))
        t.set("kernel_stack", (5,))  # there is no room for it
        t.fire(sample)
        t.fire(sample)
        counts = t[stacks].counts(t[samples])
        assert counts.folded() == "0x20;0x10 2\n0x30;[lost] 2"
        by_place = t[places].counts(t[pairs], user=0, pid=1, unit="calls")
        assert by_place.folded() == "0x20;0x10 2\n0x30 2"
        assert by_place.unit == "calls"
        number = t.machine.world.tgid
        by_number = t[stacks].counts(t[samples], number="pid", named=lambda frame: f"<{frame}>")
        assert by_number.folded().startswith(f"({number});<0x20>;<0x10> 2\n")
        assert t[stacks].counts(t[alone]).folded() == "[no stack] 2\n[lost] 2"
        with pytest.raises(ValueError, match="no field of the key is called 'where' or None"):
            t[stacks].counts(t[samples], user="where", kernel=None)
        with pytest.raises(ValueError, match="a user stack needs its process"):
            t[stacks].counts(t[samples], pid=None)
        with pytest.raises(ValueError, match="counted by whole numbers"):
            t[stacks].counts(t[texts])
