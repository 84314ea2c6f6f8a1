"""Addresses of the kernel's symbols, for what BTF does not describe."""

from __future__ import annotations

from pyebpf.btf.near import nearest
from pyebpf.errors import RelocationError

_FILE = "/proc/kallsyms"
#: What names begin with that are no functions, but say where in modules for arm64 code and data
#: are: ``$x``, ``$d``. Source: ``include/linux/module_symbol.h``.
MARK = "$"


def address(name: str) -> int:
    """Return the address of a symbol.

    Raises:
        RelocationError: the kernel does not list it, or hides addresses from this process.

    Cost: reads the whole list, some 10 MB.
    """
    try:
        with open(_FILE, "rb") as file:  # noqa: PTH123
            data = file.read()
    except OSError as error:
        raise RelocationError(f"the kernel's symbols cannot be read: {error}") from None
    end = _find(data, "", name)
    if end < 0:
        raise RelocationError(
            f"this kernel has no variable `{name}` in its BTF, and does not list it in {_FILE} "
            "(variables are there with CONFIG_KALLSYMS_ALL)"
        )
    start = data.rfind(b"\n", 0, end) + 1
    found = int(data[start:end].split()[0], 16)
    if not found:
        raise RelocationError(
            f"the kernel hides the address of `{name}`: kernel.kptr_restrict is set, or this "
            "process lacks CAP_SYSLOG"
        )
    return found


def _find(data: bytes, kind: str, name: str) -> int:
    """Return where ``kind name`` begins in the list; -1 if it does not have it."""
    # A line is "ffffffff81234567 T name", with the module's name behind a tab.
    return max(data.find(f"{kind} {name}{end}".encode()) for end in "\n\t")


def _list() -> bytes:
    try:
        with open(_FILE, "rb") as file:  # noqa: PTH123
            return file.read()
    except OSError:
        return b""


def functions() -> frozenset[str]:
    """Return the functions that the kernel lists; none if the list cannot be read.

    Cost: reads the whole list, some 10 MB.
    """
    return _functions(_list())


def _functions(data: bytes) -> frozenset[str]:
    return frozenset(
        fields[2]
        for line in data.decode("utf-8", "replace").splitlines()
        if (fields := line.split())[1] in "tT" and not fields[2].startswith(MARK)
    )


def similar_functions(name: str) -> str:
    """Say which functions of the kernel have a name like ``name``, as the tail of a message."""
    data = _list()
    if any(_find(data, kind, name) >= 0 for kind in "tT"):
        return ": it is there, but may not be probed (in __kprobes, or inlined)"
    near = nearest(name, _functions(data))
    return f"; the nearest: {', '.join(near)}" if near else ""
