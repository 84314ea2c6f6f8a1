"""What tools cost, on known calls of a library; and what ends a tool that costs too much."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.programs import Done, running
from tests.tools.called import CALLS, OTHERS, built, calling, functions
from tests.tools.children import waiting

pytestmark = [pytest.mark.kernel, pytest.mark.tool]

FUNCCOUNT = ("-m", "pyebpf.tools.funccount")
LEAVES = CALLS + OTHERS


@pytest.fixture(scope="module")
def library(program: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(program, tmp_path_factory.mktemp("called"))


def measured(library: Path, *flags: str) -> Done:
    """Count the known calls until Ctrl-C; the program there runs for nobody else."""
    with waiting(calling(library)) as child:
        words = ("-p", str(child.pid), "--cost", *flags, f"{library}:leaf")
        with running(*FUNCCOUNT, *words) as tool:
            tool.wait_for("Hit Ctrl-C") if not flags else tool.wait_for_links(1)
            child.go()
            return tool.interrupt()


@pytest.mark.exact
def test_a_table_at_the_end_on_standard_error(library: Path) -> None:
    done = measured(library)
    assert done.code == 0
    assert done.out.split()[-2:] == ["leaf", str(LEAVES)]
    blank, head, row, summary = done.err.splitlines()
    assert blank == ""
    assert head.split() == [
        "PROGRAM",
        "HITS",
        "HITS/S",
        "NS/HIT",
        "ENTRY",
        "%CPU",
        "%ALL",
        "MISSED",
        "HOOK",
    ]
    cells = row.split()
    assert cells[1] == str(LEAVES)
    assert int(cells[3]) > 0
    assert cells[7] in ("0", "-")
    assert row.endswith(f"{library}:leaf")
    assert summary.startswith(f"{LEAVES} hits in ")


@pytest.mark.exact
@pytest.mark.thorough
def test_as_json_and_as_values(library: Path) -> None:
    done = measured(library, "-j")
    assert json.loads(done.out)["count"] == LEAVES
    row = json.loads(done.err)
    assert (row["hits"], row["time_ns"] // row["hits"]) == (LEAVES, int(row["ns_per_hit"]))
    done = measured(library, "--csv")
    assert done.out.startswith("ts,")
    (values,) = csv.DictReader(io.StringIO(done.err))
    assert (values["program"], values["hits"]) == (row["program"], str(LEAVES))


@contextmanager
def busy(work: Callable[[], object]) -> Iterator[int]:
    """Give the number of a child that does something without end."""
    with waiting(lambda: forever(work)) as child:
        child.begin()
        yield child.pid


def forever(work: Callable[[], object]) -> None:
    while True:
        work()


@pytest.mark.thorough
def test_too_much_is_detached_and_reported(library: Path) -> None:
    leaf = functions(library).leaf
    with busy(lambda: leaf(1)) as pid:
        words = ("-p", str(pid), "--max-overhead", "0.001%", f"{library}:leaf")
        with running(*FUNCCOUNT, *words) as tool:
            done = tool.end()  # by itself
    assert done.code == 3
    assert done.err.startswith("funccount: detached: the probes took ")
    assert "the ceiling is 0.001 %; most of it `" in done.err
    assert done.err.endswith("Trace less, or allow more (--max-overhead)\n")
    assert done.out.split()[-2] == "leaf"
    assert int(done.out.split()[-1]) > 0


@pytest.mark.thorough
def test_a_tool_of_lines_ends_with_all_lines(library: Path) -> None:
    leaf = functions(library).leaf
    with busy(lambda: time.sleep(leaf(0) + 0.001)) as pid:  # a thousand lines in a second
        words = ("-p", str(pid), "--cost", "--max-overhead", "0.001", f"{library}:leaf")
        with running("-m", "pyebpf.tools.trace", *words) as tool:
            done = tool.end()
    assert done.code == 3
    told, blank, head, row, _ = [
        line for line in done.err.splitlines() if "are missing" not in line
    ]
    assert told.startswith("trace: detached: ")
    assert (blank, head.split()[0]) == ("", "PROGRAM")
    assert int(row.split()[1]) >= len(done.out.splitlines()) - 1 > 0


@pytest.mark.thorough
def test_little_goes_on(library: Path) -> None:
    with waiting(calling(library)) as child:
        words = ("-p", str(child.pid), "--max-overhead", "90%", f"{library}:leaf")
        with running(*FUNCCOUNT, *words) as tool:
            tool.wait_for("Hit Ctrl-C")
            child.go()
            time.sleep(1.2)  # the ceiling has looked once
            done = tool.interrupt()
    assert (done.code, done.err) == (0, "")
