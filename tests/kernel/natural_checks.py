"""What each probe of ``accept/natural`` must do, from calls on arguments that are chosen here.

A check is given the module of its probe and runs it by ``Runs``; it never attaches anything.
"""

from __future__ import annotations

import ctypes
import errno
import ipaddress
import math
import os
import signal
import socket
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from pyebpf import Session
from tests.kernel.running import fire

WORD = (1 << 64) - 1


class Run:
    """A loaded module: ``run(args…)`` calls its probe; ``run[name]`` is the open map."""

    def __init__(self, module: ModuleType, session: Session) -> None:
        self.module, self.session = module, session

    def __call__(self, *args: int, probe: str = "probe") -> None:
        fire(self.session, getattr(self.module, probe), *args)

    def __getitem__(self, name: str) -> Any:
        return self.session[getattr(self.module, name)]

    def table(self, name: str) -> dict[Any, Any]:
        return {_plain(key): _plain(value) for key, value in self[name].items()}

    def cells(self, name: str) -> list[int]:
        return [int(n) for n in self[name].view().tolist()]

    def events(self, name: str = "events") -> list[Any]:
        return list(self[name].read().tolist())

    def lines(self) -> list[str]:
        return list(self.session.lines(0))


def _plain(value: Any) -> Any:
    return tuple(value.values()) if hasattr(value, "values") else value


Check = Callable[[Run], None]
#: By number of the probe: options of the session by their names in the module, and the check.
CHECKS: dict[str, tuple[dict[str, Any], Check]] = {}


def does(number: str, **options: Any) -> Callable[[Check], Check]:
    def keep(check: Check) -> Check:
        assert number not in CHECKS
        CHECKS[number] = options, check
        return check

    return keep


def own_comm() -> str:
    return Path("/proc/thread-self/comm").read_text().rstrip("\n")


def address(buffer: Any) -> int:
    return ctypes.addressof(buffer)


@does("001")
def _(run: Run) -> None:
    for _ in range(3):
        run()
    assert run.table("calls") == {os.getpid(): 3}


@does("002")
def _(run: Run) -> None:
    for nr in (0, 1, 1, 257):
        run(0, nr)
    assert run.table("calls") == {0: 1, 1: 2, 257: 1}


@does("003")
def _(run: Run) -> None:
    run()
    run()
    assert run.table("calls") == {(own_comm(),): 2}


@does("004", target_pid=1)
def _(run: Run) -> None:
    run()
    assert run.cells("calls") == [0]


@does("004+", target_pid=os.getpid())
def _(run: Run) -> None:
    run()
    assert run.cells("calls") == [1]


@does("005")
def _(run: Run) -> None:
    run()
    assert run.cells("calls") == ([1, 0] if os.getuid() == 0 else [0, 1])


@does("006", name="no such name")
def _(run: Run) -> None:
    run()
    assert run.cells("calls") == [0]


@does("006+", name=own_comm())
def _(run: Run) -> None:
    run()
    assert run.cells("calls") == [1]


def renamed(run: Run, name: str, *args: int) -> None:
    """Call the probe in a thread of another name."""

    def call() -> None:
        Path("/proc/thread-self/comm").write_text(name)
        run(*args)

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()


@does("007")
def _(run: Run) -> None:
    for name in ("kworker/0:1", "python3", "py", "bash", "p", "kworker"):
        renamed(run, name)
    assert run.cells("calls") == [2, 3]


@does("008")
def _(run: Run) -> None:
    for name in ("bash", "sh", "zsh", "dash", "s", "shh", "python"):
        renamed(run, name)
    assert run.cells("calls") == [3, 4]


@does("009")
def _(run: Run) -> None:
    for ret in (0, 5, -2, -2, -13, -4095, -4096, -(1 << 40)):
        run(0, ret)
    assert run.table("errors") == {2: 2, 13: 1, 4095: 1}


