"""The examples of networking, each on a network of its own, where nobody else sends anything."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from examples.networking.simulation import Machine, cable, pair, send
from tests.kernel.test_examples import program_lines
from tests.programs import ROOT, Program, run, running

pytestmark = [pytest.mark.kernel]

FOLDER = "examples/networking"
WORKER = "02:00:00:00:00:01"
CLIENTS = ("02:00:00:00:00:0a", "02:00:00:00:00:0b")
TAGS = (5, 6)
#: Of a frame in bytes, with 42 of headers.
SIZE = 1_000
# include/uapi/linux/if_packet.h, if_ether.h
SOL_PACKET, PACKET_AUXDATA, ETH_P_ALL = 263, 8, 3


@pytest.fixture(autouse=True)
def _has_ip(program: Callable[[str], str]) -> None:
    program("ip")


@pytest.fixture
def two() -> tuple[Machine, Machine]:
    """Give two machines with a cable between them."""
    return pair()


@pytest.mark.thorough
def test_simulation() -> None:
    """A command is run on a machine of its own, which reaches the other one and nobody else."""
    done = run(f"{FOLDER}/simulation.py", "sh", "-c", "ip -br address; ip route get 192.0.2.2")
    lo, eth0, route = done.out.splitlines()[:3]
    assert lo.split() == ["lo", "UNKNOWN", "127.0.0.1/8"]
    assert (eth0.split("@")[0], eth0.split()[1:]) == ("eth0", ["UP", "192.0.2.1/24"])
    assert route.split()[:3] == ["192.0.2.2", "dev", "eth0"]
    assert (done.code, done.err) == (0, "")
    assert run(f"{FOLDER}/simulation.py", "sh", "-c", "exit 3").code == 3


@pytest.mark.thorough
def test_simple_tc() -> None:
    machine = Machine()
    with (
        listening(machine, 9),
        machine,
        running(f"{FOLDER}/simple_tc.py", "--drop", "10", "lo") as example,
    ):
        example.wait_for("Hit Ctrl-C")
        send(23, "127.0.0.1", 9)
        send(5, "127.0.0.1", 10)
        done = example.interrupt()
    table = [["PASSED", "DROPPED"], ["arrived", "23", "5"], ["sent", "28", "0"]]
    assert [row.split() for row in done.out.split("\n")[1:-1]] == table
    assert (done.code, done.err) == (0, "")


@pytest.fixture
def connection(two: tuple[Machine, Machine]) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Give both ends of a TCP connection between two machines; the client's sends at once."""
    left, right = two
    with right:
        server = socket.create_server(("192.0.2.2", 80))
    with left:
        client = socket.create_connection(("192.0.2.2", 80))
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with server, client, server.accept()[0] as accepted:
        yield client, accepted


def exchange(client: socket.socket, server: socket.socket, data: bytes) -> None:
    """Send something, and wait until it is there."""
    client.sendall(data)
    while data:
        data = data[len(server.recv(len(data))) :]


@pytest.mark.thorough
def test_http_filter(
    two: tuple[Machine, Machine], connection: tuple[socket.socket, socket.socket]
) -> None:
    """Requests of one connection: short ones, what follows them, and a line in three segments."""
    client, server = connection
    ours = client.getsockname()[1]
    with two[1], running(f"{FOLDER}/http_filter.py", "eth0") as example:
        example.wait_for("Hit Ctrl-C")
        seen = []
        for number in range(23):
            exchange(client, server, b"GET /%d HTTP/1.1\r\n\r\n" % number)
            seen.append(example.wait_for("HTTP/1.1"))
            exchange(client, server, b"what follows is no request")
            exchange(server, client, b"HTTP/1.1 204 No Content\r\n\r\n")
        for part in (b"POST /" + b"a" * 500, b"b" * 500, b"\x1b HTTP/1.1\r\nHost: here\r\n\r\n"):
            exchange(client, server, part)
        seen.append(example.wait_for("HTTP/1.1"))
        done = example.interrupt()
    lead = f"192.0.2.1:{ours} -> 192.0.2.2:80"
    assert seen[:23] == [f"{lead} GET /{number} HTTP/1.1\n" for number in range(23)]
    assert seen[23] == rf"{lead} POST /{'a' * 500}{'b' * 500}\x1b HTTP/1.1" + "\n"
    assert done == (0, "read 26 packets for 24 requests\n", "")


@contextmanager
def listening(machine: Machine, *ports: int) -> Iterator[list[socket.socket]]:
    """Open sockets for datagrams in a machine; the kernel would answer that nobody is there."""
    with ExitStack() as stack:
        with machine:
            sockets = [stack.enter_context(socket.socket(type=socket.SOCK_DGRAM)) for _ in ports]
            for one, port in zip(sockets, ports, strict=True):
                one.bind(("", port))
                one.settimeout(10)
        yield sockets


def received(listener: socket.socket) -> int:
    """Return how many datagrams have come, each of which has been delivered by now."""
    count = 0
    listener.setblocking(False)
    with suppress(BlockingIOError):
        while listener.recv(2_048):
            count += 1
    return count


