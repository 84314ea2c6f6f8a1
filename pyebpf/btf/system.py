"""The types of the running kernel: which file has them, and that it is this kernel's.

``$PYEBPF_BTF``, or an argument, names a file to use instead of ``/sys/kernel/btf/vmlinux``, for
kernels that were built without BTF (BTFHub has many).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pyebpf import cache
from pyebpf.btf import files
from pyebpf.errors import FormatError, NotSupportedError, OtherKernelError
from pyebpf.lazy import lazy

if TYPE_CHECKING:
    from pyebpf.btf import belonging, modular, modules, parse, types
    from pyebpf.btf.modular import ModularBtf
    from pyebpf.btf.modules import LoadedModules
    from pyebpf.btf.parse import Btf
else:
    belonging = lazy("pyebpf.btf.belonging")
    modular = lazy("pyebpf.btf.modular")
    modules = lazy("pyebpf.btf.modules")
    parse = lazy("pyebpf.btf.parse")
    types = lazy("pyebpf.btf.types")

DIRECTORY = "/sys/kernel/btf"
NOTES = "/sys/kernel/notes"

_loaded: dict[str, Btf] = {}
_known_modules: dict[str, LoadedModules] = {}


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

    Types of loaded modules are found too, when they are asked for by name.

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
        return _own_types()
    ident = _file_ident(own)
    btf = _load_once(own, ident)
    why = _foreign(own, ident, btf)
    if why:
        raise OtherKernelError(
            f"{_named(own)} has the types of another kernel than the running one "
            f"({os.uname().release}): {why}"
        )
    return btf


def kernel_enum(name: str) -> dict[str, int]:
    """Return the enumerators of an enum of the running kernel; none if it has no such enum.

    Raises:
        NotSupportedError, OtherKernelError, FormatError: as of :func:`kernel_btf`.
    """
    known = kernel_btf()
    for number in known.find_all(name, types.Kind.ENUM):
        node = known.type(number)
        assert isinstance(node, types.Enum)
        return {value.name: value.value for value in node.values}
    return {}


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
    kernel, loaded = _own_types(), _modules()
    try:
        return loaded.open(name, kernel)
    except KeyError:
        raise NotSupportedError(loaded.advice(name), feature="module_btf", since="5.11") from None


def module_names() -> list[str]:
    """Return the modules whose types the kernel offers, sorted."""
    return _modules().names()


def modules_asked() -> str:
    """Return what tells the loaded modules from others; empty if nobody has asked for any."""
    known = _known_modules.get(_key(DIRECTORY, kernel_ident()))
    return known.ident() if known is not None and known.asked else ""


def modules_ident() -> str:
    """Return what tells the loaded modules from others.

    Cost:    a file for each module.
    """
    return _modules().ident()


def _own_types() -> ModularBtf:
    path, ident = f"{DIRECTORY}/vmlinux", kernel_ident()
    key = _key(path, ident)
    if key not in _loaded:
        own = modular.ModularBtf.parse(_read(path).data, store=_CacheStore(ident))
        _loaded[key] = own.with_modules(_modules())
    found = _loaded[key]
    assert isinstance(found, modular.ModularBtf)
    return found


def _modules() -> LoadedModules:
    key = _key(DIRECTORY, kernel_ident())
    if key not in _known_modules:
        _known_modules[key] = modules.LoadedModules(DIRECTORY, kernel_ident(), _CacheStore)
    return _known_modules[key]


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
    key = _key(file, ident)
    if key not in _loaded:
        try:
            _loaded[key] = parse.Btf.parse(_read(file).data, store=_CacheStore(ident))
        except FormatError as error:
            raise FormatError(f"{file}: {error}") from None
    return _loaded[key]


def _key(file: str, ident: str) -> str:
    return f"{file}\0{ident}"


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
