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


BY_SPACE, BY_GROUP = ("--mntnsmap", f"{BPFFS}/spaces"), ("--cgroupmap", f"{BPFFS}/groups")


def pin_both() -> None:
    """Pin both maps: one has the mount namespace of this process, the other has nothing."""
    with load(uses_both, attach=False):
        pass
    with open_pinned(spaces) as inside:
        inside[Path("/proc/self/ns/mnt").stat().st_ino] = 0


def opens() -> None:
    os.close(os.open("/dev/null", os.O_RDONLY))


@in_own_bpffs
def test_only_what_is_in_the_maps() -> None:
    pin_both()
    pid, _, done = traced(opens, "opensnoop", "-p", *BY_SPACE, "-b", "8")
    assert [line.split()[0] for line in done.out.splitlines()[1:]] == [str(pid)]
    _, _, done = traced(opens, "opensnoop", "-p", *BY_SPACE, *BY_GROUP)
    assert done.out.count("\n") == 1, "its cgroup is not in the map"


@pytest.mark.thorough
@in_own_bpffs
def test_connections_of_what_is_in_the_maps() -> None:
    pin_both()
    for tool in ("tcpconnect", "tcpaccept"):
        pid, _, done = traced(lambda: connection(V4), tool, "-p", *BY_SPACE)
        assert [line.split()[0] for line in done.out.splitlines()[1:]] == [str(pid)]
        _, _, done = traced(lambda: connection(V4), tool, "-p", *BY_SPACE, *BY_GROUP)
        assert done.out.count("\n") == 1, "its cgroup is not in the map"


@pytest.mark.thorough
@in_own_bpffs
def test_checks_of_what_is_in_the_maps() -> None:
    pin_both()
    _, _, done = traced(lambda: os.chroot("/"), "capable", "-p", *BY_SPACE)
    assert done.out.count(" CAP_SYS_CHROOT ") == 1
    _, _, done = traced(lambda: os.chroot("/"), "capable", "-p", *BY_SPACE, *BY_GROUP)
    assert done.out.count("\n") == 1, "its cgroup is not in the map"


@pytest.mark.thorough
def test_maps_and_sizes_that_are_none() -> None:
    done = run("-m", "pyebpf.tools.opensnoop", "--mntnsmap", "/no/such/map")
    assert (done.code, done.out) == (2, "")
    assert "--mntnsmap: nothing is pinned at '/no/such/map'" in done.err
    done = run("-m", "pyebpf.tools.opensnoop", "-b", "3")
    assert (done.code, done.out) == (1, "")
    assert done.err == "opensnoop: Events(pages=3): the kernel wants a power of two\n"
