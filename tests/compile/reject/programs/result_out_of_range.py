from pyebpf import SockAddrContext, cgroup_sock_addr, i32, lsm


@cgroup_sock_addr("connect4")
def refuse(ctx: SockAddrContext) -> i32:
    if ctx.type == 1:
        return ctx.user_port
    return 2


@lsm("file_open")
def positive() -> i32:
    return 1
