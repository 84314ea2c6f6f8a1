"""A start from the cache: what was compiled before, for this kernel, from the very same."""

from __future__ import annotations

import os
import sys
import zlib
from contextlib import suppress

from pyebpf import cache
from pyebpf.btf.system import modules_ident
from pyebpf.errors import FormatError
from pyebpf.plain import Frozen
from pyebpf.spec.compiled import Kept
from pyebpf.version import __version__


class Start(Frozen):
    """What is known before anything is compiled.

    Attributes:
        kept: everything, if it was compiled before for this kernel.
        origin: what it is made from; empty if it must not be kept.
        name: under which it is kept.
    """

    kept: Kept | None
    origin: bytes
    name: str


def recall(text: bytes | None, license: str, kernel: str) -> Start:  # noqa: A002
    """Find what was kept for a fingerprint; without one, nothing is kept.

    Args:
        text: the fingerprint of the probes.
        license: what the programs tell the kernel.
        kernel: tells the kernel, its types and what else decides about them from others.
    """
    if text is None:
        return Start(None, b"", "")
    made_by = f"{__version__} {_code_stamp()} {sys.version}"
    made_for = f"{kernel} {os.geteuid()} {license}"
    origin = f"{made_by}\0{made_for}\0".encode() + text
    name = f"start-{zlib.crc32(origin):08x}"
    with suppress(FormatError):  # another version wrote it: it is made again
        data = cache.read(name)
        kept = Kept.from_bytes(data) if data else None
        # The name is short; what counts is that it was made from the very same.
        if kept is not None and kept.origin == origin and _is_current(kept):
            return Start(kept, origin, name)
    return Start(None, origin, name)


def _is_current(kept: Kept) -> bool:
    if kept.compiler != _stamp(kept.compiler.partition("\0")[0]):
        return False
    return not kept.modules or kept.modules == modules_ident()


def compiler_stamp() -> str:
    """Return what tells the LLVM that this process has imported from another one.

    Which that is, a start from the cache learns from what it finds there: to look for it would take
    longer.
    """
    return _stamp(getattr(sys.modules.get("llvmlite"), "__file__", None) or "")


def _stamp(file: str) -> str:
    try:
        return f"{file}\0{os.stat(file).st_mtime_ns}"  # noqa: PTH116
    except OSError:  # there is no such file any more
        return ""


#: The folders whose files decide what a probe is compiled to.
_COMPILER = (
    "",
    "abi",
    "dsl",
    "dsl/check",
    "dsl/check/contexts",
    "dsl/lower",
    "dsl/probes",
    "ir",
    "ir/llvm",
    "ir/passes",
    "spec",
    "runtime",
)


def _code_stamp() -> str:
    # In a checkout the compiler itself changes between two runs; an installed one does not.
    newest = 0
    here = os.path.dirname(__file__)  # noqa: PTH120 - pathlib costs a warm start milliseconds
    for part in _COMPILER:
        with os.scandir(os.path.join(here, part)) as entries:  # noqa: PTH118
            for entry in entries:
                if entry.name.endswith(".py"):
                    newest = max(newest, entry.stat().st_mtime_ns)
    return str(newest)
