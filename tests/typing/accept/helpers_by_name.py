"""Helpers by name, typed by the stub."""

from typing import Any

from typing_extensions import assert_type

from pyebpf import Hash, Ptr, TracepointContext, helpers, tracepoint, u32, u64
from pyebpf.kernel import task_struct

counts = Hash[u32, u64](max_entries=64)


def visit(task: Ptr[task_struct]) -> None:
    helpers.task_storage_delete(counts, task)


@tracepoint("sched:sched_switch")
def switch(ctx: TracepointContext) -> None:
    level = helpers.get_current_ancestor_cgroup_id(1)
    assert_type(level, int)
    helpers.map_update_elem(counts, ctx.next_pid, level)
    found = helpers.map_lookup_elem(map=counts, key=ctx.next_pid)
    if found is not None:
        assert_type(found, Any)
        visit(helpers.get_current_task_btf())