@pytest.mark.thorough
def test_tunnel_monitor(two: tuple[Machine, Machine]) -> None:
    """Two tunnels between the same machines, whose addresses inside are the same."""
    left, right = two
    for machine, here, there in ((left, 1, 2), (right, 2, 1)):
        for vni in (10, 20):
            machine.ip(
                f"link add vxlan{vni} type vxlan id {vni} dstport 4789 remote 192.0.2.{there}"
            )
            machine.address(f"vxlan{vni}", f"10.0.{vni}.{here}/24")
            machine.ip(f"link set vxlan{vni} up")
    with (
        listening(right, 9) as (listener,),
        left,
        running(f"{FOLDER}/tunnel_monitor.py", "eth0") as example,
    ):
        example.wait_for("Hit Ctrl-C")
        send(23, "10.0.10.2", 9)
        send(17, "10.0.20.2", 9, size=1_000)
        assert received(listener) == 40
        done = example.interrupt()
    rows = [row.split() for row in done.out.splitlines()[2:]]
    there, back = ["192.0.2.1", "->", "192.0.2.2"], ["192.0.2.2", "->", "192.0.2.1"]
    # The headers outside have 50 bytes, those inside 42; ARP asks and answers once in each tunnel.
    assert rows[0] == [*there, "20", "10.0.20.1", "->", "10.0.20.2", "17", str(17 * 1_092)]
    assert rows[1] == [*there, "10", "10.0.10.1", "->", "10.0.10.2", "23", str(23 * 192)]
    other = ["0.0.0.0", "->", "0.0.0.0", "1", "92"]
    assert sorted(rows[2:]) == [
        [*way, vni, *other] for way in (there, back) for vni in ("10", "20")
    ]
    assert (done.code, done.err) == (0, "")


def frame(source: str, target: str, tag: int, text: bytes) -> bytes:
    """Return a tagged datagram from 10.0.0.2 to port 9 of 10.0.0.1, without a checksum of UDP."""
    addresses = bytes.fromhex((target + source).replace(":", ""))
    vlan = struct.pack("!HHH", 0x8100, tag, 0x0800)
    udp = struct.pack("!HHHH", 9, 9, 8 + len(text), 0) + text
    head = struct.pack("!BxHHHBBH", 0x45, 20 + len(udp), 0, 0, 64, 17, 0)
    words = head + socket.inet_aton("10.0.0.2") + socket.inet_aton("10.0.0.1")
    total = sum(struct.unpack("!10H", words))
    total = (total & 0xFFFF) + (total >> 16)
    return addresses + vlan + words[:10] + struct.pack("!H", ~total & 0xFFFF) + words[12:] + udp


@pytest.mark.thorough
def test_vlan_learning() -> None:
    """Two clients in two VLANs with the same address, and two workers that have one address too."""
    clients, middle, workers = Machine(), Machine(), [Machine(), Machine()]
    cable(clients, "eth0", middle, "trunk")
    for number, worker in enumerate(workers):
        cable(worker, "eth0", middle, f"worker{number}")
        worker.ip(f"link set eth0 address {WORKER}")
        worker.address("eth0", "10.0.0.1/24")
        worker.ip(f"neighbor add 10.0.0.2 lladdr {CLIENTS[number]} dev eth0")
    sent = (23, 17)
    with (
        listening(workers[0], 9) as (first,),
        listening(workers[1], 9) as (second,),
        on_wire(clients, "eth0") as wire,
        middle,
        running(f"{FOLDER}/vlan_learning.py", "trunk", "worker0,worker1") as example,
    ):
        example.wait_for("Hit Ctrl-C")
        for client, tag, worker, times in zip(CLIENTS, TAGS, (first, second), sent, strict=True):
            for number in range(times):
                wire.send(frame(client, WORKER, tag, b"%d" % number))
                assert worker.recv(2_048) == b"%d" % number
        # Each worker answers some of what it got; a tag is seen beside the frame.
        for client, tag, worker in zip(CLIENTS, TAGS, (first, second), strict=True):
            for number in range(5):
                worker.sendto(b"%d back" % number, ("10.0.0.2", 9))
                answer, beside, *_ = wire.recvmsg(2_048, 64)
                assert answer[:12].hex(":") == f"{client}:{WORKER}"
                assert answer.endswith(b"%d back" % number)
                assert struct.unpack_from("16xHH", beside[0][2]) == (tag, 0x8100)
        done = example.interrupt()
    assert (done.code, done.err) == (0, "")
    rows = [row.split() for row in done.out.splitlines()[1:]]
    assert sorted(rows) == [
        [client, str(tag), f"worker{number}", str(sent[number]), "5"]
        for number, (client, tag) in enumerate(zip(CLIENTS, TAGS, strict=True))
    ]
    assert (done.code, done.err) == (0, "")


