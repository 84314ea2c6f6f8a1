"""The examples, run as a user runs them, each told to look at this test's doings only."""

from __future__ import annotations

import ast
import os
import pty
import re
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pyebpf.host.loop import LoopDevice
from pyebpf.runtime.answers import Support
from pyebpf.runtime.features import KernelFeatures
from tests.kernel.namespaces import in_own_network
from tests.kernel.test_usdt import compiled
from tests.kvm import NUMBER, hypercall, make_hypercalls  # noqa: F401 - one is a fixture
from tests.loop import disk  # noqa: F401 - a fixture
from tests.programs import ROOT, Done, drop_capabilities, histogram_counts, run, running
from tests.turns import Turning, interpreter, turning  # noqa: F401 - one is a fixture

pytestmark = [pytest.mark.kernel, pytest.mark.exact]

FORKS = 7
#: What a newcomer reads first, each a program of 25 lines or less (and what it imports).
FIRST = (
    "minimal", "bootstrap", "uprobe", "kprobe", "fentry", "lsm", "xdp", "tc", "socket_filter",
    "task_iter", "profiler",
)  # fmt: skip


def fork_some() -> None:
    for _ in range(FORKS):
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)


@pytest.mark.thorough
def test_hello_world() -> None:
    with running("examples/hello_world.py", str(os.getpid())) as example:
        example.wait_for("Hit Ctrl-C")
        fork_some()
        lines = "".join(example.wait_for("Hello, World!") for _ in range(FORKS))
        done = example.interrupt()
    assert lines == "Hello, World!\n" * FORKS
    assert (done.code, done.out, done.err) == (0, "", "")


@pytest.mark.thorough
def test_trace_fields() -> None:
    with running("examples/trace_fields.py", str(os.getpid())) as example:
        example.wait_for("PID MESSAGE")
        fork_some()
        lines = [example.wait_for("Hello, ").strip() for _ in range(FORKS)]
        done = example.interrupt()
    assert all(re.fullmatch(rf"{os.getpid()} Hello, \d+!", line) for line in lines), lines
    assert len(set(lines)) == FORKS
    assert (done.code, done.out, done.err) == (0, "", "")


@pytest.mark.thorough
def test_task_switch() -> None:
    with running("examples/task_switch.py", str(os.getpid())) as example:
        while example.process.poll() is None:
            time.sleep(0.001)
        done = example.end()
    assert (done.code, done.err) == (0, "")
    found = re.findall(r"^task_switch\[ *(\d+)-> *(\d+)\]=(\d+)$", done.out, re.MULTILINE)
    me = str(os.getpid())
    away = sum(int(count) for before, _, count in found if before == me)
    back = sum(int(count) for _, after, count in found if after == me)
    assert len(found) == len(done.out.splitlines())
    assert away > 10
    # A tracepoint goes on and off on one CPU after the other: a few at the ends are not seen.
    assert abs(away - back) <= max(3, away // 20)


@pytest.mark.thorough
def test_bitehist(disk: LoopDevice) -> None:  # noqa: F811
    with running("examples/bitehist.py", "-d", disk.name) as example:
        example.wait_for("Tracing... Hit Ctrl-C to end.")
        disk.write(23, 16 << 10)
        disk.read(31, 4 << 10)
        done = example.interrupt()
    assert (done.code, done.err) == (0, "")
    log2, linear = done.out.split("linear histogram\n~~~~~~~~~~~~~~~~\n")
    assert log2.startswith("\nlog2 histogram\n~~~~~~~~~~~~~~\n     kbytes ")
    assert re.search(r"^ +16 -> 31 +: 23 +\|", log2, re.MULTILINE)
    assert re.search(r"^ +4 -> 7 +: 31 +\|", log2, re.MULTILINE)
    assert re.search(r"^ +16 +: 23 +\|", linear, re.MULTILINE)
    assert re.search(r"^ +4 +: 31 +\|", linear, re.MULTILINE)
    assert sum(histogram_counts(log2)) == sum(histogram_counts(linear)) == 54


@pytest.mark.thorough
def test_disksnoop(disk: LoopDevice) -> None:  # noqa: F811
    with running("examples/disksnoop.py", disk.name) as example:
        example.wait_for("TIME(s)            T  BYTES    LAT(ms)")
        disk.write(3, 16 << 10)
        disk.read(2, 4 << 10)
        rows = [example.wait_for("\n").split() for _ in range(5)]
        done = example.interrupt()
    assert [row[1:3] for row in rows] == [["W", "16384"]] * 3 + [["R", "4096"]] * 2
    times = [float(row[0]) for row in rows]
    assert times == sorted(times)
    assert all(re.fullmatch(r"\d+\.\d\d", row[3]) for row in rows)
    assert (done.code, done.err) == (0, "")


@pytest.mark.thorough
def test_usdt(interpreter: Turning) -> None:  # noqa: F811
    with running("examples/usdt.py", str(interpreter.pid)) as example:
        example.wait_for("Hit Ctrl-C")
        interpreter.turn(FORKS)
        done = example.interrupt()
    assert sorted(done.out.splitlines()) == [f"generation 0: {FORKS}", f"generation 2: {2 * FORKS}"]
    assert (done.code, done.err) == (0, "")


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("example", "server", "text"),
    [
        pytest.param("examples/mysqld_query.py", "mysqld", r"SELECT {}\tFROM dual", id="mysqld"),
        pytest.param(
            "examples/nodejs_http_server.py",
            "node",
            "GET /number/{}",
            id="node",
            marks=pytest.mark.thorough,
        ),
    ],
)
def test_probes_of_servers(example: str, server: str, text: str, tmp_path: Path) -> None:
    """A small program stands in for the server, by its name and its probes: see servers.c."""
    made = compiled("servers.c", tmp_path / server, "gcc", "-O2")
    with turning(made) as started, running(example, f"{started.pid}") as one:
        one.wait_for("TIME(s)")
        started.turn(FORKS)
        rows = [one.wait_for("\n").strip().split(maxsplit=3) for _ in range(FORKS)]
        done = one.interrupt()
    said = [[server, str(started.pid), text.format(turn)] for turn in range(FORKS)]
    assert [row[1:] for row in rows] == said
    times = [float(row[0]) for row in rows]
    assert times == sorted(times)
    assert times[-1] < time.monotonic()
    assert done == (0, "", "")


