"""A helper gets arguments of other types, too few, or does not exist."""

from pyebpf import TracepointContext, helpers, tracepoint


@tracepoint("sched:sched_switch")
def switch(ctx: TracepointContext) -> None:
    helpers.get_current_ancestor_cgroup_id("1")  # refused: arg-type, reportArgumentType
    helpers.send_signal()  # refused: call-arg, reportCallIssue
    helpers.get_coffee()  # refused: attr-defined, reportAttributeAccessIssue
