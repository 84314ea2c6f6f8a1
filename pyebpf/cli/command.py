"""A command that a tool runs to trace it: it begins when the probes are attached."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from pyebpf.cli.options import UsageError
from pyebpf.errors import NotSupportedError
from pyebpf.lazy import lazy

if TYPE_CHECKING:
    import shutil

    from pyebpf.host import cgroups
else:  # few starts need them
    shutil = lazy("shutil")
    cgroups = lazy("pyebpf.host.cgroups")

#: The inode of the first PID namespace: PROC_PID_INIT_INO of include/linux/proc_ns.h.
_FIRST_PIDS = 0xEFFFFFFC
#: Signals that Python or the tool does something about, and a program expects to be as usual.
_OURS = (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE, signal.SIGXFSZ)


class Command:
    """A process that has stopped just before it becomes a program.

    What is traced from then on is the program's alone: the process makes one more system call, and
    that is ``execve``.

    Attributes:
        pid: its number.
        has_begun: it is not ours to end any more.
    """

    def __init__(self, path: str, words: Sequence[str]) -> None:
        self.has_begun = self._is_over = False
        self.pid = os.fork()
        if self.pid == 0:
            try:
                for number in _OURS:
                    signal.signal(number, signal.SIG_DFL)
                os.kill(os.getpid(), signal.SIGSTOP)
                os.execv(path, [*words])  # noqa: S606 - the user's own words
            finally:
                os._exit(127)
        os.waitpid(self.pid, os.WUNTRACED)

    def begin(self) -> None:
        """Let it go."""
        self.has_begun = True
        os.kill(self.pid, signal.SIGCONT)

    def is_over(self) -> bool:
        """Tell whether it has ended."""
        if not self._is_over:
            self._is_over = os.waitpid(self.pid, os.WNOHANG)[0] == self.pid
        return self._is_over

    def kill(self) -> None:
        """End it."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def path_of(words: Sequence[str]) -> str:
    """Return the path of the program that a command runs.

    Raises:
        UsageError: there is none.
    """
    path = shutil.which(words[0])
    if path is None:
        raise UsageError(f"--exec: there is no program {words[0]!r}")
    return path


def check_numbers(flags: Sequence[str]) -> None:
    """See that numbers of processes here are those that programs in the kernel know.

    Args:
        flags: the options that give some.

    Raises:
        UsageError: they are not: another process has that number, or none.
    """
    try:
        number = os.stat("/proc/self/ns/pid").st_ino  # noqa: PTH116 - quick to import
    except OSError:  # no /proc: nothing speaks against them
        return
    if flags and number != _FIRST_PIDS:
        raise UsageError(
            f"{flags[0]}: this is a PID namespace, and the kernel's programs know processes by "
            "their numbers outside of it; ask by --comm, --cgroup, --container or --follow, or "
            "run this in the first one (docker run --pid=host)"
        )


@contextmanager
def followed(command: Command) -> Iterator[int]:
    """Let a command and all that it starts be known by a cgroup of its own; give its number.

    Raises:
        NotSupportedError: no cgroup can be made here.
    """
    with ExitStack() as stack:
        try:
            number = stack.enter_context(cgroups.around(command.pid))
        except (OSError, ValueError) as err:
            raise NotSupportedError(
                f"--follow gives the command a cgroup of its own: {err}; it needs root, and "
                "cgroup2 that may be written to"
            ) from None
        yield number


@contextmanager
def stopped(words: Sequence[str]) -> Iterator[Command]:
    """Give a command that is ready to begin; what has not begun at the end never does."""
    command = Command(path_of(words), words)
    try:
        yield command
    finally:
        if not command.has_begun:
            command.kill()
