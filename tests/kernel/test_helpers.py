"""The rows of helpers, compared with the running kernel's types and with what it allows."""

from __future__ import annotations

import platform

import pytest

from pyebpf.abi.helpers import HELPERS, Helper
from pyebpf.abi.names import prog_type_name
from pyebpf.abi.programs import PROGRAM_KINDS
from pyebpf.btf import Btf, Kind
from pyebpf.btf.system import kernel_btf
from pyebpf.btf.types import FuncProto, Ptr, Struct, Typedef
from pyebpf.runtime import probing
from pyebpf.runtime.answers import Support
from tests.kernel.vmlinux import enumerators

pytestmark = pytest.mark.kernel

#: Kinds of arguments that are numbers; all others are pointers. An address may be either.
NUMBERS = {
    "u16", "u32", "u64", "i32", "i64", "be16", "be32", "flags", "size", "size_or_zero", "const_size"
}  # fmt: skip
ADDRESSES = {"kernel_addr", "user_addr"}
#: Its prototype in BTF is that of one kind of programs; or of the arguments without a count.
SPECIAL = {"get_cgroup_classid", "trace_printk"}
#: The verifier itself passes a last argument to these, in some kernels.
HIDDEN = {
    "sk_storage_get", "inode_storage_get", "task_storage_get", "cgrp_storage_get",
    "timer_set_callback",
}  # fmt: skip
#: A policy of the machine may forbid the first whatever the kernel; the other came to tc in 6.13.
EXEMPT = {"probe_write_user", "get_netns_cookie"}


def prototypes(btf: Btf) -> dict[str, FuncProto]:
    """Return what ``btf_bpf_NAME`` points to: the prototype of a helper with its real types."""
    found = {}
    for name in HELPERS:
        number = btf.find(f"btf_bpf_{name}", Kind.TYPEDEF) if _has(btf, name) else 0
        node = btf.type(number) if number else None
        if isinstance(node, Typedef):
            pointer = btf.type(node.type)
            assert isinstance(pointer, Ptr)
            proto = btf.type(pointer.type)
            assert isinstance(proto, FuncProto)
            found[name] = proto
    return found


def _has(btf: Btf, name: str) -> bool:
    return bool(btf.find_all(f"btf_bpf_{name}", Kind.TYPEDEF))


def test_ids_and_names_are_those_of_the_enumeration() -> None:
    kernel = {
        name.removeprefix("BPF_FUNC_"): value
        for name, value in enumerators().items()
        if name.startswith("BPF_FUNC_") and name != "BPF_FUNC_unspec"
    }
    assert len(kernel) > 150
    assert {name: row.id for name, row in HELPERS.items() if name in kernel} == kernel


def test_arguments_are_those_of_the_kernels_prototypes() -> None:
    btf = kernel_btf()
    found = prototypes(btf)
    assert len(found) > 100
    wrong = {}
    for name, proto in found.items():
        row = HELPERS[name]
        if name in SPECIAL:
            continue
        count = len(proto.params)
        if count - len(row.args) not in ((0, 1) if name in HIDDEN else (0,)):
            wrong[name] = f"{count} arguments"
        for arg, param in zip(row.args, proto.params, strict=False):
            pointer = isinstance(btf.type(btf.skip(param.type)), Ptr)
            if arg.kind not in ADDRESSES and pointer != (arg.kind not in NUMBERS):
                wrong[f"{name}.{arg.name}"] = f"pointer: {pointer}"
            if pointer and not _same_struct(btf, param.type, arg.type):
                wrong[f"{name}.{arg.name}"] = f"not a {arg.type}"
    assert wrong == {}


def _same_struct(btf: Btf, number: int, name: str) -> bool:
    """Tell whether a pointer leads to the structure that a row names, as far as both name one."""
    pointer = btf.type(btf.skip(number))
    assert isinstance(pointer, Ptr)
    target = btf.type(btf.skip(pointer.type)) if pointer.type else None
    return not isinstance(target, Struct) or not name or target.name == name


def _kinds() -> dict[str, int]:
    """Return the types of programs that load here without a target, by name."""
    return {
        prog_type_name(row.prog_type): row.prog_type
        for row in PROGRAM_KINDS.values()
        if not row.needs_btf_id and not row.attach_type and row.name != "struct_ops"
        if probing.probe_program(row).support is Support.YES
    }


def test_who_may_call_a_helper_is_in_its_row() -> None:
    """The rows are of the newest kernel, so this one may allow less; and nothing more."""
    kinds = _kinds()
    assert len(kinds) > 5
    more = {
        f"{row.name}@{kind}"
        for row in HELPERS.values()
        for kind, number in kinds.items()
        if kind not in row.program_types
        if probing.probe_helper(row.name, (number,)).support is Support.YES
    }
    assert more == set()


@pytest.mark.parametrize("kind", ["tracepoint", "sched_cls", "xdp"])
def test_a_helper_of_every_older_kernel_is_here(kind: str) -> None:
    """What came for a type of programs long ago is allowed; what most may call is so since 6.18."""
    number = {**_kinds(), "xdp": PROGRAM_KINDS["xdp"].prog_type}[kind]
    lacking = [
        row.name
        for row in HELPERS.values()
        if kind in row.program_types and _is_old(row) and row.name not in EXEMPT
        if probing.probe_helper(row.name, (number,)).support is Support.NO
    ]
    assert lacking == []


def _is_old(row: Helper) -> bool:
    numbers = platform.release().split("-")[0].split(".")
    running = [int(n) for n in numbers[:2]]
    since = "6.18" if "most" in row.programs else row.since
    return [int(n) for n in since.split(".")] <= running
