"""The first moments of a program of ours: quiet at Ctrl-C, and without garbage collection.

Until a tool reads its command line, there is nothing that Ctrl-C would have to finish, and Python's
answer is a traceback out of the middle of an import. And what an import makes is there to stay: the
collector looks through it forty times on the way, and finds nothing. Unless the program is a tool
that has a head start: then there is something to finish, and a wish to end is kept until it can be.
"""

from __future__ import annotations

import gc
import os
import sys

TYPE_CHECKING = False  # typing would cost every start of a tool milliseconds
if TYPE_CHECKING:
    import signal
    from typing import Any
else:
    import _signal as signal  # the same functions, without a millisecond of enumerations

#: What a shell says of a program that Ctrl-C ended: 128 and the number of the signal.
INTERRUPTED = 130

_TOOLS = "pyebpf.tools."
_ENDING = (signal.SIGINT, signal.SIGTERM)

_state: list[object] = []
_wishes: list[int] = []


def is_ours() -> bool:
    """Tell whether Python runs this package, and does not only import it for another program."""
    words: list[str] = getattr(sys, "argv", None) or [""]
    if words[0] != "-m":  # else `python -m` is still looking for the module, in its packages
        return os.path.basename(words[0]) == "pyebpf"  # noqa: PTH119 - pathlib costs milliseconds
    module = sys.orig_argv[-len(words)].removeprefix("-m")
    return module.partition(".")[0] == "pyebpf"


def tool() -> str:
    """Return the name of the tool that this program is; empty if it is something else."""
    words = sys.argv[1:]
    if sys.argv[0] == "-m":
        module = sys.orig_argv[-len(sys.argv)].removeprefix("-m")
        if module.startswith(_TOOLS):
            return module.removeprefix(_TOOLS)
    return words[0] if words and words[0].isidentifier() else ""


def begin() -> None:
    """Begin a program: Ctrl-C ends it at once, and without a word, until :func:`ready`."""
    if gc.isenabled():
        gc.disable()
        _state.append(gc)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # nobody ignores it
        signal.signal(signal.SIGINT, _end)
        _state.append(signal)


def ready() -> None:
    """Let Ctrl-C raise ``KeyboardInterrupt`` again, and collect garbage, but for what is there."""
    if signal in _state and signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if gc in _state:
        gc.freeze()
        gc.enable()
    _state.clear()


def wait_for_end() -> None:
    """Keep it in mind if somebody wants to end, until :func:`handed_over`; a second time, end."""
    for number in _ENDING:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _keep_in_mind)


def handed_over(number: int, handler: Any) -> Any:
    """Return what handled a signal before us, which somebody else handles from now on."""
    if handler is not _keep_in_mind:
        return handler
    return signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL


def was_to_end() -> bool:
    """Tell, once, whether somebody wanted to end before anybody handled that."""
    wished = bool(_wishes)
    _wishes.clear()
    return wished


def _keep_in_mind(number: int, _: object) -> None:
    if _wishes:
        os._exit(128 + number)
    _wishes.append(number)


def _end(*_: object) -> None:
    os._exit(INTERRUPTED)
