"""A head start: a tool attaches what it attached the last time, and then imports the rest of it.

Nearly all of a start from the cache is Python's imports. So a tool that starts writes down which
system calls loaded and attached its probes, and the same command line, the next time, makes these
calls first, says what was said then, and imports the rest while the probes are at work already.

A head start is for the same words of the same tool, in the same boot, while the files that say what
these words mean (of a disk, of a cgroup, of a library: :meth:`HeadStart.depends_on`) are the same.
But nothing rests on that. The start goes on as always, comes to each of its calls, and is given
what was made ahead only if it asks for the very same, to the byte (``runtime/tape.py``). The first
call that differs ends the head start: all that was made is closed, with all that it has counted,
the start loads once more (:class:`DiffersError`), and the tool says so. After two such starts that
command line has no more of them until the next boot.

This module is imported before all others: of what costs a millisecond it imports ``ctypes`` alone.
"""

from __future__ import annotations

import ctypes
import marshal
import os
import stat
import sys
import time
import zlib

from pyebpf import cache, program
from pyebpf.lazy import lazy
from pyebpf.version import __version__

TYPE_CHECKING = False  # typing alone takes as long as all that is done here
if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence
    from typing import Any

    #: A function of the C library, its words, and what they point to; addresses are zero.
    Call = tuple[str, tuple[int, ...], tuple[bytes, ...]]
    #: Where something belongs: in which memory, or :data:`WORDS`; and at which byte or word of it.
    Place = tuple[int, int]
    #: What tells a file from another: device, inode, what it is a device file of, change in ns.
    State = tuple[int, int, int, int]
else:
    threading = lazy("threading")

WORDS = -1
_ADDRESS, _FD = 8, 4
#: How often a command line may ask for something else than before, until it is given up.
_MISSES = 2
_BOOT = "/proc/sys/kernel/random/boot_id"


class DiffersError(Exception):
    """Not all that was made ahead is asked for: what was taken goes, and is asked for once more.

    A map that is asked for may have counted what a program saw that is not.
    """


class Step:
    """A system call to be made another time.

    Attributes:
        call: what is called with what; where :attr:`fds` belong is anything.
        addresses: which memory's address belongs where.
        fds: which earlier call's descriptor belongs where.
        opens: whether the result is a descriptor.
    """

    __slots__ = ("addresses", "call", "fds", "opens")

    def __init__(
        self,
        call: Call,
        addresses: tuple[tuple[int, Place], ...],
        fds: tuple[tuple[int, Place], ...],
        opens: bool,
    ) -> None:
        self.call, self.addresses, self.fds, self.opens = call, addresses, fds, opens

    def kept(self) -> tuple[Any, ...]:
        """Return it as ``marshal`` takes it: the arguments of the class."""
        return self.call, self.addresses, self.fds, self.opens


class Plan:
    """What a command line's last start did.

    Args:
        origin: what tells that command line, on this kernel, from others.

    Attributes:
        misses: how often something else was asked for than it had.
        files: what it depends on, and how that was.
        said: what was written when the probes were attached.
        steps: the calls.
    """

    def __init__(self, origin: str) -> None:
        self._origin = origin
        self._name = f"ahead-{zlib.crc32(origin.encode('utf-8', 'surrogateescape')):08x}"
        self.misses, self.said = 0, b""
        self.files: Sequence[tuple[str, State]] = ()
        self.steps: Sequence[Step] = ()
        data = cache.read(self._name)
        try:
            origin, *kept = marshal.loads(data) if data else ("",)  # noqa: S302 - checked, private
            if origin == self._origin:
                misses, self.files, self.said, steps = kept
                self.misses, self.steps = int(misses), [Step(*step) for step in steps]
        except (ValueError, EOFError, TypeError):
            return  # another version wrote it

    def is_for_now(self) -> bool:
        """Tell whether it may be followed."""
        if not self.steps or self.misses >= _MISSES:
            return False
        return all(_state(path) == before for path, before in self.files)

    def write(self) -> None:
        """Keep it."""
        kept = self.misses, tuple(self.files), self.said, tuple(s.kept() for s in self.steps)
        cache.write(self._name, marshal.dumps((self._origin, *kept)))


