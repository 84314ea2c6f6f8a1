"""A command that a tool starts, and traces from its first instruction on."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self

#: What shells say of a command that cannot be executed.
_NOT_EXECUTED = 127
#: Signals that Python ignores, and programs do not expect to be ignored.
_IGNORED = (signal.SIGPIPE, signal.SIGXFSZ)


class Started:
    """A process that waits, and executes a command when it is told to.

    It goes on when the tool ends before it does.

    Attributes:
        pid: its number.
    """

    def __init__(self, command: Sequence[str]) -> None:
        asked, self._go = os.pipe()
        sys.stdout.flush()  # what is not written yet would be written twice
        self.pid = os.fork()
        self._has_ended = False
        if not self.pid:
            os.close(self._go)
            _become(command, asked)
        os.close(asked)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._let_go()

    def go(self) -> None:
        """Let it begin. One that is left before never does."""
        os.write(self._go, b"x")
        self._let_go()

    def has_ended(self) -> bool:
        """Tell whether the command is over."""
        if not self._has_ended:
            self._has_ended = os.waitpid(self.pid, os.WNOHANG)[0] != 0
        return self._has_ended

    def _let_go(self) -> None:
        if self._go >= 0:
            os.close(self._go)
            self._go = -1


def _become(command: Sequence[str], asked: int) -> NoReturn:
    try:
        if os.read(asked, 1):
            for number in _IGNORED:
                signal.signal(number, signal.SIG_DFL)
            os.execvp(command[0], [*command])  # noqa: S606 - the user's command, without a shell
    except OSError as err:
        os.write(2, f"{command[0]}: {err.strerror}\n".encode(errors="surrogateescape"))
    except KeyboardInterrupt:
        pass
    finally:
        os._exit(_NOT_EXECUTED)