@does("010")
def _(run: Run) -> None:
    for code in (0, -errno.ENOENT, -errno.EACCES, -errno.EPERM, -errno.EIO, 7):
        run(0, code)
    assert run.cells("failed") == [1, 2, 1]


@does("011")
def _(run: Run) -> None:
    run(probe="leave")
    for _ in range(4):
        run(probe="enter")
        run(probe="leave")
        run(probe="leave")
    assert int(run["latency"].counts.sum()) == 4
    assert run.table("began") == {}


@does("012")
def _(run: Run) -> None:
    for took in (5, 30, 7):
        run(0, took)
    assert run.table("worst") == {os.getpid(): 30}


@does("013")
def _(run: Run) -> None:
    for size in (50, 7, 1_000):
        run(0, size)
    assert run.table("sizes") == {os.getpid(): (3, 1_057, 7, 1_000)}


@does("014")
def _(run: Run) -> None:
    for nr, size in ((0, 5), (0, 4), (1, 1_024)):
        run(nr, size)
    found = run["sizes"].snapshot()
    counts = {nr: found[nr].counts for nr in found}
    assert {nr: (int(c.sum()), int(c.argmax())) for nr, c in counts.items()} == {
        0: (2, 2), 1: (1, 10)
    }  # fmt: skip


@does("015")
def _(run: Run) -> None:
    for priority in (0, 9, 10, 120, 139, 500):
        run(0, 0, 0, priority)
    assert run["priorities"].counts.tolist() == [2, 1, *[0] * 10, 1, 2]


@does("016")
def _(run: Run) -> None:
    run(3, 8)
    run(3, 9)
    run(4, 1)
    found = run["sizes"].snapshot()
    me = os.getpid()
    assert {key: int(found[key].counts.sum()) for key in found} == {(me, 3): 2, (me, 4): 1}


@does("017")
def _(run: Run) -> None:
    for a, b in ((1, 2), (2, 1), (1, 2)):
        run(0, a, b)
    assert run.table("switches") == {(1, 2): 2, (2, 1): 1}


@does("018")
def _(run: Run) -> None:
    run(100, 7, probe="enter")
    run(130, probe="leave")
    run(999, probe="leave")
    run(200, 7, probe="enter")
    run(205, probe="leave")
    assert run.table("spent") == {7: 35}


@does("019")
def _(run: Run) -> None:
    for _ in range(25):
        run()
    assert run.cells("looked") == [3]


@does("020", percent=100)
def _(run: Run) -> None:
    for _ in range(50):
        run()
    assert run.cells("looked") == [50, 50]


@does("020+", percent=0)
def _(run: Run) -> None:
    for _ in range(50):
        run()
    assert run.cells("looked") == [0, 50]


@does("021", interval_ns=100)
def _(run: Run) -> None:
    for now in (1_000, 1_050, 1_099, 1_100, 1_250):
        run(now)
    assert run.events() == [(1_000, 0), (1_100, 2), (1_250, 0)]


@does("022")
def _(run: Run) -> None:
    for event in (1, 2, 3, 2, 2, 1):
        run(77, event)
    assert run.table("states") == {77: 1}
    assert run.cells("finished") == run.cells("unexpected") == [1]


@does("023")
def _(run: Run) -> None:
    for nr in (0, 17, 1, 20, 18, 2, 999, 1_000, 1_001, 3):
        run(0, nr)
    assert run.cells("groups") == [2, 3, 3, 2]


@does("024")
def _(run: Run) -> None:
    for name in ("python", "pytest", "sh", "bas", "bash", "zsh", "python4"):
        renamed(run, name)
    assert run.cells("kinds") == [2, 2, 3]


@does("025")
def _(run: Run) -> None:
    for pair in ((0, 0), (5, 0), (6, 6), (3, 7)):
        run(*pair)
    assert run.table("seen") == {0: 1, 1: 5, 2: 6, 3: 21}