class HeadStart:
    """The head start of this process.

    Attributes:
        began_ns: when its probes were attached, on the clock of ``ktime_get_ns``; 0 if it is over,
            or never was.
        missed: whether it said that it traces, and that was something else than is traced.
        notes: whether :meth:`take` and :meth:`note` are to be told of calls.
    """

    def __init__(self) -> None:
        self.began_ns, self.notes = 0, False
        self._plan: Plan | None = None
        self._made: list[tuple[Call, int, bool]] = []  # the last first
        self._has_taken, self.missed, self._failed = False, False, False
        self._files: dict[str, State] = {}
        self._unsaid, self._heard = b"", ""
        self._steps: list[Step] | None = None
        self._results: dict[int, int] = {}  # descriptor: the step whose it is

    def repeat(self, tool: str) -> None:
        """Do what the same command line of a tool did the last time, if that was written down."""
        if None in (sys.stdin, sys.stdout, sys.stderr):
            return  # closed: who opens something gets its number, and 0 is no descriptor of BTF
        origin = _origin(tool)
        self._plan = Plan(origin) if origin else None
        try:
            if self._plan is None or not self._plan.is_for_now():
                return
            self._make(self._plan.steps)
        except (OSError, LookupError, TypeError, ValueError):  # refused, or no plan of ours
            self._end()
            return
        program.wait_for_end()
        self.began_ns = time.monotonic_ns()
        self._say(self._plan.said)

    def _make(self, steps: Sequence[Step]) -> None:
        functions = _functions()
        results: list[int] = []
        try:
            for step in steps:
                call = _patched(step.call, [(results[of], place) for of, place in step.fds])
                results.append(_made(functions[call[0]], call, step.addresses))
                self._made.append((call, results[-1], step.opens))
        finally:
            self._made.reverse()

    def _say(self, text: bytes) -> None:
        try:
            self._unsaid = text[: os.write(1, text)] if text else b""
        except OSError:
            return  # whoever writes there next says what is wrong

    def traced_since_ns(self) -> int:
        """Return when tracing began if all is attached now, on the clock of ``ktime_get_ns``."""
        return self.began_ns or time.monotonic_ns()

    def depends_on(self, path: str) -> None:
        """A file, or that there is none, says what a word of the command line means."""
        self._files[path] = _state(path)

    def listen(self) -> None:
        """Note how the probes are loaded and attached that this process will only read from."""
        self.notes = self._plan is not None and self._plan.misses < _MISSES
        self._steps = [] if self.notes else None

    def take(self, call: Call) -> int | None:
        """Return the result of a call that was made ahead; None if this is another one."""
        if not self._made or self._made[-1][0] != call:
            return None
        self._has_taken = True
        return self._made.pop()[1]

    def note(
        self,
        call: Call,
        addresses: tuple[tuple[int, Place], ...],
        fds: tuple[Place, ...],
        result: int,
        *,
        opens: bool = True,
    ) -> None:
        """Note a call that succeeded, or that was taken.

        Args:
            call: it.
            addresses: which memory's address belongs where.
            fds: where there are descriptors.
            result: what the kernel gave.
            opens: whether that is a descriptor.
        """
        if self._steps is None:
            return
        found = [(self._results.get(_read(call, place), -1), place) for place in fds]
        if any(of < 0 for of, _ in found):  # of something that was not opened in this way
            self.spoil()
            return
        if opens:
            self._results[result] = len(self._steps)
        self._steps.append(Step(call, addresses, tuple(found), opens))

    def spoil(self) -> None:
        """Something was done that is not to be repeated."""
        self._steps = None

    def miss(self, opened: int | None = None) -> None:
        """Something else was done: close what was made ahead, and not taken.

        Args:
            opened: the descriptor that it opened, if one.

        Raises:
            DiffersError: some of it was taken. What was opened is closed.
        """
        if not self._made:
            return
        self.missed = bool(self._plan and self._plan.said)
        self._end()
        if not self._has_taken:
            return
        if opened is not None:
            _close([opened])
        self._results = {}
        self._steps = None if self._steps is None else []
        raise DiffersError

    def attached(self) -> None:
        """All is attached: what follows belongs to no head start.

        Raises:
            DiffersError: more was made ahead.
        """
        self.miss()
        self.notes, self._results = False, {}

    def _end(self) -> None:
        self.began_ns, self._failed = 0, True
        left, self._made = [result for _, result, opens in self._made if opens], []
        if left:
            _close_meanwhile(left)

    def unsaid(self, text: str) -> str:
        """Return what of a text is not said yet; it is written when all is attached."""
        self._heard += text
        said, self._unsaid = self._unsaid, b""
        data = text.encode("utf-8", "replace")
        if said.startswith(data):
            self._unsaid = said[len(data) :]
            return ""
        return data[len(said) :].decode() if said and data.startswith(said) else text

    def keep(self) -> None:
        """All is attached, and said: write it down, if that is new."""
        plan, steps, self._steps = self._plan, self._steps, None
        if plan is None or self.began_ns:
            return
        if steps or self._failed:
            plan.misses += self._failed
            plan.files = tuple(self._files.items())
            plan.said = self._heard.encode() if self._heard.isascii() else b""
            plan.steps = steps or ()
            plan.write()


