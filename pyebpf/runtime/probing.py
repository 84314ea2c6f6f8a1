"""How features are probed: small things are tried, and what the kernel says is read.

An answer is yes, no, or unknown. Unknown means that the kernel was not asked, or did not answer the
question: a capability is missing, a policy refuses, memory ran out. Nothing stays in the kernel.

Source: the shape of several probes follows what libbpf and cilium/ebpf look for.
"""

from __future__ import annotations

import errno
import os
import struct
from typing import TYPE_CHECKING

from pyebpf.abi import constants as c
from pyebpf.abi import insn as i
from pyebpf.abi.attr import (
    PERF_ATTR_DISABLED,
    PERF_ATTR_INHERIT,
    PERF_ATTR_INHERIT_THREAD,
    perf_event_attr,
)
from pyebpf.abi.helpers import HELPERS
from pyebpf.abi.names import attach_type_name
from pyebpf.btf.system import kernel_btf
from pyebpf.btf.types import Enum, Kind
from pyebpf.errors import KernelError, NotSupportedError, RelocationError
from pyebpf.runtime import call, kallsyms, memlock, syscall, token, verifier_rights
from pyebpf.runtime.answers import Answer, Support
from pyebpf.runtime.refusal import ENOTSUPP

if TYPE_CHECKING:
    from pyebpf.abi.maps import MapKind
    from pyebpf.abi.programs import ProgramKind


YES = Answer(Support.YES)
RETURN_0 = i.assemble(i.mov64_imm(i.R0, 0), i.exit_insn())
_RETURN_1 = i.assemble(i.mov64_imm(i.R0, 1), i.exit_insn())
_PAGE = os.sysconf("SC_PAGE_SIZE")
_VMLINUX = "/sys/kernel/btf/vmlinux"

# What cannot be blamed on the kernel's version.
_NO_ANSWER = frozenset(
    {errno.EPERM, errno.ENOMEM, errno.EAGAIN, errno.EINTR, errno.EMFILE, errno.ENFILE, errno.ENOSYS}
)


def no(reason: str) -> Answer:
    """Return a no."""
    return Answer(Support.NO, reason)


def failed(error: KernelError) -> Answer:
    """Return what a refused probe means."""
    support = Support.UNKNOWN if error.errno in _NO_ANSWER else Support.NO
    return Answer(support, str(error), error.errno or 0, error.capability or "")


def probe_kallsyms() -> Answer:
    """Look for a variable that every kernel has among the kernel's symbols."""
    try:
        kallsyms.address("init_task")
    except RelocationError as error:
        return no(str(error))
    return YES


# Maps

#: key_size, value_size, max_entries, flags where they are not 4, 4, 1, 0.
MAP_SHAPES = {
    "stack_trace": (4, 8, 1, 0),
    "lpm_trie": (8, 4, 1, c.BPF_F_NO_PREALLOC),
    "cgroup_storage": (16, 4, 0, 0),
    "percpu_cgroup_storage": (16, 4, 0, 0),
    "queue": (0, 4, 1, 0),
    "stack": (0, 4, 1, 0),
    "bloom_filter": (0, 4, 1, 0),
    "ringbuf": (0, 0, _PAGE, 0),
    "user_ringbuf": (0, 0, _PAGE, 0),
    "arena": (0, 0, 1, c.BPF_F_MMAPABLE),
    "insn_array": (4, 16, 1, 0),
    "rhash": (4, 4, 1, c.BPF_F_NO_PREALLOC),
    "sk_storage": (4, 4, 0, c.BPF_F_NO_PREALLOC),
    "inode_storage": (4, 4, 0, c.BPF_F_NO_PREALLOC),
    "task_storage": (4, 4, 0, c.BPF_F_NO_PREALLOC),
    "cgrp_storage": (4, 4, 0, c.BPF_F_NO_PREALLOC),
}


def probe_map(row: MapKind) -> Answer:
    """Try to create a map of a kind."""
    key, value, entries, flags = MAP_SHAPES.get(row.name, (4, 4, 1, 0))
    inner = btf = -1
    try:
        if row.name.endswith("_of_maps"):
            inner = syscall.map_create(c.BPF_MAP_TYPE_ARRAY, 4, 4, 1)
        if row.name.endswith("_storage") and "cgroup_" not in row.name:
            btf = syscall.btf_load(_btf(_INT), explain=False)
        fd = syscall.map_create(
            row.id, key, value, entries, flags=flags, inner_fd=max(inner, 0), btf_fd=max(btf, 0),
            key_type=int(btf >= 0), value_type=int(btf >= 0),
            vmlinux_value_type=int(row.name == "struct_ops"),
        )  # fmt: skip
    except KernelError as error:
        # Type 1 is no struct_ops: a kernel that knows the kind of map says so with this number.
        return YES if row.name == "struct_ops" and error.errno == ENOTSUPP else failed(error)
    finally:
        _close(inner, btf)
    os.close(fd)
    return YES


