"""Machines and cables to try the examples of this folder on: network namespaces of this process.

A Machine is a network namespace without a name, so it is gone with the program, however that ends.
What is done inside of `with machine:` is done there: sockets are opened, probes are attached,
commands are run. It needs root, and `ip` (Debian package iproute2).

    left, right = pair()                           # 192.0.2.1 and 192.0.2.2, each by its eth0
    with left:
        send(23, "192.0.2.2", 9)

As a program it runs a command, or a shell, on the left one of such a pair:

$ sudo python examples/networking/simulation.py
# python examples/networking/simple_tc.py eth0 1 & ping 192.0.2.2
"""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
import sys
import weakref
from pathlib import Path
from threading import get_native_id

CLONE_NEWNET = 0x40000000  # include/uapi/linux/sched.h

_libc = ctypes.CDLL(None, use_errno=True)


class Machine:
    """A network namespace, which ends with this object and what still is in it.

    IPv6 is off: it sends what nobody asked for, and these examples count packets.
    """

    def __init__(self) -> None:
        outside = _here()
        try:
            _check(_libc.unshare(CLONE_NEWNET))
            self._inside = _here()
            weakref.finalize(self, os.close, self._inside)
            for settings in Path("/proc/sys/net/ipv6/conf").glob("*"):
                (settings / "disable_ipv6").write_text("1")
        finally:
            _enter(outside)
            os.close(outside)
        self._outside: list[int] = []
        self.ip("link set lo up")

    def __enter__(self) -> Machine:
        self._outside.append(_here())
        _enter(self._inside)
        return self

    def __exit__(self, *_: object) -> None:
        outside = self._outside.pop()
        _enter(outside)
        os.close(outside)

    def ip(self, words: str) -> str:
        """Run `ip` here; return what it says."""
        done = subprocess.run(  # noqa: S603
            ["ip", *words.split()],  # noqa: S607
            preexec_fn=lambda: _enter(self._inside),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise OSError(f"ip {words}: {done.stderr.strip()}")
        return done.stdout

    def address(self, device: str, address: str) -> None:
        """Give a device an address, `192.0.2.1/24`."""
        self.ip(f"address add {address} dev {device}")

    def bridge(self, name: str, *ports: str) -> None:
        """Make a bridge of devices that are here; it learns, and sends nothing itself."""
        self.ip(f"link add {name} type bridge mcast_snooping 0")
        self.ip(f"link set {name} up")
        for port in ports:
            self.ip(f"link set {port} master {name}")


def cable(machine: Machine, name: str, other: Machine, other_name: str) -> None:
    """Make a device in each of two machines; what goes into one comes out of the other."""
    with other:  # where `ip`, which runs in the first machine, finds this thread
        machine.ip(f"link add {name} type veth peer name {other_name} netns {get_native_id()}")
    machine.ip(f"link set {name} up")
    other.ip(f"link set {other_name} up")


def pair() -> tuple[Machine, Machine]:
    """Make two machines with a cable between them."""
    left, right = Machine(), Machine()
    cable(left, "eth0", right, "eth0")
    left.address("eth0", "192.0.2.1/24")
    right.address("eth0", "192.0.2.2/24")
    return left, right


def send(times: int, address: str, port: int, size: int = 100) -> None:
    """Send datagrams of so many bytes, one after the other, from where this thread is."""
    with socket.socket(type=socket.SOCK_DGRAM) as sender:
        for _ in range(times):
            sender.sendto(bytes(size), (address, port))


def _here() -> int:
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def _enter(namespace: int) -> None:
    _check(_libc.setns(namespace, CLONE_NEWNET))


def _check(result: int) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, f"network namespaces: {os.strerror(number)}")


if __name__ == "__main__":
    here, there = pair()
    with here:
        command = sys.argv[1:] or [os.environ.get("SHELL", "sh")]
        raise SystemExit(subprocess.call(command))  # noqa: S603 - what the user says