def test_kvm_hypercall(hypercall: bytes) -> None:  # noqa: F811
    with running("examples/kvm_hypercall.py", "-p", str(os.getpid())) as example:
        example.wait_for("EVENT")
        make_hypercalls(hypercall, FORKS)
        rows = [example.wait_for("\n").split()[2:] for _ in range(3 * FORKS)]
        done = example.interrupt()
    for leaves, asks, enters in zip(*[iter(rows)] * 3, strict=True):
        assert leaves in ([str(os.getpid()), "KVM_EXIT", "reason", n] for n in ("18", "129"))
        assert asks == [str(os.getpid()), "HYPERCALL", "number", str(NUMBER)]
        assert enters == [str(os.getpid()), "KVM_ENTRY", "vcpu", "0"]
    assert done == (0, "", "")


@pytest.mark.thorough
def test_kvm_hypercall_without_a_machine() -> None:
    """It attaches if KVM is loaded, and says what is missing if it is not."""
    done = run("examples/kvm_hypercall.py", "--dry-run")
    if Path("/sys/module/kvm").exists():
        assert (done.code, done.err) == (0, "")
        assert "leaves, asks, enters: compiled, accepted by the verifier, attached" in done.out
    else:
        assert (done.code, done.out) == (1, "")
        assert "kvm:kvm_exit" in done.err


@pytest.mark.thorough
def test_demo(disk: LoopDevice) -> None:  # noqa: F811 - asked for, to skip where none can be made
    done = run("examples/demo.py")
    assert (done.code, done.err) == (0, "")
    assert sum(histogram_counts(done.out)) == 540
    assert done.out.endswith("540 requests counted, 540 made: they match\n")


@pytest.mark.thorough
def test_demo_without_capabilities_shows_the_program() -> None:
    done = run("examples/demo.py", prepare=drop_capabilities)
    assert (done.code, done.err) == (0, "")
    for word in ("CAP_BPF", "CAP_PERFMON", "CAP_SYS_ADMIN"):
        assert word in done.out
    assert "call bpf_ktime_get_ns#5" in done.out
    assert "; started[rq] = ktime_get_ns()  @ biolatency.py" in done.out


