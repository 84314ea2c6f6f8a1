"""Programs for packets, functions and registers, fired in user space."""

from __future__ import annotations

import pytest

from pyebpf import (
    Hash,
    KprobeContext,
    Ptr,
    SkBuffContext,
    SockAddrContext,
    UserPtr,
    XdpContext,
    attach_cookie,
    cgroup_sock_addr,
    fexit,
    helpers,
    htons,
    i32,
    i64,
    kprobe,
    kretprobe,
    kretsyscall,
    ksyscall,
    read_user_str,
    record,
    tc,
    u8,
    u16,
    u64,
    xdp,
)
from pyebpf import testing as simulated
from pyebpf.kernel import file

counts = Hash[u64, u64](max_entries=16)


@record
class Ports:
    source: u16
    target: u16


@xdp
def swap(ctx: XdpContext) -> i32:
    ports = ctx.packet(Ports, at=2)
    if ports is None:
        return 1
    ports.source, ports.target = ports.target, ports.source
    counts[ctx.rx_queue_index] = ctx.packet_length()
    return 3


def test_a_packet_changes_in_place() -> None:
    with simulated.run(swap) as t:
        data = bytearray(b"\0\0\1\2\3\4\5")
        assert t.fire(swap, packet=data, rx_queue_index=4) == 3
        assert data == b"\0\0\3\4\1\2\5"
        assert dict(t[counts].items()) == {4: 7}
        assert t.fire(swap, packet=b"12345") == 1


@tc("egress")
def helped(ctx: SkBuffContext) -> i32:
    ports = Ports()
    if helpers.skb_load_bytes(ctx, 0, ports, 4) < 0:
        return 2
    ports.target += 1
    helpers.skb_store_bytes(ctx, 4, ports, 4, 0)
    ctx.mark = ports.target
    sk = ctx.sk
    if sk is not None:
        counts[sk.family] = 1
    return 0


def test_helpers_copy_out_of_the_packet_and_into_it() -> None:
    with simulated.run(helped) as t:
        data = bytearray(b"\1\0\2\0....")
        assert t.fire(helped, packet=data, sk=t.kernel("bpf_sock", family=2)) == 0
        assert data == b"\1\0\2\0\1\0\3\0"
        assert t.fire(helped, packet=b"123") == 2
        assert dict(t[counts].items()) == {2: 1}


@cgroup_sock_addr("connect4")
def refuse(ctx: SockAddrContext) -> i32:
    return 0 if ctx.user_port == htons(9) else 1


def test_fields_of_a_context_are_given_by_name() -> None:
    with simulated.run(refuse) as t:
        assert t.fire(refuse, user_port=9 << 8) == 0
        assert t.fire(refuse, user_port=10 << 8) == 1


@kprobe("vfs_read")
def enters(ctx: KprobeContext, file: Ptr[file], buffer: u64, count: u64) -> None:
    counts[1] = file.f_flags + count + ctx.ip


@kretprobe("vfs_read")
def leaves(ctx: KprobeContext, ret: i64) -> None:
    counts[2] = ret


@fexit("vfs_read")
def typed(file: Ptr[file], ret: i64) -> None:
    counts[3] = ret + file.f_flags


def test_arguments_and_results_of_functions_are_given_by_position_or_name() -> None:
    with simulated.run(enters, leaves, typed) as t:
        t.fire(enters, {"f_flags": 5}, 0, 7, ip=100)
        t.fire(leaves, ret=-1)
        t.fire(typed, {"f_flags": 1}, ret=41)
        assert dict(t[counts].items()) == {1: 112, 2: 2**64 - 1, 3: 42}


@ksyscall("openat")
def opens(ctx: KprobeContext, folder: i32, path: UserPtr[u8], flags: i32, mode: u16) -> None:
    counts[4] = flags + mode
    if folder < 0 and read_user_str(path, 16) == "/etc/hosts":
        counts[5] = attach_cookie()


@kretsyscall("openat")
def opened(ctx: KprobeContext, ret: i64) -> None:
    counts[6] += ret


def test_arguments_of_system_calls_are_those_of_the_process() -> None:
    with simulated.run(opens, opened) as t:
        t.set("attach_cookie", 7)
        t.fire(opens, -100, t.user("/etc/hosts"), 0o102, 0o7)
        t.fire(opened, ret=3)
        assert dict(t[counts].items()) == {4: 0o111, 5: 7, 6: 3}
        t.fire(opens, -100, t.user("/etc/passwd"), 1, mode=0)
        assert (t[counts][4], t[counts][5]) == (1, 7)


def test_a_program_that_ends_early_lets_things_go_on() -> None:
    @cgroup_sock_addr("connect4")
    def divides(ctx: SockAddrContext) -> i32:
        return 1 if 5 // ctx.user_port else 0

    @xdp
    def also(ctx: XdpContext) -> i32:
        return 1 // ctx.rx_queue_index

    with simulated.run(divides, also) as t:
        assert t.fire(divides, user_port=0) == 1
        assert t.fire(also) == 2


def test_a_field_that_is_none_is_named() -> None:
    with simulated.run(refuse) as t:
        assert t.fire(refuse) == 1
        with pytest.raises(TypeError, match="bpf_sock_addr has no field 'user_prt'"):
            t.fire(refuse, user_prt=1)
