"""Every kind of program that this kernel lets us load: accepted by the verifier, and right."""

from __future__ import annotations

import errno
import os
import re
import socket
import struct
from pathlib import Path

import pytest

from pyebpf import (
    Hash,
    KprobeContext,
    PerfEventContext,
    SkBuffContext,
    SockAddrContext,
    UprobeContext,
    XdpContext,
    cgroup_id,
    cgroup_sock_addr,
    compile_probes,
    htons,
    i32,
    kprobe,
    load,
    net,
    perf_event,
    record,
    socket_filter,
    tc,
    u8,
    u32,
    u64,
    uprobe,
    xdp,
)
from pyebpf.btf import Kind
from pyebpf.btf.system import kernel_btf
from pyebpf.dsl.probes import Probe
from pyebpf.errors import AttachError, CompileError, KernelError, PyebpfError, VerifierError
from tests.compile.cases import HERE, load_case, probes_of

pytestmark = pytest.mark.kernel

CASES = sorted((HERE / "accept" / "programs").glob("*.py"))
counts = Hash[u64, u64](max_entries=64)


def programs() -> list[tuple[str, str]]:
    found = []
    for case in CASES:
        with load_case(case) as module:
            found += [(case.stem, probe.name) for probe in probes_of(module)]
    return found


@pytest.mark.thorough
@pytest.mark.parametrize(("case", "name"), programs())
def test_the_verifier_takes_it(case: str, name: str) -> None:
    with load_case(HERE / "accept" / "programs" / f"{case}.py") as module:
        probe: Probe = getattr(module, name)
        try:
            with load(probe, attach=False) as session:
                assert session.compiled.programs[0].kind == probe.hooks[0].kind
        except KernelError as error:
            # A refusal by the verifier is another exception.
            if error.errno not in (errno.EPERM, errno.EINVAL, errno.EOPNOTSUPP):
                raise
            pytest.skip(f"this kernel refuses {probe.hooks[0].kind} programs: {error}")
        except VerifierError as error:
            # Without CONFIG_FUNCTION_ERROR_INJECTION no function is open to programs that sleep.
            if not re.search(r"is not sleepable|programs can be sleepable", str(error)):
                raise
            pytest.skip(f"this kernel lets no program sleep there: {error.log.strip()[:80]}")
        except CompileError as error:
            if {item.code for item in error.diagnostics} - {"E0701", "E0107"}:
                raise
            pytest.skip(f"this kernel is older: {str(error).splitlines()[0]}")


def packet(port: int, *, options: int = 0) -> bytes:
    ip = struct.pack("!BBHHHBBHII", 0x45 + options, 0, 28, 0, 0, 64, 17, 0, 0x7F000001, 0x7F000001)
    udp = struct.pack("!HHHH", 4000, port, 8, 0)
    return b"\2" * 12 + b"\x08\0" + ip + bytes(4 * options) + udp + bytes(30)


def test_a_packet_is_read_and_changed_in_place() -> None:
    with load_case(HERE / "accept" / "programs" / "packets.py") as module:
        with load(module.count_ports, attach=False) as session:
            for options in (0, 3):
                sent = packet(53, options=options)
                ran = session.test_run(module.count_ports, data=sent)
                assert ran.result == 2  # it came from device 1, queue 0
                at = 14 + 20 + 4 * options
                assert struct.unpack_from("!HH", ran.data, at) == (53, 4000)
                assert ran.data[22] == 63
            other = session.test_run(module.count_ports, data=bytes(64))
            assert (other.result, other.data) == (2, bytes(64))
            short = session.test_run(module.count_ports, data=packet(53)[:20])
            assert short.result == 2
            seen = dict(session[module.seen].items())
        assert seen == {int(htons(53)): 2 * len(packet(53)) + 12}


@xdp
def drop_all(ctx: XdpContext) -> i32:
    counts[1] += 1
    return 1


@tc("egress", device="lo")
def turn(ctx: SkBuffContext) -> i32:
    counts[2] += 1
    ctx.mark = 7
    return 0 if ctx.mark == 7 else 2


@socket_filter
def only_a(ctx: SkBuffContext) -> u32:
    counts[3] += 1
    return ctx.len if ctx.len > 8 + 2 else 0


@record
class Message:
    at: u8
    mark: u8


@record
class Tail:
    what: u32


@socket_filter
def marked(ctx: SkBuffContext) -> u32:
    message = ctx.packet(Message, at=net.UDP_LENGTH)
    if message and message.mark == 7:
        tail = ctx.packet(Tail, at=net.UDP_LENGTH + message.at)
        far = ctx.packet(Tail, at=(u64_of(message.at) << 32) + net.UDP_LENGTH)
        if tail and tail.what == 0x64636261 and far is None:
            return ctx.len
    return 0


def u64_of(number: u64) -> u64:
    return number


def test_a_socket_filter_reads_copies_of_a_packet() -> None:
    with load(marked) as session, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(5)
        session.attach(marked, socket=receiver)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            others = (b"", b"\2", b"\2\6abcd", b"\2\7abc", b"\3\7abcd", b"\2\7abce")
            for text in (*others, b"\2\7abcd", b"\5\7...abcd"):
                sender.sendto(text, receiver.getsockname())
            assert [receiver.recv(9), receiver.recv(9)] == [b"\2\7abcd", b"\5\7...abcd"]


