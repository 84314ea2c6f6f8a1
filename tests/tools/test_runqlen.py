"""runqlen, in a machine of its own: three children want one CPU, so two of them wait."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.programs import run, running
from tests.tools.children import waiting
from tests.tools.scheduled import on_first_cpu
from tests.vm.native import is_alone

pytestmark = [pytest.mark.kernel, pytest.mark.tool, pytest.mark.exact]

alone = pytest.mark.skipif(not is_alone(), reason="looks at the CPUs of a machine")
TOOL = ("-m", "pyebpf.tools.runqlen")
LONG_S = 60  # it is ended before


@contextmanager
def crowded() -> Iterator[None]:
    """Have three children that want the first CPU."""
    with ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(waiting(lambda: on_first_cpu(LONG_S))).begin()
        yield


@alone
def test_lengths_and_occupancy_of_one_cpu() -> None:
    with crowded():
        done = run(*TOOL, "-c", "0", "3", "1")
        rows = re.findall(r"^ +(\d+) +: (\d+) +\|", done.out, re.MULTILINE)
        lengths = {int(length): int(count) for length, count in rows}
        assert sum(count for length, count in lengths.items() if length >= 2) > sum(
            count for length, count in lengths.items() if length < 2
        )
        done = run(*TOOL, "-OC", "-c", "0", "2", "1")
    found = re.findall(r"^runqocc, CPU 0 +([\d.]+)%$", done.out, re.MULTILINE)
    assert len(found) == 1
    assert float(found[0]) > 50


@alone
def test_all_cpus() -> None:
    done = run(*TOOL, "-O", "1", "1")
    assert re.search(r"^runqocc: [\d.]+%$", done.out, re.MULTILINE)
    with running(*TOOL, "-C") as tool:
        tool.wait_for("Sampling run queue length... Hit Ctrl-C to end.")
        done = tool.interrupt()
    assert (done.code, done.err) == (0, "")


def test_dry_run() -> None:
    done = run(*TOOL, "--dry-run")
    assert (done.code, done.err) == (0, "")
    assert "on_sample: compiled, accepted by the verifier" in done.out
