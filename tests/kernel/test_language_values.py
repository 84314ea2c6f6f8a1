"""Dicts, tuples and records as values: in the kernel and in the interpreter what CPython says."""

from __future__ import annotations

import ctypes
import resource
import struct
from collections.abc import Callable
from types import FunctionType, ModuleType

import pytest

from pyebpf import testing
from tests.kernel.running import cell, fire, loaded

pytestmark = pytest.mark.kernel


def both(case: ModuleType, *args: int) -> list[list[int]]:
    """Run the probe in the kernel and in the interpreter; return what each wrote to `out`."""
    seen = []
    with loaded(case.probe) as session:
        fire(session, case.probe, *args)
        seen.append(session[case.out].snapshot()[1].tolist())
    with testing.run(case.probe) as t:
        t.fire(case.probe, *args)
        seen.append(t[case.out].snapshot()[1].tolist())
    return seen


DICTS = """
from pyebpf import *

CALLS = {"read": 0, "write": 1, "openat": 257}
NAMES = {0: "read", 1: "write", 257: "openat"}
WEIGHTS = {0: -1, 1: 1 << 40, 5: 7}
ON = {1: True, 2: False}
SMALL = {1: True, 2: 5}
PAIRS = {(1, 2): 3}
out = Array[i64](max_entries=2)

def f(n):
    total = CALLS["openat"] + PAIRS[1, 2] + len(NAMES)
    total += 1000 * (n in NAMES) + 2000 * (n in CALLS.values()) + 4000 * (n not in WEIGHTS.keys())
    total += WEIGHTS.get(n, n) * 3
    weight = WEIGHTS.get(n)
    if weight is not None:
        total += weight * 5
    if n in ON:
        total += ON[n] + SMALL[n] * 10
    if NAMES.get(n, "none") == "write":
        total += 100_000
    if n in NAMES and NAMES[n].startswith("open"):
        total += 200_000
    for key, value in CALLS.items():
        total += value * len(key)
    for key in WEIGHTS:
        total ^= key
    return total + sum(WEIGHTS.values()) + max(NAMES)

@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    out[0] = f(cast(i64, ctx.args[0]))
    out[1] = WEIGHTS[ctx.args[0]]
"""


@pytest.mark.thorough
@pytest.mark.parametrize("n", [0, 1, 2, 5, 257, 300, -1])
def test_dicts_say_what_they_say_in_python(n: int) -> None:
    case = cell(DICTS)
    plain: FunctionType = case.f
    # A key that is not there ends the probe, as the exception would.
    expected = [plain(n), case.WEIGHTS.get(n, 0)]
    assert both(case, n) == [expected, expected]


TUPLES = """
from pyebpf import *

out = Array[i64](max_entries=1)

def ordered(a, b):
    if a > b:
        return b, a
    return a, b

def split(n):
    low, high = ordered(n, 10)
    if n % 2:
        return (low, n), high, n > 5
    return (high, n * 2), low, False

def f(n, m):
    (a, b), c, d = split(n)
    pair = ordered(m, b)
    total = a + b * 10 + c * 100 + d * 1000 + pair[0] * 7 + ordered(n, m)[1] * 11
    for part in ordered(m, n):
        total = total * 3 + part
    return total

@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    out[0] = f(ctx.args[0] & 0xFF, ctx.args[1] & 0xFF)
"""


@pytest.mark.thorough
@pytest.mark.parametrize(("n", "m"), [(0, 0), (3, 10), (10, 3), (7, 200), (255, 254)])
def test_functions_return_tuples(n: int, m: int) -> None:
    case = cell(TUPLES)
    assert both(case, n, m) == [[case.f(n, m)]] * 2


def test_widths_of_a_returned_tuple_are_those_declared() -> None:
    case = cell(
        """
from pyebpf import *

out = Array[i64](max_entries=1)

def split(n: u64) -> tuple[u8, i8]:
    return n, n

@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    low, signed = split(ctx.args[0])
    out[0] = low * 1000 + signed
"""
    )
    assert both(case, 0x1FF) == [[255 * 1000 - 1]] * 2


