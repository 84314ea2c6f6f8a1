"""Run in a network namespace of its own: names are looked up, and tcpconnect -d knows them."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import threading
import time
from ipaddress import ip_address

from tests.programs import running

NAME = b"\x05known\x07example\x00"
ADDRESS, OTHER, SIX = "10.1.2.3", "10.1.2.4", "fd00::3"
TYPES = {4: 1, 6: 28}


def answer(question: bytes, *addresses: str) -> bytes:
    """Return an answer: an alias first, then the addresses of what it stands for."""
    (number,) = struct.unpack_from("!H", question)
    records = b"\xc0\x0c" + struct.pack("!HHIH", 5, 1, 60, 2) + b"\xc0\x0c"
    for text in addresses:
        packed = ip_address(text).packed
        kind = TYPES[ip_address(text).version]
        records += b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 60, len(packed)) + packed
    header = struct.pack("!6H", number, 0x8180, 1, 1 + len(addresses), 0, 0)
    return header + NAME + struct.pack("!HH", 1, 1) + records


def serve(server: socket.socket, family: int) -> None:
    """Answer one question; of IPv4 with an address of each version."""
    question, client = server.recvfrom(512)
    addresses = (ADDRESS, SIX) if family == socket.AF_INET else (OTHER,)
    server.sendto(answer(question, *addresses), client)


def look_up(family: int) -> None:
    """Ask as programs do."""
    address = "127.0.0.1" if family == socket.AF_INET else "::1"
    with (
        socket.socket(family, socket.SOCK_DGRAM) as server,
        socket.socket(family, socket.SOCK_DGRAM) as client,
    ):
        server.bind((address, 53))
        thread = threading.Thread(target=serve, args=(server, family))
        thread.start()
        client.connect((address, 53))
        client.send(struct.pack("!6H", 7, 0x100, 1, 0, 0, 0) + NAME + struct.pack("!HH", 1, 1))
        assert len(client.recv(512)) > 50
        thread.join()


def connect(address: str) -> None:
    """Connect to where nobody listens: it is refused at once, by the address's own machine."""
    family = socket.AF_INET if ip_address(address).version == 4 else socket.AF_INET6
    with socket.socket(family) as one:
        assert one.connect_ex((address, 80))


def main() -> None:
    """Print what the tool printed."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for address in (f"{ADDRESS}/32", f"{OTHER}/32", f"{SIX}/128"):
        subprocess.run(["ip", "address", "add", address, "dev", "lo"], check=True)
    with running("-m", "pyebpf.tools.tcpconnect", "-d", "-p", str(os.getpid())) as tool:
        tool.wait_for("QUERY")
        connect(ADDRESS)
        look_up(socket.AF_INET)
        connect(ADDRESS)
        connect(SIX)
        look_up(socket.AF_INET6)
        time.sleep(0.15)
        connect(OTHER)
        connect("127.0.0.1")
        done = tool.interrupt()
    print(done.out, done.err, done.code)


if __name__ == "__main__":
    main()
