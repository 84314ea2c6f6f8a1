"""Variables and enumerators of the kernel."""

from pyebpf import Array, KernelVariable, jiffies64, raw_tracepoint, u64
from pyebpf.kernel import bpf_map_type

jiffies = KernelVariable[u64]("jiffies")
out = Array[u64](max_entries=2)


@raw_tracepoint("sys_enter")
def probe() -> None:
    now = jiffies64()
    out[0] = now <= jiffies.value <= now + 1_000
    out[1] = bpf_map_type.BPF_MAP_TYPE_RINGBUF
