"""biopattern on known workloads: so many in a row, so many not."""

from __future__ import annotations

import mmap
import os
import re

import pytest

from pyebpf import load
from pyebpf.host.loop import LoopDevice
from pyebpf.tools import biopattern
from tests.programs import running

pytestmark = [pytest.mark.kernel, pytest.mark.tool, pytest.mark.exact]

BIOPATTERN = ("-m", "pyebpf.tools.biopattern")
#: Which blocks of 4 KiB are read: after the first, 12 where the last one ended, 4 elsewhere.
BLOCKS = [*range(10, 17), 40, 41, 42, 5, 6, 7, 8, 8, 7, 8]
SEQUENTIAL, RANDOM = 12, 4


def read(disk: LoopDevice) -> None:
    fd = os.open(disk.path, os.O_RDONLY | os.O_DIRECT)
    try:
        with mmap.mmap(-1, 4096) as buffer:
            for block in BLOCKS:
                assert os.preadv(fd, [buffer], block * 4096) == 4096
    finally:
        os.close(fd)


def test_every_request_after_the_first_is_one_or_the_other(disk: LoopDevice) -> None:
    with load(*biopattern.tool.probes, options={biopattern.only_dev: disk.dev}) as session:
        read(disk)
        (first,) = biopattern.report(session)
        read(disk)  # begins elsewhere than the last one ended
        session.detach()
        (second,) = biopattern.report(session)
        assert biopattern.report(session) == []
    expected = {"disk": disk.name, "random_percent": 25, "sequential_percent": 75}
    assert first == {**expected, "count": SEQUENTIAL + RANDOM, "kbytes": 64}
    assert second == {
        "disk": disk.name, "random_percent": 29, "sequential_percent": 70,
        "count": SEQUENTIAL + RANDOM + 1, "kbytes": 68,
    }  # fmt: skip


@pytest.mark.thorough
def test_a_row_for_each_disk(disk: LoopDevice) -> None:
    with running(*BIOPATTERN, "-d", disk.name) as tool:
        tool.wait_for("TIME      DISK     %RND  %SEQ    COUNT     KBYTES")
        read(disk)
        done = tool.interrupt()
    assert (done.code, done.err) == (0, "")
    (line,) = done.out.splitlines()
    assert re.fullmatch(rf"\d\d:\d\d:\d\d  {disk.name} +25 +75 +16 +64", line)
