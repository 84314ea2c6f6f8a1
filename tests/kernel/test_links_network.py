"""Attaching to devices, cgroups and namespaces: by links, and as kernels without them do it.

A kernel with links has the older ways too, so that each is tested on every kernel: a session whose
features are none takes them.
"""

from __future__ import annotations

import io
import os
import socket
from collections.abc import Callable
from contextlib import redirect_stdout, suppress

import pytest

from pyebpf import (
    Hash,
    NetfilterContext,
    Session,
    SkBuffContext,
    SkLookupContext,
    SockAddrContext,
    XdpContext,
    cgroup_sock_addr,
    errors,
    flow_dissector,
    htons,
    i32,
    load,
    lwt,
    netfilter,
    sk_lookup,
    tc,
    u64,
    xdp,
)
from pyebpf.errors import AttachError, NotSupportedError
from pyebpf.runtime import netlink, syscall
from pyebpf.spec.target import FrozenFeatures
from tests.kernel.namespaces import in_cgroup, in_own_network, own_cgroup

pytestmark = pytest.mark.kernel

counts = Hash[u64, u64](max_entries=64)


def without_links(session: Session) -> Session:
    """Let a session attach as on a kernel that has no links at all."""
    session.links.features = FrozenFeatures()
    return session


def disciplines(device: int = 1) -> list[str]:
    """Return what stands at a device for traffic control besides its queue."""
    fd = netlink.open_route()
    body = netlink.TRAFFIC.pack(0, device, 0, 0, 0)
    found = []
    with socket.socket(fileno=fd):
        for message in netlink.dump(fd, netlink.RTM_GETQDISC, body, "listing"):
            _, index, handle, _, _ = netlink.TRAFFIC.unpack_from(message)
            kind = netlink.attributes(message[netlink.TRAFFIC.size :])[netlink.TCA_KIND]
            if index == device and handle == 0xFFFF0000:
                found.append(kind.rstrip(b"\0").decode())
    return found


#: How long a datagram may be under way.
_UNDER_WAY_S = 0.5


def send(number: int) -> int:
    """Send datagrams to ourselves; return how many came."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver,
    ):
        receiver.bind(("127.0.0.1", 0))
        for _ in range(number):
            sender.sendto(b"x", receiver.getsockname())
        # Loopback delivers in the softirq that the call ends with, or leaves it to ksoftirqd.
        receiver.settimeout(_UNDER_WAY_S)
        came = 0
        with suppress(TimeoutError):
            while came < number:
                receiver.recv(1)
                came += 1
        return came


def told(code: str) -> list[str]:
    """Return the lines that a program prints in a network of its own."""
    said = io.StringIO()

    def work() -> None:
        with redirect_stdout(said):
            exec(code, {**globals(), "AttachError": errors.AttachError})

    in_own_network(work)
    return said.getvalue().splitlines()


@tc("egress")
def first(ctx: SkBuffContext) -> i32:
    counts[1] += 1
    ctx.mark = 7
    return -1


@tc("egress")
def second(ctx: SkBuffContext) -> i32:
    if ctx.mark == 7:
        counts[2] += 1
    return -1


@tc("ingress")
def arrives(ctx: SkBuffContext) -> i32:
    counts[3] += 1
    return 2 if counts.get(9, 0) > 0 else -1


TRAFFIC_CONTROL = """
with load(first, second, arrives) as session:
    if %r:
        without_links(session)
    links = [session.attach(probe, device="lo") for probe in (first, second, arrives)]
    print(links[0].is_bpf_link, send(17), [session[counts][n] for n in (1, 2, 3)])
    links[0].close()
    print(send(5), [session[counts][n] for n in (1, 2, 3)])
    session[counts][9] = 1
    print(send(3), [session[counts][n] for n in (1, 2, 3)])
    for link in links:
        link.close()
    print(send(4), [session[counts][n] for n in (1, 2, 3)], disciplines())
