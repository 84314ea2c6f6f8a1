"""Ways to attach that are tried without attaching anything."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from pyebpf.abi import attr
from pyebpf.abi import constants as c
from pyebpf.abi import insn as i
from pyebpf.doctor.findings import Cause, Finding, Word
from pyebpf.doctor.judge import refused
from pyebpf.errors import KernelError
from pyebpf.runtime import syscall
from pyebpf.runtime.refusal import describe

if TYPE_CHECKING:
    from pyebpf.doctor.machine import Machine

_RETURN_0 = i.assemble(i.mov64_imm(i.R0, 0), i.exit_insn())
_NO_SUCH = "pyebpf_asks_whether_it_may"
_NEEDS = ("CAP_BPF", "CAP_PERFMON")


def raw_tracepoint(machine: Machine) -> Finding:
    """Try to attach to a tracepoint that no kernel has: the refusal tells what is allowed."""
    name, label = "raw_tp_attach", "@tp_btf, @raw_tracepoint: by bpf(2)"
    kind = c.BPF_PROG_TYPE_RAW_TRACEPOINT
    try:
        fd, _ = syscall.prog_load(kind, _RETURN_0, "GPL", explain=False)
    except KernelError as error:
        return _failed(name, label, error, machine)
    try:
        os.close(syscall.raw_tracepoint_open(_NO_SUCH, fd))
    except KernelError as error:
        if error.errno != errno.ENOENT:
            return _failed(name, label, error, machine)
    finally:
        os.close(fd)
    return Finding(name, label, Word.YES)


def perf_event(machine: Machine) -> Finding:
    """Open an event that counts nothing, on this process, in the kernel too."""
    name, label = "perf_event_open", "@tracepoint, @perf_event: by perf_event_open(2)"
    dummy = attr.perf_event_attr(c.PERF_TYPE_SOFTWARE, c.PERF_COUNT_SW_DUMMY)
    try:
        os.close(syscall.perf_event_open(dummy, 0, -1))
    except KernelError as error:
        return _failed(name, label, error, machine)
    return Finding(name, label, Word.YES)


def _failed(name: str, label: str, error: KernelError, machine: Machine) -> Finding:
    if error.errno in (errno.EPERM, errno.EACCES):
        return refused(name, label, _NEEDS, machine)
    return Finding(name, label, Word.NO, describe(error.errno or 0), "", Cause.KERNEL)