def probe_mmap_array() -> Answer:
    """Try to create an array whose memory can be mapped."""
    return _tried_map(c.BPF_MAP_TYPE_ARRAY, c.BPF_F_MMAPABLE)


def probe_batch() -> Answer:
    """Try to store an entry with a batch command."""
    try:
        fd = syscall.map_create(c.BPF_MAP_TYPE_HASH, 4, 4, 1)
    except KernelError as error:
        return failed(error)
    memory, address = call.buffer(8)
    try:
        syscall.map_update_batch(fd, address, address + 4, 1)
    except KernelError as error:
        return failed(error)
    finally:
        os.close(fd)
        del memory
    return YES


def _tried_map(kind: int, flags: int) -> Answer:
    try:
        os.close(syscall.map_create(kind, 4, 4, 1, flags=flags))
    except KernelError as error:
        return failed(error)
    return YES


# Programs


def try_program(kind: int, code: bytes, *, expected_attach_type: int = 0, flags: int = 0) -> Answer:
    """Try to load a program."""
    try:
        fd, _ = syscall.prog_load(
            kind, code, "GPL", expected_attach_type=expected_attach_type, flags=flags,
            kern_version=_kernel_version(), explain=False,
        )  # fmt: skip
    except KernelError as error:
        return failed(error)
    os.close(fd)
    return YES


def probe_program(row: ProgramKind) -> Answer:
    """Try to load a program of a kind that does nothing."""
    if row.needs_btf_id or row.prog_type == c.BPF_PROG_TYPE_STRUCT_OPS:
        return _probe_btf_program(row)
    # Some cgroup programs may only return 1, which every other kind may return too.
    answer = try_program(
        row.prog_type, _RETURN_1, expected_attach_type=row.attach_type, flags=row.flags
    )
    if answer.support is Support.YES and not _knows_attach_type(row.attach_type):
        return no("a program loads, but the kernel has no such type of attachment")
    return answer


#: What all programs of a kind did before the attach type got a name, when another came.
_NAMED_LATER = (c.BPF_SK_REUSEPORT_SELECT,)


def _knows_attach_type(number: int) -> bool:
    """Tell whether the kernel has an attach type; for many kinds, loading does not look at it."""
    if number in _NAMED_LATER:
        return True
    try:
        btf = kernel_btf()
    except NotSupportedError:
        return True
    for found in btf.find_all("bpf_attach_type", Kind.ENUM):
        node = btf.type(found)
        assert isinstance(node, Enum)
        known = {value.name: value.value for value in node.values}
        return number < known.get("__MAX_BPF_ATTACH_TYPE", number + 1)
    return True


def _probe_btf_program(row: ProgramKind) -> Answer:
    """Try to load for BTF id 1, which no program attaches to: the complaint tells what is known."""
    try:
        fd, _ = syscall.prog_load(
            row.prog_type, RETURN_0, "GPL", expected_attach_type=row.attach_type, attach_btf_id=1,
            flags=row.flags, log_level=1, log_size=4096,
        )  # fmt: skip
    except syscall.RefusedError as error:
        log = error.log
        known = "is not a" in log or "Cannot replace kernel functions" in log
        return YES if known or error.errno == ENOTSUPP else failed(error)
    os.close(fd)
    return YES


def probe_tcx() -> Answer:
    """Try to attach to a network device that no machine has: the refusal tells what is known."""
    try:
        fd, _ = syscall.prog_load(c.BPF_PROG_TYPE_SCHED_CLS, RETURN_0, "GPL", explain=False)
    except KernelError as error:
        return failed(error)
    try:
        os.close(syscall.link_create(fd, _NO_DEVICE, c.BPF_TCX_INGRESS, detail=bytes(16)))
    except KernelError as error:
        return YES if error.errno == errno.ENODEV else failed(error)
    finally:
        os.close(fd)
    return YES


_NO_DEVICE = (1 << 31) - 1


def probe_helper(name: str, kinds: tuple[int, ...], attach_type: int = 0, flags: int = 0) -> Answer:
    """Try to call a helper from a program of each of ``kinds``; yes if one of them may.

    Whoever may load none of them can still find the helpers that programs of every kind have.
    """
    number = HELPERS[name].id
    answers = [_probe_helper(number, kind, attach_type, flags) for kind in kinds]
    best = min(answers, key=lambda answer: _ORDER.index(answer.support))
    if best.support is Support.UNKNOWN and best.capability and not attach_type and not flags:
        plain = _probe_helper(number, c.BPF_PROG_TYPE_SOCKET_FILTER, 0, 0)
        return plain if plain.support is Support.YES else best
    return best