"""


def test_filters_of_traffic_control_count_in_their_order() -> None:
    """The second sees the mark of the first, as long as that is there."""
    assert told(TRAFFIC_CONTROL % True) == [
        "False 17 [17, 17, 17]", "5 [17, 17, 22]", "0 [17, 17, 25]", "4 [17, 17, 25] []",
    ]  # fmt: skip


def test_links_of_traffic_control_do_the_same(requires: Callable[[str], None]) -> None:
    requires("tcx")
    assert told(TRAFFIC_CONTROL % False) == [
        "True 17 [17, 17, 17]", "5 [17, 17, 22]", "0 [17, 17, 25]", "4 [17, 17, 25] []",
    ]  # fmt: skip


DISCIPLINE = """
from pyebpf.runtime import clsact
fd = netlink.open_route()
add = netlink.NLM_F_CREATE | netlink.NLM_F_EXCL
def change(kind, name):
    parent = 0xFFFFFFF1
    body = netlink.TRAFFIC.pack(0, 1, 0xFFFF0000, parent, 0)
    body += netlink.attribute(netlink.TCA_KIND, name)
    netlink.request(fd, kind, body, "changing", add if kind == netlink.RTM_NEWQDISC else 0)
with load(first, second) as session:
    without_links(session)
    change(netlink.RTM_NEWQDISC, b"clsact\\0")
    with session.attach(first, device="lo"):
        print(send(3), disciplines())
    print(disciplines())  # it was there before
    change(netlink.RTM_DELQDISC, b"clsact\\0")
    one = session.attach(first, device="lo")
    two = session.attach(second, device="lo")
    one.close()
    print(disciplines())  # somebody is in it still
    two.close()
    two.close()
    print(disciplines())
    change(netlink.RTM_NEWQDISC, b"ingress\\0")
    try:
        session.attach(first, device="lo")
    except AttachError as error:
        print(error)
    print(send(2), disciplines(), session[counts][1])
"""


def test_a_discipline_goes_only_if_it_is_ours_and_empty() -> None:
    said = told(DISCIPLINE)
    assert said[:4] == ["3 ['clsact']", "['clsact']", "['clsact']", "[]"]
    assert "has the discipline 'ingress' where this needs 'clsact'" in said[4]
    assert said[5:] == ["2 ['ingress'] 3"]


UNDONE = """
import os
for at in ({"device": "none0"}, {"device": "lo", "mode": "no"}):
    with load(first, drop) as session:
        without_links(session)
        before = len(os.listdir("/proc/self/fd"))
        try:
            with session.attach(first, device="lo"):
                print(disciplines())
                session.attach(drop, **at)
        except AttachError as error:
            print(error)
        print(disciplines(), len(os.listdir("/proc/self/fd")) - before)
try:
    load(at_lo, at_none)
except AttachError as error:
    print(error, send(3))
"""


@tc("egress", device="lo")
def at_lo(ctx: SkBuffContext) -> i32:
    return 2


@tc("egress", device="none0")
def at_none(ctx: SkBuffContext) -> i32:
    return 2


@xdp
def drop(ctx: XdpContext) -> i32:
    counts[4] += 1
    return 1


@xdp
def passes(ctx: XdpContext) -> i32:
    counts[5] += 1
    return 2


def test_when_one_of_several_cannot_be_attached_the_others_are_undone() -> None:
    missing = "there is no network device 'none0' here; there are lo"
    assert told(UNDONE) == [
        "['clsact']", missing, "[] 0",
        "['clsact']", "there is no XDP mode 'no': write one of generic, native, offload", "[] 0",
        f"{missing} 3",
    ]  # fmt: skip


XDP = """
fd = netlink.open_route()
with load(drop, passes) as session:
    if %r:
        without_links(session)
    link = session.attach(drop, device="lo", mode="generic")
    print(link.is_bpf_link, send(9), session[counts][4])
    for mode in ("generic", ""):
        try:
            session.attach(passes, device="lo", mode=mode)
        except AttachError as error:
            print(error)
    link.close()
    print(send(3), session[counts][4])
    try:
        session.attach(passes, device="lo", mode="native")
    except AttachError as error:
        print(error)
    with session.attach(passes, device="lo"):
        print(send(6), session[counts][5])
    print(send(1), session[counts][5])
