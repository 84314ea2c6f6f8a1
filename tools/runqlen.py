"""Sample how many tasks wait in the run queues of the CPUs, 99 times a second.

A task that runs does not wait. What counts is the queue of the CPU as a whole, with the tasks of
all cgroups and scheduling classes.

Output:   a histogram per interval, with -C one for each CPU; with -O in how many of the samples
          somebody waited.
Cost:     99 times a second on each CPU, one number read and counted.
Needs:    Linux 5.5, with BTF.
Source:   behaviour after BCC's runqlen (Brendan Gregg, 2016); written from scratch.
"""

from __future__ import annotations

from typing import Any

from pyebpf import (
    Const,
    LinearHist,
    PerfEventContext,
    Session,
    cpu,
    perf_event,
    u32,
)
from pyebpf.cli import Tool, whole
from pyebpf.lib import sched

occupancy = Const(False, "-O", "--runqocc", help="report run queue occupancy")
by_cpu = Const(False, "-C", "--cpus", help="print output for each CPU separately")
only_cpu: int | None = Const(None, "-c", "--cpu", help="sample this CPU only", convert=whole)

lengths = LinearHist(unit="runqlen", slots=512)
lengths_by = LinearHist(unit="runqlen", slots=512, key=u32)


@perf_event(freq_hz=99, cpu=only_cpu)
def on_sample(ctx: PerfEventContext) -> None:
    """Count the length of this CPU's queue."""
    waiting = sched.waiting()
    if by_cpu:
        lengths_by[cpu()].add(waiting)
    else:
        lengths.add(waiting)


def report(session: Session) -> Any:
    """Take one interval: lengths as a histogram or one by CPU; or rows of occupancies."""
    each = session.option(by_cpu)
    taken: Any = session[lengths_by if each else lengths].take()
    if not session.option(occupancy):
        return taken.named("cpu") if each else taken
    if each:
        return [
            {"cpu": number, "runqocc": occupied(hist)} for number, hist in sorted(taken.items())
        ]
    return [{"runqocc": occupied(taken)}]


def occupied(hist: Any) -> float:
    """Return in how many of a hundred samples somebody waited."""
    idle = int(hist.counts[0])
    return 100 * (hist.count - idle) / hist.count if hist.count else 0.0


def show(_: Session, result: Any) -> str:
    """Draw lengths, or say occupancies."""
    if not isinstance(result, list):
        return str(result)
    return "\n".join(
        f"runqocc, CPU {row['cpu']:<3} {row['runqocc']:6.2f}%"
        if "cpu" in row
        else f"runqocc: {row['runqocc']:.2f}%"
        for row in result
    )


tool = Tool(
    __name__,
    probes=[on_sample],
    report=report,
    show=show,
    header="Sampling run queue length... Hit Ctrl-C to end.",
    filters="a queue belongs to a CPU",
    most=lambda row: row["runqocc"],
    examples="""
        runqlen               # summarize run queue length as a histogram
        runqlen 1 10          # print 1 second summaries, 10 times
        runqlen -T 1          # 1s summaries, with timestamps
        runqlen -O            # report run queue occupancy
        runqlen -C            # show each CPU separately
        runqlen -c 1          # sample CPU 1 only
    """,
)

if __name__ == "__main__":
    raise SystemExit(tool.main())