@contextmanager
def waiting(command: str) -> Iterator[subprocess.Popen[bytes]]:
    """Give a shell that runs a command, in its own place, when it gets a line."""
    shell = subprocess.Popen(["sh", "-c", f"read go; exec {command}"], stdin=subprocess.PIPE)
    try:
        yield shell
    finally:
        shell.kill()
        shell.communicate()


def go(shell: subprocess.Popen[bytes]) -> None:
    assert shell.stdin is not None
    shell.stdin.write(b"\n")
    shell.stdin.close()
    shell.wait()


def needs(feature: str) -> None:
    """Skip where the kernel does not have it, with what it said."""
    answer = KernelFeatures().support(feature)
    if answer.support is not Support.YES:
        pytest.skip(f"{feature}: {answer.reason}")


def test_minimal() -> None:
    with waiting("/bin/true") as shell, running("examples/minimal.py", "-p", f"{shell.pid}") as one:
        one.wait_for("Hit Ctrl-C")
        go(shell)
        assert one.wait_for("runs") == f"{shell.pid} runs /bin/true\n"
        assert one.interrupt() == (0, "", "")


@pytest.mark.thorough
def test_bootstrap() -> None:
    exits = waiting("sh -c 'exit 3'")
    with exits as shell, running("examples/bootstrap.py", "-p", f"{shell.pid}") as example:
        example.wait_for("Hit Ctrl-C")
        go(shell)
        assert example.wait_for("begins") == f"{shell.pid} sh begins\n"
        end = re.fullmatch(
            rf"{shell.pid} sh ended after (\d+\.\d) ms with 3\n", example.wait_for("ended")
        )
        assert end is not None
        assert 0 < float(end[1]) < 60_000
        assert example.interrupt() == (0, "", "")


@pytest.mark.thorough
def test_uprobe() -> None:
    master, slave = pty.openpty()
    shell = subprocess.Popen(["bash", "--norc", "-i"], stdin=slave, stdout=slave, stderr=slave)
    try:
        with running("examples/uprobe.py", "-p", str(shell.pid)) as example:
            example.wait_for("Hit Ctrl-C")
            # It waits for the first line already, and a return is seen of what begins afterwards.
            os.write(master, b"true\ntrue 'what is typed'\n")
            assert example.wait_for("typed") == f"{shell.pid}: true 'what is typed'\n"
            assert example.interrupt() == (0, "", "")
    finally:
        shell.kill()
        shell.wait()
        os.close(slave)
        os.close(master)


def test_kprobe() -> None:
    needs("kprobe_attach")
    with running("examples/kprobe.py", "-p", str(os.getpid())) as example:
        example.wait_for("Hit Ctrl-C")
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            socket.create_connection(("127.0.0.1", port)).close()
        comm = Path("/proc/self/comm").read_text().strip()
        said = f"{comm} {os.getpid()} connects to 127.0.0.1 port {port}\n"
        assert example.wait_for("connects") == said
        assert example.interrupt() == (0, "", "")


def test_fentry(tmp_path: Path) -> None:
    needs("fentry_load")
    with running("examples/fentry.py", "-p", str(os.getpid())) as example:
        example.wait_for("Hit Ctrl-C")
        with (tmp_path / "flushed").open("wb") as file:
            file.write(b"text")
            file.flush()
            os.fsync(file.fileno())
        line = example.wait_for("flushed")
        assert re.fullmatch(rf"\S+ {os.getpid()} flushed flushed in \d+ us\n", line)
        assert example.interrupt() == (0, "", "")


def on_loopback(
    example: str, sender: tuple[int, ...], data: bytes, lines: str = ""
) -> tuple[str, Done]:
    """Run an example on the loopback device of a network of its own, where it sees three packets.

    Args:
        example: which; its only argument is the device.
        sender: what kind of socket sends them.
        data: what is in them.
        lines: a text in each of the lines that the example prints of them, if it does.
    """

    def work() -> tuple[str, Done]:
        with running(example, "lo") as one, socket.socket(type=socket.SOCK_DGRAM) as listener:
            listener.bind(("127.0.0.1", 9))  # or the kernel would answer that nobody is there
            one.wait_for("Hit Ctrl-C")
            with socket.socket(socket.AF_INET, *sender) as raw:
                for _ in range(3):
                    raw.sendto(data, ("127.0.0.1", 9))
            heard = "".join(one.wait_for(lines) for _ in range(3)) if lines else ""
            return heard, one.interrupt()

    return in_own_network(work)