@cgroup_sock_addr("connect4")
def nowhere(ctx: SockAddrContext) -> i32:
    counts[4] += 1
    return 0 if ctx.user_port == htons(9) else 1


def test_a_function_that_a_binary_lacks_is_named_with_the_nearest() -> None:
    @uprobe("c", "getpidd", pid=os.getpid())
    def enters(ctx: UprobeContext) -> None:
        counts[6] += 1

    with pytest.raises(AttachError, match=r"no function 'getpidd'; the nearest: .*getpid"):
        load(enters)


def test_an_unknown_perf_event_is_named_with_those_that_are() -> None:
    @perf_event("page-falts", period=1, pid=os.getpid())
    def sample(ctx: PerfEventContext) -> None:
        counts[8] += 1

    with pytest.raises(AttachError, match="'page-falts'; there are cpu-clock"):
        load(sample)


def test_a_device_that_is_not_there_is_named() -> None:
    with load(drop_all) as session:
        with pytest.raises(AttachError, match="no network device 'none0' here; there are"):
            session.attach(drop_all, device="none0")
        with pytest.raises(AttachError, match="needs to know where: device="):
            session.attach(drop_all)


def test_what_waits_for_a_place_says_so() -> None:
    with load(drop_all, turn, attach=False) as session:
        told = session.explain().splitlines()
    assert told[:2] == ["drop_all: xdp", "    not attached: session.attach(…, device=…) says where"]
    assert "    not attached" not in "\n".join(told[2:])


def test_a_directory_that_is_no_cgroup_is_named(tmp_path: Path) -> None:
    with load(nowhere) as session, pytest.raises(AttachError, match="is no cgroup"):
        session.attach(nowhere, cgroup=str(tmp_path))


def test_what_is_no_iterator_cannot_be_read() -> None:
    with load(only_a) as session, pytest.raises(PyebpfError, match="is not attached"):
        session.read(only_a)


def test_a_kprobe_that_this_kernel_cannot_have_says_so() -> None:
    @kprobe("vfs_read")
    def reads(ctx: KprobeContext) -> None:
        if cgroup_id() == 0:
            counts[1] += 1

    assert compile_probes(reads).object


def test_a_pattern_that_matches_nothing_says_so() -> None:
    @uprobe("c", "nothing_*", pid=os.getpid())
    def enters(ctx: UprobeContext) -> None:
        counts[10] += 1

    with pytest.raises(AttachError, match=r"no function of .* matches 'nothing_"):
        load(enters)


@pytest.mark.skipif(
    not kernel_btf().find_all("bpf_cast_to_kern_ctx", Kind.FUNC),
    reason="this kernel has no bpf_cast_to_kern_ctx",
)
def test_the_kernels_own_view_of_a_packet() -> None:
    with load_case(HERE / "accept" / "programs" / "kernel_contexts.py") as module:
        with load(module.packet, attach=False) as session:
            sent = packet(53)
            session.test_run(module.packet, data=sent)
            assert session[module.out][2] == len(sent)
        with load(module.received, attach=False) as session:
            session.test_run(module.received, data=bytes(64))
            assert session[module.out][1] == socket.if_nametoindex("lo")


lengths = Hash[u32, u64](max_entries=4)


@xdp
def measured(ctx: XdpContext) -> i32:
    before = lengths.get(1, 0)
    lengths[1] = before + ctx.packet_length()
    lengths[2] = ctx.packet_length() * 2 - before
    return net.XDP_DROP if before + ctx.packet_length() > 100 else net.XDP_PASS


def test_the_length_of_a_packet_is_a_number_like_any_other() -> None:
    with load(measured, attach=False) as session:
        results = [session.test_run(measured, data=bytes(60)).result for _ in range(2)]
        assert results == [net.XDP_PASS, net.XDP_DROP]
        assert dict(session[lengths].items()) == {1: 120, 2: 60}


@xdp
def answer(ctx: XdpContext) -> i32:
    frame = ctx.packet(net.Ethernet)
    if frame is None or frame.kind != net.ETH_P_IP:
        return net.XDP_PASS
    ip = ctx.packet(net.IPv4, at=net.ETHERNET_LENGTH)
    if ip is None or ip.protocol != net.IPPROTO_UDP:
        return net.XDP_PASS
    udp = ctx.packet(net.UDP, at=net.ETHERNET_LENGTH + net.ipv4_length(ip))
    if udp is None or udp.target != 53:
        return net.XDP_PASS
    udp.source, udp.target = udp.target, udp.source
    ip.source, ip.target = ip.target, ip.source
    frame.source, frame.target = frame.target, frame.source
    return net.XDP_TX


@pytest.mark.parametrize("options", [0, 3, 10])
def test_a_packet_is_turned_round_by_its_headers(options: int) -> None:
    sent = packet(53, options=options)
    with load(answer, attach=False) as session:
        ran = session.test_run(answer, data=sent)
        assert ran.result == net.XDP_TX
        assert (ran.data[:6], ran.data[6:12]) == (sent[6:12], sent[:6])
        assert (ran.data[26:30], ran.data[30:34]) == (sent[30:34], sent[26:30])
        at = 34 + 4 * options
        assert struct.unpack_from("!HH", ran.data, at) == (53, 4000)
        assert session.test_run(answer, data=packet(54)).data == packet(54)
        assert session.test_run(answer, data=packet(53)[:41]).result == net.XDP_PASS
