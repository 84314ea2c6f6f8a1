from pyebpf import *
from pyebpf.kernel import bpf_map_type, no_such_type, task_struct

out = Array[u64](max_entries=8)


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    out[0] = has_type(task_struct)
    out[1] = has_enumerator(bpf_map_type, "BPF_MAP_TYPE_RINGBUF")
    if has_type(no_such_type):
        out[2] = sizeof(no_such_type)
    if has_enumerator(bpf_map_type, "BPF_MAP_TYPE_FUTURE"):
        out[3] = bpf_map_type.BPF_MAP_TYPE_FUTURE
