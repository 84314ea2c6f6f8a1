"""Decorators of probes in the kernel."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pyebpf.dsl.constants import ConstDecl
from pyebpf.dsl.probes.base import (
    Decorator,
    Probe,
    cookies_at,
    hooked,
    named,
    one_by_one,
)
from pyebpf.errors import PyebpfError
from pyebpf.spec.patterns import is_pattern


def tracepoint(event: str, *, cookie: int | None = None, when: Any = True) -> Decorator:
    """Run at a tracepoint. The function takes a :class:`TracepointContext` with its fields.

    Args:
        event: category and name, ``"sched:sched_switch"``; or a ``Const`` of a text, for an option
            to say it.
        cookie: what ``attach_cookie()`` gives (Linux 5.15).
        when: attach only if this constant (see ``Const``) is true.

    Raises:
        PyebpfError: the event is no category and name.

    Since:  Linux 4.7.
    """
    decorate = named(
        "tracepoint", event, "sched:sched_switch", when, cookies_at("tracepoint", cookie)
    )
    if not isinstance(event, ConstDecl) and event.count(":") != 1:
        raise PyebpfError(
            f"@tracepoint({event!r}): write category:name, as in 'sched:sched_switch'"
        )
    return decorate


def tp_btf(name: str, *, cookie: int | None = None, when: Any = True) -> Decorator:
    """Run at a tracepoint, with its arguments as the kernel passes them, typed.

    The function's parameters are the tracepoint's arguments, by position; trailing ones may be left
    out.

    Args:
        name: the tracepoint without its category, ``"block_rq_issue"``.
        cookie: what ``attach_cookie()`` gives (Linux 6.10).
        when: attach only if this constant is true.

    Since:  Linux 5.5, with BTF.
    """
    return named("tp_btf", name, "sched_switch", when, cookies_at("tp_btf", cookie))


def raw_tracepoint(name: str, *, cookie: int | None = None, when: Any = True) -> Decorator:
    """Run at a tracepoint, with its arguments as bare 64-bit numbers.

    The function takes a :class:`RawTracepointContext`.

    Args:
        name: the tracepoint without its category, ``"sys_enter"``.
        cookie: what ``attach_cookie()`` gives (Linux 6.10).
        when: attach only if this constant is true.

    Since:  Linux 4.17.
    """
    at = cookies_at("raw_tracepoint", cookie)
    return named("raw_tracepoint", name, "sys_enter", when, at)


def _sleeping(kind: str, sleepable: bool) -> str:
    return f"{kind}.s" if sleepable else kind


def fentry(
    function: str, *, sleepable: bool = False, cookie: int | None = None, when: Any = True
) -> Decorator:
    """Run where a function of the kernel begins, with its arguments, typed.

    The probe's parameters are the function's arguments, by position; trailing ones may be left out.

    Args:
        function: its name, ``"vfs_read"``.
        sleepable: may wait, and then read memory that is not there yet; for functions that may.
        cookie: what ``attach_cookie()`` gives (Linux 5.19).
        when: attach only if this constant is true.

    Since:  Linux 5.5, with BTF; sleepable 5.10.
    """
    at = cookies_at("fentry", cookie)
    return named(_sleeping("fentry", sleepable), function, "vfs_read", when, at)


def fexit(
    function: str, *, sleepable: bool = False, cookie: int | None = None, when: Any = True
) -> Decorator:
    """Run where a function of the kernel ends, with its arguments and its result, typed.

    The probe's parameters are the function's arguments, by position; one called ``ret`` is the
    result.

    Args:
        function: its name, ``"vfs_read"``.
        sleepable: may wait.
        cookie: what ``attach_cookie()`` gives (Linux 5.19).
        when: attach only if this constant is true.

    Since:  Linux 5.5, with BTF; sleepable 5.10.
    """
    at = cookies_at("fexit", cookie)
    return named(_sleeping("fexit", sleepable), function, "vfs_read", when, at)


def fmod_ret(
    function: str, *, sleepable: bool = False, cookie: int | None = None, when: Any = True
) -> Decorator:
    """Run before a function of the kernel, and instead of it if the probe gives anything but 0.

    For functions that the kernel marks for it, and those of security modules. The parameters are
    the function's arguments; one called ``ret`` is what the probe before this one gave. ``cookie``
    is what ``attach_cookie()`` gives (Linux 5.19); ``when`` attaches it only if it is true.

    Since:  Linux 5.7, with BTF; ``sleepable``, which may wait, 5.10.
    """
    at = cookies_at("fmod_ret", cookie)
    return named(_sleeping("fmod_ret", sleepable), function, "bpf_modify_return_test", when, at)


def lsm(
    hook: str, *, sleepable: bool = False, cookie: int | None = None, when: Any = True
) -> Decorator:
    """Run at a hook for security modules, and decide: 0 lets it happen, ``-EPERM`` refuses.

    The parameters are the hook's arguments, typed; one called ``ret`` is what the probe before this
    one decided.

    Args:
        hook: its name, ``"file_open"``.
        sleepable: may wait, at the hooks that may.
        cookie: what ``attach_cookie()`` gives (Linux 5.19).
        when: attach only if this constant is true.

    Since:  Linux 5.7, with BTF and ``bpf`` among the active security modules; sleepable 5.11.
    """
    at = cookies_at("lsm", cookie)
    return named(_sleeping("lsm", sleepable), hook, "file_open", when, at)


def iter(target: str, *, sleepable: bool = False) -> Decorator:  # noqa: A001 - the kernel's word
    """Run for each object of a kind that the kernel has, when user space reads.

    The first parameter is the ``Ptr[bpf_iter_meta]`` of the visit, the others are what is visited:
    ``task: Ptr[task_struct] | None``, which is None once, after the last.

    Args:
        target: ``"task"``, ``"task_file"``, ``"tcp"``, ``"bpf_map"``, ….
        sleepable: may wait, where the iterator may.

    Since:  Linux 5.8, with BTF; sleepable 6.1.
    """
    return named(_sleeping("iter", sleepable), target, "task", True)


def kprobe(
    function: str | int,
    *,
    session: bool = False,
    cookie: int | None = None,
    cookies: Mapping[str, int] | None = None,
    when: Any = True,
) -> Decorator:
    """Run at an instruction of the kernel, with the registers.

    The probe's first parameter is a :class:`KprobeContext`; the others are the function's first
    arguments, typed by BTF where that describes the function.

    Args:
        function: its name, ``"vfs_read"``, also with an offset in bytes, ``"vfs_read+0x10"``, or of
            a module, ``"nf_conntrack:nf_ct_delete"``; an address of the running kernel, as a
            number; or a pattern, ``"tcp_*"`` or ``"/^tcp_(send|recv)/"``, for all functions that
            it matches (at once since Linux 5.18); or a ``Const`` of a text that is no pattern, for
            an option to say it.
        session: run again where the function returns, if the probe gave 0 (Linux 6.10).
        cookie: what ``attach_cookie()`` gives (Linux 5.15).
        cookies: of a pattern or a session, what it gives in some of the functions:
            ``{"tcp_sendmsg": 1, "tcp_recv*": 2}``; the first that matches counts.
        when: attach only if this constant is true.

    Since:  Linux 4.1, with ``CONFIG_KPROBES``.
    """
    if isinstance(function, int):
        function = f"{function:#x}"
    many = ".session" if session else ".multi" if is_pattern(function) else ""
    at = cookies_at("kprobe", cookie, one_by_one("kprobe", cookies, function, many))
    return named(f"kprobe{many}", function, "vfs_read", when, at)


def kretprobe(
    function: str,
    *,
    cookie: int | None = None,
    cookies: Mapping[str, int] | None = None,
    when: Any = True,
) -> Decorator:
    """Run where a function of the kernel returns: after the context comes ``ret``, its result.

    Args:
        function: its name, ``"vfs_read"``, or a pattern, ``"tcp_*"``.
        cookie: what ``attach_cookie()`` gives (Linux 5.15).
        cookies: of a pattern, what it gives in some of the functions, as for :func:`kprobe`.
        when: attach only if this constant is true.

    Since:  Linux 4.1, with ``CONFIG_KPROBES``.
    """
    many = ".multi" if is_pattern(function) else ""
    at = cookies_at("kretprobe", cookie, one_by_one("kretprobe", cookies, function, many))
    return named(f"kretprobe{many}", function, "vfs_read", when, at)


def ksyscall(name: str, *, cookie: int | None = None, when: Any = True) -> Decorator:
    """Run where the kernel begins a system call, with the call's arguments.

    The probe's first parameter is a :class:`KprobeContext`; the others are the arguments of the
    system call, by position, with the types that the probe declares: ``UserPtr`` for addresses.
    Calls of 32-bit programs on a 64-bit kernel are others.

    Args:
        name: as the kernel calls it, ``"openat"``, ``"newstat"``.
        cookie: what ``attach_cookie()`` gives (Linux 5.15).
        when: attach only if this constant is true.

    Since:  Linux 4.17, with ``CONFIG_KPROBES``.
    """
    return named("ksyscall", name, "openat", when, cookies_at("ksyscall", cookie))


def kretsyscall(name: str, *, cookie: int | None = None, when: Any = True) -> Decorator:
    """Run where a system call has ended: after the context comes ``ret``, its result.

    The arguments are those of :func:`ksyscall`. Since Linux 4.17, with ``CONFIG_KPROBES``.
    """
    return named("kretsyscall", name, "openat", when, cookies_at("kretsyscall", cookie))


def syscall(function: Callable[..., Any]) -> Probe:
    """Run when user space says so: ``session.test_run(probe, …)``. Attached to nothing.

    The function may take one parameter, a ``@record``: what the caller passes, and gets back as the
    function leaves it. Its result goes back too, as 32 bits.

    Raises:
        PyebpfError: it stands with parentheses.

    Since:  Linux 5.14.
    """
    if not hasattr(function, "__code__"):
        raise PyebpfError("@syscall decorates a function, without parentheses")
    return hooked("syscall")(function)