POPS = """
from pyebpf import *

@record
class Window:
    slots: FixedArray[u64] = array(4)
    next: u32

pairs = Hash[u32, tuple[u64, u32]](max_entries=16)
windows = Hash[u32, Window](max_entries=2)
out = Array[i64](max_entries=8)

@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    pairs[1] = 300, 4
    pairs[2] = 5, 6
    pair = pairs.pop(1)
    if pair is not None:
        pairs[1] = 7, 8
        start, nr = pair
        out[0] = start * 10 + nr + pair[1] + len(pair) + sum(pair)
    if pairs.pop(9) is None:
        out[1] = 1
    for i in range(3):
        window = windows.setdefault(i, Window(next=2 + i))
        window.slots[window.next % 4] = 50 + i
        window.next += 1
        out[2] = out[2] * 100 + window.next
    window = windows.pop(0)
    if window is not None:
        window.next += 40
        out[3] = window.next * 1000 + window.slots[2]
        windows[7] = window
    first, second = pairs.setdefault(2, (1, 2))
    out[4] = first * 10 + second
"""


def test_records_leave_their_maps() -> None:
    case = cell(POPS)
    for run, call in ((loaded, fire), (testing.run, None)):
        with run(case.probe) as opened:
            call(opened, case.probe, 0) if call else opened.fire(case.probe, 0)
            out = opened[case.out].snapshot()[1].tolist()
            assert out[:5] == [3000 + 4 + 4 + 2 + 304, 1, 30405, 43 * 1000 + 50, 56]
            assert opened[case.pairs][1] == (7, 8)
            # There is room for two: the third is changed outside, and counted.
            assert {key: row.next for key, row in opened[case.windows].items()} == {1: 4, 7: 43}
            assert opened.lost() == {"windows": 1}


BUCKETS = """
from pyebpf import *

@record
class Seen:
    n: u32
    buckets: FixedArray[u32] = array(8)

seen = Hash[u32, Seen](max_entries=2)
out = Array[i64](max_entries=2)

@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    n = ctx.args[0]
    for i in range(3):
        entry = seen.setdefault(n + i, Seen(n=5))
        entry.buckets[n % 8] += 2
        entry.n += 1
    other = seen.get(9, Seen(n=3))
    other.buckets[n % 8] += other.n
    out[0], out[1] = other.buckets[n % 8], sum(other.buckets)
"""


def test_elements_of_a_default_are_changed_at_any_index() -> None:
    case = cell(BUCKETS)
    for run, call in ((loaded, fire), (testing.run, None)):
        with run(case.probe) as opened:
            call(opened, case.probe, 4) if call else opened.fire(case.probe, 4)
            assert opened[case.out].snapshot()[1].tolist() == [3, 3]
            rows = {key: (row.n, sum(row.buckets)) for key, row in opened[case.seen].items()}
            # There is room for two: the third is changed outside, and counted.
            assert rows == {4: (6, 2), 5: (6, 2)}
            assert opened.lost() == {"seen": 1}


def test_numbers_that_do_not_fit_end_the_probe() -> None:
    case = cell(
        """
from pyebpf import *

out = Array[i64](max_entries=4)
seen = Hash[IPv4Address, u64](max_entries=4)

@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    signed = cast(i64, ctx.args[0])
    out[0] = ntohll(signed) == htonll(signed)
    out[1] = ntohl(ctx.args[0])
    seen[ipv4(ctx.args[0])] = 1
    out[2] = ntohs(signed)
    out[3] = 1
""".replace("from pyebpf import *", "from pyebpf import *\nfrom ipaddress import IPv4Address")
    )
    expected = {
        0x1234: [1, 0x34120000, 0x3412, 1],
        0x12345: [1, 0x45230100, 0, 0],
        1 << 32: [1, 0, 0, 0],
        -1: [0, 0, 0, 0],
    }
    for number, out in expected.items():
        assert both(case, number) == [out, out]


