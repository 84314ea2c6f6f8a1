"""cachestat on a known workload: pages of which each is read once from the disk, then again."""

from __future__ import annotations

import mmap
import os
import signal
from pathlib import Path

import pytest

from pyebpf.errors import NotSupportedError
from pyebpf.loading import compile_probes
from pyebpf.tools import cachestat
from tests.mounts import mounted
from tests.programs import run, running
from tests.tools.children import waiting

pytestmark = [pytest.mark.kernel, pytest.mark.tool]

CACHESTAT = ("-m", "pyebpf.tools.cachestat")
PAGES, TURNS = 23, 3


def fill(path: Path) -> None:
    """Make a file, of which nothing is in the cache."""
    data = os.open(path, os.O_RDWR | os.O_CREAT)
    os.write(data, bytes(PAGES * mmap.PAGESIZE))
    os.fsync(data)
    os.posix_fadvise(data, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(data)


def read(path: Path) -> None:
    """Read each page some times, and nothing ahead."""
    data = os.open(path, os.O_RDONLY | os.O_NOATIME)
    os.posix_fadvise(data, 0, 0, os.POSIX_FADV_RANDOM)
    for _ in range(TURNS):
        for page in range(PAGES):
            os.pread(data, mmap.PAGESIZE, page * mmap.PAGESIZE)
    os.close(data)


@pytest.mark.exact
def test_each_page_is_a_miss_once_and_then_a_hit(tmp_path: Path) -> None:
    try:
        compile_probes(*cachestat.tool.probes)
    except NotSupportedError as err:
        pytest.skip(str(err))
    with mounted("xfs", tmp_path) as root:
        fill(root / "data")
        told, say = os.pipe()

        def work() -> None:
            read(root / "data")
            os.write(say, b"x")
            signal.pause()  # at its end, what it has mapped of its program counts as used

        with (
            waiting(work) as child,
            running(*CACHESTAT, "-p", str(child.pid), "600") as program,
        ):
            begin = program.wait_for("HITS")
            child.begin()
            os.read(told, 1)
            done = program.interrupt()
        os.close(told)
        os.close(say)
    assert (done.code, done.err) == (0, "")
    assert begin.split() == ["HITS", "MISSES", "DIRTIES", "HITRATIO", "BUFFERS_MB", "CACHED_MB"]
    (line,) = done.out.splitlines()
    hits, misses, dirties, ratio = line.split()[:4]
    assert (int(hits), int(misses), dirties, ratio) == (PAGES * (TURNS - 1), PAGES, "0", "66.67%")


@pytest.mark.parametrize(
    ("seen", "hits", "misses"),
    [
        ((5, 100, 0, 0), 95, 5),
        ((5, 100, 3, 10), 88, 2),
        ((5, 100, 9, 10), 90, 0),  # made dirty, and there before
        ((50, 20, 0, 0), 0, 20),  # read ahead
        ((5, 3, 0, 9), 0, 0),
    ],
)
def test_what_is_a_hit(seen: tuple[int, int, int, int], hits: int, misses: int) -> None:
    assert cachestat.judged(*seen) == (hits, misses)


@pytest.mark.thorough
def test_help_names_every_flag_of_bcc() -> None:
    done = run(*CACHESTAT, "--help")
    assert (done.code, done.err) == (0, "")
    for word in ("-T, --timestamp", "interval", "count", "default: 1"):
        assert word in done.out
