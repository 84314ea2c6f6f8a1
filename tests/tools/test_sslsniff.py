"""sslsniff on a private copy of OpenSSL, with a TLS server and a client that make 23 exchanges."""

from __future__ import annotations

import ctypes
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.programs import run, running

pytestmark = [pytest.mark.kernel, pytest.mark.tool, pytest.mark.exact]

TOOL = ("-m", "pyebpf.tools.sslsniff")
TIMES, LARGE = 23, 12_345
#: A process with a server in a thread, which says in its turn what it is told, until the end of the
#: input. It waits for a line before it begins.
PEERS = """
import os, socket, ssl, sys, threading
certificate, times, large = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
inside = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
inside.load_cert_chain(certificate)
outside = ssl.create_default_context(cafile=certificate)
outside.check_hostname = False
left, right = socket.socketpair()
print(os.getpid(), flush=True)
sys.stdin.readline()

def serve():
    with inside.wrap_socket(left, server_side=True) as served:
        while said := served.recv(65536):
            served.sendall(said.upper())

server = threading.Thread(target=serve)
server.start()
with outside.wrap_socket(right) as client:
    for number in range(times):
        client.sendall(f"question {number:02}\\0\\x1b".encode())
        assert client.recv(65536) == f"QUESTION {number:02}\\0\\x1b".encode()
    client.sendall(b"y" * large)
    got = 0
    while got < large:
        got += len(client.recv(65536))
server.join()
"""