"""
XDP_SAYS = [
    "another XDP program is at 'lo' already",
    "another XDP program is at 'lo' already",
    "3 9",
    (
        "the driver of 'lo' does not run XDP programs itself (mode='native'): mode='generic' lets "
        "the kernel run them"
    ),
    "6 6",
    "1 6",
]


def test_xdp_through_netlink_drops_and_passes() -> None:
    assert told(XDP % True) == ["False 0 9", *XDP_SAYS]


def test_xdp_by_a_link_does_the_same(requires: Callable[[str], None]) -> None:
    requires("xdp_link")
    assert told(XDP % False) == ["True 0 9", *XDP_SAYS]


REPLACED = """
fd = netlink.open_route()
GENERIC = 2
with load(drop, passes) as session:
    without_links(session)
    link = session.attach(drop, device="lo", mode="generic")
    netlink.set_xdp(fd, 1, session._loaded.programs["passes"].fd, GENERIC)
    link.close()
    print(send(2), session[counts][5])
    netlink.set_xdp(fd, 1, -1, GENERIC)
    print(send(2), session[counts][5])
"""


def test_an_xdp_program_that_replaced_ours_stays() -> None:
    assert told(REPLACED) == ["2 2", "2 2"]


def test_a_program_for_one_way_is_not_attached_to_the_other() -> None:
    with load(first, arrives, refuses, attach=False) as session:
        for probe, way in ((first, "ingress"), (arrives, "egress")):
            with pytest.raises(AttachError, match=f"'tcx_.*gress' program is not for way='{way}'"):
                session.attach(probe, device="lo", way=way)
        with pytest.raises(AttachError, match="way='ingress' or way='egress'"):
            session.attach(first, device="lo", way="sideways")
        with pytest.raises(AttachError, match="'cgroup_connect4' program is not for way='egress'"):
            session.attach(refuses, cgroup="/", way="egress")


def test_what_is_attached_by_hand_is_said() -> None:
    with own_cgroup() as group, load(watches) as session:
        assert "    not attached: session.attach(…, cgroup=…) says where" in session.explain()
        link = session.attach(watches, cgroup=str(group))
        assert session.explain().splitlines()[1] == f"    attached to {group}"
        link.close()
        assert "    not attached: " in session.explain()


@cgroup_sock_addr("connect4")
def refuses(ctx: SockAddrContext) -> i32:
    counts[6] += 1
    return 0 if ctx.user_port == htons(9) else 1


@cgroup_sock_addr("connect4")
def watches(ctx: SockAddrContext) -> i32:
    counts[7] += 1
    return 1


def connects() -> list[str]:
    said = ["refused", "refused"]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for at, port in enumerate((9, 10)):
            with suppress(PermissionError):
                sender.connect(("127.0.0.1", port))
                said[at] = "connected"
    return said


@pytest.mark.parametrize("links", [False, True])
def test_two_programs_at_one_cgroup(links: bool, requires: Callable[[str], None]) -> None:
    if links:
        requires("cgroup_link")
    with own_cgroup() as group, load(refuses, watches) as session:
        if not links:
            without_links(session)
        one = session.attach(refuses, cgroup=str(group))
        two = session.attach(watches, cgroup=str(group))
        assert one.is_bpf_link is links
        assert in_cgroup(group, connects) == ["refused", "connected"]
        seen = session[counts][7]
        assert (session[counts][6], seen >= 1) == (2, True)
        one.close()
        assert in_cgroup(group, connects) == ["connected", "connected"]
        assert (session[counts][6], session[counts][7]) == (2, seen + 2)
        two.close()
        assert in_cgroup(group, connects) == ["connected", "connected"]
        assert session[counts][7] == seen + 2


def test_a_program_that_stands_alone_lets_no_other_be_attached() -> None:
    with own_cgroup() as group, load(refuses, watches) as session:
        program = session._loaded.programs["watches"]
        directory = os.open(group, os.O_RDONLY)
        try:
            syscall.prog_attach(directory, program.fd, program.kind.attach_type)
            with pytest.raises(AttachError, match="one that stands alone is there or above"):
                session.attach(refuses, cgroup=str(group))
            syscall.prog_detach(directory, program.fd, program.kind.attach_type)
        finally:
            os.close(directory)
        session.attach(refuses, cgroup=str(group))


@netfilter("local_in", priority=5)
def at_netfilter(ctx: NetfilterContext) -> i32:
    counts[8] += 1
    return 0


@netfilter("local_out", priority=5)
def at_sending(ctx: NetfilterContext) -> i32:
    counts[10] += 1
    return 1


NETFILTER = """
with load(at_netfilter, at_sending) as session:
    print(send(7), session[counts][8], session[counts][10])
    try:
        session.attach(at_netfilter)
    except AttachError as error:
        print(error)
    with session.attach(at_netfilter, priority=4):
        print(send(2), session[counts][8])
    session.links.close()
    print(send(7), session[counts][8], session[counts][10])