UDP, PING = (socket.SOCK_DGRAM,), (socket.SOCK_RAW, socket.IPPROTO_ICMP)


@pytest.mark.thorough
def test_xdp() -> None:
    seen, done = on_loopback("examples/xdp.py", UDP, b"ten bytes.", "127.0.0.1")
    assert seen == "127.0.0.1 -> 127.0.0.1, 38 bytes\n" * 3
    assert done == (0, "", "")


@pytest.mark.thorough
def test_tc() -> None:
    _, done = on_loopback("examples/tc.py", UDP, b"ten bytes.")
    assert done == (0, f"\n127.0.0.1       {3 * (14 + 20 + 8 + 10):>7}\n", "")


@pytest.mark.thorough
def test_socket_filter() -> None:
    # Type 8 is an echo request; the kernel's answers, of type 0, are filtered out.
    ping = struct.pack("!BBHI", 8, 0, 0xF7FF, 0) + bytes(2)
    seen, done = on_loopback("examples/socket_filter.py", PING, ping, "ping from")
    assert seen == "ping from 127.0.0.1, 44 bytes\n" * 3
    assert done == (0, "", "")


_BUSY = """
volatile unsigned long turns;
__attribute__((noinline)) void busy(void) { for (int i = 0; i < 1000000; i++) turns++; }
int main(void) { for (;;) { busy(); turns++; } }
"""


@pytest.mark.thorough
def test_profiler(program: Callable[[str], str], tmp_path: Path) -> None:
    source, made = tmp_path / "busy.c", tmp_path / "busy-one"
    source.write_text(_BUSY)
    flags = ["-O1", "-fno-omit-frame-pointer", "-o", made]
    subprocess.run([program("clang"), *flags, source], check=True)
    busy = subprocess.Popen([made])
    try:
        with running("examples/profiler.py", "-p", str(busy.pid), "1") as example:
            assert re.search(
                r"^busy-one;.*main;busy \d+$", example.wait_for(";main;busy "), re.MULTILINE
            )
            done = example.interrupt()
        rows = [line for line in done.out.splitlines() if line]
        assert all(re.fullmatch(r"busy-one(;\S+)+ \d+", row) for row in rows), rows
        assert (done.code, done.err) == (0, "")
    finally:
        busy.kill()
        busy.wait()


class Child:
    """A child that waits until it is told to do something once, and ends."""

    def __init__(self, work: Callable[[], object]) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
        self.pid = os.fork()
        if self.pid == 0:
            try:
                signal.sigwait({signal.SIGUSR1})
                work()
            finally:
                os._exit(0)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR1})
        self._is_there = True

    def go(self) -> None:
        os.kill(self.pid, signal.SIGUSR1)
        os.waitpid(self.pid, 0)
        self._is_there = False

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_there:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)


@pytest.mark.parametrize(
    ("hook", "deepest"),
    [
        pytest.param("sched:sched_process_fork", "kernel_clone", id="tracepoint"),
        pytest.param("security_task_alloc", "security_task_alloc", id="kprobe"),
    ],
)
def test_stacksnoop(hook: str, deepest: str) -> None:
    if ":" not in hook:
        needs("kprobe_attach")
    with running("examples/stacksnoop.py", "-v", "-p", str(os.getpid()), hook) as example:
        example.wait_for("Hit Ctrl-C")
        os.waitpid(os.posix_spawn("/bin/true", ["true"], {}), 0)
        call, *frames = example.wait_for("syscall").splitlines()
        done = example.interrupt()
    assert re.fullmatch(rf"\d+\.\d{{9}} +\S+ {os.getpid()} \d+ {hook}", call)
    assert deepest in {frame.strip() for frame in frames}
    assert (done.code, done.err) == (0, "")


@pytest.mark.thorough
def test_tcpv4connect() -> None:
    with running("examples/tcpv4connect.py", "-p", str(os.getpid())) as example:
        example.wait_for("DPORT")
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            socket.create_connection(("127.0.0.1", port)).close()
        row = example.wait_for("127.0.0.1").split()
        done = example.interrupt()
    assert (row[0], *row[-3:]) == (str(os.getpid()), "127.0.0.1", "127.0.0.1", str(port))
    assert done == (0, "", "")


