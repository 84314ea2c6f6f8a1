"""Programs for a machine that is not this one: compiled here by its types, never run."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import pyebpf
from pyebpf import (
    Array,
    KprobeContext,
    PerfEventContext,
    Probe,
    Ptr,
    Target,
    UprobeContext,
    btf_target,
    compile_probes,
    i64,
    kprobe,
    kretprobe,
    load,
    perf_event,
    u64,
    uprobe,
)
from pyebpf.abi.registers import REGISTERS
from pyebpf.btf import Btf
from pyebpf.btf.layout import resolve_path
from pyebpf.btf.types import Kind
from pyebpf.btf.write import Builder
from pyebpf.errors import NotSupportedError, OtherKernelError
from pyebpf.kernel import file
from pyebpf.loading import read_object
from pyebpf.present.listing import listing
from tests import arm64, frozen
from tests.compile.cases import load_case
from tests.compile.natural import NATURAL

#: ``demo.py`` runs a tool, and has no probe of its own, nor have ``simulation.py``, ``argdist``,
#: ``bpflist``, ``memleak``, ``sslsniff``, ``funccount``, ``funclatency``, ``stackcount`` and
#: ``trace``; the others are at functions, tracepoints and types that the frozen kernel lacks.
_LEFT_OUT = ("demo", "fentry", "kprobe", "kvm_hypercall", "lsm", "simulation", "stacksnoop",
             "task_iter", "tcpv4connect", "undump", "urandomread", "vfsreadlat")  # fmt: skip
_TOOLS_LEFT_OUT = ("argdist", "bindsnoop", "bpflist", "btrfsdist", "btrfsslower",
                   "cachestat", "capable", "ext4dist", "ext4slower", "funccount",
                   "funclatency", "hardirqs", "killsnoop", "memleak", "oomkill",
                   "opensnoop", "runqlen", "slabratetop", "softirqs", "sslsniff",
                   "stackcount", "statsnoop", "syscount", "tcpaccept", "tcpconnect",
                   "tcpdrop", "tcplife", "tcpretrans", "tcprtt", "tcpstates", "tcptop",
                   "trace", "xfsdist", "xfsslower")  # fmt: skip
EXAMPLES = sorted(p for p in (arm64.ROOT / "examples").rglob("*.py") if p.stem not in _LEFT_OUT)
TOOLS = sorted(p for p in (arm64.ROOT / "tools").glob("*.py")
               if not p.stem.startswith("__") and p.stem not in _TOOLS_LEFT_OUT)  # fmt: skip
numbers = Array[u64](max_entries=8)


@pytest.mark.parametrize("case", [*NATURAL, *TOOLS], ids=lambda case: case.stem)
def test_a_program_compiles(case: Path) -> None:
    with load_case(case) as module:
        assert compile_probes(*arm64.probes_in(module), target=arm64.target()).object


@pytest.mark.parametrize("case", EXAMPLES, ids=lambda case: case.stem)
def test_an_example_compiles(case: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some load when they are executed: it ends there, with what was compiled."""
    objects: list[bytes] = []

    def compile_only(*probes: Probe, options: Any = None, **_: Any) -> None:
        objects.append(compile_probes(*probes, target=arm64.target(), options=options).object)
        raise KeyboardInterrupt

    monkeypatch.setattr(pyebpf, "load", compile_only)
    monkeypatch.setattr("sys.argv", [case.name])
    with suppress(KeyboardInterrupt), load_case(case) as module:
        objects.append(compile_probes(*arm64.probes_in(module), target=arm64.target()).object)
    assert all(objects)
    assert objects


@kprobe("vfs_read")
def enters(ctx: KprobeContext, file: Ptr[file], buf: u64, count: u64) -> None:
    numbers[0] = buf
    numbers[1] = count
    numbers[2] = ctx.ip
    numbers[3] = ctx.sp


@kretprobe("vfs_read")
def leaves(ctx: KprobeContext, ret: i64) -> None:
    numbers[0] = ret


@uprobe("c", "strlen")
def measured(ctx: UprobeContext, text: u64) -> None:
    numbers[0] = text + ctx.x7


@perf_event(freq_hz=49)
def sampled(ctx: PerfEventContext) -> None:
    numbers[0] = ctx.ip + ctx.addr


def loads(probe: Probe, target: Target) -> set[int]:
    """Return the offsets of the context at which a program loads words."""
    text = listing(read_object(compile_probes(probe, target=target)))
    code = [line for line in text.splitlines() if "= *(u64 *)(r" in line]
    # The context is in r1 until something is called, else where it was kept.
    return {int(found[1]) for line in code if (found := re.search(r"\(r[16] \+(\d+)\)", line))}


@pytest.mark.parametrize(
    ("probe", "on_arm64", "on_x86"),
    [
        (enters, {8, 16, 256, 248}, {104, 96, 128, 152}),
        (leaves, {0}, {80}),
        (measured, {0, 56}, None),
        (sampled, {256, 280}, {128, 176}),
    ],
    ids=["kprobe", "kretprobe", "uprobe", "perf_event"],
)
def test_registers_are_those_of_the_machine(
    probe: Probe, on_arm64: set[int], on_x86: set[int] | None
) -> None:
    assert loads(probe, arm64.target()) == on_arm64
    if on_x86 is not None:
        assert loads(probe, frozen.target()) == on_x86


def test_the_table_of_registers_is_the_kernels() -> None:
    types, table = arm64.btf(), REGISTERS["aarch64"]
    (saved,) = types.find_all("user_pt_regs", Kind.STRUCT)
    for name in table.names:
        path: list[str | int] = ["regs", int(name[1:])] if name.startswith("x") else [name]
        assert resolve_path(types, saved, path).offset == table.offset(name)
    assert resolve_path(types, types.find("bpf_perf_event_data"), "addr").offset == 280


def test_no_machine_is_taken_for_another() -> None:
    with pytest.raises(NotSupportedError, match="said to be x86_64, but its types are"):
        btf_target(arm64.btf(), arch="x86_64")
    with pytest.raises(NotSupportedError, match="said to be aarch64, but"):
        compile_probes(enters, target=Target(_with_registers(), arch="aarch64"))
    unknown = frozen.target().replace(arch="")
    with pytest.raises(NotSupportedError, match="not known which machine"):
        compile_probes(enters, target=unknown)
    with pytest.raises(OtherKernelError, match="the target is aarch64; this machine is"):
        load(leaves, target=arm64.target().replace(arch=""))


def _with_registers() -> Btf:
    """Return types that look like those of x86-64."""
    made = Builder()
    number = made.add_int("unsigned long", 8)
    made.add_struct("pt_regs", 16, [("r15", number, 0), ("orig_ax", number, 64)])
    return Btf.parse(made.to_bytes())