class Peers:
    """A process that speaks with itself by TLS, when it is told to."""

    def __init__(self, folder: Path) -> None:
        path = folder / "certificate.pem"
        words = [
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=peers",
        ]
        files = ["-keyout", str(path), "-out", str(folder / "only.pem")]
        done = subprocess.run(["openssl", *words, *files], capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
        path.write_bytes(path.read_bytes() + (folder / "only.pem").read_bytes())
        self._process = subprocess.Popen(
            [sys.executable, "-c", PEERS, str(path), str(TIMES), str(LARGE)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        assert self._process.stdout is not None
        self.pid = int(self._process.stdout.readline())

    def go(self) -> None:
        """Let them speak, and wait for their end."""
        self._process.communicate(b"\n")
        assert self._process.returncode == 0

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def peers(tmp_path: Path) -> Iterator[Peers]:
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl, to make a certificate")
    found = Peers(tmp_path)
    yield found
    found.end()


def said(rows: list[dict[str, Any]], func: str) -> list[str]:
    """Return the questions and answers of one kind."""
    return sorted(row["data"] for row in rows if row["func"] == func and row["len"] == 13)


def test_what_was_said_and_heard(peers: Peers) -> None:
    flags = ("-gnxl", "--handshake", "--max-buffer-size", "4096")
    with running(*TOOL, "-j", "-p", str(peers.pid), *flags) as tool:
        tool.wait_for_links(10)
        peers.go()
        done = tool.interrupt()
    assert (done.code, done.err) == (0, "")
    rows = [json.loads(line) for line in done.out.splitlines()]
    questions = [f"question {number:02}\0\x1b" for number in range(TIMES)]
    both = sorted([*questions, *map(str.upper, questions)])
    assert said(rows, "READ/RECV") == both
    assert said(rows, "WRITE/SEND") == both
    assert {row["pid"] for row in rows} == {peers.pid}
    assert len({row["tid"] for row in rows}) == 2
    assert {row["uid"] for row in rows} == {os.getuid()}
    large = [row for row in rows if row["len"] == LARGE and row["func"] == "WRITE/SEND"]
    assert sorted(row["data"] for row in large) == ["Y" * 4096, "y" * 4096]
    assert {row["lost"] for row in large} == {LARGE - 4096}
    hands = [row for row in rows if row["func"] == "HANDSHAKE"]
    assert len(hands) >= 2
    assert all(row["data"] is None and row["latency_ms"] > 0 for row in hands)


@pytest.mark.thorough
@pytest.mark.parametrize("flags", [(), ("--hexdump",)])
def test_text(peers: Peers, flags: tuple[str, ...]) -> None:
    name = Path(f"/proc/{peers.pid}/comm").read_text(encoding="utf-8").rstrip("\n")
    flags += ("--max-buffer-size", "16", "-c", name, "-u", str(os.getuid()))
    with running(*TOOL, "-p", str(peers.pid), *flags) as tool:
        head = tool.wait_for("FUNC")
        peers.go()
        done = tool.interrupt()
    assert (done.code, done.err) == (0, "")
    assert head.split() == ["FUNC", "TIME(s)", "COMM", "PID", "LEN"]
    blocks = done.out.split("\n\n")
    hexed = b"question 07\0\x1b".hex()
    shown = hexed if "--hexdump" in flags else r"question 07\x00\x1b"
    (block,) = [block for block in blocks if shown in block and "WRITE/SEND" in block]
    first, begin, data, end = block.splitlines()
    assert re.match(rf"WRITE/SEND   +\d+\.\d{{9}} +\S+ +{peers.pid} +13", first)
    assert (begin, data, end) == ("----- DATA -----", shown, "----- END DATA -----")
    assert f"----- END DATA (TRUNCATED, {LARGE - 16} bytes lost) -----" in done.out


@pytest.mark.thorough
def test_filters_and_wrong_words(peers: Peers) -> None:
    with running(*TOOL, "-p", str(peers.pid), "--comm", "nobody") as tool:
        tool.wait_for("FUNC")
        peers.go()
        assert tool.interrupt() == (0, "", "")
    for words, text in (
        (("-o", "-g", "-n"), "all libraries are left out"),
        (("--extra-lib", "tls:/x"), "--extra-lib: 'tls:/x': openssl:PATH, gnutls:PATH or nss:PATH"),
        (("--max-buffer-size", "99999"), "'99999': from 0 to 32768 bytes"),
    ):
        done = run(*TOOL, *words)
        assert (done.code, done.out) == (2, "")
        assert text in done.err


#: Functions of other libraries, which move all that they are given.
SOURCE = """
typedef unsigned long size;
long gnutls_record_send(void *s, const void *data, size n) { return n; }
long gnutls_record_recv(void *s, void *data, size n) { return n; }
int PR_Write(void *s, const void *data, int n) { return n; }
int PR_Send(void *s, const void *data, int n)
{
    volatile char inside[] = "inside";
    return PR_Write(s, (const void *)inside, 6) == 6 ? n : 0;
}
int PR_Read(void *s, void *data, int n) { return n; }
int PR_Recv(void *s, void *data, int n) { return -1; }
"""


@pytest.mark.thorough
def test_other_libraries(tmp_path: Path) -> None:
    if shutil.which("cc") is None:
        pytest.skip("needs a C compiler")
    library, source = tmp_path / "libother.so", tmp_path / "other.c"
    source.write_text(SOURCE, encoding="ascii")
    subprocess.run(["cc", "-shared", "-o", library, source], check=True)
    other = ctypes.CDLL(str(library))
    flags = [word for kind in ("gnutls", "nss") for word in ("--extra-lib", f"{kind}:{library}")]
    with running(
        *TOOL, "-j", "-ogn", "-p", str(os.getpid()), "--max-buffer-size", "32768", *flags
    ) as tool:
        tool.wait_for_links(12)
        for name in re.findall(r"(\w+)\(void \*s", SOURCE):
            getattr(other, name)(None, b"z" * 20_000, 20_000)
        other.PR_Write(None, None, 8)  # there is no such memory
        done = tool.interrupt()
    assert (done.code, done.err) == (0, "")
    rows = [json.loads(line) for line in done.out.splitlines()]
    gone = rows.pop()
    assert (gone["len"], gone["data"], gone["lost"]) == (8, "", 8)
    assert [row["func"][0] for row in rows] == ["W", "R", "W", "W", "W", "R"]
    assert [row["data"] for row in rows] == ["z" * 20_000] * 3 + ["inside"] + ["z" * 20_000] * 2
