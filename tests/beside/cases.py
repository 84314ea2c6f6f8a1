"""What is compared: a row for each tool, with its peers and how to read what they print."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from pyebpf.host.loop import LoopDevice
from tests.beside import work
from tests.beside.contest import Contestant, Counts

BCC, LIBBPF, BPFTRACE = "BCC", "libbpf-tools", "bpftrace"
#: Counts what a tool printed of the workload.
Reader = Callable[[str], Counts]


class Case(NamedTuple):
    """A tool of ours, its peers, and a workload.

    Attributes:
        tool: its name.
        work: the workload; it is given a disk of its own.
        expected: what there is to count.
        ours: our tool, with its flags.
        peers: the others.
        note: why they differ, where they do.
    """

    tool: str
    work: Callable[[LoopDevice], object]
    expected: Counts
    ours: Contestant
    peers: tuple[Contestant, ...]
    note: str = ""


def _ours(tool: str, *flags: str, marker: str, read: Reader) -> Contestant:
    return Contestant(
        "pyebpf", (sys.executable, "-m", f"pyebpf.tools.{tool}", *flags), marker, read
    )


def _bcc(tool: str, *flags: str, marker: str, read: Reader) -> Contestant:
    command = ("/usr/bin/python3", f"/usr/sbin/{tool}-bpfcc", *flags)
    # What our tests run with is none of its business.
    return Contestant(BCC, command, marker, read, {"PYTHONPATH": ""})


def _libbpf(tool: str, *flags: str, marker: str, read: Reader) -> Contestant:
    return Contestant(LIBBPF, (f"/usr/sbin/{tool}", *flags), marker, read)


def _bpftrace(tool: str, read: Reader) -> Contestant:
    return Contestant(BPFTRACE, ("bpftrace", f"/usr/sbin/{tool}.bt"), "Attaching", read)


def _matches(pattern: str, text: str) -> Counts:
    """Count what a pattern's groups say."""
    return Counter(" ".join(m.groups()) for m in re.finditer(pattern, text, re.MULTILINE))


_PATHS = partial(_matches, rf"^.*\b{work.COMM}\b.*\s({work.FOLDER}/\w+)\s*$")
_RUNS = partial(_matches, r"(true beside \d)\s*$")
_EXITS = partial(_matches, r"^.*\b(true)\s+\d+\s.*\b(0)\s*$")
_KILLS = partial(_matches, rf"\b{work.COMM}\s+(10)\s+\d+\s+(0)\s*$")
_REQUESTS = partial(_matches, r"^[\d.]+\s+.*\bloop\d+\s+([RW])\s+\d+\s+(\d+)\s")
_LOOPS = partial(_matches, r"\b(loop)\d+\s")


def _calls(text: str) -> Counts:
    """Read the number of one system call in a table of them."""
    found = re.findall(r"(?:\bgetpriority\s+|@syscall\[140\]:\s*)(\d+)", text)
    return {"getpriority": sum(map(int, found))}


def _total(text: str) -> Counts:
    """Add up the rows of histograms."""
    found = re.findall(r"(?:-> \d+\s*:|\[.*[)\]])\s*(\d+)\s+\|", text)
    return {"requests": sum(map(int, found))}


def _of_the_workload(text: str) -> Counts:
    """Add up the rows of the histograms of the workload's process."""
    parts = re.split(r"(?m)^(?=Process Name|@\[)", text)
    return _total("\n".join(part for part in parts if work.COMM in part.partition("\n")[0]))


def _pattern(text: str) -> Counts:
    """Read the number of requests of a disk: TIME DISK %RND %SEQ COUNT KBYTES."""
    found = re.findall(r"\bloop\d+\s+\d+\s+\d+\s+(\d+)\s+\d+", text)
    return {"requests after the first": sum(map(int, found))}


def _top(text: str) -> Counts:
    """Read the I/O of the workload's process: PID COMM D MAJ MIN DISK I/O Kbytes AVGms."""
    found = re.findall(rf"{work.COMM}\s+([RW])\s+\d+\s+\d+\s+\S+\s+(\d+)\s", text)
    counts: Counter[str] = Counter()
    for kind, count in found:
        counts[kind] += int(count)
    return counts


_REQUESTED = {"R 16384": work.READS, "W 4096": work.WRITES}
_IN_ALL = {"requests": work.READS + work.WRITES}
_NO_FUNCTION = (
    "theirs are at functions that keep the statistics of disks, which this kernel's compiler has "
    "put into their callers"
)