@contextmanager
def on_wire(machine: Machine, device: str) -> Iterator[socket.socket]:
    """Open a socket for whole frames, whose tags come as auxiliary data."""
    with machine:
        raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    with raw:
        raw.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        with machine:
            raw.bind((device, ETH_P_ALL))
        raw.settimeout(10)
        yield raw


@pytest.mark.thorough
def test_neighbor_sharing() -> None:
    """One neighbour and one other behind a bridge; bursts of seven, and no time for more."""
    shared, neighbour, other, world = (Machine() for _ in range(4))
    for machine, device, address in (
        (neighbour, "port1", "10.0.0.2"), (other, "lan", "10.0.0.3"), (world, "wan", "10.0.0.1"),
    ):  # fmt: skip
        cable(machine, "eth0", shared, device)
        machine.address("eth0", f"{address}/24")
    shared.bridge("br0", "port1", "lan", "wan")
    with (
        listening(world, 9, 10) as (from_neighbour, from_other),
        listening(neighbour, 9) as (to_neighbour,),
        shared,
        running(
            f"{FOLDER}/neighbor_sharing.py", "wan", "port1", "--burst", f"{7 * SIZE}",
            "--neighbours", "1", "--others", "2",
        ) as example,
    ):  # fmt: skip
        example.wait_for("Hit Ctrl-C")
        for machine, port in ((neighbour, 9), (other, 10)):
            with machine:
                send(23, "10.0.0.1", port, SIZE - 42)
        with world:
            send(11, "10.0.0.2", 9, SIZE - 42)
        counts = [received(one) for one in (from_neighbour, from_other, to_neighbour)]
        done = example.interrupt()
    assert counts == [7, 7, 7]
    rows = [row.split()[-2:] for row in done.out.splitlines()[1:]]
    assert rows == [["7", "16"], ["7", "4"], ["7", "16"], ["0", "0"]]
    assert (done.code, done.err) == (0, "")


@pytest.mark.thorough
def test_distributed_bridge() -> None:
    """Three hosts, each with a client: all clients are on one bridge."""
    middle, hosts, clients = Machine(), [Machine() for _ in range(3)], [Machine() for _ in range(3)]
    for number, (host, client) in enumerate(zip(hosts, clients, strict=True), 1):
        cable(host, "eth0", middle, f"host{number}")
        host.address("eth0", f"192.0.2.{number}/24")
        cable(client, "eth0", host, "client")
        client.ip(f"link set eth0 address 02:00:00:00:00:0{number}")
        client.address("eth0", f"10.0.0.{number}/24")
        host.ip("link add vxlan0 type vxlan external dstport 4789")
        host.ip("link set vxlan0 up")
        host.bridge("br0", "client", "vxlan0")
    middle.bridge("br0", "host1", "host2", "host3")
    with (
        bridging(hosts) as programs,
        listening(clients[1], 9) as (second,),
        listening(clients[2], 9) as (third,),
    ):
        with clients[0]:
            send(23, "10.0.0.2", 9)
            send(17, "10.0.0.3", 9)
        assert (received(second), received(third)) == (23, 17)
        done = [program.interrupt() for program in programs]
    assert all((one.code, one.err) == (0, "") for one in done), done
    rows = [[row.split() for row in one.out.splitlines()[1:]] for one in done]
    # The first client asks everybody who has the addresses, and only who has one answers.
    assert sorted(rows[0][:-1]) == [
        ["02:00:00:00:00:02", "192.0.2.2", "1"],
        ["02:00:00:00:00:03", "192.0.2.3", "1"],
    ]
    assert rows[1][:-1] == [["02:00:00:00:00:01", "192.0.2.1", f"{2 + 23}"]]
    assert rows[2][:-1] == [["02:00:00:00:00:01", "192.0.2.1", f"{2 + 17}"]]
    totals = [[int(row[-1][at]) for at in (1, 5)] for row in rows]  # to one host, to all
    assert totals == [[23 + 17, 2], [1, 0], [1, 0]]


@contextmanager
def bridging(hosts: list[Machine]) -> Iterator[list[Program]]:
    """Run the example on each host, told of the others."""
    addresses = [f"192.0.2.{number}" for number, _ in enumerate(hosts, 1)]
    with ExitStack() as stack:
        programs = []
        for host, here in zip(hosts, addresses, strict=True):
            others = ",".join(address for address in addresses if address != here)
            with host:
                words = (f"{FOLDER}/distributed_bridge.py", "vxlan0", others, "--network", "7")
                programs.append(stack.enter_context(running(*words)))
        for program in programs:
            program.wait_for("Hit Ctrl-C")
        yield programs


@pytest.mark.parametrize("path", sorted((ROOT / FOLDER).glob("*.py")), ids=lambda path: path.stem)
def test_they_are_short_listed_and_tested(path: Path) -> None:
    assert program_lines(path) <= 100
    assert f"/{path.name}" in Path(__file__).read_text(encoding="utf-8")
    listed = (ROOT / "examples/README.md").read_text(encoding="utf-8")
    assert f"[networking/{path.name}](networking/{path.name})" in listed