def test_structs_of_the_kernel_are_copied() -> None:
    case = cell(
        """
from pyebpf import *
from pyebpf.kernel import list_head, sockaddr_in

out = Array[i64](max_entries=8)

@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    address = read_user(sockaddr_in, ctx.args[0])
    out[0] = address.sin_family * 100_000 + ntohs(address.sin_port)
    out[1] = ipv4(address.sin_addr.s_addr) == ipv4(htonl(0x7F000001))
    links = read_user(list_head, ctx.args[1])
    out[2] = read_user(u64, links.next)
    for i in range(2):
        turn = read_user(list_head, ctx.args[1] + 16 * i)
        out[3] = out[3] * 1000 + read_user(u64, turn.next)
    nothing = read_user(sockaddr_in, 8)
    out[4] = nothing.sin_family
    task = current_task()
    head = read_kernel(list_head, addressof(task.children))
    out[5] = head.next == task.children.next
"""
    )
    numbers = [(ctypes.c_uint64)(n) for n in (77, 88)]
    address = ctypes.create_string_buffer(struct.pack("<H>HI8x".replace(">", ""), 2, 0, 0), 16)
    address[2:8] = struct.pack(">HI", 8080, 0x7F000001)
    links = struct.pack("<4Q", ctypes.addressof(numbers[0]), 0, ctypes.addressof(numbers[1]), 0)
    memory = ctypes.create_string_buffer(links, 32)
    with loaded(case.probe) as session:
        fire(session, case.probe, ctypes.addressof(address), ctypes.addressof(memory))
        out = session[case.out].snapshot()[1].tolist()
    assert out[:6] == [208_080, 1, 77, 77_088, 0, 1]


def test_text_behind_pointers_of_the_kernel() -> None:
    case = cell(
        """
from pyebpf import *

@record
class Name:
    whole: Char = chars(32)
    short: Char = chars(4)

names = Array[Name](max_entries=1)
out = Array[i64](max_entries=4)

@raw_tracepoint("sys_enter")
def probe() -> None:
    mm = current_task().mm
    if mm is not None:
        name = mm.exe_file.f_path.dentry.d_name.name
        names[0] = Name(whole=name, short=name)
        out[0] = name == "python3.11"
        out[1] = name == "python3.1"
        out[2] = name in ("sh", "python3.11")
        out[3] = name != "python3.111"
"""
    )
    with loaded(case.probe) as session:
        fire(session, case.probe)
        name = session[case.names][0]
        own = name.whole == "python3.11"
        assert name.whole.startswith("python")
        assert name.short == name.whole[:3]
        assert session[case.out].snapshot()[1].tolist() == [own, 0, own, 1]


def test_what_only_other_kernels_have_is_left_out() -> None:
    case = cell(
        """
from pyebpf import *
from pyebpf.kernel import task_struct

out = Array[i64](max_entries=4)

@raw_tracepoint("sys_enter")
def probe() -> None:
    task = current_task()
    out[0] = 1 + task.tgid * 0 if has_field(task_struct, "tgid") else task.a_field_of_old
    if has_field(task_struct, "tgid"):
        pid = task.tgid
    else:
        pid = task.a_field_of_old
        out[3] = pid.and_more
    out[1] = pid > 0
    if not has_field(task_struct, "tgid"):
        out[2] = task.a_field_of_old
    else:
        out[2] = 3
"""
    )
    with loaded(case.probe) as session:
        fire(session, case.probe)
        assert session[case.out].snapshot()[1].tolist() == [1, 1, 3, 0]
        assert "what only other kernels have is left out" in session.explain()


POWERS = """
from pyebpf import *

out = Array[i64](max_entries=2)

def f(n, m):
    x = n - 5
    x **= 2
    total = x + (n - 7) ** 3 + 2 ** (m & 7) + m ** 0 * 3 + n ** 1 + 3 ** 4 + (m & 3) ** 5
    pair = (n, m) if n > m else (m, n)
    a, (b, c) = (n, pair) if m % 2 else (1, (2, 3))
    total = total * 7 + a + b * 2 + c * 3 + pair[1]
    total += ((n, m) == (3, 10)) * 1000 + (pair != (10, 3)) * 2000
    total += ((n, m) in ((7, 200), (0, 0))) * 5000
    return total + both(pair if n > 3 else (n, 1))

def both(pair):
    return pair[1] * 3 + pair[0] + pair[1]

@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    out[0] = f(ctx.args[0] & 0xFF, ctx.args[1] & 0xFF)
"""


@pytest.mark.thorough
@pytest.mark.parametrize(("n", "m"), [(0, 0), (3, 10), (10, 3), (7, 200), (255, 254)])
def test_powers_and_tuples(n: int, m: int) -> None:
    case = cell(POWERS)
    assert both(case, n, m) == [[case.f(n, m), 0]] * 2


