"""Tools that trace only what is in maps that somebody else has pinned."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pyebpf import Hash, load, open_pinned, raw_tracepoint, u32, u64
from tests.kernel.children import BPFFS, in_own_bpffs
from tests.programs import run
from tests.tools.children import traced
from tests.tools.connections import V4, connection

pytestmark = [pytest.mark.kernel, pytest.mark.tool]

# Not as many as the tools declare: what is there counts.
groups = Hash[u64, u64](max_entries=16, pin=f"{BPFFS}/groups")
spaces = Hash[u64, u32](max_entries=16, pin=f"{BPFFS}/spaces")


@raw_tracepoint("sys_enter")
def uses_both() -> None:
    if 1 in groups:
        spaces[1] = 0


def opens() -> None:
    os.close(os.open("/dev/null", os.O_RDONLY))


@in_own_bpffs
def test_only_what_is_in_the_maps() -> None:
    with load(uses_both, attach=False):
        pass
    with open_pinned(spaces) as inside:
        inside[Path("/proc/self/ns/mnt").stat().st_ino] = 0
    by_space, by_group = ("--mntnsmap", f"{BPFFS}/spaces"), ("--cgroupmap", f"{BPFFS}/groups")
    pid, _, done = traced(opens, "opensnoop", "-p", *by_space, "-b", "8")
    assert [line.split()[0] for line in done.out.splitlines()[1:]] == [str(pid)]
    _, _, done = traced(opens, "opensnoop", "-p", *by_space, *by_group)
    assert done.out.count("\n") == 1, "its cgroup is not in the map"


@pytest.mark.thorough
@in_own_bpffs
def test_connections_of_what_is_in_the_maps() -> None:
    with load(uses_both, attach=False):
        pass
    by_space, by_group = ("--mntnsmap", f"{BPFFS}/spaces"), ("--cgroupmap", f"{BPFFS}/groups")
    for tool in ("tcpconnect", "tcpaccept"):
        with open_pinned(spaces) as inside:
            inside[Path("/proc/self/ns/mnt").stat().st_ino] = 0
        pid, _, done = traced(lambda: connection(V4), tool, "-p", *by_space)
        assert [line.split()[0] for line in done.out.splitlines()[1:]] == [str(pid)]
        _, _, done = traced(lambda: connection(V4), tool, "-p", *by_space, *by_group)
        assert done.out.count("\n") == 1, "its cgroup is not in the map"


@in_own_bpffs
def test_checks_of_what_is_in_the_maps() -> None:
    with load(uses_both, attach=False):
        pass
    with open_pinned(spaces) as inside:
        inside[Path("/proc/self/ns/mnt").stat().st_ino] = 0
    by_space, by_group = ("--mntnsmap", f"{BPFFS}/spaces"), ("--cgroupmap", f"{BPFFS}/groups")
    _, _, done = traced(lambda: os.chroot("/"), "capable", "-p", *by_space)
    assert done.out.count(" CAP_SYS_CHROOT ") == 1
    _, _, done = traced(lambda: os.chroot("/"), "capable", "-p", *by_space, *by_group)
    assert done.out.count("\n") == 1, "its cgroup is not in the map"


@pytest.mark.thorough
def test_maps_and_sizes_that_are_none() -> None:
    done = run("-m", "pyebpf.tools.opensnoop", "--mntnsmap", "/no/such/map")
    assert (done.code, done.out) == (2, "")
    assert "--mntnsmap: nothing is pinned at '/no/such/map'" in done.err
    done = run("-m", "pyebpf.tools.opensnoop", "-b", "3")
    assert (done.code, done.out) == (1, "")
    assert done.err == "opensnoop: Events(pages=3): the kernel wants a power of two\n"
