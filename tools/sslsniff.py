"""Show what programs send and receive by TLS, before it is encrypted and after it is decrypted.

By OpenSSL, GnuTLS and NSS, where this machine, or the process of -p, has them; what a program has
linked into itself is found by --extra-lib. NSS's functions (PR_Write, ...) are also those for plain
files and sockets.

Output:   for each call that moved data a line, and the data below: as text, with escapes for what
          is none, or with --hexdump. LEN are the bytes moved; of more than --max-buffer-size the
          begin is shown, and told how much is not.
Cost:     two probes for each call, microseconds together, and a copy of the data.
Needs:    Linux 5.8; libraries that have their dynamic symbols, as all have.
Source:   behaviour after BCC's sslsniff (Adrian Lopez and Mark Drayton, 2016); written from
          scratch. SSL_read_ex() and SSL_write_ex(), and handshakes by GnuTLS, are not there.
"""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from pyebpf import (
    Alternatives,
    Bytes,
    Char,
    Const,
    Events,
    Hash,
    Probe,
    Session,
    UprobeContext,
    cast,
    chars,
    comm,
    first_of,
    helpers,
    i32,
    i64,
    ktime_get_ns,
    octets,
    read_user,
    record,
    tgid,
    tid,
    u32,
    u64,
    uid,
    uprobe,
    uretprobe,
)
from pyebpf.cli import Below, Column, Elapsed, Lines, Tool, printable, whole
from pyebpf.lib.filters import FILTERS, is_wanted, only_comm, only_pid

OPENSSL, GNUTLS, NSS = "openssl", "gnutls", "nss"
READ, WRITE, HANDSHAKE = range(3)
NAMES = ("READ/RECV", "WRITE/SEND", "HANDSHAKE")
SMALL, USUAL, LARGE = 512, 8_192, 32_768


def extra(text: str) -> tuple[tuple[str, str], ...]:
    """Read a library: ``openssl:/opt/lib/libssl.so``."""
    kind, _, path = text.partition(":")
    if kind not in (OPENSSL, GNUTLS, NSS) or not path:
        raise ValueError(f"{text!r}: openssl:PATH, gnutls:PATH or nss:PATH")
    return ((kind, path),)


def room(text: str) -> int:
    """Read how many bytes to show."""
    size = whole(text)
    if not 0 <= size <= LARGE:
        raise ValueError(f"{text!r}: from 0 to {LARGE} bytes")
    return size


show_extra = Const(False, "-x", "--extra", help="show columns UID and TID")
no_openssl = Const(False, "-o", "--no-openssl", help="no calls of OpenSSL")
no_gnutls = Const(False, "-g", "--no-gnutls", help="no calls of GnuTLS")
no_nss = Const(False, "-n", "--no-nss", help="no calls of NSS")
debug = Const(False, "-d", "--debug", help="say on standard error which functions are looked for")
hexdump = Const(False, "--hexdump", help="show bytes, not text")
max_size = Const(
    USUAL, "--max-buffer-size", help="bytes to show of a call", metavar="BYTES", convert=room
)
latency = Const(False, "-l", "--latency", help="show how long each call took")
handshake = Const(False, "--handshake", help="show handshakes too")
extra_lib: tuple[tuple[str, str], ...] = Const(
    (), "--extra-lib", help="another library, several times", metavar="KIND:PATH",
    convert=extra, merge=operator.add,
)  # fmt: skip


@record
class Call:
    """A call, until it returns; ``moved`` is where it says how much it did, or 0."""

    sp: u64
    began_ns: u64
    buffer: u64
    moved: u64


@record
class About:
    """A call that has returned."""

    ts_ns: u64
    took_ns: u64
    length: u64
    pid: u32
    tid: u32
    uid: u32
    what: u32
    kept: u32
    comm: Char = chars(16)


@record
class Small:
    """A call with little data."""

    about: About
    data: Bytes = octets(SMALL)


@record
class Usual:
    """A call with more."""

    about: About
    data: Bytes = octets(USUAL)


@record
class Large:
    """A call with so much that it has to be asked for."""

    about: About
    data: Bytes = octets(LARGE)


#: By thread; TLS inside of TLS, as through a proxy, makes a second call in the first.
calls = Hash[u32, Call](max_entries=10_240)
inner = Hash[u32, Call](max_entries=10_240)
shakes = Hash[u32, u64](max_entries=10_240)
moves = Events[Small | Usual | Large](pages=256)


