"""What a head start repeats, and what it never does: with a kernel that takes everything."""

from __future__ import annotations

import ctypes
import errno
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pyebpf import cache, headstart
from pyebpf.abi import attr as layout
from pyebpf.abi import constants as c
from pyebpf.abi import insn
from pyebpf.abi.helpers import HELPERS
from pyebpf.cli.options import declared
from pyebpf.headstart import DiffersError, HeadStart, Plan
from pyebpf.runtime import call, map_call, tape
from pyebpf.runtime.call import address_of

TOOLS = sorted(p.stem for p in (Path(__file__).resolve().parents[2] / "tools").glob("[!_]*.py"))
Begin = Callable[..., "tuple[HeadStart, Kernel]"]
SEND_SIGNAL, KTIME = 109, 5
_GPL = b"GPL\0"


class Kernel:  # its methods take what those of ours do
    """Takes every call, with descriptors from a number on."""

    # ruff: noqa: ARG002

    def __init__(self, first: int) -> None:
        self.next = first
        self.calls: list[int] = []
        self.refused = 0

    def bpf(self, cmd: int, attr: Any, size: int = 0) -> int:
        if self.refused:
            return -self.refused
        self.calls.append(cmd)
        if cmd in (c.BPF_MAP_UPDATE_ELEM, c.BPF_MAP_FREEZE):
            return 0
        self.next += 1
        return self.next - 1

    def words(self, number: int, *arguments: int) -> int:
        return self.bpf(-1, b"")

    def syscall(self, number: int, cmd: int, *words: int) -> int:
        return self.bpf(cmd if number == call.NUMBERS.bpf else -1, b"")

    def ioctl(self, fd: int, request: int, argument: int = 0) -> int:
        self.calls.append(request)
        return 0