_ORDER = (Support.YES, Support.UNKNOWN, Support.NO)


def _probe_helper(number: int, kind: int, attach_type: int, flags: int) -> Answer:
    code = i.assemble(i.call(number), i.exit_insn())
    try:
        fd, _ = syscall.prog_load(
            kind,
            code,
            "GPL",
            expected_attach_type=attach_type,
            kern_version=_kernel_version(),
            log_level=1,
            log_size=4096,
            flags=flags,
        )
    except syscall.RefusedError as error:
        # Any complaint about arguments means that the helper itself was found.
        log = error.log
        right = verifier_rights.lacking(log)
        if right:
            return Answer(Support.UNKNOWN, right.hint, errno.EPERM, right.capability)
        if "invalid func " in log:
            return no("the kernel does not know this helper")
        if "unknown func " in log or "cannot use helper " in log:
            return no("the kernel has this helper, but not for this kind of program")
        return YES if "#" in log else failed(error)
    os.close(fd)
    return YES


def probe_name() -> Answer:
    """Try to load a program with a name."""
    try:
        fd, _ = syscall.prog_load(
            c.BPF_PROG_TYPE_SOCKET_FILTER, RETURN_0, "GPL", name="pyebpf", explain=False
        )
    except KernelError as error:
        return failed(error)
    os.close(fd)
    return YES


def probe_global_data() -> Answer:
    """Try to load a program that refers into the value of an array."""
    try:
        fd = syscall.map_create(c.BPF_MAP_TYPE_ARRAY, 4, 32, 1)
    except KernelError as error:
        return failed(error)
    code = i.assemble(
        i.ld_map_value(i.R1, fd, 16), i.st_mem(i.DW, i.R1, 0, 42), i.mov64_imm(i.R0, 0),
        i.exit_insn(),
    )  # fmt: skip
    answer = try_program(c.BPF_PROG_TYPE_SOCKET_FILTER, code)
    os.close(fd)
    return answer


# BTF: the kinds that older kernels refuse. A type is: name, kind and member count, size or type.

_STRINGS = b"\0int\0x\0f\0"
_NAME_INT, _NAME_X, _NAME_F = 1, 5, 7


def _type(name: int, kind: int, members: int, size: int, *rest: int) -> bytes:
    return struct.pack(f"={3 + len(rest)}I", name, kind << 24 | members, size, *rest)


_INT = _type(_NAME_INT, 1, 0, 4, 1 << 24 | 32)  # id 1: a signed 32-bit integer
_PROTO = _type(0, 13, 0, 1)  # id 2: int (void)
_FUNC = _type(_NAME_F, 12, 0, 2)  # id 3: static
_BTF_KINDS = {
    "btf_func": _PROTO + _FUNC,
    "btf_func_global": _PROTO + _type(_NAME_F, 12, 1, 2),
    "btf_datasec": _type(_NAME_X, 14, 0, 1, 1) + _type(_NAME_F, 15, 1, 4, 2, 0, 4),
    "btf_float": _type(_NAME_X, 16, 0, 4),
    "btf_decl_tag": _type(_NAME_X, 14, 0, 1, 1) + _type(_NAME_F, 17, 0, 2, 0xFFFFFFFF),
    "btf_type_tag": _type(_NAME_X, 18, 0, 1) + _type(0, 2, 0, 2),
    "btf_enum64": _type(0, 19, 1, 8, _NAME_X, 0, 0),
}


