"""The types of the running kernel: which file has them, and that it is this kernel's.

``$PYEBPF_BTF``, or an argument, names a file to use instead of ``/sys/kernel/btf/vmlinux``, for
kernels that were built without BTF (BTFHub has many).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pyebpf import cache
from pyebpf.btf import files
from pyebpf.errors import NotSupportedError, OtherKernelError
from pyebpf.lazy import lazy

if TYPE_CHECKING:
    from pyebpf.btf import belonging, parse
    from pyebpf.btf.parse import Btf
else:
    belonging = lazy("pyebpf.btf.belonging")
    parse = lazy("pyebpf.btf.parse")

DIRECTORY = "/sys/kernel/btf"
NOTES = "/sys/kernel/notes"

_loaded: dict[str, Btf] = {}


class _CacheStore:
    """The indexes of one BTF blob, in the user's cache."""

    def __init__(self, ident: str) -> None:
        self._prefix = f"btf-{ident}-"

    def read(self, name: str) -> bytes | None:
        return cache.read(self._prefix + name)

    def write(self, name: str, data: bytes) -> None:
        cache.write(self._prefix + name, data)


def kernel_btf(file: str = "") -> Btf:
    """Return the types of the running kernel; the same object each time.

    Args:
        file: with its types, instead of what ``$PYEBPF_BTF`` names and of the kernel's own.

    Raises:
        NotSupportedError: the kernel has no BTF and no file with it is named.
        OtherKernelError: the file is of another kernel.
        FormatError: the file is damaged.
    Cost:    40 ms, 1 ms when it is in the cache. The file is mapped, not copied, where the kernel
             can do that. A file of one's own is compared with the kernel's list of symbols once,
             0.2 s.
    Since:   Linux 5.4, with ``CONFIG_DEBUG_INFO_BTF``; mapping since 6.16.
    """
    own = file or os.environ.get("PYEBPF_BTF", "")
    if not own:
        return _load_once(f"{DIRECTORY}/vmlinux", kernel_ident())
    ident = _file_ident(own)
    btf = _load_once(own, ident)
    why = _foreign(own, ident, btf)
    if why:
        raise OtherKernelError(
            f"{_named(own)} has the types of another kernel than the running one "
            f"({os.uname().release}): {why}"
        )
    return btf


def open_btf(file: str) -> Btf:
    """Return the types in a file, of whatever kernel: raw BTF, or ELF with a section ``.BTF``.

    Raises:
        NotSupportedError: the file cannot be read.
        FormatError: it is something else.
    """
    return _load_once(file, _file_ident(file))


def types_ident(file: str = "") -> str:
    """Return what tells the types that :func:`kernel_btf` gives from others; opens nothing."""
    own = file or os.environ.get("PYEBPF_BTF", "")
    return f"{kernel_ident()} {_file_ident(own)}" if own else kernel_ident()


def module_btf(name: str) -> Btf:
    """Return the types of a loaded module, on top of the kernel's.

    Raises:
        NotSupportedError: there is no such module, or it has no BTF.
    Since:   Linux 5.11, with ``CONFIG_DEBUG_INFO_BTF_MODULES``.
    """
    file = f"{DIRECTORY}/{name}"
    if name not in module_names():
        msg = f"the kernel has no types of a module called {name!r} (there is no {file})"
        raise NotSupportedError(msg, feature="module_btf", since="5.11")
    return parse.Btf.parse(_read(file).data, _load_once(f"{DIRECTORY}/vmlinux", kernel_ident()))


def module_names() -> list[str]:
    """Return the modules whose types the kernel offers, sorted."""
    try:
        return sorted(name for name in os.listdir(DIRECTORY) if name != "vmlinux")  # noqa: PTH208
    except FileNotFoundError:
        return []


def kernel_ident() -> str:
    """Return what tells this kernel's build from others: its GNU build id, in hex.

    A kernel that was linked without one is told by the text of ``uname``, which has the time of its
    build.
    """
    try:
        notes = _content(NOTES)
    except OSError:
        notes = b""
    if own := files.build_id(notes):
        return own
    system = os.uname()
    return f"{system.release}-{system.version}".replace("/", "_").replace(" ", "_")


def _content(path: str) -> bytes:
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - see pyebpf.cache
        return file.readall()


def _load_once(file: str, ident: str) -> Btf:
    key = f"{file}\0{ident}"
    if key not in _loaded:
        _loaded[key] = parse.Btf.parse(_read(file).data, store=_CacheStore(ident))
    return _loaded[key]


def _read(file: str) -> files.Contents:
    try:
        return files.read(file)
    except OSError as error:
        raise _no_btf(file, error) from None


def _file_ident(file: str) -> str:
    try:
        return files.ident(file)
    except OSError as error:
        raise _no_btf(file, error) from None


def _foreign(file: str, ident: str, btf: Btf) -> str:
    """Say why a file is not of the running kernel; empty if nothing tells. Asked once a file."""
    store, here = _CacheStore(ident), kernel_ident()
    known = store.read("fits")
    if known is not None and known.startswith(here.encode() + b"\0"):
        return known.partition(b"\0")[2].decode()
    there = _read(file).build_id
    if there and len(here) == len(there):  # a kernel without a build id has a longer ident
        why = f"its build id is {there}, not {here}" if there != here else ""
    else:
        why = belonging.why_not(btf)
    store.write("fits", f"{here}\0{why}".encode())
    return why


def _named(file: str) -> str:
    return f"$PYEBPF_BTF, {file}," if file == os.environ.get("PYEBPF_BTF") else file


def _no_btf(file: str, error: OSError) -> NotSupportedError:
    if not file.startswith(f"{DIRECTORY}/"):
        what = f"the types in {_named(file)} cannot be read: {error.strerror}"
    else:
        what = (
            f"the kernel's types cannot be read from {file}: {error.strerror}. Linux has them "
            "since 5.4, when it is built with CONFIG_DEBUG_INFO_BTF. For others, let $PYEBPF_BTF "
            "or load(btf=…) name a file with the BTF of this kernel; BTFHub has those of many "
            "distributions"
        )
    return NotSupportedError(what, feature="kernel_btf", since="5.4")
