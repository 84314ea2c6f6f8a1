"""The files of ``pyebpf_stubs``: made whole, then put in their places."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from pyebpf.dsl.check.kernel_types import Kernel
from pyebpf.plain import Frozen
from pyebpf.stubs.kfuncs import kfunc_line
from pyebpf.stubs.spelling import PRELUDE
from pyebpf.stubs.tracepoints import tracepoint_class
from pyebpf.stubs.types import TypeStubs

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pyebpf.spec.target import Target, Tracepoints
    from pyebpf.stubs.wanted import Wanted

PACKAGE = "pyebpf_stubs"


class Written(Frozen):
    """What was written.

    Attributes:
        folder: where: a package.
        types: how many classes of types there are in it.
        tracepoints, kfuncs: how many of these.
        size: of all files, in bytes.
        unknown: names that this kernel has not.
    """

    folder: Path
    types: int
    tracepoints: int
    kfuncs: int
    size: int
    unknown: tuple[str, ...]


def write(wanted: Wanted, target: Target, folder: Path, title: str) -> Written:
    """Write the stubs of some names into the package ``pyebpf_stubs`` in ``folder``.

    What was in it before is gone. Equal names and an equal kernel give equal bytes.

    Args:
        wanted: the names.
        target: the kernel.
        folder: made if it is not there; what ``mypy_path`` and pyright's ``stubPath`` name.
        title: what the files say of the kernel they were made for.

    Raises:
        OSError: a file cannot be written; those before it are.
        NotSupportedError: the kernel has no BTF.
        KernelError: tracepoints are wanted, and tracefs may not be read.
    """
    kernel = Kernel(target)
    types = TypeStubs(kernel)
    events = _full_names(wanted.tracepoints, target.tracepoints)
    unknown = {name for name, full in events.items() if not full}
    unknown |= {name for name in wanted.types if not types.name(name)}
    points = {
        full: tracepoint_class(full, target.tracepoints.fields(*full.split(":")), kernel, types)
        for full in events.values()
        if full
    }
    lines = {}
    for name in wanted.kfuncs:
        signature = kernel.kfunc(name)
        if signature is None:
            unknown.add(name)
        elif line := kfunc_line(name, signature, kernel, types):
            lines[name] = line
    size = _write_all(
        folder / PACKAGE,
        f'"""{title} Made by `pyebpf stubs`: run it again instead of a change."""\n\n',
        {
            "__init__": "",
            "types": PRELUDE + "\n" + types.text(),
            "tracepoints": PRELUDE
            + "\n"
            + "\n".join(line for _, c in sorted(points.items()) for line in c),
            "kfuncs": PRELUDE + "\n" + "\n".join(line for _, line in sorted(lines.items())) + "\n",
        },
    )
    return Written(
        folder / PACKAGE, len(types), len(points), len(lines), size, tuple(sorted(unknown))
    )


def _full_names(names: Iterable[str], tracepoints: Tracepoints) -> dict[str, str]:
    """Return ``category:name`` of each tracepoint, empty for one that there is not."""
    if not names:
        return {}
    known = tracepoints.names()
    by_name = {full.partition(":")[2]: full for full in reversed(known)}
    return {n: n if n in known else by_name.get(n, "") for n in names}


def _write_all(folder: Path, head: str, texts: dict[str, str]) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    size = 0
    for name, text in texts.items():
        data = (head + text).encode()
        _write(folder / f"{name}.pyi", data)
        size += len(data)
    return size


def _write(path: Path, data: bytes) -> None:
    # A checker that runs at this moment reads the old text or the new one.
    made = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        made.write_bytes(data)
        made.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            made.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from None