def test_what_a_tuple_argument_computes_is_computed_once(
    requires: Callable[[str], None],
) -> None:
    requires("atomics")
    case = cell(
        """
from pyebpf import *

out = Array[i64](max_entries=3)

def pair(n):
    return out.fetch_add(1, n), n

def both(pair):
    return pair[1] * 3 + pair[0] + pair[1]

@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    out[0] = both(pair(2)) + both((out.fetch_add(2, 1), 5))
    out[0] = out[0] * 100 + pair(4)[1] + both(pair(1) if ctx.args[0] else (3, 4))
"""
    )
    with loaded(case.probe) as session:
        fire(session, case.probe, 1)
        first = 2 * 3 + 0 + 2 + 5 * 3 + 0 + 5
        assert session[case.out].snapshot()[1].tolist() == [first * 100 + 4 + 3 + 6 + 1, 7, 1]


def test_records_by_default() -> None:
    case = cell(
        """
from pyebpf import *

@record
class Row:
    n: u64
    text: Char = chars(8)

rows = Hash[u32, Row](max_entries=4)
pairs = Hash[u32, tuple[u64, u32]](max_entries=4)
out = Array[i64](max_entries=6)

@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    row = rows.get(1, Row(n=5, text="none"))
    row.n += 1
    out[0] = row.n * 10 + (row.text == "none")
    rows[1] = Row(n=70)
    row = rows.get(1, Row(n=5))
    row.n += 1
    out[1] = row.n
    gone = rows.pop(1, Row(n=8))
    out[2] = gone.n * 10 + (1 in rows)
    again = rows.pop(1, Row(n=8))
    out[3] = again.n
    a, b = pairs.get(1, (3, 4))
    pairs[1] = a, b
    c, d = pairs.pop(1, (5, 6))
    out[4] = a * 1000 + b * 100 + c * 10 + d
"""
    )
    assert both(case, 0) == [[61, 71, 710, 8, 3434, 0]] * 2


def test_elements_of_kernel_arrays_at_any_index() -> None:
    case = cell(
        """
from pyebpf import *

out = Array[u64](max_entries=20)

@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    task = current_task()
    limits = task.signal
    for i in range(16):
        out[i] = limits.rlim[i].rlim_cur
    out[16] = limits.rlim[ctx.args[0]].rlim_max
    out[17] = limits.rlim[cast(i64, ctx.args[1])].rlim_cur
    out[18] = 1
"""
    )
    with loaded(case.probe) as session:
        fire(session, case.probe, resource.RLIMIT_NOFILE, -9)
        seen = session[case.out].snapshot()[1].tolist()
        limits = [resource.getrlimit(number) for number in range(16)]
        assert seen[:16] == [soft & (1 << 64) - 1 for soft, _ in limits]
        assert seen[16:19] == [limits[resource.RLIMIT_NOFILE][1], limits[7][0], 1]
        fire(session, case.probe, 16, 0)  # an IndexError that nobody catches
        assert session[case.out][17] == limits[7][0]


def test_a_format_may_have_variables_in_it() -> None:
    case = cell(
        """
from pyebpf import *

@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    n, width = ctx.args[0], ctx.args[1]
    print(f"{n:{width}}|{n:>{width}x}|{n:0{width}}|{comm():.{width}}", f"{n:#{width}b}", sep=";")
    print(f"{n:{width}}", end="")
"""
    )
    with testing.run(case.probe) as t:
        t.fire(case.probe, 5, 4)
        assert t.printed == ["   5|   5|0005|prob;0b101\n", "   5"]
    with testing.run(case.probe) as t:
        t.fire(case.probe, 5, 1 << 40)
        assert t.printed[1] == f"<5:{1 << 40}: more than 4096 characters>"


