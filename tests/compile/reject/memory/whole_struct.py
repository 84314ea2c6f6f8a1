from pyebpf import *
from pyebpf.kernel import bpf_map_type, sockaddr_in, task_struct

out = Array[i64](max_entries=16)


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    read_kernel(bpf_map_type, ctx.args[0])
    out[0] = read_user(task_struct, current_task()).pid
    out[1] = read_user(sockaddr_in, ctx.args[0], 0)
    out[2] = read_user(sockaddr_in, ctx.args[0], None)
    for i in range(2):
        address = read_user(sockaddr_in, ctx.args[0] + i)
        again = address
        out[3] = again.sin_port
    address.sin_port = 1
