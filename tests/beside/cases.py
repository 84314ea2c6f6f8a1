"""What is compared: a row for each tool, with its peers and how to read what they print."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import NamedTuple

from tests.beside import work
from tests.beside.contest import PID, Contestant, Counts
from tests.beside.peers import alike, bcc, bpftrace, libbpf, ours
from tests.beside.readers import (
    columns,
    lines,
    numbers,
    of_the_workload,
    queued,
    renamed,
    sections,
    stacks,
    total,
)


class Case(NamedTuple):
    """A tool of ours, its peers, and a workload.

    Attributes:
        tool: its name.
        work: the workload.
        expected: what there is to count.
        tools: ours, and its peers.
        note: why they differ, where they do.
    """

    tool: str
    work: work.Work
    expected: Counts
    tools: tuple[Contestant, ...]
    note: str = ""


_PATHS = lines(rf"^.*\b{work.COMM}\b.*\s({work.FOLDER}/\w+)\s*$")
_RUNS = lines(r"(true beside \d)\s*$")
_EXITS = lines(r"^.*\b(true)\s+\d+\s.*\b(0)\s*$")
_KILLS = lines(rf"\b{work.COMM}\s+(10)\s+\d+\s+(0)\s*$")
_REQUESTS = lines(r"^[\d.]+\s+.*\bloop\d+\s+([RW])\s+\d+\s+(\d+)\s")
_LOOPS = lines(r"\b(loop)\d+\s")
_CALLS = numbers(r"(?:\bgetpriority\s+|@syscall\[140\]:\s*)(?P<n>\d+)", "getpriority")
_TOTAL = total("requests")
# TIME DISK %RND %SEQ COUNT KBYTES
_PATTERN = numbers(r"\bloop\d+\s+\d+\s+\d+\s+(?P<n>\d+)\s+\d+", "requests after the first")
# PID COMM D MAJ MIN DISK I/O Kbytes AVGms
_TOP = numbers(rf"{work.COMM}\s+([RW])\s+\d+\s+\d+\s+\S+\s+(?P<n>\d+)\s")
# The name of an operation, or of the function that does it.
_OPERATIONS = sections(r"^(?:operation = '?|@us\[\w+_file_)(read|write|open|fsync)")
# TIME COMM PID T BYTES OFF_KB LAT(ms) FILENAME
_SLOW = lines(rf"\b{work.COMM}'?\s+\d+\s+([RWOSF])\s.*\bdata'?\s*$")
_WAITS = lines(rf"({work.COMM})\s+\d+\s+\d+\s*$")

# PROT ADDR PORT OPTS IF, or RET PROTO OPTS IF PORT ADDR.
_BINDS = lines(rf"\b{work.COMM}\s+(?:0\s+)?(TCP)\s.*?([FTNRr.]{{5}})\s+\d")
_VALUES = numbers(r"^\t(?P<n>\d+)\s+(?:\w+ = b?[\"']?)?(\w+|total calls)[\"']?\s*$")
_FILES = columns(
    {"READS": "reads", "WRITES": "writes", "R_Kb": "kB read", "W_Kb": "kB written"}, of=" data"
)
_RATES = columns({"CREATE/s": "create", "FSYNC/s": "fsync"})
# What the rates were made from, as JSON or as bpftrace prints it.
_STATISTICS = numbers(r"[\"_](create|fsync)[\"\]]:\s+(?P<n>\d+)")
_FUNCTIONS = numbers(r"\bvfs_(create|mkdir)\b'?\]?:?\s+(?P<n>\d+)")
_CACHE = columns({"HITS": "thousand hits", "MISSES": "thousand misses"}, unit=1000)
_ASLEEP = stacks("nanosleep", "seconds in a sleep", 1e6)
_NET_RX = sections(r"^softirq = '?(\w+)", "net_rx")

# PID COMM, the version of IP where it is shown, and an address.
_ADDRESSES = lines(rf"\b{work.COMM}\s+(?:[46]\s+)?(127\.0\.0\.1|::1)\s")
_HOSTS = lines(rf"\b{work.COMM}\s+[\d.]+\s+(localhost)\b")
_CHECKS = lines(rf"\b{work.COMM}\s+\d+\s+(CAP_SYS_NICE)\b")
_GETPRIORITY = "t:syscalls:sys_enter_getpriority"
_COUNTED = numbers(r"sys_enter_getpriority\W+(?P<n>\d+)\s*$", "getpriority")
_BELOW_STACKS = numbers(r"^\s+(?P<n>\d+)\s*$", "getpriority")
_SAID = lines(r"\b(who \d+)\s*$")

_REQUESTED = {"R 16384": work.READS, "W 4096": work.WRITES}
_IN_ALL = {"requests": work.READS + work.WRITES}
_OF_FILES = {
    "open": work.FILE_OPENS, "read": work.READS, "write": work.WRITES, "fsync": work.SYNCS,
}  # fmt: skip
_OF_LETTERS = {"open": "O", "read": "R", "write": "W", "fsync": "S"}
_SLEPT = round(work.SLEEPS * work.SLEEP_S)
_NO_FUNCTION = (
    "theirs are at functions that keep the statistics of disks, which this kernel's compiler has "
    "put into their callers"
)
_NO_READS = (
    "BCC's is at `generic_file_read_iter`, which btrfs of this kernel does not call: its own "
    "function calls `filemap_read`."
)
_OWN_FILES = (
    "theirs, which had begun before, have counted the files (9) and folders (3) of the cache that "
    "ours makes when it first starts."
)
_NO_COUNTER = (
    "BCC's Python leaves out the last argument of a function, where the kernel is to count the "
    "users of a probe; probes at one place must agree on that (EINVAL), so BCC's runs alone only."
)
_OF_ONE = ("-p", PID)


CASES = (
    Case(
        "opensnoop",
        work.plain(work.opens),
        {f"{work.FOLDER}/there": work.OPENS + 1, f"{work.FOLDER}/missing": work.MISSING},
        (*alike("opensnoop", marker="PATH", read=_PATHS), bpftrace("opensnoop", _PATHS)),
    ),
    Case(
        "statsnoop",
        work.plain(work.stats),
        {f"{work.FOLDER}/there": work.STATS},
        (*alike("statsnoop", marker="PATH", read=_PATHS), bpftrace("statsnoop", _PATHS)),
        "`stat()` of the C library has been `newfstatat` since glibc 2.33: "
        "theirs are at the calls of before.",
    ),
    Case(
        "execsnoop",
        work.plain(work.runs),
        {f"true beside {number}": 1 for number in range(work.RUNS)},
        (*alike("execsnoop", marker="ARGS", read=_RUNS), bpftrace("execsnoop", _RUNS)),
    ),
    Case(
        "exitsnoop",
        work.plain(work.runs),
        {"true 0": work.RUNS},
        alike("exitsnoop", marker="EXIT_CODE", read=_EXITS),
    ),
    Case(
        "killsnoop",
        work.plain(work.kills),
        {"10 0": work.KILLS},
        (
            *alike("killsnoop", marker="RESULT", read=_KILLS, of=(ours, bcc)),
            bpftrace("killsnoop", _KILLS),
        ),
    ),
    Case(
        "bindsnoop",
        work.plain(work.binds),
        {f"TCP {options}": times for options, (_, _, times) in work.BOUND.items()},
        alike("bindsnoop", *_OF_ONE, marker="COMM", read=_BINDS),
    ),
    Case(
        "bashreadline",
        work.plain(work.types),
        {f"true beside {number}": 1 for number in range(work.RUNS)},
        (*alike("bashreadline", marker="COMMAND", read=_RUNS), bpftrace("bashreadline", _RUNS)),
    ),
    Case(
        "syscount",
        work.plain(work.calls),
        {"getpriority": work.CALLS},
        (
            *alike("syscount", "-T", "500", marker="Tracing", read=_CALLS),
            bpftrace("syscount", _CALLS),
        ),
    ),
    Case(
        "argdist",
        work.plain(work.asks),
        {**work.ASKED, "total calls": work.KILLS},
        alike("argdist", *_OF_ONE, "-C", "p:c:getenv(char *name):char*:name",
              "-C", "t:syscalls:sys_enter_getpriority()", marker="COUNT", read=_VALUES,
              of=(ours, bcc)),
        _NO_COUNTER,
    ),
    Case(
        "biosnoop",
        work.requests,
        _REQUESTED,
        (*alike("biosnoop", marker="LAT(ms)", read=_REQUESTS), bpftrace("biosnoop", _LOOPS)),
        f"{_NO_FUNCTION}; ours takes who asks from the first bio of a request.",
    ),
    Case(
        "biolatency",
        work.requests,
        _IN_ALL,
        (*alike("biolatency", marker="Tracing", read=_TOTAL), bpftrace("biolatency", _TOTAL)),
        f"{_NO_FUNCTION}, but for libbpf-tools', which is at tracepoints like ours.",
    ),
    Case(
        "bitesize",
        work.requests,
        _IN_ALL,
        (
            *alike("bitesize", marker="Tracing", read=of_the_workload),
            bpftrace("bitesize", of_the_workload),
        ),
        "the writes are issued by a thread of the kernel, which theirs name; ours names who asked.",
    ),
    Case(
        "biopattern",
        work.requests,
        {"requests after the first": work.READS + work.WRITES - 1},
        alike("biopattern", marker="DISK", read=_PATTERN),
    ),
    Case(
        "biotop",
        work.requests,
        {"R": work.READS, "W": work.WRITES},
        alike("biotop", "-C", "5", marker="Tracing", read=_TOP),
        f"{_NO_FUNCTION}.",
    ),
    *(
        Case(
            f"{kind}dist",
            partial(work.file_operations, kind),
            _OF_FILES,
            (
                *alike(f"{kind}dist", *_OF_ONE, marker="Tracing", read=_OPERATIONS),
                *scripts,
            ),
            note,
        )
        for kind, scripts, note in (
            ("ext4", (), ""),
            ("xfs", (bpftrace("xfsdist", _OPERATIONS),), ""),
            ("btrfs", (), _NO_READS),
        )
    ),
    *(
        Case(
            f"{kind}slower",
            partial(work.file_operations, kind),
            {_OF_LETTERS[name]: count for name, count in _OF_FILES.items()},
            (
                *alike(f"{kind}slower", *_OF_ONE, "0", marker="COMM", read=_SLOW, of=(ours, bcc)),
                libbpf(f"{kind}slower", *_OF_ONE, "-m", "0", marker="COMM",
                       read=renamed(_SLOW, {"F": "S"})),
            ),
            f"libbpf-tools' calls a sync F.{said}",
        )
        for kind, said in (
            ("ext4", ""),
            ("xfs", " BCC's prints names as bytes: `b'data'`."),
            ("btrfs", f" {_NO_READS}"),
        )
    ),
    Case(
        "fileslower",
        partial(work.file_operations, "ext4"),
        {"R": work.READS, "W": work.WRITES},
        alike("fileslower", "-a", *_OF_ONE, "0", marker="COMM", read=_SLOW, of=(ours, bcc)),
    ),
    Case(
        "filetop",
        partial(work.file_operations, "ext4"),
        {
            "reads": work.READS, "writes": work.WRITES,
            "kB read": work.READS * work.SIZE >> 10, "kB written": work.WRITES * work.SIZE >> 10,
        },
        alike("filetop", "-C", *_OF_ONE, "5", marker="READS", read=_FILES),
    ),
    Case(
        "vfsstat",
        work.changes,
        {"create": work.CREATED, "fsync": work.SYNCED_WRITES + work.SYNCS},
        (
            ours("vfsstat", "-j", "1", marker="create", read=_STATISTICS),
            *alike("vfsstat", "1", marker="CREATE", read=_RATES, of=(bcc, libbpf)),
            bpftrace("vfsstat", _STATISTICS),
        ),
        f"{_OWN_FILES} libbpf-tools' and bpftrace's count `vfs_fsync`, which the device that is "
        "this disk calls, to flush; `fsync()` calls `vfs_fsync_range` here.",
    ),
    Case(
        "vfscount",
        work.changes,
        {"create": work.CREATED, "mkdir": work.MADE},
        (
            *alike("vfscount", marker="Tracing", read=_FUNCTIONS, of=(ours, bcc)),
            bpftrace("vfscount", _FUNCTIONS),
        ),
        _OWN_FILES,
    ),
    Case(
        "cachestat",
        work.cached,
        {
            "thousand hits": work.PAGES * (work.TURNS - 1) // 1000,
            "thousand misses": work.PAGES // 1000,
        },
        (
            ours("cachestat", *_OF_ONE, "1", marker="HITS", read=_CACHE),
            *alike("cachestat", "1", marker="HITS", read=_CACHE, of=(bcc, libbpf)),
        ),
        "ours counts the end of the workload, too: the 900 pages of files that it had mapped were "
        "accessed, says the kernel when it unmaps them. "
        "Theirs can only be asked for all of the system, with the memory that is this disk. BCC's "
        "looks for misses in `add_to_page_cache_lru`, which this kernel's file systems no longer "
        "call; libbpf-tools' is at `account_page_dirtied`, which this kernel has not.",
    ),
    Case(
        "runqlat",
        work.plain(work.sleeps),
        {"waits": work.SLEEPS + 1},
        alike("runqlat", *_OF_ONE, marker="Tracing", read=total("waits")),
        "bpftrace's has no process to be asked for.",
    ),
    Case(
        "runqslower",
        work.plain(work.sleeps),
        {work.COMM: work.SLEEPS + 1},
        alike("runqslower", *_OF_ONE, "1", marker="COMM", read=_WAITS),
    ),
    Case(
        "runqlen",
        work.plain(work.crowds),
        {"seconds with two waiting": work.QUEUED_S},
        (*alike("runqlen", marker="Sampling", read=queued), bpftrace("runqlen", queued)),
        "libbpf-tools' and bpftrace's, which had begun before, have counted who waited while BCC's "
        "and ours started; without these they count five. BCC's reads what is behind the length: "
        "it takes `runnable_weight` of `sched_entity` for a sign that `cfs_rq` has one before its "
        "length, which this kernel's has not.",
    ),
    Case(
        "cpudist",
        work.plain(work.sleeps),
        {"times": work.SLEEPS + 1},
        alike("cpudist", *_OF_ONE, marker="Tracing", read=total("times")),
        "libbpf-tools' counts a time only if the task then lost its CPU; this one went to sleep.",
    ),
    Case(
        "offcputime",
        work.plain(work.sleeps),
        {"seconds in a sleep": _SLEPT},
        (
            *alike("offcputime", *_OF_ONE, marker="Tracing", read=_ASLEEP, of=(ours, bcc)),
            libbpf("offcputime", *_OF_ONE, marker="", read=_ASLEEP),
        ),
        "the process has ended when stacks are printed. Ours has kept the names of its functions "
        "(`clock_nanosleep`); BCC's says `[unknown]`, libbpf-tools' `failed to get syms`, and has "
        "its own program's frames on top.",
    ),
    Case(
        "wakeuptime",
        work.plain(work.sleeps),
        {"seconds asleep": _SLEPT},
        alike("wakeuptime", *_OF_ONE, marker="Tracing",
              read=stacks(work.COMM, "seconds asleep", 1e6)),
        "libbpf-tools' reads the sum, nanoseconds in 64 bits, into 32 with a sign.",
    ),
    Case(
        "profile",
        work.plain(work.spins),
        {"seconds on a CPU": work.BUSY_S},
        tuple(
            replace(make("profile", *_OF_ONE, "-F", "49", marker="Sampling",
                         read=stacks(work.COMM, "seconds on a CPU", 49)), samples=make is bcc)
            for make in (ours, bcc)
        ),
    ),
    Case(
        "softirqs",
        work.plain(work.sends),
        {"net_rx": work.DATAGRAMS},
        alike("softirqs", "-d", marker="Tracing", read=_NET_RX),
    ),
    *(
        Case(
            tool,
            work.plain(work.connects),
            {address: times * ends for address, times in work.CONNECTED.items()},
            (
                *alike(tool, *_OF_ONE, marker="COMM", read=_ADDRESSES, of=of),
                bpftrace(tool, _ADDRESSES),
            ),
        )
        for tool, ends, of in (
            ("tcpconnect", 1, (ours, bcc, libbpf)),
            ("tcpaccept", 1, (ours, bcc)),
            ("tcplife", 2, (ours, bcc, libbpf)),
        )
    ),
    Case(
        "gethostlatency",
        work.plain(work.looks_up),
        {"localhost": work.STATS},
        (
            *alike("gethostlatency", *_OF_ONE, marker="COMM", read=_HOSTS),
            bpftrace("gethostlatency", _HOSTS),
        ),
        _NO_COUNTER,
    ),
    Case(
        "capable",
        work.plain(work.may_be_nice),
        {"CAP_SYS_NICE": work.KILLS},
        (*alike("capable", *_OF_ONE, marker="COMM", read=_CHECKS), bpftrace("capable", _CHECKS)),
    ),
    Case(
        "funccount",
        work.plain(work.calls),
        {"getpriority": work.CALLS},
        alike("funccount", *_OF_ONE, _GETPRIORITY, marker="Tracing", read=_COUNTED,
              of=(ours, bcc)),
        "BCC's decodes names of tracepoints, which are text already, and ends without a count.",
    ),
    Case(
        "stackcount",
        work.plain(work.calls),
        {"getpriority": work.CALLS},
        alike("stackcount", *_OF_ONE, _GETPRIORITY, marker="Tracing", read=_BELOW_STACKS,
              of=(ours, bcc)),
    ),
    Case(
        "funclatency",
        work.plain(work.calls),
        {"calls": work.CALLS},
        alike("funclatency", *_OF_ONE, "__x64_sys_getpriority", marker="Tracing",
              read=total("calls")),
    ),
    Case(
        "trace",
        work.plain(work.asks),
        {"who 0": work.KILLS},
        alike("trace", *_OF_ONE, f'{_GETPRIORITY} "who %d", args->who', marker="COMM",
              read=_SAID, of=(ours, bcc)),
    ),
)  # fmt: skip