@does("026")
def _(run: Run) -> None:
    for flags in (0b1011, 1 << 63 | 1):
        run(0, 0, flags)
    assert run.cells("used") == [2, 1, 0, 1, *[0] * 59, 1]


@does("027")
def _(run: Run) -> None:
    for n in (0, 1, 255, WORD):
        run(n)
    found = run.cells("ones")
    assert [i for i, count in enumerate(found) if count] == [0, 1, 8, 64]


@does("028")
def _(run: Run) -> None:
    words = (0x0123_4567_89AB_CDEF, 0xFFFF_8000_1234_5678)
    run(*words)
    total = sum(word >> shift & 0xFFFF for word in words for shift in range(0, 64, 16))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    assert run.cells("sums") == [~total & 0xFFFF]


@does("029")
def _(run: Run) -> None:
    expected = [0] * 16
    for value in (0, 1, 0xDEADBEEF, WORD):
        run(value)
        result = 0x811C9DC5
        for byte in value.to_bytes(8, "little"):
            result = (result ^ byte) * 0x01000193 & 0xFFFFFFFF
        expected[result % 16] += 1
    assert run.cells("slots") == expected


@does("030")
def _(run: Run) -> None:
    values = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5]
    for value in values:
        run(value)
    window = run["windows"][os.getpid()]
    assert (window.next, window.total) == (len(values) % 8, sum(values[-8:]))


