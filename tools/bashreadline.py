"""Print each line that is typed into bash, as it is entered.

A line is seen when bash has read it, whether it then runs anything or not. What scripts run, and
what comes through pipes, is not read by the function that is looked at. Of a line longer than 1,023
bytes the begin is shown.

Output:   the time, the process, the line.
Cost:     a probe at the return of one function, which runs once for each line.
Needs:    Linux 4.17, and a bash that has its symbols, or with -s a libreadline. A container has a
          bash of its own: name the process (-p), or the file (-s /proc/PID/root/usr/bin/bash).
Source:   behaviour after BCC's bashreadline (Brendan Gregg, 2016); written from scratch.
"""

from __future__ import annotations

from pyebpf import (
    Char,
    Const,
    Events,
    UserPtr,
    chars,
    first_of,
    ktime_get_ns,
    record,
    tgid,
    u8,
    u32,
    u64,
    uretprobe,
)
from pyebpf.cli import Clock, Column, Lines, Tool
from pyebpf.lib.filters import FILTERS, is_wanted, only_pid

binary = Const(
    "bash",
    "-s",
    "--shared",
    bare="readline",
    metavar="PATH",
    help="trace this libreadline, or this bash (without PATH: the libreadline of this machine)",
)


@record
class Line:
    """What was typed."""

    ts_ns: u64
    pid: u32
    text: Char = chars(1024)


lines = Events[Line](pages=64)


# The function that ends a line sees also the one that a shell was waiting for when tracing began;
# where it is not among the symbols, the whole function does it.
@first_of(
    uretprobe(binary, "readline_internal_teardown", pid=only_pid),
    uretprobe(binary, "readline", pid=only_pid),
)
def on_line(ret: UserPtr[u8]) -> None:
    """Send a line; NULL is the end of the input."""
    if ret and is_wanted():
        with lines.reserve() as line:
            line.ts_ns, line.pid = ktime_get_ns(), tgid()
            line.text.read_user_str(ret)


tool: Tool[None] = Tool(
    __name__,
    probes=[on_line],
    lines=Lines(
        lines,
        Clock("TIME", 9, field="time", value=lambda _, line: line.ts_ns),
        Column("PID", 7),
        Column("COMMAND", 0, field="text"),
    ),
    early=True,
    filters=FILTERS,
    examples="""
        bashreadline                # every bash
        bashreadline -p 1234        # one shell
        bashreadline -s             # a bash that uses the libreadline of this machine
        bashreadline -s /opt/bash   # another bash, or another libreadline
        bashreadline -j             # a line of JSON for each line
    """,
)

if __name__ == "__main__":
    raise SystemExit(tool.main())
