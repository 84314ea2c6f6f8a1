"""The commands of ``bpf(2)`` on programs and BTF. Part of :mod:`pyebpf.runtime.syscall`."""

from __future__ import annotations

import errno
import struct
from typing import TYPE_CHECKING

from pyebpf.abi import attr as layout
from pyebpf.abi import capability
from pyebpf.abi import constants as c
from pyebpf.abi.names import attach_type_name, prog_type_name
from pyebpf.errors import KernelError
from pyebpf.plain import Frozen
from pyebpf.runtime import call, memlock, token
from pyebpf.runtime.refusal import ENOTSUPP, refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

#: Bytes of a log: what is tried first, and the most.
_FIRST_LOG, _LAST_LOG = 1 << 16, 1 << 26
#: The most of a log that nobody asked for. Every size that is tried is one more verification.
_LAST_REFUSAL = 1 << 22
#: ``BPF_LOG_STATS`` of ``include/linux/bpf_verifier.h``: no listing, but every complaint.
_COMPLAINTS = 4
#: A line between the beginning of a listing and the complaints, where the rest did not fit.
LOG_CUT = "[the listing is longer than this]"


class RefusedError(KernelError):
    """The kernel did not take a program or a BTF blob. ``log`` is the verifier's, maybe empty."""

    def __init__(
        self, errno: int, message: str, *, capability: str | None = None, log: str = ""
    ) -> None:
        super().__init__(errno, message, capability=capability)
        self.log = log


class RunResult(Frozen):
    """The result of one test run: what the program returned, and what it left in its buffers."""

    retval: int
    duration_ns: int
    data: bytes
    ctx: bytes


def btf_load(data: bytes, log_level: int = 0, *, explain: bool = True) -> int:
    """Load a BTF blob; return its descriptor.

    Raises:
        RefusedError: with the kernel's log, which is asked for after a refusal if ``log_level`` is
        0 and
            ``explain`` is true.
    """
    at = call.address_of(data)

    shown = token.current()
    tail = layout.BTF_LOAD_TOKEN.pack(c.BPF_F_TOKEN_FD, shown.fd) if shown else b""

    def attr(level: int, size: int, log: int) -> bytes:
        return layout.BTF_LOAD.pack(at, log, len(data), size, level, 0) + tail

    result, log = _load(c.BPF_BTF_LOAD, attr, log_level, _FIRST_LOG, explain=explain)
    if result < 0:
        what = f"loading BTF ({len(data)} bytes)"
        plain = refusal(-result, what, needs=("CAP_BPF",), delegated="delegate_cmds=btf_load")
        raise RefusedError(-result, str(plain), capability=plain.capability, log=log)
    return result


def prog_load(  # noqa: PLR0913 - one argument for each field of the kernel's structure
    kind: int,
    code: bytes,
    license: str,  # noqa: A002 - the kernel's name
    *,
    name: str = "",
    expected_attach_type: int = 0,
    attach_btf_id: int = 0,
    attach_btf_fd: int = 0,
    btf_fd: int = 0,
    func_info: bytes = b"",
    func_info_rec_size: int = 0,
    line_info: bytes = b"",
    line_info_rec_size: int = 0,
    log_level: int = 0,
    log_size: int = 0,
    flags: int = 0,
    kern_version: int = 0,
    fd_array: Sequence[int] = (),
    explain: bool = True,
) -> tuple[int, str]:
    """Load a program; return its descriptor and the verifier's log.

    The log buffer grows until the log fits. With ``log_level`` 0 the log of an accepted program is
    empty, and a refused one is tried again for its log unless ``explain`` is false: for the last
    4 MiB of it, or before Linux 6.4 for the first, with the reason behind ``LOG_CUT``.

    Args:
        kind: ``BPF_PROG_TYPE_*``.
        code: instructions, 8 bytes each.
        license: ``"GPL"`` for a program that calls helpers restricted to it.
        name: at most 15 characters arrive in the kernel.
        expected_attach_type: ``BPF_*`` of ``enum bpf_attach_type``.
        attach_btf_id: what to attach to, as a BTF id.
        attach_btf_fd: the module BTF or the program that the id is in; 0 for the kernel itself.
        btf_fd: the BTF blob that ``func_info`` and ``line_info`` refer to.
        func_info: records of ``struct bpf_func_info``.
        func_info_rec_size: bytes of one record.
        line_info: records of ``struct bpf_line_info``.
        line_info_rec_size: bytes of one record.
        log_level: 1: the verifier's steps, 2: with every state, 4: statistics only.
        log_size: bytes to begin with.
        flags: ``BPF_F_SLEEPABLE`` and the like.
        kern_version: only kprobes before Linux 5.0 look at it.
        fd_array: maps and module BTFs that the instructions refer to by index.
        explain: load again with a log after a refusal.

    Raises:
        RefusedError: its ``log`` is the verifier's.
    """
    fds = struct.pack(f"={len(fd_array)}i", *fd_array)
    texts = [code, license.encode() + b"\0", func_info, line_info, fds]
    at_code, at_license, at_func, at_line, at_fds = [call.address_of(t) if t else 0 for t in texts]
    shown = token.current()
    tail = layout.PROG_LOAD_TOKEN.pack(shown.fd) if shown else b""
    flags |= c.BPF_F_TOKEN_FD if shown else 0

    def attr(level: int, size: int, log: int) -> bytes:
        return layout.PROG_LOAD.pack(
            kind, len(code) // 8, at_code, at_license, level, size, log, kern_version, flags,
            call.object_name(name), 0, expected_attach_type, btf_fd, func_info_rec_size, at_func,
            len(func_info) // (func_info_rec_size or 1), line_info_rec_size, at_line,
            len(line_info) // (line_info_rec_size or 1), attach_btf_id, attach_btf_fd, 0, at_fds,
            0, 0, 0,
        ) + tail  # fmt: skip

    sizes = log_level, log_size or _FIRST_LOG
    result, log = _load(c.BPF_PROG_LOAD, attr, *sizes, explain=explain)
    if result < 0:
        what = f"loading program {name!r} ({prog_type_name(kind)}, {len(code) // 8} instructions)"
        attached = attach_type_name(expected_attach_type).removeprefix("BPF_").lower()
        delegated = f"delegate_progs={prog_type_name(kind)},delegate_attachs={attached}"
        raise _refused(-result, what, kind, log, f"delegate_cmds=prog_load,{delegated}")
    return result, log