@does("031")
def _(run: Run) -> None:
    run(0, 100)
    run(0, 180)
    assert run.table("averages") == {os.getpid(): (100 * 7 + 180) // 8}


@does("032")
def _(run: Run) -> None:
    for nr in (0, 63, 64, 511, 512, 1 << 40):
        run(0, nr)
    assert run.cells("seen") == [1 << 63 | 1, 1, 0, 0, 0, 0, 0, 1 << 63]


@does("033")
def _(run: Run) -> None:
    for n in (9_907_001, WORD):
        run(n)
        assert run.cells("digits") == [str(n).count(str(digit)) for digit in range(10)]


@does("034")
def _(run: Run) -> None:
    for n in (0, 3, 5):
        run(n)
    assert run.cells("out") == [15 + 110 + 29, 110]


@does("035")
def _(run: Run) -> None:
    for n in (0, 9, 10, 9_999, 10_000, WORD):
        run(0, n)
    assert run.cells("buckets") == [2, 1, 0, 1, 2]


@does("036")
def _(run: Run) -> None:
    run(3, 2, 1)
    assert run.cells("out") == [123]


@does("037")
def _(run: Run) -> None:
    for pair in ((5, 257), (200, 1), (5, 5), (5, 100)):
        run(*pair)
    assert run.cells("out") == [2, 1]


@does("038")
def _(run: Run) -> None:
    run(0, 7, 0)
    assert run.cells("out") == [2, 20]


@does("039")
def _(run: Run) -> None:
    for nice, clamped in ((-100, -20), (5, 5), (1 << 40, 19)):
        run(nice)
        assert run.cells("out") == [clamped, abs(nice - clamped)]


@does("040")
def _(run: Run) -> None:
    for port in (0, 1, 1_023, 1_024, 49_151, 49_152, 65_535, 65_536):
        run(port)
    assert run.cells("ports") == [2, 2, 2]


@does("041")
def _(run: Run) -> None:
    for ret, sign in ((-5, -1), (0, 0), (9, 1)):
        run(0, ret)
        assert run.cells("signs") == [sign]


@does("042")
def _(run: Run) -> None:
    for event in ((1, 100), (1, 105), (2, 10), (2, 50), (1, 200), (1, 300)):
        run(*event)
    assert run.table("took") == {2: 40, 1: 95}
    assert run.table("began") == {1: 300}


@does("043")
def _(run: Run) -> None:
    run(6)
    assert run.table("table") == {1: 7, 2: 12, 3: 61}


@does("044")
def _(run: Run) -> None:
    programs = list(run.session._loaded.programs)
    assert len(programs) == 2
    for n in (5, 11, 5_000):
        for program in programs:
            fire(run.session, program, n)
    assert (run.cells("many"), run.cells("few")) == ([2], [1])


@does("045")
def _(run: Run) -> None:
    for flags in (0, 0o1, 0o102, 0o1101, 0o100):
        run(0, 0, flags)
    assert run.cells("modes") == [3, 2, 1]


@does("046")
def _(run: Run) -> None:
    for n in (signal.SIGKILL, os.O_CLOEXEC, socket.AF_INET6, stat.S_ISUID | 1):
        run(n)
    assert run.cells("out") == [1, 1, 1, 1, 15]


@does("047")
def _(run: Run) -> None:
    for nr in (257, 0, 1, 2, 257):
        run(0, nr)
    assert run.cells("out") == [2, 2]


@does("048")
def _(run: Run) -> None:
    run(0, -13)
    assert run.lines() == [f"{own_comm():<16} {os.getpid():>7} {-13:6d}\n"]


@does("049")
def _(run: Run) -> None:
    n = 123_456
    run(n)
    assert run.lines() == [
        f"{n:#x} {n:08b} {n:,} {n!r:>6}|{own_comm()!r}|True.\n",
        f"max of two {n} n={n}\n",
    ]


@does("050")
def _(run: Run) -> None:
    for ret in (0, 3, -1):
        run(0, ret)
    name = own_comm().encode()
    assert run.events() == [(os.getpid(), 3, name), (os.getpid(), -1, name)]


@does("051")
def _(run: Run) -> None:
    run(99)
    ((time, name, first, second),) = run.events()
    assert (time, name) == (99, own_comm().encode())
    assert (tuple(first), tuple(second)) == ((1, b"a.py"), (2, b""))


@does("052")
def _(run: Run) -> None:
    for nr, size in ((0, 10), (1, 5), (1, 6)):
        run(nr, size)
    found = run["processes"][os.getpid()]
    assert (tuple(found.reads.values()), tuple(found.writes.values())) == ((1, 10), (2, 11))


@does("053")
def _(run: Run) -> None:
    for n in range(6):
        run(n * 10, n)
    history = run["histories"][os.getpid()]
    assert history.count == 6
    assert [tuple(call.values()) for call in history.calls] == [(4, 40), (5, 50), (2, 20), (3, 30)]


@does("054")
def _(run: Run) -> None:
    run(0x185)
    entry = run["flags"][1]
    assert (entry.seen, entry.priority, entry.kind) == (1, 5, 6)


@does("055")
def _(run: Run) -> None:
    run(0x1234_5678)
    assert run.cells("out") == [0x5678, 0x1234]


@does("056")
def _(run: Run) -> None:
    def frame(destination: bytes, source: bytes) -> None:
        buffer = ctypes.create_string_buffer(destination + source, 12)
        run(address(buffer))

    frame(b"\xff" * 6, b"\x02\0\0\0\0\1")
    frame(b"\x02\0\0\0\0\2", b"\x02\0\0\0\0\1")
    frame(b"\x02\0\0\0\0\2", b"\x04\0\0\0\0\1")
    assert run.cells("broadcasts") == [1]
    assert list(run.table("talkers").values()) == [1]


def be32(text: str) -> int:
    return int.from_bytes(ipaddress.IPv4Address(text).packed, "little")


@does("057")
def _(run: Run) -> None:
    for text, size in (("127.0.0.1", 1), ("10.1.2.3", 5), ("10.1.2.3", 6)):
        run(be32(text), size)
    assert run.cells("local") == [1]
    assert run.table("sent") == {ipaddress.IPv4Address("10.1.2.3"): 11}


@does("058")
def _(run: Run) -> None:
    def peer(text: str, port: int) -> tuple[Any, int]:
        made = ipaddress.IPv6Address(text)
        buffer = ctypes.create_string_buffer(made.packed + port.to_bytes(2, "little"), 18)
        run(address(buffer))
        return made, port

    one, two = peer("::1", 80), peer("2001:db8::7", 443)
    assert peer("2001:db8::7", 443) == two
    assert run.cells("local") == [1]
    assert run.table("peers") == {one: 1, two: 2}


@does("059")
def _(run: Run) -> None:
    run(socket.htons(80), socket.htonl(0x0A000001))
    assert run.cells("out") == [80, 0x0A000001, 1, 7]


@does("063")
def _(run: Run) -> None:
    for text in (b"/etc/passwd", b"/etc/pass", b"/tmp", b"x" * 200, b"/etc/hosts"):
        buffer = ctypes.create_string_buffer(text)
        run(address(buffer))
    assert run.cells("out") == [1, 3, 10]


@does("064")
def _(run: Run) -> None:
    for text in (b"/usr/lib/libc.so", b"/tmp/a", b"/tm", b"a.so.1", b".so", b"so"):
        buffer = ctypes.create_string_buffer(text)
        run(address(buffer))
    assert run.cells("libraries") == [2, 1]


@does("065")
def _(run: Run) -> None:
    name = ctypes.create_string_buffer(b"a name")
    request = (ctypes.c_uint64 * 2)(7 | 99 << 32, address(name))
    run(address(request))
    assert run.table("requests") == {7: (99, "a name")}


@does("066")
def _(run: Run) -> None:
    texts = [ctypes.create_string_buffer(text) for text in (b"ls", b"-l", b"/tmp")]
    argv = (ctypes.c_uint64 * 4)(*(address(text) for text in texts), 0)
    run(0, address(argv))
    found = [run["arguments"][i].text for i in range(8)]
    assert found == ["ls", "-l", "/tmp", "", "", "", "", ""]
    assert run.cells("count") == [3]


def comm_of(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text().rstrip("\n")


def parent_of(pid: int) -> int:
    rows = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(row.split()[1] for row in rows if row.startswith("PPid:")))


@does("068")
def _(run: Run) -> None:
    run()
    grand = parent_of(os.getppid())
    family = run["families"][0]
    assert tuple(family.values())[:3] == (os.getpid(), own_comm(), comm_of(os.getppid()))
    assert family.grandparent == (comm_of(grand) if grand else "swapper/0")


@does("069")
def _(run: Run) -> None:
    run()
    pid, steps = os.getpid(), 0
    while pid > 1 and steps < 32:
        pid, steps = parent_of(pid), steps + 1
    assert run.cells("depth") == [steps]


@does("072")
def _(run: Run) -> None:
    run()
    own = Path("/proc/self/ns/pid").stat().st_ino
    assert run.table("by_namespace") == {own: 1}


@does("073")
def _(run: Run) -> None:
    run()
    assert run.table("by_host") == {(os.uname().nodename,): 1}


@does("074")
def _(run: Run) -> None:
    run()
    line = next(
        row for row in Path("/proc/self/cgroup").read_text().splitlines() if row.startswith("0::")
    )
    path = Path("/sys/fs/cgroup" + line.removeprefix("0::"))
    if path.exists():  # the id of a cgroup is the inode of its directory
        run["wanted"][path.stat().st_ino] = 1
        run()
        assert run.cells("calls") == [1, 1]
    else:
        assert run.cells("calls") == [0, 1]


@does("075")
def _(run: Run) -> None:
    run()
    assert run.cells("out")[:2] == [1, 1]
    assert run.cells("out")[2] > 0


@does("076")
def _(run: Run) -> None:
    for _ in range(3):
        run()
    assert sum(run.table("counts").values()) == 3


@does("077")
def _(run: Run) -> None:
    run()
    run["enabled"].value = True
    run()
    run()
    run["enabled"].value = False
    run()
    assert run["total"].value == 2


@does("078")
def _(run: Run) -> None:
    for who in (4, 5, 6):
        run(who)
    assert run.cells("last") == [102, 1]
    assert (run["next_ticket"].value, run["owner"].value) == (103, 4)


@does("079")
def _(run: Run) -> None:
    for nr, amount in ((0, 5), (1, 6), (1, 7)):
        run(amount, nr)
    assert int(run["total"][0].sum()) == 3
    assert {nr: int(row.sum()) for nr, row in run["by_call"].items()} == {0: 5, 1: 13}


@does("080")
def _(run: Run) -> None:
    for fd, size in ((3, 100), (4, 1), (3, 50)):
        run(fd, size)
    assert run.table("written") == {(os.getpid(), 3): 150, (os.getpid(), 4): 1}


@does("081")
def _(run: Run) -> None:
    for n in (5, 9, 2, 7, 9, 1):
        run(n)
    assert run.cells("top") == [9, 9, 7]


@does("082")
def _(run: Run) -> None:
    for pid, count in ((1, 10), (2, 20), (3, 30)):
        run["by_process"][pid] = count
    run(2)
    assert run.cells("out") == [40, 2]


@does("083")
def _(run: Run) -> None:
    second = 1_000_000_000
    for pid in range(1, 6):
        run["last_seen"][pid] = pid * second
    run(5 * second)
    assert run.table("last_seen") == {pid: pid * second for pid in (4, 5)}
    assert run["forgotten"].value == 3


@does("084")
def _(run: Run) -> None:
    for a, b in ((12, 18), (7, 0), (0, 7), (832_040, 514_229), (1 << 40, 1 << 35)):
        run(a, b)
        assert run.cells("out") == [math.gcd(a, b)]


@does("085")
def _(run: Run) -> None:
    for n in (91, 97, 7_919 * 7_927, 1_000_003):
        run(n)
    assert run.cells("out") == [7_919, 2]


@does("086")
def _(run: Run) -> None:
    total = 0
    for given in (5, 6, 30, 1_000):
        limit = min(given, 30)
        squares = {c * c for c in range(1, limit)}
        total += sum(a * a + b * b in squares for a in range(1, limit) for b in range(a, limit))
        run(given)
        assert run.cells("found") == [total]


@does("087")
def _(run: Run) -> None:
    for size in (0, 1, 4_096, 4_097, 8_192, 1 << 21, 1 << 22):
        run(0, size)
    assert run.cells("kinds") == [1, 2, 2, 2]


@does("088")
def _(run: Run) -> None:
    for size in (5, 1 << 32, 6):
        run(0, size)
    assert run.cells("good") == [2]


@does("092")
def _(run: Run) -> None:
    for kind, size in ((0, 5), (1, 7), (1, 1), (2, 100)):
        run(kind, size)
    assert run.cells("out") == [5, 8, 1]


def mixed(a: int, b: int) -> int:
    a ^= a >> 33
    a = (a * 0xFF51AFD7ED558CCD + b) & WORD
    return a ^ a >> 33


@does("093")
def _(run: Run) -> None:
    for a in (0, 1, WORD, 0x1234_5678_9ABC_DEF0):
        run(a)
        assert run.cells("out") == [mixed(mixed(a, 1), 2)]


@does("096")
def _(run: Run) -> None:
    run()
    assert run.cells("out") == [os.getpid()] * 3


@does("097")
def _(run: Run) -> None:
    run()
    assert run.cells("out") == [1, 7]


@does("098")
def _(run: Run) -> None:
    run()
    assert run.cells("out") == [1, 27]


@does("099")
def _(run: Run) -> None:
    run()
    own = Path("/proc/self/exe").readlink()
    assert tuple(run["files"][0].values()) == (own.name, own.parent.name)


@does("100")
def _(run: Run) -> None:
    second = 1_000_000_000
    for time in (5, second + 7, second + 3, 2 * second):
        run(time)
    assert run.table("per_second") == {0: 1, 1: 2, 2: 1}
    assert run.table("latest") == {0: 5, 1: 7}