def begins(ctx: UprobeContext, buffer: u64, moved: u64) -> None:
    """Note a call."""
    if not is_wanted():
        return
    call = Call(sp=ctx.sp, began_ns=ktime_get_ns(), buffer=buffer, moved=moved)
    outer = calls.get(tid())
    if outer is not None and ctx.sp < outer.sp:
        inner[tid()] = call
    else:
        calls[tid()] = call


def ends(what: u32, result: i64) -> None:
    """Send what a call has moved, in a record that has room for it.

    Of memory that cannot be read nothing is shown.
    """
    call = inner.pop(tid())
    if call is None:
        call = calls.pop(tid())
    if call is None or result <= 0:
        return
    length = read_user(u64, call.moved) if call.moved else cast(u64, result)
    about = described(what, call.began_ns, length)
    if about.kept <= SMALL:
        with moves.reserve(Small) as e:
            e.about = about
            if helpers.probe_read_user(e.data, min(about.kept, SMALL), call.buffer) < 0:
                e.about.kept = 0
    elif about.kept <= USUAL:
        with moves.reserve(Usual) as e:
            e.about = about
            if helpers.probe_read_user(e.data, min(about.kept, USUAL), call.buffer) < 0:
                e.about.kept = 0
    elif max_size > USUAL:
        with moves.reserve(Large) as e:
            e.about = about
            if helpers.probe_read_user(e.data, min(about.kept, LARGE), call.buffer) < 0:
                e.about.kept = 0


def described(what: u32, began_ns: u64, length: u64) -> About:
    """Return what there is to say of a call."""
    now = ktime_get_ns()
    return About(
        ts_ns=now, took_ns=now - began_ns, length=length, pid=tgid(), tid=tid(), uid=uid(),
        what=what, kept=min(length, max_size), comm=comm(),
    )  # fmt: skip


def moves_data(ctx: UprobeContext, session: u64, buffer: u64) -> None:
    """SSL_read(session, buffer, size) and its like."""
    begins(ctx, buffer, 0)


def moves_more(ctx: UprobeContext, session: u64, buffer: u64, size: u64, moved: u64) -> None:
    """SSL_read_ex(session, buffer, size, &moved) and its like."""
    begins(ctx, buffer, moved)


def has_read(ctx: UprobeContext, ret: i32) -> None:
    """Data was received."""
    ends(READ, ret)


def has_written(ctx: UprobeContext, ret: i32) -> None:
    """Data was sent."""
    ends(WRITE, ret)


def has_read_wide(ctx: UprobeContext, ret: i64) -> None:
    """Data was received, by a function with a result of 64 bits."""
    ends(READ, ret)


def has_written_wide(ctx: UprobeContext, ret: i64) -> None:
    """Data was sent, likewise."""
    ends(WRITE, ret)


def shakes_hands(ctx: UprobeContext) -> None:
    """A handshake begins, or goes on."""
    if is_wanted():
        shakes[tid()] = ktime_get_ns()


def has_shaken(ctx: UprobeContext, ret: i32) -> None:
    """A handshake ends, or waits for the other side."""
    began_ns = shakes.pop(tid())
    if began_ns is not None:
        with moves.reserve(Small) as e:
            e.about = described(HANDSHAKE, began_ns, 0)


#: What runs where functions of a library begin and return: those that it has for certain together,
#: and those that only newer versions have.
Pair = tuple[Callable[..., None], Callable[..., None]]
SHAKE: Pair = (shakes_hands, has_shaken)
LIBRARIES: dict[str, tuple[dict[str, Pair], ...]] = {
    OPENSSL: (
        {"SSL_read": (moves_data, has_read), "SSL_write": (moves_data, has_written)},
        {"SSL_read_ex": (moves_more, has_read), "SSL_write_ex": (moves_more, has_written)},
        {"SSL_do_handshake": SHAKE},
    ),
    GNUTLS: (
        {
            "gnutls_record_recv": (moves_data, has_read_wide),
            "gnutls_record_send": (moves_data, has_written_wide),
        },
        {"gnutls_handshake": SHAKE},
    ),
    NSS: (
        {
            "PR_Read": (moves_data, has_read),
            "PR_Recv": (moves_data, has_read),
            "PR_Write": (moves_data, has_written),
            "PR_Send": (moves_data, has_written),
        },
    ),
}
#: How the linker knows them.
INSTALLED = {OPENSSL: ("ssl", no_openssl), GNUTLS: ("gnutls", no_gnutls), NSS: ("nspr4", no_nss)}