"""


def test_netfilter_drops_what_comes_in(requires: Callable[[str], None]) -> None:
    requires("prog:netfilter")
    busy = "something else has the priority 5 at netfilter local_in: priority= says another"
    assert told(NETFILTER) == ["0 7 7", busy, "0 9", "7 9 9"]


@sk_lookup
def nobody(ctx: SkLookupContext) -> i32:
    counts[11] += 1
    return 0 if counts.get(9, 0) > 0 else 1


LOOKUP = """
import socket
def connects():
    with socket.socket() as server, socket.socket() as client:
        server.bind(("127.0.0.1", 0))
        server.listen()
        try:
            client.connect(server.getsockname())
            return True
        except ConnectionRefusedError:
            return False
with load(nobody) as session:
    link = session.attach(nobody, netns="/proc/thread-self/ns/net")
    print(connects(), session[counts][11])
    session[counts][9] = 1
    print(connects(), session[counts][11])
    link.close()
    print(connects(), session[counts][11])
    try:
        session.attach(nobody, netns="/proc/self/ns/none")
    except AttachError as error:
        print(error)
"""


def test_sk_lookup_decides_for_its_namespace(requires: Callable[[str], None]) -> None:
    requires("prog:sk_lookup")
    assert told(LOOKUP) == [
        "True 1", "False 2", "True 2", "there is no network namespace at '/proc/self/ns/none'",
    ]  # fmt: skip


@flow_dissector
def dissects(ctx: SkBuffContext) -> i32:
    return 129  # BPF_FLOW_DISSECTOR_CONTINUE, or on an older kernel: no flow


DISSECTS = """
with load(dissects) as session:
    link = session.attach(dissects, netns="/proc/thread-self/ns/net")
    program = syscall.prog_info(session._loaded.programs["dissects"].fd)
    print(link.info().prog_id == program.id, send(3))
    try:
        session.attach(dissects, netns="/proc/thread-self/ns/net")
    except AttachError as error:
        print(error)
    link.close()
    with session.attach(dissects, netns="/proc/thread-self/ns/net") as again:
        print(again.is_bpf_link)
"""


def test_a_namespace_has_one_flow_dissector() -> None:
    said = told(DISSECTS)
    assert said == ["True 3", *said[1:2], "True"]
    assert "another program of the kind 'flow_dissector' is in the namespace" in said[1]


def test_what_is_not_attached_says_what_to_use() -> None:
    @lwt("xmit")
    def leaves(ctx: SkBuffContext) -> i32:
        return 0

    with load(leaves) as session:
        with pytest.raises(NotSupportedError, match=r"'lwt_xmit' .*`ip route … encap bpf`.*@tc"):
            session.attach(leaves)
        assert "not attached: a route attaches it" in session.explain()