_TRUE_SIZE = {
    c.BPF_PROG_LOAD: layout.PROG_LOAD_LOG_TRUE_SIZE,
    c.BPF_BTF_LOAD: layout.BTF_LOAD_LOG_TRUE_SIZE,
}


def _load(
    cmd: int, attr: Callable[[int, int, int], bytes], level: int, size: int, *, explain: bool
) -> tuple[int, str]:
    """Try until the log fits; without a log first if none was asked for.

    Args:
        cmd: the command.
        attr: makes the attribute from level, size and address of the log.
        level: of the log.
        size: of the log to begin with, in bytes.
        explain: ask for a log after a refusal.
    """
    result, log, wanted = _attempt(cmd, attr, level, size)
    if result < 0 and level == 0 and explain:
        again, log = _ask_again(cmd, attr, size)
        return (again if again >= 0 else result), log
    while result == -errno.ENOSPC and level and size < _LAST_LOG:
        size = min(max(wanted + 1, size * 4), _LAST_LOG)
        result, log, wanted = _attempt(cmd, attr, level, size)
    return result, log


def _ask_again(cmd: int, attr: Callable[[int, int, int], bytes], size: int) -> tuple[int, str]:
    """Try what was refused once more, for the log: as much of it as has the reason."""
    result, log, wanted = _attempt(cmd, attr, 1, size)
    if result == -errno.ENOSPC:
        size = min(wanted + 1, _LAST_REFUSAL) if wanted else _LAST_REFUSAL
        result, log, wanted = _attempt(cmd, attr, 1, size)
    # A kernel that tells how long the log is (Linux 6.4) keeps the end of it, others the beginning.
    if result == -errno.ENOSPC and not wanted:
        result, complaints, _ = _attempt(cmd, attr, _COMPLAINTS, _FIRST_LOG)
        log = f"{log}\n{LOG_CUT}\n{complaints}"
    return result, log


def _attempt(
    cmd: int, attr: Callable[[int, int, int], bytes], level: int, size: int
) -> tuple[int, str, int]:
    """Return the result or ``-errno``, the log, and the size that the log wanted if known."""
    if not level:
        return memlock.charged(cmd, bytearray(attr(0, 0, 0))), "", 0
    log, address = call.buffer(size)
    memory = bytearray(attr(level, size, address))
    result = memlock.charged(cmd, memory)
    at = _TRUE_SIZE[cmd]
    return result, log.value.decode("utf-8", "replace"), struct.unpack_from("=I", memory, at)[0]


def _refused(number: int, tried: str, kind: int, log: str, delegated: str) -> RefusedError:
    plain = refusal(
        number,
        tried,
        needs=capability.for_program(kind),
        charged=True,
        open_to_all=capability.unprivileged_program(kind),
        delegated=delegated,
    )
    return RefusedError(number, str(plain), capability=plain.capability, log=log)


def prog_test_run(  # noqa: PLR0913 - one argument for each field of the kernel's structure
    fd: int,
    *,
    ctx: bytes = b"",
    data: bytes = b"",
    repeat: int = 1,
    flags: int = 0,
    cpu: int = 0,
    data_out_size: int = 0,
    ctx_out_size: int = 0,
) -> RunResult:
    """Run a program now.

    Args:
        fd: the program.
        ctx: its context; a ``syscall`` program may change it, and the result has it as left.
        data: a packet, for network programs.
        repeat: how many times; ``duration_ns`` is the mean.
        flags: ``BPF_F_TEST_RUN_ON_CPU`` and the like.
        cpu: where, with that flag.
        data_out_size: room for the packet as left; 0 to leave it in the kernel.
        ctx_out_size: the same for the context of a network program.
    """
    inside, ctx_in = call.buffer(len(ctx))
    inside[: len(ctx)] = ctx
    out, data_out = call.buffer(data_out_size)
    ctx_left, ctx_out = call.buffer(ctx_out_size)
    # Some types refuse a repeat count, and all take 0 for once.
    attr = bytearray(layout.TEST_RUN.pack(
        fd, 0, len(data), data_out_size, call.address_of(data) if data else 0,
        data_out if data_out_size else 0, 0 if repeat == 1 else repeat, 0, len(ctx), ctx_out_size,
        ctx_in if ctx else 0, ctx_out if ctx_out_size else 0, flags, cpu, 0,
    ))  # fmt: skip
    result = call.bpf(c.BPF_PROG_TEST_RUN, attr)
    if result < 0:
        raise refusal(
            -result,
            f"running the program at descriptor {fd} "
            f"(context {len(ctx)} bytes, data {len(data)} bytes)",
            needs=("CAP_BPF",),
            hint="its type has no test run in this kernel" if -result == ENOTSUPP else "",
        )
    row = layout.TEST_RUN.unpack(attr)
    left = ctx_left.raw[: row[9]] if ctx_out_size else inside.raw[: len(ctx)]
    return RunResult(row[1], row[7], out.raw[: row[3]] if data_out_size else b"", left)
