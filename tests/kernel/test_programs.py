"""Every kind of program that this kernel lets us load: accepted by the verifier, and right."""

from __future__ import annotations

import errno
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from pyebpf import (
    Char,
    Hash,
    IterContext,
    KprobeContext,
    PerfEventContext,
    Ptr,
    SkBuffContext,
    SkMsgContext,
    SockAddrContext,
    SockHash,
    SockOpsContext,
    UprobeContext,
    UserPtr,
    XdpContext,
    cgroup_id,
    cgroup_sock_addr,
    chars,
    compile_probes,
    htons,
    i32,
    iter,  # noqa: A004 - the kernel's word
    kprobe,
    load,
    net,
    ntohl,
    perf_event,
    read_user_str,
    record,
    sk_msg,
    sock_ops,
    socket_filter,
    tc,
    u8,
    u32,
    u64,
    uprobe,
    uretprobe,
    xdp,
)
from pyebpf.btf import Kind
from pyebpf.btf.system import kernel_btf
from pyebpf.dsl.probes import Probe
from pyebpf.errors import AttachError, CompileError, KernelError, PyebpfError, VerifierError
from pyebpf.kernel import bpf_iter_meta, task_struct
from tests.compile.cases import HERE, load_case, probes_of
from tests.kernel.namespaces import in_own_network, own_cgroup

pytestmark = pytest.mark.kernel

CASES = sorted((HERE / "accept" / "programs").glob("*.py"))
counts = Hash[u64, u64](max_entries=64)


def programs() -> list[tuple[str, str]]:
    found = []
    for case in CASES:
        with load_case(case) as module:
            found += [(case.stem, probe.name) for probe in probes_of(module)]
    return found


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


DROPS = """
from pyebpf import load
from tests.kernel.test_programs import counts, drop_all
with load(drop_all) as session:
    link = session.attach(drop_all, device="lo", mode="generic")
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.bind(("127.0.0.1", 0))
    receiver.settimeout(0.2)
    for _ in range(23):
        sender.sendto(b"x", receiver.getsockname())
    try:
        receiver.recv(1)
        print("one came through")
    except TimeoutError:
        pass
    print(session[counts][1])
    link.close()
    sender.sendto(b"x", receiver.getsockname())
    print(receiver.recv(1), session[counts][1])
"""


def test_xdp_drops_every_packet_of_its_own_network() -> None:
    assert in_own_network(DROPS).split("\n") == ["23", "b'x' 23", ""]


@tc("egress", device="lo")
def turn(ctx: SkBuffContext) -> i32:
    counts[2] += 1
    ctx.mark = 7
    return 0 if ctx.mark == 7 else 2


PASSES = """
from pyebpf import load
from tests.kernel.test_programs import counts, turn
with load(turn) as session:
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.bind(("127.0.0.1", 0))
    for _ in range(17):
        sender.sendto(b"x", receiver.getsockname())
        receiver.recv(1)
    print(session[counts][2])
"""


def test_tc_sees_every_packet_of_its_own_network() -> None:
    assert in_own_network(PASSES) == "17\n"


@socket_filter
def only_a(ctx: SkBuffContext) -> u32:
    counts[3] += 1
    return ctx.len if ctx.len > 8 + 2 else 0


def test_a_socket_filter_keeps_what_it_says() -> None:
    with load(only_a) as session, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(5)
        link = session.attach(only_a, socket=receiver)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for text in (b"a", b"bb", b"ccc", b"d", b"eeee"):
                sender.sendto(text, receiver.getsockname())
            assert [receiver.recv(9), receiver.recv(9)] == [b"ccc", b"eeee"]
            assert session[counts][3] == 5
            link.close()
            sender.sendto(b"f", receiver.getsockname())
            assert receiver.recv(9) == b"f"
            assert session[counts][3] == 5


@cgroup_sock_addr("connect4")
def nowhere(ctx: SockAddrContext) -> i32:
    counts[4] += 1
    return 0 if ctx.user_port == htons(9) else 1


CONNECT = """
import os, socket, sys
open(sys.argv[1] + "/cgroup.procs", "w").write(str(os.getpid()))
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    for port in (9, 10, 9):
        try:
            s.connect(("127.0.0.1", port))
            print("connected")
        except PermissionError:
            print("refused")
"""


def test_a_cgroup_program_decides_for_its_processes() -> None:
    with own_cgroup() as group, load(nowhere) as session:
        session.attach(nowhere, cgroup=str(group))
        done = subprocess.run(
            [sys.executable, "-c", CONNECT, str(group)], capture_output=True, text=True, check=True
        )
        assert done.stdout.split() == ["refused", "connected", "refused"]
        assert session[counts][4] == 3
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as outside:
            outside.connect(("127.0.0.1", 9))
        assert session[counts][4] == 3


@iter("task")
def find(meta: Ptr[bpf_iter_meta], task: Ptr[task_struct] | None) -> None:
    if task is not None and task.tgid == os.getpid():
        counts[5] += 1


def test_an_iterator_visits_every_thread_of_ours() -> None:
    mine = os.getpid()
    probe = Probe(_thread_counter(mine), find.hooks)
    with load(probe) as session:
        stop = threading.Event()
        threads = [threading.Thread(target=stop.wait) for _ in range(3)]
        for thread in threads:
            thread.start()
        try:
            alive = len(os.listdir("/proc/self/task"))  # noqa: PTH208
            assert session.read(probe) == b""
            assert session[counts][5] == alive >= 4
        finally:
            stop.set()


@record
class Row:
    number: u32
    group: u32
    name: Char = chars(16)


