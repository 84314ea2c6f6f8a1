"""Functions of the kernel by name: ``from pyebpf.kfuncs import bpf_task_from_pid``.

Any name can be imported; it is what ``kfunc("bpf_task_from_pid")`` declares. Whether the kernel has
such a function is known when a probe is compiled.
"""

from __future__ import annotations

from pyebpf.dsl.symbols import Kfunc, kfunc

_made: dict[str, Kfunc] = {}


def __getattr__(name: str) -> Kfunc:
    if name.startswith("__"):
        raise AttributeError(name)
    return _made.setdefault(name, kfunc(name))
