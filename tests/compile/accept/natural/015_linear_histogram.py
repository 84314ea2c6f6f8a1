"""Priorities in steps of ten."""

from pyebpf import LinearHist, RawTracepointContext, raw_tracepoint

priorities = LinearHist(slots=14, step=10)


@raw_tracepoint("sched_switch")
def probe(ctx: RawTracepointContext) -> None:
    priorities.add(ctx.args[3])
