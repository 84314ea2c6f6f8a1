"""Trace new programs: what is executed, with its arguments, and by whom.

Programs are seen when they begin, whatever call began them, with arguments as they got them; calls
of execve() and execveat() that failed with -x.

Output:   RET is 0, or a negative error number. ARGS is cut off with "..." after --max-args, or
          after about 5,000 characters. TIME(s) is the time since tracing began.
Cost:     one tracepoint, and with -x two for each of execve() and execveat().
Needs:    Linux 5.8, with BTF.
Source:   behaviour after BCC's execsnoop (Brendan Gregg, 2016); written from scratch.
"""

from __future__ import annotations

import re
from typing import Any

from pyebpf import (
    Char,
    Const,
    Events,
    FixedArray,
    Hash,
    Ptr,
    Session,
    TracepointContext,
    array,
    chars,
    comm,
    cpu,
    current_task,
    i32,
    ktime_get_ns,
    read_user,
    record,
    tid,
    tracepoint,
    u32,
    u64,
    uid,
)
from pyebpf.cli import Clock, Column, Elapsed, Lines, Tool
from pyebpf.kernel import task_struct
from pyebpf.lib import task
from pyebpf.lib.containers import cgroup_map, is_traced, mntns_map
from pyebpf.lib.filters import FILTERS
from pyebpf.lib.filters import is_wanted as is_asked_for

__all__ = ["cgroup_map", "mntns_map", "tool"]  # options of theirs are options of the tool

#: Arguments are sent in pieces. One that is full goes on in the next.
PIECES, PIECE = 40, 128


def pattern(text: str) -> str:
    """Check a regular expression."""
    try:
        re.compile(text)
    except re.error as err:
        raise ValueError(f"{text!r} is no regular expression: {err}") from None
    return text


time_of_day = Const(False, "-T", "--time", help="include the time of day, HH:MM:SS")
timestamp = Const(False, "-t", "--timestamp", help="include the time since tracing began")
fails = Const(False, "-x", "--fails", help="include failed calls")
quote = Const(False, "-q", "--quote", help="put quotation marks around arguments")
name = Const("", "-n", "--name", help="only commands that match this", convert=pattern)
line = Const("", "-l", "--line", help="only arguments that match this", convert=pattern)
print_uid = Const(False, "-U", "--print-uid", help="print the user id")
print_cpu = Const(False, "-C", "--print-cpu", help="print the CPU")
print_pcomm = Const(False, "-M", "--print-pcomm", help="print the parent's command")
max_args = Const(20, "--max-args", help="how many arguments to show, 20 by default")
only_ppid = Const(0, "-P", "--ppid", help="trace children of this process only")


@record
class Piece:
    """A part of an argument, or all of it."""

    text: Char = chars(PIECE)


@record
class Exec:
    """A program that begins, or a call that failed."""

    ts_ns: u64
    pid: u32
    ppid: u32
    uid: u32
    cpu: u32
    ret: i32
    pieces: u32
    is_cut: bool
    comm: Char = chars(16)
    pcomm: Char = chars(16)
    args: FixedArray[Piece] = array(PIECES)


calls = Hash[u32, u64](max_entries=10_240)
execs = Events[Exec](pages=256)


def is_wanted(now: Ptr[task_struct]) -> bool:
    """Tell whether a task is one of those to trace."""
    if only_ppid and task.parent_tgid(now) != only_ppid:
        return False
    return is_asked_for() and is_traced()


def describe(e: Exec, now: Ptr[task_struct]) -> None:
    """Fill in who it is."""
    e.ts_ns, e.uid, e.cpu, e.comm = ktime_get_ns(), uid(), cpu(), comm()
    e.pid, e.ppid, e.pcomm = now.tgid, task.parent_tgid(now), now.real_parent.comm


