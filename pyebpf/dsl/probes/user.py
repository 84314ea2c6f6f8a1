"""Decorators of probes in processes, and of perf events."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, TypeAlias

from pyebpf.dsl.constants import ConstDecl
from pyebpf.dsl.probes.base import (
    Decorator,
    Probe,
    cookies_at,
    hooked,
    one_by_one,
    one_of,
)
from pyebpf.errors import PyebpfError
from pyebpf.spec.patterns import is_expression, is_pattern

#: A program or library; to checkers a ``Const`` of a text is one.
Binary: TypeAlias = "str | os.PathLike[str]"


def uprobe(  # noqa: PLR0913 - one argument for each thing that may be said
    binary: Binary,
    symbol: str = "",
    *,
    offset: int = 0,
    address: int | None = None,
    pid: int | None = None,
    abi: str | None = None,
    session: bool = False,
    sleepable: bool = False,
    cookie: int | None = None,
    cookies: Mapping[str, int] | None = None,
    when: Any = True,
) -> Decorator:
    """Run at an instruction of a program or library, with the registers of the process.

    The probe's first parameter is a :class:`UprobeContext`; the others are the function's first
    arguments, with the types that the probe declares.

    Args:
        binary: a path, or the name of a library as the dynamic linker knows it, ``"c"``; or a
            ``Const`` of a text, for an option to say it.
        symbol: a function in it, as the linker names it or as C++ and Rust write it,
            ``"shop::price(int)"``; or a pattern, ``"mem*"`` or ``"/^mem(cpy|set)$/"``, for all that
            it matches (at once since Linux 6.6). Without one, ``offset`` counts from the start of
            the file.
        offset: bytes into the function; an instruction has to begin there.
        address: instead of a symbol, where ``objdump`` shows the instruction.
        pid: only in this process, which then says which file the binary is: the one that it has
            mapped, also in a container. Without it, or if it is 0, in all that run the binary.
        abi: ``"go"`` for the arguments of a Go function, one word after the other: a string is two,
            its address and its length. Others are passed as C passes them.
        session: run again where the function returns, if the probe gave 0 (Linux 6.13).
        sleepable: may wait, and then read memory that is not there yet.
        cookie: what ``attach_cookie()`` gives (Linux 5.15).
        cookies: of a pattern or a session, what it gives in some of the functions:
            ``{"malloc": 1, "*free": 2}``; the first that matches counts.
        when: attach only if this constant is true.

    Raises:
        PyebpfError: the arguments do not say where, or say it twice.

    Since:  Linux 4.3; sleepable 6.0.
    """
    kind = "uprobe.session" if session else "uprobe"
    many = "multi" if session or _is_pattern(symbol) else ""
    at = cookies_at(kind, cookie, one_by_one(kind, cookies, symbol, many))
    if address is not None:
        if symbol or offset:
            raise PyebpfError("@uprobe takes an address, or a symbol and an offset")
        symbol = f"@{address:#x}"
    at |= {"pid": pid, "abi": abi and one_of("uprobe", abi, ("c", "go"))}
    return _user(kind, binary, symbol, offset, at, sleepable=sleepable, when=when)


def uretprobe(  # noqa: PLR0913 - one argument for each thing that may be said
    binary: Binary,
    symbol: str,
    *,
    pid: int | None = None,
    sleepable: bool = False,
    cookie: int | None = None,
    cookies: Mapping[str, int] | None = None,
    when: Any = True,
) -> Decorator:
    """Run where a function of a program returns: after the context comes ``ret``, its result.

    The arguments are those of :func:`uprobe`.
    """
    many = "multi" if _is_pattern(symbol) else ""
    at = cookies_at("uretprobe", cookie, one_by_one("uretprobe", cookies, symbol, many))
    where = {"pid": pid, **at}
    return _user("uretprobe", binary, symbol, 0, where, sleepable=sleepable, when=when)


def usdt(
    binary: str | os.PathLike[str],
    probe: str,
    *,
    pid: int | None = None,
    sleepable: bool = False,
    when: Any = True,
) -> Decorator:
    """Run at a probe that the authors of a program or library put there (``sys/sdt.h``).

    The probe's first parameter is a :class:`UprobeContext`; the others are the arguments of the
    USDT probe, by position; trailing ones may be left out. ``u64`` and ``i64`` take any argument,
    narrower numbers those whose values they can hold, ``UserPtr`` those of 8 bytes: which these are
    is in a note in the binary, and checked when the probe is attached.

    The program runs wherever the binary has the probe, and counts for its *semaphore*: a program
    that computes arguments only while somebody looks, does.

    Args:
        binary: a path, a program on ``PATH``, or a library: ``"libc"``, ``"c"``.
        probe: ``"provider:name"``, or the name alone where only one provider has it; a pattern,
            ``"libc:memory_*"``, for all that it matches.
        pid: only in this process; in all that run the binary, without it.
        sleepable: may wait, and then read memory that is not there yet.
        when: attach only if this constant is true.

    Raises:
        PyebpfError: the arguments name no binary or no probe.

    Since:  Linux 4.3; probes with a semaphore 4.20; arguments in memory 5.5; sleepable 6.0.
    """
    path = os.fspath(binary)
    provider, _, name = probe.rpartition(":")
    if not path or not name or ":" in provider:
        raise PyebpfError("@usdt needs a binary and a probe: @usdt('libc', 'libc:setjmp')")
    target = f"{path}:{provider or '*'}:{name}"
    return hooked("usdt.s" if sleepable else "usdt", target, when, {"pid": pid})


def _user(  # noqa: PLR0913 - what two decorators share
    kind: str,
    binary: Binary,
    symbol: str,
    offset: int,
    at: Mapping[str, Any],
    *,
    sleepable: bool,
    when: Any,
) -> Decorator:
    by_option = isinstance(binary, ConstDecl)
    path = "" if by_option else os.fspath(binary)
    if not (path or by_option) or not (symbol or offset):
        raise PyebpfError(f"@{kind} needs a binary and a function: @{kind}('c', 'strlen')")
    if _is_pattern(symbol) and not kind.endswith("session"):
        kind = f"{kind}.multi"
    where = f"{path}:{symbol}" if symbol else f"{path}:{offset:#x}"
    target = f"{where}+{offset:#x}" if symbol and offset else where
    full = f"{kind}.s" if sleepable else kind

    def decorate(function: Any) -> Probe:
        takes = _takes_arguments(getattr(function, "function", function)) or None
        places = {**at, "takes_arguments": takes}
        return hooked(full, target, when, places, binary if by_option else None)(function)

    return decorate


def _takes_arguments(function: Any) -> bool:
    """Tell whether a probe has parameters besides its context; types may be text as yet."""
    code, hints = getattr(function, "__code__", None), getattr(function, "__annotations__", {})
    names = code.co_varnames[: code.co_argcount] if code is not None else ()
    return any(not str(hints.get(name)).rstrip("'>").endswith("UprobeContext") for name in names)


def _is_pattern(symbol: str) -> bool:
    # Not `main.(*Cart).Price` and `main.Sum[...]` of Go, `price(char*)` and `operator*` of C++.
    is_name = any(sign in symbol for sign in ("(", "[...]", "operator"))
    return is_expression(symbol) or (is_pattern(symbol) and not is_name)


def perf_event(  # noqa: PLR0913 - one argument for each thing that may be said
    event: str = "cpu-clock",
    *,
    freq_hz: int | None = None,
    period: int | None = None,
    pid: int | None = None,
    inherit: bool = False,
    cgroup: str | None = None,
    cpu: int | None = None,
    cookie: int | None = None,
    when: Any = True,
) -> Decorator:
    """Run when a perf event has counted far enough: to sample what runs, for example.

    The probe gets a :class:`PerfEventContext`.

    Args:
        event: the event's name as ``perf list`` has it: ``"cpu-clock"``, ``"page-faults"``,
            ``"L1-dcache-load-misses"``, ``"r01c2"``, ``"cpu/event=0x3c,umask=0x1/"``; also
            ``"mem:0x1234/4:w"``, a write to these 4 bytes. With ``":u"`` or ``":k"`` behind it, in
            processes only or in the kernel only.
        freq_hz: run this many times in a second, on each CPU.
        period: or once in so many events (of ``cpu-clock``: nanoseconds).
        pid: only for this process: all its threads, from Linux 5.13 also those that it begins; 0 is
            for all processes.
        inherit: with ``pid``, also for the processes that it begins.
        cgroup: only for the processes of the cgroup with this directory.
        cpu: only on this CPU; without it, on those that are online when it is attached.
        cookie: what ``attach_cookie()`` gives (Linux 5.15).
        when: attach only if this constant is true.

    Raises:
        PyebpfError: there is neither a frequency nor a period, or both; or the arguments do not
            say whose events count.

    Since:  Linux 4.9.
    """
    if (freq_hz is None) == (period is None):
        raise PyebpfError("@perf_event takes either freq_hz or period: @perf_event(freq_hz=49)")
    if pid is not None and cgroup is not None:
        raise PyebpfError("@perf_event is for a process (pid) or for a cgroup, not for both")
    if inherit and pid is None:
        raise PyebpfError("@perf_event takes inherit=True together with pid")
    at = {
        "event": event, "freq_hz": freq_hz, "period": period, "pid": pid, "cgroup": cgroup,
        "inherit": inherit or None, "cpu": cpu, **cookies_at("perf_event", cookie),
    }  # fmt: skip
    return hooked("perf_event", "", when, at)