def test_what_an_iterator_emits_is_an_array_of_records() -> None:
    mine = os.getpid()

    @iter("task")
    def rows(ctx: IterContext, task: Ptr[task_struct] | None) -> None:
        if task is not None and task.tgid == mine:
            ctx.emit(Row(number=task.pid, group=task.tgid, name=task.comm))

    with load(rows) as session:
        for _ in range(2):
            found = session.read(rows)
            assert found.dtype.names == ("number", "group", "name")
            threads = sorted(int(name) for name in os.listdir("/proc/self/task"))  # noqa: PTH208
            assert sorted(found["number"].tolist()) == threads
            assert set(found["group"].tolist()) == {mine}
            comm = Path("/proc/self/comm").read_text().rstrip("\n")
            assert comm.encode() in {bytes(name) for name in found["name"]}


def _thread_counter(mine: int):  # type: ignore[no-untyped-def]
    def find_mine(meta: Ptr[bpf_iter_meta], task: Ptr[task_struct] | None) -> None:
        if task is not None and task.tgid == mine:
            counts[5] += 1

    return find_mine


#: A function of our own to probe, in a private copy of a library that no other process runs.
LIBRARY = """
#include <string.h>
long pyebpf_probed(const char *text, long number) { return number + (long)strlen(text); }
"""


@pytest.fixture
def library(tmp_path: Path) -> Path:
    compiler = shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("no C compiler: a library to probe cannot be made")
    source, made = tmp_path / "probed.c", tmp_path / "libprobed.so"
    source.write_text(LIBRARY)
    subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", made, source], check=True)
    return made


def test_a_uprobe_and_its_return_count_every_call(library: Path) -> None:
    import ctypes

    @uprobe(library, "pyebpf_probed", pid=os.getpid())
    def enters(ctx: UprobeContext, text: UserPtr[u8], number: u64) -> None:
        if read_user_str(text, 16) == "hello":
            counts[6] += number

    @uretprobe(library, "pyebpf_probed", pid=os.getpid())
    def leaves(ctx: UprobeContext, ret: u64) -> None:
        counts[7] += ret

    called = ctypes.CDLL(str(library)).pyebpf_probed
    called.argtypes, called.restype = [ctypes.c_char_p, ctypes.c_long], ctypes.c_long
    with load(enters, leaves) as session:
        for number in range(10):
            called(b"hello", number)
        called(b"other", 1000)
        assert session[counts][6] == sum(range(10))
        assert session[counts][7] == sum(range(10)) + 50 + 1005
    called(b"hello", 1)


def test_a_function_that_a_binary_lacks_is_named_with_the_nearest(library: Path) -> None:
    @uprobe(library, "pyebpf_probd")
    def enters(ctx: UprobeContext) -> None:
        counts[6] += 1

    with pytest.raises(AttachError, match="no function 'pyebpf_probd'; the nearest: pyebpf_probed"):
        load(enters)


def test_a_perf_event_samples_this_process_only() -> None:
    @perf_event(freq_hz=999, pid=os.getpid())
    def sample(ctx: PerfEventContext) -> None:
        counts[8] += 1
        if ctx.ip != 0 and ctx.sample_period > 0:
            counts[9] += 1

    with load(sample) as session:
        for _ in range(60):
            sum(range(100_000))
        session.detach()
        taken = session[counts][8]
        assert taken > 0
        assert session[counts][9] == taken


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


def test_a_pattern_probes_every_function_that_it_matches(
    library: Path, requires: Callable[[str], None]
) -> None:
    requires("prog:uprobe.multi")
    import ctypes

    @uprobe(library, "pyebpf_*", pid=os.getpid())
    def enters(ctx: UprobeContext, text: u64, number: u64) -> None:
        counts[10] += number

    called = ctypes.CDLL(str(library)).pyebpf_probed
    called.argtypes, called.restype = [ctypes.c_char_p, ctypes.c_long], ctypes.c_long
    with load(enters) as session:
        for number in range(10):
            called(b"hello", number)
        assert session[counts][10] == sum(range(10))


def test_a_pattern_that_matches_nothing_says_so(library: Path) -> None:
    @uprobe(library, "nothing_*", pid=os.getpid())
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


peers = SockHash[tuple[u32, u32]](max_entries=64)


@sock_ops
def connected(ctx: SockOpsContext) -> i32:
    if ctx.op in (4, 5):
        peers.add((ctx.local_port, ntohl(ctx.remote_port)))
        counts[11] += 1
    return 1


@sk_msg
def short_cut(ctx: SkMsgContext) -> i32:
    counts[12] += 1
    return peers.redirect((ntohl(ctx.remote_port), ctx.local_port), 1)


TALK = """
import os, socket, sys
open(sys.argv[1] + "/cgroup.procs", "w").write(str(os.getpid()))
with socket.create_server(("127.0.0.1", 0)) as server:
    with socket.create_connection(server.getsockname()) as client, server.accept()[0] as other:
        for text in (b"one", b"three", b"five5"):
            client.sendall(text)
            print(other.recv(9).decode())
            other.sendall(text.upper())
            print(client.recv(9).decode())
"""


def test_messages_between_two_sockets_take_a_short_cut() -> None:
    with own_cgroup() as group, load(connected, short_cut) as session:
        session.attach(connected, cgroup=str(group))
        link = session.attach(short_cut, sockets=peers)
        done = subprocess.run(
            [sys.executable, "-c", TALK, str(group)],
            capture_output=True, text=True, check=True, timeout=30,
        )  # fmt: skip
        assert done.stdout.split() == ["one", "ONE", "three", "THREE", "five5", "FIVE5"]
        assert (session[counts][11], session[counts][12]) == (2, 6)
        link.close()
        subprocess.run([sys.executable, "-c", TALK, str(group)], check=True, timeout=30,
                       capture_output=True)  # fmt: skip
        assert (session[counts][11], session[counts][12]) == (4, 6)