def _btf(types: bytes) -> bytes:
    header = struct.pack("=HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(types), len(types), len(_STRINGS))
    return header + types + _STRINGS


def probe_btf(name: str) -> Answer:
    """Try to load a BTF blob with a kind of type."""
    try:
        fd = syscall.btf_load(_btf(_INT + _BTF_KINDS[name]), explain=False)
    except KernelError as error:
        return failed(error)
    os.close(fd)
    return YES


def probe_module_btf() -> Answer:
    """Ask a BTF blob for its name, which kernels have since they know BTF of modules."""
    try:
        fd = syscall.btf_load(_btf(_INT), explain=False)
    except KernelError as error:
        return failed(error)
    try:
        named = syscall.btf_info(fd).name is not None
    except KernelError as error:
        return failed(error)
    finally:
        os.close(fd)
    return YES if named else no("BTF has no names here")


def probe_debug_info(name: str) -> Answer:
    """Try to load a program with ``func_info``, or with ``line_info`` as well."""
    lines = struct.pack("=4I", 0, _NAME_X, _NAME_X, 1 << 10 | 1) if name == "line_info" else b""
    try:
        btf = syscall.btf_load(_btf(_INT + _BTF_KINDS["btf_func"]), explain=False)
    except KernelError as error:
        return failed(error)
    try:
        fd, _ = syscall.prog_load(
            c.BPF_PROG_TYPE_SOCKET_FILTER, RETURN_0, "GPL", btf_fd=btf, explain=False,
            func_info=struct.pack("=2I", 0, 3), func_info_rec_size=8,
            line_info=lines, line_info_rec_size=16 if lines else 0,
        )  # fmt: skip
    except KernelError as error:
        return failed(error)
    finally:
        os.close(btf)
    os.close(fd)
    return YES


# Everything else


def probe_link(prog_type: int, attach_type: int) -> Answer:
    """Try to link to no file: a kernel that knows such links complains of the descriptor."""
    try:
        fd, _ = syscall.prog_load(prog_type, _RETURN_1, "GPL", explain=False)
    except KernelError as error:
        return failed(error)
    result = call.bpf(c.BPF_LINK_CREATE, struct.pack("=IiII", fd, -1, attach_type, 0))
    os.close(fd)
    if result == -errno.EBADF:
        return YES
    what = attach_type_name(attach_type)
    return failed(KernelError(-result, f"a link ({what}) to no file: {os.strerror(-result)}"))


def probe_inherit_thread() -> Answer:
    """Try to open an event that counts nothing, and that new threads inherit but no child."""
    attr = perf_event_attr(
        c.PERF_TYPE_SOFTWARE, c.PERF_COUNT_SW_DUMMY,
        flags=PERF_ATTR_DISABLED | PERF_ATTR_INHERIT | PERF_ATTR_INHERIT_THREAD,
    )  # fmt: skip
    try:
        os.close(syscall.perf_event_open(attr, 0, -1))
    except KernelError as error:
        return failed(error)
    return YES


def probe_xdp_link() -> Answer:
    """Try to link a program to the driver of the loopback device, which has none for XDP."""
    try:
        fd, _ = syscall.prog_load(c.BPF_PROG_TYPE_XDP, _RETURN_1, "GPL", explain=False)
    except KernelError as error:
        return failed(error)
    try:
        os.close(syscall.link_create(fd, _LOOPBACK, c.BPF_XDP, flags=_XDP_FLAGS_DRV_MODE))
    except KernelError as error:
        # The first is the answer where nothing is there, the others where a program is.
        known = error.errno in (errno.EOPNOTSUPP, errno.EEXIST, errno.EBUSY)
        return YES if known else failed(error)
    finally:
        os.close(fd)
    return YES


#: The loopback device is the first of every network namespace.
_LOOPBACK, _XDP_FLAGS_DRV_MODE = 1, 1 << 2


def probe_pmu(name: str) -> Answer:
    """Look for a source of perf events, such as ``kprobe``."""
    if os.path.exists(f"/sys/bus/event_source/devices/{name}/type"):  # noqa: PTH110
        return YES
    return no(f"this kernel has no {name} source of perf events (CONFIG_{name.upper()}_EVENTS)")


def probe_kernel_btf() -> Answer:
    """Look for the kernel's own types."""
    if os.path.exists(_VMLINUX):  # noqa: PTH110
        return YES
    return no("this kernel was built without BTF (CONFIG_DEBUG_INFO_BTF)")


def probe_kfunc(name: str) -> Answer:
    """Look for a function's name in the kernel's BTF.

    Cost: a read of some megabytes.
    """
    try:
        with open(_VMLINUX, "rb") as file:  # noqa: PTH123
            found = b"\0" + name.encode() + b"\0" in file.read()
    except OSError as error:
        return Answer(Support.UNKNOWN, f"{_VMLINUX} cannot be read: {error.strerror}")
    return YES if found else no(f"this kernel's BTF has no function {name!r}")


def probe_memcg() -> Answer:
    """Tell whether BPF memory is charged to the cgroup rather than to RLIMIT_MEMLOCK."""
    charged = memlock.is_charged()
    if charged is None:
        return Answer(Support.UNKNOWN, "EPERM: this process may not load programs", errno.EPERM)
    return no("BPF memory is charged to RLIMIT_MEMLOCK") if charged else YES


def probe_token() -> Answer:
    """Try to make a token of no file system: a kernel that knows tokens complains of that."""
    known = token.is_known()
    if known is None:
        return Answer(Support.UNKNOWN, "the kernel does not say whether it has BPF tokens")
    return YES if known else no("BPF_TOKEN_CREATE is no command of this kernel")


def _kernel_version() -> int:
    """Return ``LINUX_VERSION_CODE``, which kprobe programs had to state before Linux 5.0."""
    parts = os.uname().release.split("-")[0].split(".")[:3]
    major, minor, patch = [int(p) if p.isdigit() else 0 for p in (*parts, "0", "0")[:3]]
    return major << 16 | minor << 8 | min(patch, 255)


def _close(*fds: int) -> None:
    for fd in fds:
        if fd >= 0:
            os.close(fd)
