"""Trace the kernel's checks of capabilities: who is asked for which, and where.

Checks that are not for the audit log, as where the kernel only looks what it may do, are left out
without -v. Where no function of the kernel can be traced, a tracepoint tells of the checks, and not
what they are for: AUDIT and INSETID are "N/A", and all checks are shown.

Output:   a line for each check; NAME is the capability. AUDIT is 1 if a refusal would be in the
          audit log, INSETID 1 if it is for a change of user or group, RESULT 0 or a negative error
          number. Below it, with -K and -U, the call stacks.
Cost:     one probe; a busy machine checks capabilities some thousand times a second.
Needs:    Linux 5.5 with BTF, or kprobes.
Source:   behaviour after BCC's capable (Brendan Gregg, 2016); written from scratch. PID is the
          process and TID the thread; there, they are exchanged.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from pyebpf import (
    Char,
    Const,
    Events,
    LruHash,
    Ptr,
    Session,
    cgroup_id,
    chars,
    comm,
    fexit,
    first_of,
    i32,
    i64,
    kprobe,
    ktime_get_ns,
    record,
    tgid,
    tid,
    tp_btf,
    u8,
    u32,
    u64,
    uid,
)
from pyebpf.cli import Below, Clock, Column, Lines, Tool
from pyebpf.host.capabilities import capability_name
from pyebpf.kernel import cred, user_namespace
from pyebpf.lib.containers import cgroup_map, is_traced, mntns_map
from pyebpf.lib.filters import FILTERS, is_wanted, only_pid
from pyebpf.lib.stacks import described, remember, stacks

__all__ = ["cgroup_map", "mntns_map", "tool"]  # options of the tool

verbose = Const(False, "-v", "--verbose", help="include checks that are not for the audit log")
kernel_stack = Const(False, "-K", "--kernel-stack", help="show the call stack in the kernel")
user_stack = Const(False, "-U", "--user-stack", help="show the call stack in user space")
extra = Const(False, "-x", "--extra", help="show columns TID, INSETID and RESULT")
unique = Const(False, "--unique", help="each check once for a process, or a cgroup, and its stacks")

#: Of what is not known; no error has the number.
UNKNOWN = 1 << 20
#: Bits of the options of a check, CAP_OPT_NOAUDIT and CAP_OPT_INSETID of include/linux/security.h.
NO_AUDIT, IN_SET_ID = 1 << 1, 1 << 2


@record
class Check:
    """A check."""

    ts_ns: u64
    pid: u32
    tid: u32
    uid: u32
    cap: i32
    audit: i32
    insetid: i32
    result: i32
    comm: Char = chars(16)
    user: i64
    kernel: i64


@record
class Same:
    """What makes a check one that was there before."""

    cgroup: u64
    pid: u32
    cap: i32
    user: i64
    kernel: i64


checks = Events[Check](pages=64)
seen = LruHash[Same, u8](max_entries=10_240)


@fexit("cap_capable")
def by_exit(_: Ptr[cred], ns: Ptr[user_namespace], cap: i32, opts: u32, ret: i32) -> None:
    """Send a check with all that is to be known."""
    if verbose or not opts & NO_AUDIT:
        checked(cap, int(not opts & NO_AUDIT), int(opts & IN_SET_ID != 0), ret)


@kprobe("cap_capable")
def by_entry(_: Ptr[cred], ns: Ptr[user_namespace], cap: i32, opts: u32) -> None:
    """Send a check that has not come to a result."""
    if verbose or not opts & NO_AUDIT:
        checked(cap, int(not opts & NO_AUDIT), int(opts & IN_SET_ID != 0), UNKNOWN)


@tp_btf("cap_capable")
def by_tracepoint(
    _: Ptr[cred], target: Ptr[user_namespace], other: Ptr[user_namespace], cap: i32, ret: i32
) -> None:
    """Send a check that has a result, without what it is for."""
    checked(cap, UNKNOWN, UNKNOWN, ret)


on_check = first_of(by_exit, by_entry, by_tracepoint, name="on_check")


def checked(cap: i32, audit: i32, insetid: i32, result: i32) -> None:
    """Send a check, unless it is one of those not to be seen."""
    if not is_wanted() or not is_traced():
        return
    user = stacks.user() if user_stack else 0
    kernel = stacks.kernel() if kernel_stack else 0
    if unique:
        group, pid = (cgroup_id(), 0) if cgroup_map else (0, tgid())
        same = Same(cgroup=group, pid=pid, cap=cap, user=user, kernel=kernel)
        if same in seen:
            return
        seen[same] = 1
    with checks.reserve() as e:
        e.ts_ns, e.pid, e.tid, e.uid, e.comm = ktime_get_ns(), tgid(), tid(), uid(), comm()
        e.cap, e.audit, e.insetid, e.result = cap, audit, insetid, result
        e.user, e.kernel = user, kernel


def known(name: str) -> Callable[[object, Any], int | None]:
    """Return what reads a field that may be unknown."""

    def read(_: object, check: Any) -> int | None:
        value: int = getattr(check, name)
        return None if value == UNKNOWN else value

    return read


def in_kernel(session: Session, check: Any) -> list[str]:
    """Name the call stack in the kernel."""
    return described(session, check.kernel)


def in_process(session: Session, check: Any) -> list[str]:
    """Name the call stack in user space."""
    return described(session, check.user, check.pid)


def keep_names(session: Session) -> None:
    """Look at the process while it is there."""
    if session.option(user_stack) and session.option(only_pid):
        remember(session, [session.option(only_pid)])


tool: Tool[None] = Tool(
    __name__,
    probes=[on_check],
    lines=Lines(
        checks,
        Clock("TIME", 9, field="ts_ns"),
        Column("UID", 6),
        Column("PID", 6),
        Column("TID", 6, when=extra),
        Column("COMM", 16),
        Column("CAP", 4),
        Column("NAME", 20, value=lambda _, check: capability_name(check.cap)),
        Column("AUDIT", 6, value=known("audit"), absent="N/A"),
        Column("INSETID", 7, when=extra, value=known("insetid"), absent="N/A"),
        Column("RESULT", 6, when=extra, value=known("result"), absent="N/A"),
        Below("KERNEL", 0, when=kernel_stack, value=in_kernel),
        Below("USER", 0, when=user_stack, value=in_process),
        keep=lambda _, check: check.pid != os.getpid(),
    ),
    meanwhile=keep_names,
    early=True,
    filters=FILTERS,
    examples="""
        capable                  # trace capability checks
        capable -v               # include those that are not for the audit log
        capable -p 181           # only process 181
        capable -u www-data      # only what this user does
        capable -K               # with call stacks in the kernel
        capable -U               # with call stacks in user space
        capable -x               # with threads, INSETID and results
        capable --unique         # what was shown of a process is not shown again
        capable --exec ping -c 1 ::1            # a command, and nothing else
        capable --mntnsmap /sys/fs/bpf/spaces   # only mount namespaces in this pinned map
    """,
)

if __name__ == "__main__":
    raise SystemExit(tool.main())
