"""A fixture: the test's own disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pyebpf.errors import KernelError
from pyebpf.host.loop import LoopDevice


@pytest.fixture
def disk() -> Iterator[LoopDevice]:
    """Make a disk in memory that only this test uses."""
    try:
        made = LoopDevice()
    except KernelError as err:
        pytest.skip(str(err))
    with made:
        yield made
    assert completed(made) is None or size_of(made.name) == 0, f"{made.path} was left behind"


def completed(disk: LoopDevice) -> int | None:
    """Return how many reads and writes the kernel has completed on a disk; None if it is gone."""
    try:
        fields = Path(f"/sys/block/{disk.name}/stat").read_text(encoding="ascii").split()
    except OSError:
        return None
    return int(fields[0]) + int(fields[4])


def size_of(name: str) -> int:
    return int(Path(f"/sys/block/{name}/size").read_text(encoding="ascii"))
