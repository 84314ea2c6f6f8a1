"""How features are probed that have to do with functions of the kernel; see ``probing``."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from pyebpf.abi import constants as c
from pyebpf.abi.attr import KPROBE_MULTI
from pyebpf.btf.system import kernel_btf
from pyebpf.btf.types import Kind
from pyebpf.errors import KernelError, NotSupportedError
from pyebpf.runtime import syscall
from pyebpf.runtime.answers import Answer, Support
from pyebpf.runtime.probing import RETURN_0, YES, failed, no, probe_program

if TYPE_CHECKING:
    from pyebpf.abi.programs import ProgramKind

_ACTIVE_LSMS = "/sys/kernel/security/lsm"


def probe_many_functions(row: ProgramKind) -> Answer:
    """Ask for a link to no functions: a kernel without CONFIG_FPROBE has no such links at all."""
    answer = probe_program(row)
    if answer.support is not Support.YES:
        return answer
    fd, _ = syscall.prog_load(
        row.prog_type, RETURN_0, "GPL", expected_attach_type=row.attach_type, explain=False
    )
    try:
        os.close(
            syscall.link_create(fd, 0, row.attach_type, detail=KPROBE_MULTI.pack(0, 0, 0, 0, 0))
        )
    except KernelError as error:
        return YES if error.errno == errno.EINVAL else no(str(error))
    finally:
        os.close(fd)
    return YES


#: A system call, as a function of the kernel, on the machines that it has another name for.
_SYSCALLS = ("__x64_sys_getpgid", "__arm64_sys_getpgid", "__riscv_sys_getpgid", "__do_sys_getpgid")


def probe_sleepable_functions() -> Answer:
    """Try to load a program that sleeps for a system call; other functions may be closed to it."""
    return _probe_sleepable(c.BPF_PROG_TYPE_TRACING, c.BPF_TRACE_FENTRY, _SYSCALLS)


def probe_sleepable_hooks() -> Answer:
    """Try to load a program that sleeps for a security hook that lets programs, if one does."""
    return _probe_sleepable(c.BPF_PROG_TYPE_LSM, c.BPF_LSM_MAC, ("bpf_lsm_inode_unlink",))


def _probe_sleepable(prog_type: int, attach_type: int, names: tuple[str, ...]) -> Answer:
    try:
        btf = kernel_btf()
    except NotSupportedError as error:
        return Answer(Support.UNKNOWN, str(error))
    found = next((n for name in names for n in btf.find_all(name, Kind.FUNC)), 0)
    if not found:
        return no(f"the kernel's BTF has no {' or '.join(names)}")
    try:
        fd, _ = syscall.prog_load(
            prog_type, RETURN_0, "GPL", expected_attach_type=attach_type, attach_btf_id=found,
            flags=c.BPF_F_SLEEPABLE, log_level=1, log_size=4096,
        )  # fmt: skip
    except syscall.RefusedError as error:
        first = error.log.strip().partition("\n")[0]
        # CONFIG_FUNCTION_ERROR_INJECTION opens functions.
        return no(first) if "sleepable" in first else failed(error)
    os.close(fd)
    return YES


def probe_lsm_active() -> Answer:
    """Look for ``bpf`` among the security modules that the kernel asks."""
    try:
        with open(_ACTIVE_LSMS, encoding="ascii") as file:  # noqa: PTH123
            active = file.read().strip()
    except OSError as error:
        return Answer(Support.UNKNOWN, f"{_ACTIVE_LSMS} cannot be read: {error.strerror}")
    if "bpf" in active.split(","):
        return YES
    return no(f"bpf is not among the active security modules: {active} (lsm= of the kernel)")
