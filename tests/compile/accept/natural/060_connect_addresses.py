"""Whom processes connect to: the address in user memory, decoded."""

import socket
from ipaddress import IPv4Address

from pyebpf import (
    Const,
    Hash,
    TracepointContext,
    ipv4,
    ntohs,
    read_user,
    tgid,
    tracepoint,
    u16,
    u64,
)
from pyebpf.kernel import sockaddr_in

target_pid = Const(0, "-p", "--pid")
connections = Hash[tuple[IPv4Address, u16], u64](max_entries=256)


@tracepoint("syscalls:sys_enter_connect")
def probe(ctx: TracepointContext) -> None:
    if target_pid and tgid() != target_pid:
        return
    address = read_user(sockaddr_in, ctx.uservaddr)
    if address.sin_family == socket.AF_INET:
        connections[ipv4(address.sin_addr.s_addr), ntohs(address.sin_port)] += 1
