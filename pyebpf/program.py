"""The first moments of a program of ours: quiet at Ctrl-C, and without garbage collection.

Until a tool reads its command line, there is nothing that Ctrl-C would have to finish, and Python's
answer is a traceback out of the middle of an import. And what an import makes is there to stay: the
collector looks through it forty times on the way, and finds nothing.
"""

from __future__ import annotations

import gc
import os
import signal
import sys

#: What a shell says of a program that Ctrl-C ended: 128 and the number of the signal.
INTERRUPTED = 130

_state: list[object] = []


def is_ours() -> bool:
    """Tell whether Python runs this package, and does not only import it for another program."""
    words: list[str] = getattr(sys, "argv", None) or [""]
    if words[0] != "-m":  # else `python -m` is still looking for the module, in its packages
        return os.path.basename(words[0]) == "pyebpf"  # noqa: PTH119 - pathlib costs milliseconds
    module = sys.orig_argv[-len(words)].removeprefix("-m")
    return module.partition(".")[0] == "pyebpf"


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


def _end(*_: object) -> None:
    os._exit(INTERRUPTED)