WIDTHS = """
from pyebpf import *

small = Hash[u32, u32](max_entries=8)
signed = Hash[u32, i64](max_entries=8)
out = Array[i64](max_entries=14)

def low(n):
    return n & 255

def low_but_five(n):
    return None if n == 5 else n & 255

def either(n):
    if n > 4:
        return None
    return -3 if n > 2 else 5

def absent(n):
    v = signed.get(n)
    if v is None or v < 5:
        v = 100
    return v

def chosen(n):
    v = signed.get(n) if n != 2 else 100
    return -1 if v is None else (v < 5) + v * 10

def nothing_first(n):
    v = None
    if n > 2:
        v = 5
    elif n > 1:
        v = -3
    return 7 if v is None else v < 0

def down(n):
    v = None
    for _ in range(n):
        if v is None:
            v = 0
        v = v - 2
    return -100 if v is None else v * 3

def least(n):
    best = None
    for i in range(n):
        v = signed.get(i)
        if v is not None and (best is None or v < best):
            best = v
    return -50 if best is None else best - 1

@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    n = ctx.args[0] & 7
    signed[1], signed[2], signed[3] = -4, 7, 9
    small[1], small[2] = 4, 7
    out[0] = small.get(n, 100) - 300 < 0
    out[1] = small.pop(n, 3) - 5 < 0
    out[2] = low(n) - 300 < 0
    out[3] = (low_but_five(n) or 0) - 300 < 0
    found = either(n)
    out[4] = -50 if found is None else found * 2 + (found < 0)
    out[5] = absent(n)
    out[6] = chosen(n)
    out[7] = nothing_first(n)
    out[8] = down(n)
    out[9] = least(n)
    left = small.get(n)
    if left is None:
        left = 5
    out[10] = left - 300 < 0
    out[11] = max(small.get(n, 0), 3) - 300 < 0
    out[12], out[13] = -ctx.args[0] // 2, -ctx.args[0] < 0
"""


@pytest.mark.thorough
@pytest.mark.parametrize("n", [0, 1, 2, 3, 4, 5])
def test_what_is_known_of_a_number_stays_known(n: int) -> None:
    case = cell(WIDTHS)
    either = case.either(n)
    expected = [1, n != 2, 1, 1, -50 if either is None else either * 2 + (either < 0)]
    python = {"signed": {1: -4, 2: 7, 3: 9}}
    for name in ("absent", "chosen", "nothing_first", "down", "least"):
        plain = FunctionType(getattr(case, name).__code__, python)
        expected.append(int(plain(n)))
    assert both(case, n) == [[*expected, 1, 1, -n // 2, -n < 0]] * 2


CONSTANTS = """
import enum
from pyebpf import *

class Mode(enum.IntEnum):
    READ = 1
    WRITE = 2

PORTS, NAMES = {5, 80, 443}, frozenset(("abc", "x"))
NAME, NOTHING = "abc", ""
out = Array[i64](max_entries=6)

def f(n):
    bits = (n in PORTS) + 2 * (n not in {1, n + 1, 2}) + 4 * (NAME in NAMES)
    bits += 8 * (n in range(3, 9)) + 16 * (n not in range(2, n + 1, 3))
    bits += 32 * (n in range(20, 0, -3))
    text = NOTHING or NAME + "def" + "=" * 3
    return bits + 64 * (Mode.WRITE.value + len(Mode.READ.name)) + 1_024 * len(text)

@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    out[0] = f(ctx.args[0])
    out[1] = sizeof(u32) + sizeof(i8) + sizeof(bool)
    print("=" * 3 + NAME, Mode.WRITE.name, NOTHING or "none", NAME and NOTHING)
"""


@pytest.mark.parametrize("n", [0, 3, 5, 8, 9, 20])
def test_constants_are_those_of_python(n: int) -> None:
    case = cell(CONSTANTS)
    with loaded(case.probe) as session:
        fire(session, case.probe, n)
        assert session[case.out].snapshot()[1].tolist()[:2] == [case.f(n), 6]
        assert list(session.lines(0.1)) == ["===abc WRITE none \n"]


FLAGS = """
import enum
from pyebpf import *

class Access(enum.IntFlag):
    READ = 1
    WRITE = 2
    EXECUTE = 4
    ALL = 7

out = Array[i64](max_entries=6)

def f(n):
    rest = n & ~Access.READ
    none = n & ~(Access.READ | Access.WRITE | 4)
    return (rest << 16) + (none << 8) + ((Access.ALL ^ Access.WRITE) & n) + (~Access.ALL == 0)

@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    out[0] = f(ctx.args[0])
"""


@pytest.mark.parametrize("n", [0, 7, 0x83])
def test_flags_are_as_in_this_python(n: int) -> None:
    # Up to Python 3.10, `~` of one has all other bits; since then, those of the other members.
    case = cell(FLAGS)
    with loaded(case.probe) as session:
        fire(session, case.probe, n)
        assert int(session[case.out][0]) == case.f(n)
