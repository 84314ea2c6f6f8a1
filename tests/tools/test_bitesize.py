"""bitesize on known workloads: so many requests of each size, of the process that made them."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyebpf import load
from pyebpf.host.loop import LoopDevice
from pyebpf.tools import bitesize
from tests.programs import running

pytestmark = [pytest.mark.kernel, pytest.mark.tool, pytest.mark.exact]


def test_sizes_are_counted_by_process(disk: LoopDevice) -> None:
    with load(*bitesize.tool.probes, options={bitesize.only_dev: disk.dev}) as session:
        disk.read(23, 16 << 10)
        disk.write(31, 4 << 10)
        disk.read(5, 512)
        session.detach()
        seen = bitesize.report(session)
        assert not bitesize.report(session)
    ((name, hist),) = seen.items()
    assert name == Path("/proc/self/comm").read_text(encoding="utf-8").rstrip("\n")
    counts = {low: n for low, n in zip(hist.edges, hist.counts, strict=False) if n}
    assert counts == {0: 5, 4: 31, 16: 23}


@pytest.mark.thorough
def test_histograms_have_the_process_above_them(disk: LoopDevice) -> None:
    with running("-m", "pyebpf.tools.bitesize", "-d", disk.name) as tool:
        tool.wait_for("Tracing block I/O... Hit Ctrl-C to end.")
        disk.write(31, 4 << 10)
        done = tool.interrupt()
    assert (done.code, done.err) == (0, "")
    assert "\nProcess Name = " in done.out
    assert "     Kbytes              : count     distribution\n" in done.out
    assert "         4 -> 7          : 31       |****" in done.out
