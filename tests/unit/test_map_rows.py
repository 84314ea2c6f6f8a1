"""Rows of all CPUs made one: the same for any number of them, and a copy. No kernel."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pyebpf.abi import constants as c
from pyebpf.runtime.maps.array import ArrayMap
from pyebpf.runtime.maps.rows import ArrayRows, summed
from pyebpf.spec.objects import MapSpec

CPUS = (1, 2, 3, 4, 16)
MOST = 2**64 - 1


class MappedMap(ArrayMap):
    """What programs would write to: an array that a test has."""

    def __init__(self, rows: NDArray[np.uint64]) -> None:
        size = rows.shape[1] * 8
        self.spec = MapSpec("rows", "array", 4, size, len(rows), c.BPF_F_MMAPABLE)
        self._rows = rows

    def view(self) -> NDArray[Any]:
        return self._rows

    def close(self) -> None:
        pass


def rows_of(cpus: int, cells: int) -> NDArray[np.uint64]:
    return np.random.default_rng(cpus).integers(0, MOST, (cpus, cells), np.uint64, endpoint=True)


@pytest.mark.parametrize("cpus", CPUS)
@pytest.mark.parametrize("lead", [(), (0,), (1,), (7,)])
def test_all_cpus_are_summed(cpus: int, lead: tuple[int, ...]) -> None:
    rows = rows_of(cpus, 5 * int(np.prod(lead))).reshape(*lead, cpus, 5)
    wanted = np.zeros((*lead, 5), np.uint64)
    for cpu in range(cpus):
        wanted += rows[..., cpu, :]
    assert (summed(rows) == wanted).all()


@pytest.mark.parametrize("cpus", CPUS)
def test_what_programs_add_later_is_not_in_what_was_read(cpus: int) -> None:
    live = rows_of(cpus, 8)
    wanted = summed(live[:, :6])
    reader = ArrayRows(MappedMap(live), 6, summed)
    seen, since = reader.row(), reader.since_clear()
    live += np.uint64(1)
    assert (seen == wanted).all()
    assert (since == wanted).all()
    assert (reader.row() == wanted + np.uint64(cpus)).all()


@pytest.mark.parametrize("cpus", CPUS)
def test_what_was_cleared_and_taken_is_not_there_again(cpus: int) -> None:
    live = rows_of(cpus, 3)
    reader = ArrayRows(MappedMap(live), 3, summed)
    reader.clear()
    assert not reader.since_clear().any()
    live[0] += np.uint64(4)
    assert reader.take().tolist() == reader.since_clear().tolist() == [4] * 3
    assert not reader.take().any()