def in_library(kind: str, path: str, options: Any, *, optional: bool) -> Iterator[Alternatives]:
    """Yield the probes in a library."""
    for number, functions in enumerate(LIBRARIES[kind]):
        if SHAKE in functions.values() and not options.option(handshake):
            continue
        way: tuple[Probe, ...] = ()
        for name, (begin, end) in functions.items():
            if options.option(debug):
                sys.stderr.write(f"{path}: {name}\n")
            at = {"pid": options.option(only_pid)}
            way += (uprobe(path, name, **at)(begin), uretprobe(path, name, **at)(end))
        yield first_of(way, name=f"{kind}_{number}", optional=optional or number > 0)


def probes(options: Any) -> Iterable[Alternatives]:
    """Make the probes that the options ask for."""
    found = [
        probe
        for kind, (name, is_off) in INSTALLED.items()
        if not options.option(is_off)
        for probe in in_library(kind, name, options, optional=True)
    ]
    for kind, path in options.option(extra_lib):
        found += in_library(kind, path, options, optional=False)
    if not found:
        raise ValueError("all libraries are left out")
    return found


def of(name: str) -> Callable[[object, Any], Any]:
    """Return what reads a field of a call."""
    return lambda _, row: getattr(row.about, name)


def shown_data(session: Session, row: Any) -> str | None:
    """Return the data as text or in hexadecimal; None of a handshake."""
    if row.about.what == HANDSHAKE:
        return None
    data: bytes = row.data[: row.about.kept]
    return data.hex() if session.option(hexdump) else data.decode("utf-8", "replace")


def is_text(session: Session) -> bool:
    """Tell whether data is shown as text."""
    return not session.option(hexdump)


def text_lines(text: str | None) -> Iterator[str]:
    """Yield the lines of data that is text."""
    if text is not None:
        yield "----- DATA -----"
        yield from (printable(line.removesuffix("\r")) for line in text.split("\n"))


def hex_lines(text: str | None) -> Iterator[str]:
    """Yield the lines of data in hexadecimal, 16 bytes in each."""
    if text is not None:
        yield "----- DATA -----"
        yield from (text[at : at + 32] for at in range(0, len(text), 32))


def lost_bytes(_: object, row: Any) -> int | None:
    """Return how much of the data is not shown; None of a handshake."""
    return None if row.about.what == HANDSHAKE else row.about.length - row.about.kept


def end_lines(lost: int | None) -> Iterator[str]:
    """Yield the lines behind the data."""
    if lost is not None:
        yield f"----- END DATA{f' (TRUNCATED, {lost} bytes lost)' if lost else ''} -----"
        yield ""


tool: Tool[None] = Tool(
    __name__,
    probes=probes,
    lines=Lines(
        moves,
        Column("FUNC", 12, value=lambda _, row: NAMES[row.about.what]),
        Elapsed("TIME(s)", 18, format=".9f", field="time_s", value=of("ts_ns")),
        Column("COMM", 16, value=of("comm")),
        Column("PID", 7, value=of("pid")),
        Column("LEN", 7, value=of("length")),
        Column("UID", 7, when=show_extra, value=of("uid")),
        Column("TID", 7, when=show_extra, value=of("tid")),
        Column(
            "LAT(ms)", 7, format=".3f", field="latency_ms", when=latency,
            value=lambda _, row: row.about.took_ns / 1e6,
        ),
        Below("DATA", 0, value=shown_data, drawn=text_lines, when=is_text),
        Below("DATA", 0, value=shown_data, drawn=hex_lines, when=hexdump),
        Below("LOST", 0, value=lost_bytes, drawn=end_lines),
    ),
    early=True,
    filters=FILTERS,
    spelled={only_comm: ["-c"]},
    examples="""
        sslsniff                        # what all programs send and receive
        sslsniff -p 181                 # process 181 only
        sslsniff -u 1000                # what programs of user 1000 do
        sslsniff -c curl                # programs called curl
        sslsniff --exec curl https://www.kernel.org   # a command, and nothing else
        sslsniff --no-nss               # nothing by NSS, whose functions serve plain files too
        sslsniff --hexdump              # bytes, not text
        sslsniff --max-buffer-size 64   # the first 64 bytes of each call
        sslsniff -x                     # with users and threads
        sslsniff -l --handshake         # how long each call took, handshakes too
        sslsniff --extra-lib openssl:/proc/181/exe   # a program with OpenSSL inside
    """,
)  # fmt: skip

if __name__ == "__main__":
    raise SystemExit(tool.main())