def _requests(disk: LoopDevice) -> None:
    work.in_child(partial(work.requests, disk))


def _in_child(what: Callable[[], object]) -> Callable[[LoopDevice], object]:
    return lambda _: work.in_child(what)


def _all(tool: str, *flags: str, marker: str, read: Reader) -> tuple[Contestant, ...]:
    """Return the tool of the two that have the same flags and columns."""
    return tuple(make(tool, *flags, marker=marker, read=read) for make in (_bcc, _libbpf))


CASES = (
    Case(
        "opensnoop",
        _in_child(work.opens),
        {f"{work.FOLDER}/there": work.OPENS + 1, f"{work.FOLDER}/missing": work.MISSING},
        _ours("opensnoop", marker="PATH", read=_PATHS),
        (*_all("opensnoop", marker="PATH", read=_PATHS), _bpftrace("opensnoop", _PATHS)),
    ),
    Case(
        "statsnoop",
        _in_child(work.stats),
        {f"{work.FOLDER}/there": work.STATS},
        _ours("statsnoop", marker="PATH", read=_PATHS),
        (*_all("statsnoop", marker="PATH", read=_PATHS), _bpftrace("statsnoop", _PATHS)),
        "`stat()` of the C library has been `newfstatat` since glibc 2.33: "
        "theirs are at the calls of before.",
    ),
    Case(
        "execsnoop",
        _in_child(work.runs),
        {f"true beside {number}": 1 for number in range(work.RUNS)},
        _ours("execsnoop", marker="ARGS", read=_RUNS),
        (*_all("execsnoop", marker="ARGS", read=_RUNS), _bpftrace("execsnoop", _RUNS)),
    ),
    Case(
        "exitsnoop",
        _in_child(work.runs),
        {"true 0": work.RUNS},
        _ours("exitsnoop", marker="EXIT_CODE", read=_EXITS),
        _all("exitsnoop", marker="EXIT_CODE", read=_EXITS),
    ),
    Case(
        "killsnoop",
        _in_child(work.kills),
        {"10 0": work.KILLS},
        _ours("killsnoop", marker="RESULT", read=_KILLS),
        (_bcc("killsnoop", marker="RESULT", read=_KILLS), _bpftrace("killsnoop", _KILLS)),
    ),
    Case(
        "syscount",
        _in_child(work.calls),
        {"getpriority": work.CALLS},
        _ours("syscount", "-T", "500", marker="Tracing", read=_calls),
        (
            *_all("syscount", "-T", "500", marker="Tracing", read=_calls),
            _bpftrace("syscount", _calls),
        ),
    ),
    Case(
        "biosnoop",
        _requests,
        _REQUESTED,
        _ours("biosnoop", marker="LAT(ms)", read=_REQUESTS),
        (*_all("biosnoop", marker="LAT(ms)", read=_REQUESTS), _bpftrace("biosnoop", _LOOPS)),
        f"{_NO_FUNCTION}; ours takes who asks from the first bio of a request.",
    ),
    Case(
        "biolatency",
        _requests,
        _IN_ALL,
        _ours("biolatency", marker="Tracing", read=_total),
        (*_all("biolatency", marker="Tracing", read=_total), _bpftrace("biolatency", _total)),
        f"{_NO_FUNCTION}, but for libbpf-tools', which is at tracepoints like ours.",
    ),
    Case(
        "bitesize",
        _requests,
        _IN_ALL,
        _ours("bitesize", marker="Tracing", read=_of_the_workload),
        (*_all("bitesize", marker="Tracing", read=_of_the_workload),
         _bpftrace("bitesize", _of_the_workload)),
        "the writes are issued by a thread of the kernel, which theirs name; ours names who asked.",
    ),
    Case(
        "biopattern",
        _requests,
        {"requests after the first": work.READS + work.WRITES - 1},
        _ours("biopattern", marker="DISK", read=_pattern),
        _all("biopattern", marker="DISK", read=_pattern),
    ),
    Case(
        "biotop",
        _requests,
        {"R": work.READS, "W": work.WRITES},
        _ours("biotop", "-C", "5", marker="Tracing", read=_top),
        _all("biotop", "-C", "5", marker="Tracing", read=_top),
        f"{_NO_FUNCTION}.",
    ),
)  # fmt: skip
