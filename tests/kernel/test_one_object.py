"""One object, compiled once and saved, reads the right fields of whichever kernel loads it."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyebpf.btf.layout import field_names, size_of
from pyebpf.btf.system import kernel_btf
from pyebpf.btf.types import Enum, Kind
from pyebpf.runtime.elf import parse_object
from pyebpf.runtime.features import KernelFeatures
from pyebpf.runtime.loader import LoadedObject, load_object
from pyebpf.runtime.maps import open_map
from pyebpf.runtime.prog_call import prog_test_run
from pyebpf.runtime.resolver import CoreResolver
from tests.kernel.one_object import OBJECT, names, numbers

pytestmark = pytest.mark.kernel

_RESET_ON_FORK = 0x40000000  # SCHED_RESET_ON_FORK: include/uapi/linux/sched.h


@pytest.fixture(scope="module")
def loaded() -> Iterator[LoadedObject]:
    obj = parse_object(OBJECT.read_bytes())
    resolver = CoreResolver(obj.btf, kernel_btf)
    with load_object(obj, features=KernelFeatures(), resolver=resolver) as opened:
        yield opened


def run(loaded: LoadedObject) -> list[int]:
    """Run the program in this process; return its numbers."""
    assert prog_test_run(loaded.programs["one"].fd, ctx=bytes(8)).retval == 1
    with open_map(os.dup(loaded.maps["numbers"].fd), numbers.spec("numbers", 1)) as view:
        return [int(view[at]) for at in range(16)]


def test_processes_are_who_they_are(loaded: LoadedObject) -> None:
    found = run(loaded)
    assert found[:3] == [os.getpid(), os.getpid(), os.getppid()]
    with open_map(os.dup(loaded.maps["names"].fd), names.spec("names", 1)) as view:
        said = view[1]
    program = Path("/proc/self/exe").resolve()
    assert said.own == Path("/proc/self/comm").read_text().rstrip("\n")
    assert said.parents == Path(f"/proc/{os.getppid()}/comm").read_text().rstrip("\n")
    assert said.program == program.name
    assert found[6] == program.stat().st_size


def test_times_limits_and_states(loaded: LoadedObject) -> None:
    found = run(loaded)
    ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    assert found[3] // (1_000_000_000 // os.sysconf("SC_CLK_TCK")) == ticks
    assert found[4] == resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    assert found[7] == 0  # TASK_RUNNING


def test_a_bit_field(loaded: LoadedObject) -> None:
    def scheduled(policy: int) -> int:
        os.sched_setscheduler(0, policy, os.sched_param(0))
        return run(loaded)[5]

    before = os.sched_getscheduler(0)
    assert [scheduled(before | _RESET_ON_FORK), scheduled(before)] == [1, 0]


def test_what_kernels_have_and_lack(loaded: LoadedObject) -> None:
    """The same questions, answered by the types of this kernel."""
    types, found = kernel_btf(), run(loaded)
    task = types.find("task_struct", Kind.STRUCT)
    kinds = types.type(types.find("bpf_map_type", Kind.ENUM))
    assert isinstance(kinds, Enum)
    values = {item.name: item.value for item in kinds.values}
    assert found[8] == ("__state" in field_names(types, task))
    assert found[9] == size_of(types, task)
    assert found[10] == values["BPF_MAP_TYPE_RINGBUF"]
    assert found[11] == values.get("BPF_MAP_TYPE_ARENA", 0)
    assert found[12] == 0
