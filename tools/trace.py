"""Print a line for each call of functions, tracepoints and USDT probes, with what they are passed.

A specifier says where to look, when to print, and what:

  [{p,r,t,u}:][library or category:]function[+offset][(signature)] [(predicate)] ["format", values]

  p, r       the begin and the end of a function: of the kernel, or of a library or program; p is
             left out with what would be before it: vfs_read, c:malloc
  t          a tracepoint of the kernel: its fields are args->name
  u          a USDT probe of a library or program
  signature  parameters as in C, where they are not known: of functions of the kernel they are, so
             sk->sk_family is what it says, wherever there is a parameter sk
  predicate  an expression that has to be true, of C or Python: (arg1 > 10 && arg2 == 3)
  format     of printf: %d %u %x %s %c %p with h, l and ll; %K and %U for functions by address
  value      arg1, arg2 and so on, or parameters by name; at the end of a function retval, and its
             arguments as they were at the begin; $pid, $tid, $uid, $gid, $cpu, $task, $COMM;
             STRCMP("text", value); O_CREAT, ENOENT and the like; comm() and so on

sys_openat is the system call: its arguments are those that programs pass. Text is read where its
address is; arg2@user says that it is the memory of the process.

Output:   PID and TID are the process and the thread; below a line, with -K and -U, call stacks.
Cost:     a probe, and a record in a buffer, for each call that is printed.
Needs:    Linux 5.5; 5.8 for lines in order over all CPUs. Functions of the kernel: BTF.
Source:   behaviour after BCC's trace (Sasha Goldshtein, 2016); written from scratch.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable
from operator import add
from typing import Any

from pyebpf import Alternatives, Const, Probe
from pyebpf.cli import Below, Clock, Column, Elapsed, Tool, positive
from pyebpf.cli.traced import TracedLines, kernel_signature, said, stack_of
from pyebpf.lib.filters import FILTERS, are_given, only_cgroup, only_pid, only_tid
from pyebpf.lib.specifiers import Settings, Traced, Tracing, Wanted, read_traced, tracing
from pyebpf.lib.specifiers.options import module_named, size_of


def specifier(text: str) -> tuple[Traced, ...]:
    """Read a specifier."""
    return (read_traced(text),)


def files(text: str) -> tuple[str, ...]:
    """Return paths with commas between them."""
    found = tuple(text.split(","))
    for path in found:
        if not os.path.isfile(path):  # noqa: PTH113 - quick to import
            raise ValueError(f"there is no file {path!r}")
    return found


specifiers: tuple[Traced, ...] = Const(
    (), "probe", convert=specifier, merge=add, help="specifiers: quote each"
)
pages = Const(64, "-b", "--buffer-pages", help="pages of the buffer, 64 by default", metavar="N")
verbose = Const(False, "-v", "--verbose", help="print the probes as programs of Python, too")
text_size = Const(
    80, "-Z", "--string-size", convert=size_of, metavar="BYTES", help="how much of a text is read"
)
with_own = Const(False, "-S", "--include-self", help="show what this tool itself does, too")
limit = Const(0, "-M", "--max-events", help="end after so many lines", convert=positive)
elapsed = Const(False, "-t", "--timestamp", help="print the seconds since tracing began")
unix = Const(False, "-u", "--unix-timestamp", help="print the seconds since 1970")
clock = Const(False, "-T", "--time", help="print the time of day")
with_cpu = Const(False, "-C", "--print_cpu", help="print the CPU")
only_name = Const("", "-n", "--name", help="only print threads whose name contains this")
only_said = Const("", "-f", "--msg-filter", help="only print lines whose message contains this")
kernel_stack = Const(False, "-K", "--kernel-stack", help="print the stack of the kernel")
as_bytes = Const(
    False, "-B", "--bin_cmp", help="STRCMP compares so many bytes as its text has, not whole texts"
)
symbol_files: tuple[str, ...] = Const(
    (), "-s", "--sym_file_list", metavar="FILES", convert=files,
    help="files whose functions are named in stacks also when processes have ended: /bin/a,/bin/b",
)  # fmt: skip
user_stack = Const(False, "-U", "--user-stack", help="print the stack in the process")
addresses = Const(False, "-a", "--address", help="print addresses in stacks")
tally = Const(False, "-A", "--aggregate", help="count equal lines and print them at the end")
included: tuple[str, ...] = Const(
    (), "-I", "--include", metavar="MODULE", convert=module_named, merge=add,
    help="name records and constants of this module or file of Python (headers of C: not needed)",
)  # fmt: skip


def found(options: Any) -> Tracing:
    """Return what the options ask for; asked again, the same.

    Raises:
        ValueError: they make no sense.
    """
    given = options.option(specifiers)
    if not given:
        raise ValueError("say what to trace: do_sys_openat2, 'c:open \"%s\", arg1'")
    if options.option(tally) and not options.option(limit):
        raise ValueError("-A needs -M: what is counted is printed after so many lines")
    option = options.option
    settings = Settings(
        option(only_pid), option(text_size), option(included),
        filtered=are_given(options), signature=kernel_signature, prefixes=option(as_bytes),
    )  # fmt: skip
    return tracing(given, settings, wanted(options))


def wanted(options: Any) -> Wanted:
    """Return what is sent besides what specifiers say."""
    option = options.option
    return Wanted(
        option(pages), option(kernel_stack), option(user_stack), bool(option(symbol_files))
    )


def probes(options: Any) -> Iterable[Probe | Alternatives]:
    """Make the probes of all specifiers."""
    made = found(options)
    if options.option(verbose):
        sys.stderr.write(made.text)
    return made.probes


def message_of(session: Any, row: Any) -> str | None:
    """Return what is said of a call; None if nothing is."""
    made = found(session)
    return said(made, row) if made.traced[row.spec].message.text else None


def is_shown(session: Any, row: Any) -> bool:
    """Tell whether a line is to be printed."""
    part = session.option(only_said)
    return session.option(only_name) in row.comm and part in (message_of(session, row) or "")


def stack(session: Any, row: Any) -> list[str]:
    """Return the stacks of a call."""
    return stack_of(found(session), session, row, addresses=session.option(addresses))


def since_1970(_: Any, row: Any) -> float:
    """Return when a call was, in seconds since 1970."""
    ns: int = row.at_ns + time.time_ns() - time.monotonic_ns()
    return ns / 1_000_000_000


def is_single(option: Any) -> Any:
    """Return what tells whether a column is shown: lines that are counted have no times."""
    return lambda session: session.option(option) and not session.option(tally)


def says_something(session: Any) -> bool:
    """Tell whether any specifier has a message."""
    return any(each.message.text for each in found(session).traced)


tool = Tool[None](
    __name__,
    probes=probes,
    lines=TracedLines(
        found,
        Clock("TIME", 8, field="at_ns", when=is_single(clock)),
        Elapsed("TIME(s)", 11, format=".6f", field="at_ns", when=is_single(elapsed)),
        Column("TIME(s)", 17, format=".6f", field="unix", value=since_1970, when=is_single(unix)),
        Column("CPU", 3, when=is_single(with_cpu)),
        Column("PID", 7),
        Column("TID", 7),
        Column("COMM", 15),
        Column(
            "FUNC", 16, value=lambda session, row: found(session).traced[row.spec].spec.function
        ),
        Column("-", 0, field="message", value=message_of, absent="-", when=says_something),
        Below(
            "",
            0,
            field="stack",
            value=stack,
            when=lambda session: session.option(kernel_stack) or session.option(user_stack),
        ),
        keep=is_shown,
        with_own=with_own,
        files=symbol_files,
        process=only_pid,
        limit=limit,
        tally=tally,
    ),
    filters=FILTERS,
    spelled={only_tid: ["-L"], only_cgroup: ["-c", "--cgroup-path"]},
    exclusive=[(clock, elapsed, unix)],
    examples="""
        trace do_sys_openat2                                # a line for each call
        trace 'do_sys_openat2 "%s", filename'               # with an argument by its name
        trace 'p::do_sys_openat2 "%s", arg2@user' -T        # by its number, with the time
        trace 'sys_read (arg3 > 20000) "read %d bytes", arg3'   # large reads only
        trace 'r::vfs_read (retval < 0) "error %d", retval' # what fails
        trace 'tcp_connect "%d", sk->sk_family'             # members of kernel objects
        trace 'c:open (arg2 == 42) "%s %d", arg1, arg2'     # a function of the C library
        trace 'c:malloc(size_t size) (size > 4096) "%lu", size' -U   # with the stack
        trace 'r:/usr/bin/bash:readline "%s", retval'       # what is typed
        trace 't:block:block_rq_complete "sectors=%d", args->nr_sector'
        trace 'u:pthread:pthread_create (arg4 != 0)'        # a USDT probe
        trace 'r:c:malloc (retval) "%p", retval' -M 10      # the first ten
        trace -p 2740 'do_sys_openat2 "%s", filename'       # of one process
        trace --container web c:getaddrinfo                 # of one container
        trace --exec ls 'c:opendir "%s", arg1'              # of one command
    """,
)

if __name__ == "__main__":
    raise SystemExit(tool.main())