def _origin(tool: str) -> str:
    """Return what tells a start from others; empty if that cannot be said."""
    try:
        # pathlib costs milliseconds, and text a module for its encoding.
        with open(_BOOT, "rb", buffering=0) as file:  # noqa: PTH123
            boot = file.read().decode()
        changed = _changed(tool)
    except OSError:
        return ""
    words = "\0".join(sys.orig_argv[1:])
    return f"{__version__}\0{sys.version}\0{boot}\0{os.geteuid()}\0{changed}\0{words}"


def _changed(tool: str) -> int:
    """Return when a tool was changed."""
    here = os.path.dirname(__file__)  # noqa: PTH120
    try:
        return os.stat(f"{here}/tools/{tool}.py").st_mtime_ns  # noqa: PTH116
    except FileNotFoundError:  # a checkout has them beside the package
        return os.stat(f"{here}/../tools/{tool}.py").st_mtime_ns  # noqa: PTH116


def _state(path: str) -> State:
    try:
        found = os.stat(path)  # noqa: PTH116
    except (OSError, ValueError):  # there is none, or there cannot be one
        return 0, 0, 0, 0
    changed = found.st_mtime_ns if stat.S_ISREG(found.st_mode) else 0
    return found.st_dev, found.st_ino, found.st_rdev, changed


def _functions() -> dict[str, Callable[..., int]]:
    """Return the functions of the C library that calls name."""
    libc, long = ctypes.CDLL(None, use_errno=True), ctypes.c_long
    libc.syscall.argtypes, libc.syscall.restype = [long] * 7, long
    libc.ioctl.argtypes = [ctypes.c_int, ctypes.c_ulong, long]
    return {"syscall": libc.syscall, "ioctl": libc.ioctl}


def _patched(call: Call, fds: Sequence[tuple[int, Place]]) -> Call:
    """Return a call with descriptors where they belong."""
    name, words, memories = call
    plain, changed = list(words), [*memories]
    for fd, (into, at) in fds:
        if into == WORDS:
            plain[at] = fd
        else:
            data = changed[into]
            number = fd.to_bytes(_FD, sys.byteorder)
            changed[into] = data[:at] + number + data[at + _FD :]
    return name, tuple(plain), tuple(changed)


def _made(
    function: Callable[..., int], call: Call, addresses: tuple[tuple[int, Place], ...]
) -> int:
    _, words, memories = call
    plain, written = list(words), [bytearray(data) for data in memories]
    held = [ctypes.c_char.from_buffer(data) for data in written]
    for of, (into, at) in addresses:
        address = ctypes.addressof(held[of])
        if into == WORDS:
            plain[at] = address
        else:
            written[into][at : at + _ADDRESS] = address.to_bytes(_ADDRESS, sys.byteorder)
    result = function(*plain)
    if result < 0:
        raise OSError(ctypes.get_errno(), "a call that succeeded the last time")
    return result


def _read(call: Call, place: Place) -> int:
    """Return the descriptor at a place."""
    into, at = place
    if into == WORDS:
        return call[1][at]
    return int.from_bytes(call[2][into][at : at + _FD], sys.byteorder)


def _close_meanwhile(fds: Sequence[int]) -> None:
    """Close what may be attached, for each of which the kernel waits up to 40 ms."""
    try:
        threading.Thread(target=_close, args=(fds,), daemon=True).start()
    except (OSError, RuntimeError):  # no descriptor is left to import it, or there are no threads
        _close(fds)


def _close(fds: Sequence[int]) -> None:
    for fd in fds:
        os.close(fd)


#: This process's.
own = HeadStart()
