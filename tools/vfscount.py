"""Count how often each of the kernel's functions for files is called: all whose names begin so.

Output:   a row for each function that was called, the most frequent last, at Ctrl-C or after the
          given seconds.
Cost:     a probe and an addition for each call. To attach takes some milliseconds for each of about
          a hundred functions, and to detach more, where kernels do not do this at once (Linux 5.18,
          with CONFIG_FPROBE).
Needs:    kprobes.
Source:   behaviour after BCC's vfscount (Brendan Gregg, 2015); written from scratch.
"""

from __future__ import annotations

from typing import Any

from pyebpf import Count, KprobeContext, Session, kprobe, u64
from pyebpf.cli import Column, Table, Tool
from pyebpf.cli.stacks import symbols
from pyebpf.lib.filters import FILTERS, is_wanted

calls = Count[u64](max_keys=1_024)


@kprobe("vfs_*")
def on_call(ctx: KprobeContext) -> None:
    """Count a call."""
    if is_wanted():
        calls.add(ctx.ip)


def report(session: Session) -> list[dict[str, Any]]:
    """Take one interval: a row for each function, the most frequent last."""
    taken: Any = session[calls].take()
    frames = symbols().frames(list(taken))
    found = [
        # The probe is a few bytes into the function on machines that mark where one may jump to.
        {"addr": frame.address - frame.offset, "func": str(frame), "count": seen.count}
        for frame, seen in zip(frames, taken.values(), strict=True)
        if seen.count
    ]
    return sorted(found, key=lambda row: row["count"])


def show(_: Session, rows: list[dict[str, Any]]) -> str:
    """Make the table of one interval."""
    table = Table(Column("ADDR", 16, format="x"), Column("FUNC", 26), Column("COUNT", 8, ">"))
    return "\n".join([table.header(), *(table.record(row) for row in rows)])


tool = Tool(
    __name__,
    probes=[on_call],
    report=report,
    show=show,
    header="Tracing... Ctrl-C to end.",
    times=1,
    filters=FILTERS,
    most="last",
    examples="""
        vfscount                      # count until Ctrl-C
        vfscount 5                    # for five seconds
        vfscount 1 10                 # every second, ten times
    """,
)

if __name__ == "__main__":
    raise SystemExit(tool.main())
