"""Which containers to trace: their cgroups and mount namespaces, in maps that others fill.

A tool that imports ``cgroup_map`` and ``mntns_map`` has the options ``--cgroupmap`` and
``--mntnsmap``, and asks :func:`is_traced` in its probes. Whoever starts containers pins the maps,
and may change them while the tool runs.
"""

from __future__ import annotations

import os

from pyebpf.dsl.builtins import cgroup_id, current_task
from pyebpf.dsl.constants import Const
from pyebpf.dsl.maps import Hash
from pyebpf.dsl.scalars import u32, u64


def _pinned(path: str) -> str:
    if not os.path.lexists(path):
        raise ValueError(f"nothing is pinned at {path!r}")
    return os.path.abspath(path)  # noqa: PTH100 - pathlib costs a start milliseconds


cgroup_map = Const(
    "", "--cgroupmap", help="trace only cgroups in this pinned map", convert=_pinned, metavar="PATH"
)
mntns_map = Const(
    "",
    "--mntnsmap",
    help="trace only mount namespaces in this pinned map",
    convert=_pinned,
    metavar="PATH",
)

#: By the ids of cgroups.
cgroups = Hash[u64, u64](max_entries=1_024, pin=cgroup_map)
#: By the inode numbers of mount namespaces.
namespaces = Hash[u64, u32](max_entries=1_024, pin=mntns_map)


def is_traced() -> bool:
    """Tell whether the current process is in one of the containers; without the options, True."""
    if cgroup_map and cgroup_id() not in cgroups:
        return False
    if mntns_map:
        number: u64 = current_task().nsproxy.mnt_ns.ns.inum
        return number in namespaces
    return True
