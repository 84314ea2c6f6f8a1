"""Ctrl-C and SIGTERM as wishes to end: what is being done meanwhile is finished."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

from pyebpf import program

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

_STOPPING = (signal.SIGINT, signal.SIGTERM)


class Wish:
    """Notes that somebody wants to end, while it is entered; nothing is interrupted.

    Where signals are somebody else's business, which they are outside the main thread, and where
    one is ignored, as ``nohup`` and job control want it, it notes nothing.

    Attributes:
        is_over: somebody wants to end.
    """

    def __init__(self) -> None:
        self.is_over = False
        self._number = 0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for number in _STOPPING:
            if signal.getsignal(number) is signal.SIG_IGN:
                continue
            try:
                before = signal.signal(number, self._note)
            except ValueError:  # not the main thread
                break
            self._before[number] = program.handed_over(number, before)
        if program.was_to_end():
            self.is_over = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, *_: object) -> None:
        self._number = number
        self.wish()

    def wish(self) -> None:
        """Note that somebody wants to end."""
        self.is_over = True

    def fulfil(self) -> None:
        """Do what the signal would have done, if one came: after all is finished and left.

        Raises:
            KeyboardInterrupt: it was Ctrl-C.
        """
        if self._number:
            signal.raise_signal(self._number)
