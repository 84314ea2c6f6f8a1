"""A program that is compiled once, for the frozen kernel, and loaded as it is on every other.

``tests/data/one_object.o`` is what it compiles to; ``pytest tests/compile --update-golden`` writes
it anew. Between the kernels that it runs on fields move, change their names, come and go. What only
older kernels have is described here, as a flavour of the type (``task_struct___before``).
"""

from __future__ import annotations

from pathlib import Path

from pyebpf import (
    Array,
    Char,
    Hash,
    Ptr,
    cast,
    chars,
    compile_probes,
    current_task,
    has_enumerator,
    has_field,
    has_type,
    raw_tracepoint,
    record,
    sizeof,
    u32,
    u64,
)
from pyebpf.btf.write import Builder
from pyebpf.kernel import bpf_map_type, no_such_type, task_struct, task_struct___before
from pyebpf.spec.target import Target
from tests import frozen
from tests.kernel.running import cell

OBJECT = Path(__file__).parents[1] / "data" / "one_object.o"
#: What some kernels of the matrix lack.
NEWER = ("helper:get_current_task_btf", "atomics", "helper:for_each_map_elem", "helper:loop")


@record
class Names:
    own: Char = chars(16)
    parents: Char = chars(16)
    program: Char = chars(64)


numbers = Array[u64](max_entries=16)
names = Hash[u32, Names](max_entries=1)


@raw_tracepoint("sys_enter")
def one() -> int:
    task = current_task()
    numbers[0] = task.pid
    numbers[1] = task.tgid
    numbers[2] = task.real_parent.tgid
    numbers[3] = task.start_boottime
    numbers[4] = task.signal.rlim[7].rlim_cur
    numbers[5] = task.sched_reset_on_fork
    program = task.mm.exe_file
    numbers[6] = program.f_inode.i_size
    # Before Linux 5.14 this was called `state`, and had 64 bits.
    if has_field(task_struct, "__state"):
        numbers[7] = task.__state
    else:
        numbers[7] = cast(Ptr[task_struct___before], task).state
    numbers[8] = has_field(task_struct, "__state")
    numbers[9] = sizeof(task_struct)
    numbers[10] = bpf_map_type.BPF_MAP_TYPE_RINGBUF
    numbers[11] = 0
    if has_enumerator(bpf_map_type, "BPF_MAP_TYPE_ARENA"):
        numbers[11] = bpf_map_type.BPF_MAP_TYPE_ARENA
    numbers[12] = has_type(no_such_type)
    names[1] = Names(
        own=task.comm,
        parents=task.real_parent.comm,
        program=program.f_path.dentry.d_name.name,
    )
    return 1


def target() -> Target:
    """Return the frozen kernel, with what older ones had, and without what they lack."""
    known = frozen.target(without=NEWER)
    assert known.btf is not None
    more = Builder(known.btf)
    word = more.add_int("long", 8, signed=True)
    more.add_struct("task_struct___before", 24, [("state", word, 128)])
    return known.replace(btf=more.build())


def build(kernel: Target | None = None) -> bytes:
    """Return the object, for the kernel of :func:`target` unless another is given.

    It names no file: this one's place differs from checkout to checkout.
    """
    made = cell(Path(__file__).read_text(encoding="utf-8"), "one object", __file__=__file__)
    return compile_probes(made.one, target=kernel or target()).object
