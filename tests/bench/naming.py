"""Name the functions of many stacks of a process as folded text; print seconds and peak memory.

``python -m tests.bench.naming pyebpf|bcc PID FILE DEPTH``: the file has the addresses, innermost
first, as numbers of 64 bits. Run as a process of its own, whose memory is that of nothing else.
"""

from __future__ import annotations

import ctypes
import os
import sys
import time
from array import array
from collections.abc import Iterator
from pathlib import Path


def by_pyebpf(pid: int, data: bytes, depth: int) -> Iterator[str]:
    import numpy as np

    from pyebpf.symbols import Symbols

    places = np.frombuffer(data, np.uint64)
    callers = np.ones(len(places), bool)
    callers[::depth] = False
    frames, numbers = Symbols().different(places, callers, pid)
    names = np.array([str(frame) for frame in frames], object)
    for row in numbers.reshape(-1, depth):
        yield ";".join(names[row[::-1]].tolist())


class _Symbol(ctypes.Structure):
    """``struct bcc_symbol`` of BCC's ``bcc_syms.h``."""

    _fields_ = [
        ("name", ctypes.c_char_p),
        ("demangle_name", ctypes.c_char_p),
        ("module", ctypes.c_char_p),
        ("offset", ctypes.c_ulonglong),
    ]


def by_bcc(pid: int, data: bytes, depth: int) -> Iterator[str]:
    """Do as BCC's ``profile -f`` does: ask ``SymbolCache`` for each address of each stack."""
    lib = ctypes.CDLL("libbcc.so.0")
    lib.bcc_symcache_new.restype = ctypes.c_void_p
    lib.bcc_symcache_resolve.argtypes = [
        ctypes.c_void_p, ctypes.c_ulonglong, ctypes.POINTER(_Symbol)
    ]  # fmt: skip
    cache = lib.bcc_symcache_new(pid, None)

    def name(address: int) -> str:
        found = _Symbol()
        if lib.bcc_symcache_resolve(cache, address, ctypes.byref(found)) < 0:
            return "[unknown]"
        text = found.demangle_name or b"[unknown]"
        lib.bcc_symbol_free_demangle_name(ctypes.byref(found))
        return text.decode("utf-8", "replace")

    places = array("Q", data)
    for begin in range(0, len(places), depth):
        stack = places[begin : begin + depth]
        yield ";".join([name(address - (n > 0)) for n, address in enumerate(stack)][::-1])


if __name__ == "__main__":
    way, pid, path, depth = sys.argv[1:]
    data = Path(path).read_bytes()
    stacks = known = 0
    begin = time.perf_counter()
    with open(os.devnull, "w", encoding="utf-8") as out:  # noqa: PTH123
        for line in (by_pyebpf if way == "pyebpf" else by_bcc)(int(pid), data, int(depth)):
            out.write(line)
            stacks += 1
            known += ";[" not in f";{line}"
    took = time.perf_counter() - begin
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (peak,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))
    print(took, int(peak) / 1024, stacks, known)
