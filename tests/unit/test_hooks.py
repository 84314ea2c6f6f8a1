"""Hooks as they are written: the frozen kernel's, and those of files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pyebpf.hooks import (
    KERNEL_KINDS,
    Entry,
    Sources,
    binaries_of,
    binary_kinds,
    matching,
)
from pyebpf.spec.target import TracepointField
from tests import frozen


class Tracefs:
    """The tracepoints of the frozen kernel, and functions that a test says."""

    def __init__(self, *functions: str) -> None:
        self._functions = functions

    def names(self) -> tuple[str, ...]:
        return tuple(sorted(frozen.TRACEPOINTS))

    def fields(self, category: str, name: str) -> tuple[TracepointField, ...]:
        return frozen.TRACEPOINTS[f"{category}:{name}"]

    def functions(self) -> tuple[str, ...]:
        return self._functions


@pytest.fixture
def sources() -> Sources:
    made = Sources(frozen.target())
    made.tracefs = Tracefs("vfs_read", "of_a_module")  # type: ignore[assignment]
    made.__dict__["symbols"] = frozenset({"vfs_read", "security_inode_getattr"})
    return made


def described(sources: Sources, kind: str, name: str) -> Entry:
    made = KERNEL_KINDS[kind](sources)
    assert name in made.names()
    return made.describe(name)


@pytest.mark.parametrize(
    ("kind", "name", "code", "signature"),
    [
        ("tracepoint", "sched:sched_switch", '@tracepoint("sched:sched_switch")',
         "(ctx: TracepointContext)"),
        ("tp_btf", "block_rq_complete", '@tp_btf("block_rq_complete")',
         "(arg0: Ptr[request], arg1: u8, arg2: u32)"),
        ("function", "vfs_read", '@fentry("vfs_read")',
         "(file: Ptr[file], buf: u64, count: u64, pos: u64) -> i64"),
        ("iter", "task", '@iter("task")',
         "(ctx: IterContext, task: Ptr[task_struct] | None)"),
        ("helper", "get_current_comm", "helpers.get_current_comm", "(buf, size_of_buf)"),
    ],
)  # fmt: skip
def test_a_hook_is_written(
    sources: Sources, kind: str, name: str, code: str, signature: str
) -> None:
    found = described(sources, kind, name)
    assert (found.code, found.signature) == (code, signature)


def test_a_hook_of_security_modules(sources: Sources) -> None:
    # Which there are, the frozen kernel does not say: it lacks the union that has them all.
    kind = KERNEL_KINDS["lsm"](sources)
    assert list(kind.names()) == []
    found = kind.describe("file_open")
    assert (found.code, found.signature) == ('@lsm("file_open")', "(file: Ptr[file]) -> i32")


def test_fields_of_a_tracepoint(sources: Sources) -> None:
    assert described(sources, "tracepoint", "net:frames").fields == (
        ("lengths", "", "__data_loc u32[]"),
        ("name", "text", "__rel_loc char[]"),
        ("address", "", "__u8[6]"),
        ("skb", "Ptr[task_struct]", "struct task_struct *"),
    )


def test_where_a_function_can_be_traced(sources: Sources) -> None:
    assert described(sources, "function", "vfs_read").note == ""
    found = described(sources, "function", "security_inode_getattr")
    assert (found.code, found.signature, found.note) == (
        '@kprobe("security_inode_getattr")', "(ctx: KprobeContext, path: Ptr[path]) -> i32",
        "no fentry: ftrace does not trace it",
    )  # fmt: skip
    assert "inlined" in described(sources, "function", "bpf_iter_task").note
    found = described(sources, "function", "of_a_module")
    assert (found.code, found.signature, found.note) == (
        '@kprobe("of_a_module")', "(ctx: KprobeContext)", "no types in the kernel's BTF",
    )  # fmt: skip


def test_what_can_be_traced_is_not_always_known(sources: Sources) -> None:
    sources.tracefs = Tracefs()  # type: ignore[assignment]
    kind = KERNEL_KINDS["function"](sources)
    assert kind.describe("security_inode_getattr").code == '@fentry("security_inode_getattr")'
    assert kind.doubt == (
        "which of these functions can be traced is not known: this kernel lists none: it was "
        "built without dynamic ftrace"
    )


def test_a_kernel_without_types(sources: Sources) -> None:
    bare = Sources(frozen.target(btf_too=False))
    bare.tracefs = sources.tracefs
    assert set(KERNEL_KINDS["function"](bare).names()) == {"vfs_read", "of_a_module"}
    assert KERNEL_KINDS["function"](bare).describe("vfs_read").code == '@kprobe("vfs_read")'


def test_patterns() -> None:
    names = ["sched:sched_switch", "sched:sched_wakeup", "irq:irq_entry", "irq:irq_entry"]
    assert matching(names, "sched:*") == ["sched:sched_switch", "sched:sched_wakeup"]
    assert matching(names, "irq_*") == []
    assert matching(names, "irq_*", bare=True) == ["irq:irq_entry"]
    assert matching(names, "irq", bare=True) == []


def test_functions_of_a_binary() -> None:
    (found,) = binaries_of(["c"], 0)
    (symbols,) = [kind for kind in binary_kinds(found) if kind.name == "symbol"]
    assert "strlen" in symbols.names()
    assert symbols.describe("strlen").code == f'@uprobe("{found.file}", "strlen")'


def test_functions_of_what_a_process_runs() -> None:
    mine = os.getpid()
    (found,) = binaries_of(["c"], mine)
    (symbols,) = [kind for kind in binary_kinds(found) if kind.name == "symbol"]
    assert "strlen" in symbols.names()
    assert symbols.describe("strlen").code == f'@uprobe("c", "strlen", pid={mine})'
    every = binaries_of([], mine)
    # Not sys.executable, which may be a script that starts it with a C library of its own.
    assert any(each.name == str(Path("/proc/self/exe").readlink()) for each in every)
    assert all(each.pid == mine for each in every)