@pytest.fixture
def begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Begin:
    """Return what begins a start of one command line, with a kernel of its own."""
    monkeypatch.setenv("PYEBPF_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("PYEBPF_CACHE", raising=False)
    monkeypatch.setattr(headstart.program, "wait_for_end", lambda: None)
    monkeypatch.setattr(headstart, "_origin", lambda tool: f"the words of {tool}")
    closed: list[int] = []
    monkeypatch.setattr(headstart, "_close", closed.extend)

    def begin(first: int = 10) -> tuple[HeadStart, Kernel]:
        own, kernel = HeadStart(), Kernel(first)
        functions = {"syscall": kernel.syscall, "ioctl": kernel.ioctl}
        monkeypatch.setattr(headstart, "_functions", lambda: functions)
        monkeypatch.setattr(tape, "own", own)
        for name in ("bpf", "words", "ioctl"):
            monkeypatch.setattr(call, name, getattr(kernel, name))
        own.repeat("tool")
        own.listen()
        return own, kernel

    return begin


def create(entries: int = 1, btf_fd: int = 0) -> int:
    attr = layout.MAP_CREATE.pack(1, 4, 8, entries, 0, 0, 0, b"map", 0, btf_fd, 0, 0, 0, 0)
    return tape.bpf(c.BPF_MAP_CREATE, attr)


def load(
    *body: insn.Insn | tuple[insn.Insn, ...], kind: int = c.BPF_PROG_TYPE_TRACEPOINT,
    attach_type: int = 0, btf_fd: int = 0, fd_array: bytes = b"",
) -> int:  # fmt: skip
    code = insn.assemble(*body, insn.mov64_imm(0, 0), insn.exit_insn())
    info = bytes(8)
    attr = layout.PROG_LOAD.pack(
        kind, len(code) // 8, address_of(code), address_of(_GPL), 0, 0, 0, 0, 0, b"prog", 0,
        attach_type, btf_fd, 8, address_of(info), 1, 0, 0, 0, 0, 0, 0,
        address_of(fd_array) if fd_array else 0, 0, 0, 0,
    )  # fmt: skip
    return tape.bpf(c.BPF_PROG_LOAD, attr)


def attach(prog_fd: int, event: int = 7) -> int:
    attr = layout.perf_event_attr(c.PERF_TYPE_TRACEPOINT, event)
    opened = tape.perf_event_open(attr, b"", -1, 0, -1, c.PERF_FLAG_FD_CLOEXEC)
    link = layout.LINK_CREATE.pack(prog_fd, opened, c.BPF_PERF_EVENT, 0)
    return tape.bpf(c.BPF_LINK_CREATE, link)


def fill(fd: int, value: bytes) -> None:
    key = bytes(4)
    attr = layout.MAP_ELEM.pack(fd, address_of(key), address_of(value), 0)
    tape.bpf(c.BPF_MAP_UPDATE_ELEM, attr, ((8, key), (16, value)))


def start(entries: int = 1, event: int = 7) -> list[int]:
    data = bytes(range(32))
    btf = tape.bpf(c.BPF_BTF_LOAD, layout.BTF_LOAD.pack(address_of(data), 0, 32, 0, 0, 0))
    fd = create(entries, btf)
    fill(fd, bytes(8))
    prog = load(insn.ld_map_fd(1, fd), insn.ld_map_value(2, fd, 4), insn.call(KTIME), btf_fd=btf)
    return [btf, fd, prog, attach(prog, event)]


def started(own: HeadStart, entries: int = 1, event: int = 7) -> list[int]:
    """Start as ``load`` does."""
    try:
        opened = start(entries, event)
        own.attached()
    except DiffersError:
        opened = start(entries, event)
        own.attached()
    return opened


def said(own: HeadStart, text: str = "Tracing\n") -> str:
    own.attached()
    left = own.unsaid(text)
    own.keep()
    return left


def repeated(begin: Begin, work: Callable[[], object]) -> None:
    """Start twice, and see that the second start asks for nothing that was not made ahead."""
    own, kernel = begin(10)
    work()
    said(own)
    asked = kernel.calls
    own, kernel = begin(50)
    work()
    assert kernel.calls == asked
    assert own.began_ns


def test_the_second_start_asks_for_nothing_itself(
    begin: Begin, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    first, kernel = begin(10)
    assert start() == [10, 11, 12, 14]
    asked = kernel.calls
    assert said(first) == "Tracing\n"
    assert capfdbinary.readouterr().out == b""
    second, kernel = begin(50)
    assert kernel.calls == asked, "made before anything was asked for"
    assert capfdbinary.readouterr().out == b"Tracing\n"
    assert start() == [50, 51, 52, 54], "the descriptors that there are now"
    assert kernel.calls == asked
    assert said(second) == ""
    assert (second.missed, second.began_ns > 0) == (False, True)


@pytest.mark.parametrize("change", [{"entries": 2}, {"event": 8}])
def test_if_anything_differs_nothing_is_taken(begin: Begin, change: dict[str, int]) -> None:
    own, _ = begin(10)
    start()
    said(own)
    own, kernel = begin(50)
    made = kernel.next
    with pytest.raises(DiffersError):
        start(**change)
    opened = started(own, **change)
    assert min(opened) >= made, "maps that have counted already are others"
    assert said(own) == "", "it was said already"
    assert (own.missed, own.began_ns) == (True, 0)
    own, kernel = begin(90)
    assert started(own, **change) == [90, 91, 92, 94], "what was asked for the last time"
    assert said(own) == ""
    assert not own.missed


def test_what_was_made_and_not_asked_for_is_closed(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, _ = begin(10)
    start()
    said(own)
    closed: list[int] = []
    monkeypatch.setattr(headstart, "_close", closed.extend)
    own, _ = begin(50)
    create(entries=5)
    assert sorted(closed) == [50, 51, 52, 53, 54]


def test_what_differs_is_not_left_open(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    def fill_and_load(instruction: insn.Insn) -> None:
        fill(create(), bytes(8))
        load(instruction)

    own, _ = begin(10)
    fill_and_load(insn.mov64_imm(1, 1))
    said(own)
    closed: list[int] = []
    monkeypatch.setattr(headstart, "_close", closed.extend)
    begin(50)
    with pytest.raises(DiffersError):
        fill_and_load(insn.mov64_imm(1, 2))
    assert sorted(closed) == [51, 52], "what was made ahead, and what was asked for"


def test_less_than_was_made_is_another_start(begin: Begin) -> None:
    own, _ = begin(10)
    start()
    create()
    said(own)
    own, kernel = begin(50)
    made = kernel.next
    start()
    with pytest.raises(DiffersError):
        own.attached()
    assert min(started(own)) >= made
    said(own)
    assert own.missed
    own, kernel = begin(50)
    assert started(own) == [50, 51, 52, 54]
    assert not own.missed


def test_what_is_done_once_all_is_attached_belongs_to_no_head_start(begin: Begin) -> None:
    own, _ = begin(10)
    start()
    own.attached()
    create()
    said(own)
    own, kernel = begin(50)
    asked = list(kernel.calls)
    start()
    own.attached()
    create()
    assert kernel.calls == [*asked, c.BPF_MAP_CREATE]
    said(own)
    assert not own.missed


def test_after_two_misses_it_is_left_alone(begin: Begin) -> None:
    for entries in range(1, 8):
        own, kernel = begin()
        ahead = len(kernel.calls)
        started(own, entries)
        said(own)
        assert bool(ahead) == (entries in (2, 3))


def test_a_call_that_is_refused_is_no_step(begin: Begin) -> None:
    def refused_first() -> list[int]:
        _, kernel = own, kernel_now
        kernel.refused = errno.EINVAL
        assert create(entries=3) == -errno.EINVAL
        kernel.refused = 0
        return start()

    own, kernel_now = begin(10)
    assert refused_first() == [10, 11, 12, 14]
    said(own)
    own, kernel_now = begin(50)
    assert refused_first() == [50, 51, 52, 54]
    said(own)
    assert not own.missed


ONCE: dict[str, Callable[[], object]] = {
    "helper": lambda: load(insn.call(SEND_SIGNAL)),
    "kfunc": lambda: load(insn.call_kfunc(1)),
    "variable of a module": lambda: load(insn.ld_imm64(1, 9 << 32, c.BPF_PSEUDO_BTF_ID)),
    "packets": lambda: load(kind=c.BPF_PROG_TYPE_XDP),
    "result": lambda: load(kind=c.BPF_PROG_TYPE_TRACING, attach_type=c.BPF_MODIFY_RETURN),
    "modules": lambda: load(fd_array=bytes(8)),
    "of another": lambda: load(insn.ld_map_fd(1, 3)),
    "pin": lambda: tape.bpf(c.BPF_OBJ_PIN, layout.OBJ_PATH.pack(0, 3, 0)),
    "statistics": lambda: tape.bpf(c.BPF_ENABLE_STATS, layout.ONE_WORD.pack(0)),
    "many places": lambda: tape.bpf(
        c.BPF_LINK_CREATE, layout.LINK_CREATE.pack(0, 0, c.BPF_TRACE_KPROBE_MULTI, 0) + bytes(40)
    ),
    "buffer": lambda: tape.perf_event_open(
        layout.perf_event_attr(c.PERF_TYPE_SOFTWARE, c.PERF_COUNT_SW_BPF_OUTPUT),
        b"", -1, 0, -1, c.PERF_FLAG_FD_CLOEXEC,
    ),
    "group": lambda: tape.perf_event_open(
        layout.perf_event_attr(0, 0), b"", -1, 0, 5, c.PERF_FLAG_FD_CLOEXEC
    ),
    "request": lambda: tape.ioctl(3, c.PERF_EVENT_IOC_RESET, 0),
    "token": lambda: tape.bpf(
        c.BPF_MAP_CREATE, bytes(layout.MAP_CREATE.size + layout.MAP_CREATE_TOKEN.size)
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", ONCE)
def test_what_does_more_than_look_on_is_not_repeated(begin: Begin, what: str) -> None:
    for _ in range(2):
        own, kernel = begin()
        assert kernel.calls == []
        start()
        ONCE[what]()
        said(own)


def test_the_helpers_that_act_are_those_of_the_kernel() -> None:
    acting = (
        "trace_printk", "probe_write_user", "override_return", "send_signal", "send_signal_thread",
        "trace_vprintk",
    )  # fmt: skip
    assert tuple(HELPERS[name].id for name in acting) == tape._ACTING


def test_maps_of_maps(begin: Begin) -> None:
    def start_nested() -> None:
        inner = create()
        attr = layout.MAP_CREATE.pack(12, 4, 4, 1, 0, inner, 0, b"outer", 0, 0, 0, 0, 0, 0)
        outer = tape.bpf(c.BPF_MAP_CREATE, attr)
        map_call.map_set_slot(outer, 0, inner)

    repeated(begin, start_nested)


def test_programs_without_links_by_ioctl(begin: Begin) -> None:
    def start_old() -> None:
        prog = load()
        attr = layout.perf_event_attr(c.PERF_TYPE_TRACEPOINT, 7)
        event = tape.perf_event_open(attr, b"", -1, 0, -1, c.PERF_FLAG_FD_CLOEXEC)
        tape.ioctl(event, c.PERF_EVENT_IOC_SET_BPF, prog)
        tape.ioctl(event, c.PERF_EVENT_IOC_ENABLE, 0)

    repeated(begin, start_old)


def test_names_and_paths_that_events_point_to(begin: Begin, tmp_path: Path) -> None:
    binary = tmp_path / "binary"
    binary.touch()

    def place(text: bytes) -> None:
        attr = layout.perf_event_attr(8, 0, config1=address_of(text), config2=64)
        tape.perf_event_open(attr, text, -1, 0, -1, c.PERF_FLAG_FD_CLOEXEC)

    text = str(binary).encode() + b"\0"
    for changed, ahead in ((False, 0), (False, 1), (True, 0)):
        if changed:
            binary.write_bytes(b"another")
        own, kernel = begin()
        assert len(kernel.calls) == ahead
        place(bytes(bytearray(text)))  # at another address
        said(own)
        assert not own.missed


@pytest.mark.parametrize(
    ("parts", "left"),
    [
        (["Tracing\n"], [""]),
        (["Tra", "cing\n"], ["", ""]),
        (["Tracing\nA B\n"], ["A B\n"]),
        (["Tracing\n", "A B\n"], ["", "A B\n"]),
        (["Others\n"], ["Others\n"]),
    ],
)
def test_what_was_said_is_not_said_again(parts: list[str], left: list[str]) -> None:
    own = HeadStart()
    own._unsaid = b"Tracing\n"
    assert [own.unsaid(part) for part in parts] == left


@pytest.mark.parametrize(
    ("misses", "files", "steps"),
    [
        (0, (), (1,)),
        (0, (), ((),)),
        (0, (), (((), 1, 2, 3),)),
        (0, (), (((("no", (), ()), (), (), True),))),
        (0, (), (((("syscall", (1,) * 7, (b"",)), ((0, (0, 1 << 80)),), (), True),))),
        (b"", (), ((("ioctl", (1, 2, 3), ()), (), (), False),)),
        (0, 5, ((("ioctl", (1, 2, 3), ()), (), (), False),)),
        (0, ((b"\0", ()),), ((("ioctl", (1, 2, 3), ()), (), (), False),)),
        (0, (("a\0b", ()),), ((("ioctl", (1, 2, 3), ()), (), (), False),)),
    ],
)
def test_a_plan_that_is_none(begin: Begin, misses: Any, files: Any, steps: Any) -> None:
    plan = Plan("the words of tool")
    data = headstart.marshal.dumps(("the words of tool", misses, files, b"said", steps))
    cache.write(plan._name, data)
    own, kernel = begin()
    assert (own.began_ns, kernel.calls) == (0, [])
    start()
    assert said(own) == "Tracing\n"


#: What options are made of words with, and never ask the machine.
PURE = {
    "address", "counted", "drawn", "errno_of", "flags_of", "kind_of", "ns_of_ms", "number_of",
    "numbers", "order", "order_of", "pattern", "ports", "positive", "room", "signals", "size_of",
    "specifier", "task_name", "whole",
}  # fmt: skip
#: What asks, and says which file answered; binaries are named by the events of their probes.
ASKING = {"_cgroup", "_container", "directory_of", "network_of_process", "user", "whole_disk"}
#: What is only found to be there.
FOUND = {"_pinned", "extra", "files", "module_named"}


def test_every_option_that_asks_the_machine_says_what_it_depends_on() -> None:
    converts = {
        option.convert.__name__
        for name in TOOLS
        for option in declared(vars(importlib.import_module(f"pyebpf.tools.{name}")).items())
    }
    assert converts - PURE - ASKING - FOUND - {"str"} == set(), "which of them is it?"


@pytest.mark.parametrize(
    ("module", "name", "word", "file"),
    [
        ("pyebpf.lib.filters", "user", "root", "/etc/passwd"),
        ("pyebpf.tools.filetop", "directory_of", "/", "//"),
        ("pyebpf.tools.tcpdrop", "network_of_process", "self", "/proc/self/ns/net"),
        ("pyebpf.host.disks", "whole_disk", "no/such", "/sys/class/block/no!such"),
    ],
)
def test_what_words_depend_on(module: str, name: str, word: str, file: str) -> None:
    headstart.own._files.clear()
    try:
        getattr(importlib.import_module(module), name)(word)
    except ValueError:
        assert name in ("whole_disk", "network_of_process")
    assert file in headstart.own._files or name == "network_of_process"


def test_addresses_are_written_where_they_belong() -> None:
    seen: list[bytes] = []

    def function(*words: int) -> int:
        attr = ctypes.string_at(words[2], 24)
        where = int.from_bytes(attr[8:16], headstart.sys.byteorder)
        seen.append(ctypes.string_at(where, 4))
        return 3

    made = ("syscall", (1, 2, 0), (bytes(24), b"text"))
    assert headstart._made(function, made, ((0, (headstart.WORDS, 2)), (1, (0, 8)))) == 3
    assert seen == [b"text"]
