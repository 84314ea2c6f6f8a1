"""Python programs as forks of the process that runs the tests, for machines that are emulated.

There, starting Python and importing numpy and LLVM takes seconds, and says nothing about the
kernel. The fork has those imported; pyebpf itself is imported anew, and so is the program. Where
nothing is emulated, programs start as users start them.
"""

from __future__ import annotations

import atexit
import gc
import os
import runpy
import signal
import sys
import traceback
import types
import warnings
from pathlib import Path
from typing import NoReturn

#: The variable that says so.
FORKED = "PYEBPF_TESTS_FORKED"
_OURS = ("pyebpf", "tools")


def become(args: tuple[str, ...]) -> NoReturn:
    """Run ``python args…`` in this process, the child of a fork, to its end.

    Standard streams and the working directory are the program's already. Privileges that end when
    another program is executed do not end here.

    Args:
        args: ``-m module …``, ``-c text …`` or a file and what follows.
    """
    # What the parent holds is not this process's to let go of.
    gc.freeze()
    atexit._clear()
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", closefd=False, buffering=1)  # noqa: SIM115
    warnings.resetwarnings()
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    for name in [name for name in sys.modules if name.partition(".")[0] in _OURS]:
        del sys.modules[name]
    code = 1
    try:
        code = _run(args)
    except BaseException:  # noqa: BLE001 - as the interpreter does
        traceback.print_exc()
    os._exit(_flushed(code))


def _run(args: tuple[str, ...]) -> int:
    try:
        if args[0] == "-m":
            sys.argv = [args[1], *args[2:]]
            runpy.run_module(args[1], run_name="__main__", alter_sys=True)
        elif args[0] == "-c":
            sys.argv = ["-c", *args[2:]]
            sys.modules["__main__"] = main = types.ModuleType("__main__")
            exec(compile(args[1], "<string>", "exec"), main.__dict__)
        else:
            sys.argv = [*args]
            sys.path.insert(0, str(Path(args[0]).resolve().parent))
            runpy.run_path(args[0], run_name="__main__")
        atexit._run_exitfuncs()
    except SystemExit as end:
        atexit._run_exitfuncs()
        if end.code is not None and not isinstance(end.code, int):
            print(end.code, file=sys.stderr)
            return 1
        return end.code or 0
    return 0


def _flushed(code: int) -> int:
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        return code or 120  # as Python ends when its output cannot be written
    return code