def test_vfsreadlat() -> None:
    with Path("/dev/zero").open("rb", buffering=0) as zero:
        reads = Child(lambda: [os.read(zero.fileno(), 1) for _ in range(23)])
        with reads, running("examples/vfsreadlat.py", "-p", str(reads.pid)) as example:
            example.wait_for("Hit Ctrl-C")
            reads.go()
            done = example.interrupt()
    assert (done.code, done.err) == (0, "")
    assert sum(histogram_counts(done.out)) == 23


@pytest.mark.thorough
def test_urandomread() -> None:
    takes = Child(lambda: (os.getrandom(16), os.getrandom(3)))
    with takes, running("examples/urandomread.py", "-p", str(takes.pid)) as example:
        example.wait_for("GOTBITS")
        takes.go()
        rows = [example.wait_for("\n").split() for _ in range(2)]
        done = example.interrupt()
    assert [row[-2:] for row in rows] == [[str(takes.pid), "128"], [str(takes.pid), "24"]]
    assert float(rows[0][0]) <= float(rows[1][0]) < time.monotonic()
    assert done == (0, "", "")


@pytest.mark.thorough
def test_undump() -> None:
    with running("examples/undump.py", "-p", str(os.getpid())) as example:
        example.wait_for("Hit Ctrl-C")
        ours, theirs = socket.socketpair()
        with ours, theirs:
            theirs.sendall(b"hello \x1b[31m you")
            assert (ours.recv(6), ours.recv(99)) == (b"hello ", b"\x1b[31m you")
        rows = [example.wait_for("\n").strip() for _ in range(4)]
        done = example.interrupt()
    assert [row.rpartition(": ")[2] for row in rows] == [
        "6 bytes", "hello", "9 bytes", "\\x1b[31m you"
    ]  # fmt: skip
    assert done == (0, "", "")


@pytest.mark.thorough
def test_task_iter() -> None:
    done = run("examples/task_iter.py", "-p", str(os.getpid()))
    head, *rows = done.out.splitlines()
    assert head.split() == ["PID", "TID", "COMM"]
    threads = {
        path.name: (path / "comm").read_text().strip() for path in Path("/proc/self/task").iterdir()
    }
    assert {tuple(row.split(maxsplit=2)) for row in rows} == {
        (str(os.getpid()), *one) for one in threads.items()
    }
    assert (done.code, done.err) == (0, "")


def test_lsm(tmp_path: Path) -> None:
    needs("prog:lsm")
    active = Path("/sys/kernel/security/lsm")
    if active.exists() and "bpf" not in active.read_text().split(","):
        pytest.skip("bpf is not among the active security modules (lsm= of the kernel)")
    secret = tmp_path / f"secret-{os.getpid()}"
    secret.write_text("text")
    with running("examples/lsm.py", secret.name) as example:
        example.wait_for("Hit Ctrl-C")
        with pytest.raises(PermissionError):
            secret.read_text()
        assert f"{os.getpid()} may not open {secret.name}\n" in example.wait_for("may not open")
        assert example.interrupt() == (0, "", "")
    assert secret.read_text() == "text"


@pytest.mark.thorough
@pytest.mark.parametrize("name", FIRST)
def test_without_capabilities_an_example_says_which_it_needs(name: str) -> None:
    done = run(f"examples/{name}.py", prepare=drop_capabilities)
    assert (done.code, done.out) == (1, "")
    assert re.match(
        rf"{name}: .*: EPERM: .*; this needs (CAP_BPF|CAP_SYS_ADMIN), which this process lacks",
        done.err,
    )
    assert done.err.count("\n") == 1


@pytest.mark.thorough
@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.py")), ids=lambda p: p.stem)
def test_examples_are_short_listed_and_tested(path: Path) -> None:
    assert program_lines(path) <= (25 if path.stem in FIRST else 50)
    assert f"examples/{path.name}" in Path(__file__).read_text(encoding="utf-8")
    assert f"[{path.name}]({path.name})" in (ROOT / "examples/README.md").read_text(
        encoding="utf-8"
    )


def program_lines(path: Path) -> int:
    """Count the lines of a program, but for its docstring, its imports and blank ones."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    program = [node for node in tree.body[1:] if not isinstance(node, ast.ImportFrom | ast.Import)]
    parts = [part for node in program for part in ast.walk(node) if hasattr(part, "lineno")]
    return len({number for part in parts for number in (part.lineno, part.end_lineno)})
