"""BPF helpers as Python functions: each takes the machine, the arguments and the call.

Numbers come as Python integers, pointers as addresses. What is about the outside world (clocks,
ids, names) comes from the machine's ``world``, and a test may replace any of them.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from pyebpf.abi import constants as c
from pyebpf.ir.interp.faults import ProbeFault
from pyebpf.ir.interp.packets import PACKETS
from pyebpf.ir.interp.ring import Ring
from pyebpf.ir.interp.tables import ProgramsTable, StackTable
from pyebpf.ir.interp.timers import TIMERS

if TYPE_CHECKING:
    from pyebpf.ir.interp.machine import Machine
    from pyebpf.ir.interp.tables import Table
    from pyebpf.ir.nodes import CallHelper

Helper: TypeAlias = "Callable[[Machine, list[int], CallHelper], int]"

_KERNEL_HALF = 1 << 63
_MAX_TAIL_CALLS = 33
_MAX_LOOPS = 1 << 23


class TailCall(Exception):  # noqa: N818 - no error: the way out of the calling program
    """The program goes on in another one."""

    def __init__(self, program: str) -> None:
        super().__init__(program)
        self.program = program


def table_of(m: Machine, handle: int, call: CallHelper) -> Table:
    """Return the map that a helper gets."""
    found = m.tables_by_handle.get(handle)
    if found is None:
        raise ProbeFault(f"{call.helper} gets something that is no map", call.span)
    return found


def _key(m: Machine, table: Table, address: int, call: CallHelper) -> bytes:
    return m.memory.read(address, table.spec.key_size, call)


# -- maps


def map_lookup_elem(m: Machine, args: list[int], call: CallHelper) -> int:
    """Find the value of a key."""
    table = table_of(m, args[0], call)
    return table.lookup(_key(m, table, args[1], call), m.world.cpu)


def map_lookup_percpu_elem(m: Machine, args: list[int], call: CallHelper) -> int:
    """Find the value of a key for some CPU."""
    table = table_of(m, args[0], call)
    key = _key(m, table, args[1], call)
    return table.lookup(key, args[2]) if 0 <= args[2] < table.cpus else 0


def map_update_elem(m: Machine, args: list[int], call: CallHelper) -> int:
    """Store a value."""
    table = table_of(m, args[0], call)
    value = m.memory.read(args[2], table.spec.value_size, call)
    return table.update(_key(m, table, args[1], call), value, args[3], m.world.cpu)


def map_delete_elem(m: Machine, args: list[int], call: CallHelper) -> int:
    """Remove a key."""
    table = table_of(m, args[0], call)
    return table.delete(_key(m, table, args[1], call))


def for_each_map_elem(m: Machine, args: list[int], call: CallHelper) -> int:
    """Call a function for each entry."""
    table, code, flags = table_of(m, args[0], call), m.function_at(args[1], call), args[3]
    if flags:
        return -errno.EINVAL
    turns = 0
    for key in table.keys():  # noqa: SIM118 - a map of ours, no dict
        turns += 1
        region = m.memory.add(bytearray(key), f"a key of map `{table.spec.name}`", writable=False)
        given = (args[0], region.base, table.lookup(key, m.world.cpu), args[2])
        stop = code.run(given[: len(code.params)])
        m.memory.remove(region)
        if stop:
            break
    return turns


def loop(m: Machine, args: list[int], call: CallHelper) -> int:
    """Call a function a number of times."""
    code = m.function_at(args[1], call)
    if args[3]:
        return -errno.EINVAL
    if not 0 <= args[0] <= _MAX_LOOPS:
        return -errno.E2BIG
    for index in range(args[0]):
        if code.run((index, args[2])[: len(code.params)]):
            return index + 1
    return args[0]


def tail_call(m: Machine, args: list[int], call: CallHelper) -> int:
    """Go on in another program, if the table has one there."""
    table = table_of(m, args[1], call)
    if not isinstance(table, ProgramsTable):
        raise ProbeFault("tail_call gets something that is no table of programs", call.span)
    program = table.programs.get(args[2])
    if program is None or m.tail_calls >= _MAX_TAIL_CALLS:
        return -errno.ENOENT
    m.tail_calls += 1
    raise TailCall(program)


def get_stackid(m: Machine, args: list[int], call: CallHelper) -> int:
    """Keep the call stack that the test gave."""
    table = table_of(m, args[1], call)
    if not isinstance(table, StackTable):
        raise ProbeFault("get_stackid gets something that keeps no stacks", call.span)
    user = args[2] & c.BPF_F_USER_STACK
    stack = m.world.user_stack if user else m.world.kernel_stack
    return table.keep(stack[args[2] & 0xFF :])


# -- ring buffers


def _ring(m: Machine, handle: int, call: CallHelper) -> Ring:
    table = table_of(m, handle, call)
    if not isinstance(table, Ring):
        raise ProbeFault(f"{call.helper} gets something that is no ring buffer", call.span)
    return table


def ringbuf_reserve(m: Machine, args: list[int], call: CallHelper) -> int:
    """Reserve a record."""
    return _ring(m, args[0], call).reserve(args[1], call.span)


def ringbuf_output(m: Machine, args: list[int], call: CallHelper) -> int:
    """Send bytes as one record."""
    ring, data = _ring(m, args[0], call), m.memory.read(args[1], args[2], call)
    address = ring.reserve(args[2], call.span)
    if not address:
        return -errno.EAGAIN
    m.memory.write(address, data, call)
    ring.finish(address, call, discard=False)
    return 0


def _finish(m: Machine, address: int, call: CallHelper, *, discard: bool) -> int:
    rings = [table for table in m.tables.values() if isinstance(table, Ring)]
    if not any(ring.finish(address, call, discard=discard) for ring in rings):
        raise ProbeFault(f"{call.helper} gets something that is no record", call.span)
    return 0


def ringbuf_submit(m: Machine, args: list[int], call: CallHelper) -> int:
    """Send a record."""
    return _finish(m, args[0], call, discard=False)


def ringbuf_discard(m: Machine, args: list[int], call: CallHelper) -> int:
    """Give a record up."""
    return _finish(m, args[0], call, discard=True)


# -- memory of the kernel and of processes


def _readable(m: Machine, address: int, size: int, helper: str) -> bool:
    in_kernel = address >= _KERNEL_HALF
    if ("_user" in helper and in_kernel) or ("_kernel" in helper and not in_kernel):
        return False
    return m.memory.readable(address, size)


def probe_read(m: Machine, args: list[int], call: CallHelper) -> int:
    """Copy memory, or write zeros."""
    target, size, source = args
    if not size:
        return 0
    if not _readable(m, source, size, call.helper):
        m.memory.write(target, bytes(size), call)
        return -errno.EFAULT
    m.memory.write(target, m.memory.read(source, size, call), call)
    return 0


def probe_read_str(m: Machine, args: list[int], call: CallHelper) -> int:
    """Copy text up to its NUL, or write zeros."""
    target, size, source = args
    if size <= 0:
        return 0
    region = m.memory.at(source) if _readable(m, source, 1, call.helper) else None
    data = bytes(region.data[source - region.base :]) if region else b""
    text, nul, _ = data[:size].partition(b"\0")
    if not nul and len(text) < size:  # it runs out of memory before its end
        m.memory.write(target, bytes(size), call)
        return -errno.EFAULT
    text = text[: size - 1] + b"\0"
    m.memory.write(target, text, call)
    return len(text)


# -- the world


def get_current_comm(m: Machine, args: list[int], call: CallHelper) -> int:
    """Store the name of the thread."""
    m.memory.write(args[0], m.world.comm[: args[1] - 1].ljust(args[1], b"\0"), call)
    return 0


def this_cpu_ptr(m: Machine, args: list[int], call: CallHelper) -> int:  # noqa: ARG001
    """Return the one instance of a per-CPU variable."""
    return args[0]


def per_cpu_ptr(m: Machine, args: list[int], call: CallHelper) -> int:  # noqa: ARG001
    """Return the one instance of a per-CPU variable, for a CPU that exists."""
    return args[0] if args[1] < m.target.cpus else 0


def get_current_task(m: Machine, args: list[int], call: CallHelper) -> int:  # noqa: ARG001
    """Return the address of the current task."""
    return m.world.task()


def ktime_get_ns(m: Machine, args: list[int], call: CallHelper) -> int:  # noqa: ARG001
    """Return the time, which goes on by a step at each reading."""
    return m.world.tick()


def _of_world(name: str) -> Helper:
    def helper(m: Machine, args: list[int], call: CallHelper) -> int:  # noqa: ARG001
        return int(getattr(m.world, name))

    return helper


def _does_nothing(m: Machine, args: list[int], call: CallHelper) -> int:  # noqa: ARG001
    return 0


HELPERS: dict[str, Helper] = {
    "map_lookup_elem": map_lookup_elem,
    "map_lookup_percpu_elem": map_lookup_percpu_elem,
    "map_update_elem": map_update_elem,
    "map_delete_elem": map_delete_elem,
    "for_each_map_elem": for_each_map_elem,
    "loop": loop,
    "tail_call": tail_call,
    "get_stackid": get_stackid,
    "ringbuf_reserve": ringbuf_reserve,
    "ringbuf_output": ringbuf_output,
    "ringbuf_submit": ringbuf_submit,
    "ringbuf_discard": ringbuf_discard,
    **dict.fromkeys(("probe_read", "probe_read_kernel", "probe_read_user"), probe_read),
    "copy_from_user": probe_read,
    **dict.fromkeys(
        ("probe_read_str", "probe_read_kernel_str", "probe_read_user_str"), probe_read_str
    ),
    "get_current_comm": get_current_comm,
    "get_current_task": get_current_task,
    "this_cpu_ptr": this_cpu_ptr,
    "per_cpu_ptr": per_cpu_ptr,
    "get_current_task_btf": get_current_task,
    **dict.fromkeys(
        ("ktime_get_ns", "ktime_get_boot_ns", "ktime_get_coarse_ns", "ktime_get_tai_ns"),
        ktime_get_ns,
    ),
    "get_current_pid_tgid": _of_world("pid_tgid"),
    "get_current_uid_gid": _of_world("uid_gid"),
    "get_smp_processor_id": _of_world("cpu"),
    "get_numa_node_id": _of_world("numa_node"),
    "get_current_cgroup_id": _of_world("cgroup_id"),
    "get_attach_cookie": _of_world("attach_cookie"),
    "get_prandom_u32": _of_world("random"),
    "jiffies64": _of_world("jiffies"),
    "spin_lock": _does_nothing,
    "spin_unlock": _does_nothing,
    **PACKETS,
    **TIMERS,
}
