from pyebpf import *
from pyebpf import helpers
from pyebpf.kernel import sock


@record
class Walk:
    frames: FixedArray[u64] = array(8)
    text: Char = chars(32)
    number: i64


@record
class Asked:
    address: u64
    result: i64


walks = Hash[u32, Walk](max_entries=4)
sent = PerfEventArray[Walk](pages=1)
cookies = SkStorage[u64]()
out = Array[i64](max_entries=16)


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    walk = Walk()
    out[0] = helpers.get_stack(ctx, walk.frames, 64)
    out[1] = helpers.get_task_stack(current_task(), walk.frames, 64)
    numbers = [tgid(), 7]
    out[2] = helpers.snprintf(walk.text, 32, "%d of %d", numbers, 16)
    out[3] = helpers.snprintf(walk.text, 32, "none", None, 0)
    out[4] = helpers.strncmp(walk.text, 32, "none")
    out[5] = helpers.perf_event_output(ctx, sent, 0xFFFFFFFF, walk, sizeof(Walk))
    buffer: FixedArray[u8] = array(16)
    out[6] = helpers.get_current_comm(buffer, 16)
    found = helpers.task_storage_get(walks_of, current_task(), None, 1)
    if found is not None:
        found.number += 1
    helpers.task_storage_delete(walks_of, current_task())


walks_of = TaskStorage[Walk]()


@tp_btf("inet_sock_set_state")
def changed(sk: Ptr[sock]) -> None:
    out[7] = helpers.get_socket_cookie(sk)
    tcp = helpers.skc_to_tcp_sock(sk)
    if tcp is not None:
        out[8] = tcp.snd_cwnd


@syscall
def asked(ctx: Asked) -> None:
    text: FixedArray[u8] = array(16)
    ctx.result = helpers.copy_from_user(text, 16, ctx.address)
    walk = Walk()
    out[9] = helpers.strtol(text, 16, 10, walk.number)
    out[10] = walk.number