@task.executed()
def on_exec(now: Ptr[task_struct]) -> None:
    """Send a program that begins; its arguments follow each other in its memory."""
    if not is_wanted(now):
        return
    with execs.reserve() as e:
        describe(e, now)
        at, end = now.mm.arg_start, now.mm.arg_end
        for i in range(PIECES):
            length = e.args[i].text.read_user_str(at) if at < end else 0
            if length <= 0:
                break
            e.pieces = i + 1
            at += min(length, PIECE - 1)
        e.is_cut = at < end


@tracepoint("syscalls:sys_enter_execve", when=fails)
@tracepoint("syscalls:sys_enter_execveat", when=fails)
def on_call(ctx: TracepointContext) -> None:
    """Remember where the arguments of a call are."""
    if is_wanted(current_task()):
        calls[tid()] = ctx.argv


@tracepoint("syscalls:sys_exit_execve", when=fails)
@tracepoint("syscalls:sys_exit_execveat", when=fails)
def on_fail(ctx: TracepointContext) -> None:
    """Send a call that failed; each of its arguments is anywhere in its memory."""
    argv = calls.pop(tid())
    if argv is None or ctx.ret >= 0:
        return
    with execs.reserve() as e:
        describe(e, current_task())
        e.ret = ctx.ret
        at, number = read_user(u64, argv), 0
        for i in range(PIECES):
            length = e.args[i].text.read_user_str(at) if at else 0
            if length <= 0:
                break
            e.pieces = i + 1
            if length < PIECE:
                number += 1
                at = read_user(u64, argv + 8 * number)
            else:
                at += PIECE - 1
        e.is_cut = at != 0


def words(row: Any) -> list[str]:
    """Put the pieces of arguments together."""
    found: list[str] = []
    goes_on = False
    for piece in row.args[: row.pieces]:
        if goes_on:
            found[-1] += piece.text
        else:
            found.append(piece.text)
        goes_on = len(piece.text.encode("utf-8", "surrogateescape")) == PIECE - 1
    return found


def command_line(session: Session, row: Any) -> str:
    """Return the arguments of a program as one text."""
    found, most = words(row), session.option(max_args)
    shown = found[:most]
    if session.option(quote):
        shown = ['"' + word.replace('"', '\\"') + '"' for word in shown]
    return " ".join([*shown, "..."] if row.is_cut or len(found) > most else shown)


def is_kept(session: Session, row: Any) -> bool:
    """Tell whether the command and the arguments are what was asked for."""
    if not re.search(session.option(name), row.comm):
        return False
    return bool(re.search(session.option(line), command_line(session, row)))


tool: Tool[None] = Tool(
    __name__,
    probes=[on_exec, on_call, on_fail],
    lines=Lines(
        execs,
        Clock("TIME", 9, field="ts_ns", when=time_of_day),
        Elapsed("TIME(s)", 8, format=".3f", field="ts_ns", when=timestamp),
        Column("UID", 6, when=print_uid),
        Column("PCOMM", 16, field="comm"),
        Column("PID", 7),
        Column("PARENT", 16, field="pcomm", when=print_pcomm),
        Column("PPID", 7),
        Column("CPU", 4, when=print_cpu),
        Column("RET", 3, ">"),
        Column("ARGS", 0, value=command_line),
        keep=is_kept,
    ),
    early=True,
    filters=FILTERS,
    examples="""
        execsnoop                   # trace all new programs
        execsnoop -x                # include failed calls
        execsnoop -T                # include the time of day
        execsnoop -t                # include the time since tracing began
        execsnoop -U                # include the user
        execsnoop -u 1000           # only trace user 1000
        execsnoop -u root           # only trace root
        execsnoop -P 181            # only children of process 181
        execsnoop -q                # put quotation marks around arguments
        execsnoop -n main           # only print commands that match "main"
        execsnoop -l tpkg           # only print arguments that match "tpkg"
        execsnoop --max-args 50     # show up to 50 arguments
        execsnoop -j                # print JSON, one object per line
    """,
)

if __name__ == "__main__":
    raise SystemExit(tool.main())
