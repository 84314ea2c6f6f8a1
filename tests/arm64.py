"""A kernel of another machine, for tests that compile for what they do not run on.

``tests/data/frozen/arm64.btf.gz`` holds some types of Debian's newest kernel for arm64, made by
``python -m tests.arm64`` out of its package: those that the programs of ``tests/compile`` ask for,
and ``TYPES``.
"""

from __future__ import annotations

import functools
import gzip
import re
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from pyebpf import btf_target, compile_probes
from pyebpf.btf import Btf
from pyebpf.btf import types as t
from pyebpf.btf.extract import extract
from pyebpf.dsl.probes.alternatives import Loadable
from pyebpf.spec.described import DescribedTracepoints
from pyebpf.spec.target import FrozenTracepoints, Target, TracepointField
from pyebpf.testing.frozen import TRACEPOINTS, fields
from scripts.archive import Suite
from tests.compile.cases import load_case, probes_of
from tests.compile.natural import NATURAL

BTF_FILE = Path(__file__).parent / "data" / "frozen" / "arm64.btf.gz"
ROOT = Path(__file__).parents[1]

SUITE = "trixie-backports"
TYPES = (
    "pt_regs", "user_pt_regs", "bpf_func_id", "bpf_map_type", "bpf_prog_type", "bpf_attach_type",
    "bpf_link_type", "bpf_rdonly_cast", "btf_module", "vfs_read", "file", "task_struct",
    "bpf_perf_event_data", "req_op", "req_flag_bits", "gendisk", "request_queue", "request",
    "btf_trace_block_rq_insert", "trace_event_raw_block_rq", "trace_event_raw_sched_switch",
    "__do_sys_flock", "security_inode_unlink", "inode", "dentry", "super_block", "mm_struct",
    "dentry__safe_trusted_or_null", "task_struct__safe_rcu", "mm_struct__safe_rcu_or_null",
    "css_set", "cgroup", "cgroup_subsys_state", "kernfs_node",
)  # fmt: skip
#: What a kernel's types do not have: the arguments of system calls whose function is inlined.
SYSCALLS = {
    **TRACEPOINTS,
    "syscalls:sys_enter_connect": fields(
        ("__syscall_nr", "int", 8, 4, True),
        ("fd", "int", 16, 8, False),
        ("uservaddr", "struct sockaddr *", 24, 8, False),
        ("addrlen", "int", 32, 8, False),
    ),
}


class _Tracepoints:
    """Those of the system calls above, else what the types describe."""

    def __init__(self, types: Btf) -> None:
        self._described = DescribedTracepoints(types)
        self._frozen = FrozenTracepoints(SYSCALLS)

    def names(self) -> tuple[str, ...]:
        return self._frozen.names()

    def fields(self, category: str, name: str) -> tuple[TracepointField, ...]:
        try:
            return self._described.fields(category, name)
        except KeyError:
            return self._frozen.fields(category, name)


@functools.cache
def btf() -> Btf:
    """Return the types."""
    return Btf.parse(gzip.decompress(BTF_FILE.read_bytes()))


def target(types: Btf | None = None) -> Target:
    """Return the kernel, as its types describe it."""
    found = types or btf()
    return btf_target(found, cpus=4, tracepoints=_Tracepoints(found))


class _Asked(Btf):
    """Types that remember which were looked at, by name."""

    asked: set[str]

    def type(self, type_id: int) -> t.Type:
        node = super().type(type_id)
        name = getattr(node, "name", "")
        if name and not isinstance(node, (t.Fwd, t.Int, t.TypeTag, t.DeclTag)):
            self.asked.add(name)
        return node


def probes_in(module: ModuleType) -> tuple[Loadable, ...]:
    """Return what a tool loads, or else all probes of a module."""
    tool = getattr(module, "tool", None)
    return probes_of(module) if tool is None else tool.probes


def remake() -> None:
    """Write the types anew, from the newest package."""
    whole = _Asked.parse(_newest())
    assert isinstance(whole, _Asked)
    whole.asked = set(TYPES)
    for case in (*NATURAL, ROOT / "tools" / "biolatency.py"):
        with load_case(case) as module:
            compile_probes(*probes_in(module), target=target(whole))
    names = sorted(name for name in whole.asked if whole.find_all(name))
    BTF_FILE.write_bytes(gzip.compress(extract(whole, names), 9, mtime=0))


def _newest() -> bytes:
    """Return the BTF of the newest kernel for arm64."""
    suite = Suite(SUITE, "arm64")
    pattern = re.compile(r"linux-binary-(\d[\d.]+)\+deb\d+-arm64")
    found = [m for name in suite.packages("linux-binary-") if (m := pattern.fullmatch(name))]
    newest = max(found, key=lambda m: tuple(map(int, m[1].split("."))))
    with tempfile.TemporaryDirectory() as folder:
        suite.unpack([newest[0]], Path(folder))
        (image,) = Path(folder).rglob("vmlinuz")
        return max(_blobs(image.read_bytes()), key=len)


def _blobs(image: bytes) -> Iterator[bytes]:
    """Yield what looks like BTF in an image, which is not ELF: a kernel's own is the longest."""
    header = struct.Struct("<HBBIIIII")
    start, at = header.pack(0xEB9F, 1, 0, header.size, 0, 0, 0, 0)[:12], -1
    while (at := image.find(start, at + 1)) >= 0:
        *_, size, types, length, strings, more = header.unpack_from(image, at)
        if types == 0 and strings == length:
            yield image[at : at + size + strings + more]


if __name__ == "__main__":
    remake()
