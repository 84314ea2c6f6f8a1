"""The modules that are loaded: which of them has a type, and their types."""

from __future__ import annotations

import os
from array import array
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING
from zlib import crc32

from pyebpf.btf import files
from pyebpf.btf.index import decode, encode
from pyebpf.btf.near import did_you_mean, nearest
from pyebpf.btf.types import Kind, essential
from pyebpf.lazy import lazy

if TYPE_CHECKING:
    from mmap import mmap

    from pyebpf.btf import parse
    from pyebpf.btf.parse import Btf, Store
else:
    parse = lazy("pyebpf.btf.parse")  # to tell which modules are loaded needs none of their types

LOADED = "/sys/module"
INSTALLED = "/lib/modules"

_NAMED = frozenset(
    (Kind.STRUCT, Kind.UNION, Kind.ENUM, Kind.ENUM64, Kind.TYPEDEF, Kind.FUNC, Kind.VAR)
)


class LoadedModules:
    """The modules of the running kernel. Implements :class:`pyebpf.btf.modular.Modules`.

    Attributes:
        asked: whether anybody wanted to know something, so that the answers depend on what is
            loaded.
    """

    def __init__(self, folder: str, kernel: str, store: Callable[[str], Store]) -> None:
        """Look into a folder of BTF files.

        Args:
            folder: ``/sys/kernel/btf``.
            kernel: tells the kernel from others.
            store: keeps the indexes of a blob that is called so.
        """
        self._folder, self._kernel, self._store = folder, kernel, store
        self._table: tuple[str, bytes] = "", b""
        self.asked = False

    def names(self) -> list[str]:
        """Return the modules whose types the kernel offers, sorted."""
        try:
            return sorted(name for name in os.listdir(self._folder) if name != "vmlinux")  # noqa: PTH208
        except FileNotFoundError:
            return []

    def ident(self) -> str:
        """Return what changes when other modules are loaded, or others of the same names.

        Cost:    a file for each module.
        """
        idents = "\n".join(self._ident(name) for name in self.names())
        return f"{self._kernel}-{crc32(idents.encode()):08x}"

    def having(self, name: str, kernel: Btf) -> list[str]:
        """Return the loaded modules with types of an essential name, in addition to the kernel's.

        Cost:    a few microseconds for each module; 0.1 s when modules were loaded that have not
                 been seen together before, since all their names are then read.
        """
        self.asked = True
        names = self.names()
        if not names:
            return []
        key = "\n".join(names)
        if self._table[0] != key:
            self._table = key, self._names(kernel)
        line = b"\n" + encode(name) + b"\t"
        start = self._table[1].find(line)
        if start < 0:
            return []
        end = self._table[1].find(b"\n", start + 1)
        return self._table[1][start + len(line) : end].decode().split(",")

    def open(self, module: str, kernel: Btf) -> Btf:
        """Return the types of a module.

        Raises:
            KeyError: there are none.
        """
        self.asked = True
        if module not in self.names():
            raise KeyError(module)
        return parse.Btf.parse(self._data(module), kernel, store=self._store(self._ident(module)))

    def advice(self, module: str) -> str:
        """Say why there are no types of a module, and what to do."""
        self.asked = True
        return missing(module) or (
            f"the kernel offers no types of module {module} (there is no {self._folder}/"
            f"{module}): it needs CONFIG_DEBUG_INFO_BTF_MODULES, Linux 5.11"
        )

    def _ident(self, module: str) -> str:
        size = os.stat(f"{self._folder}/{module}").st_size  # noqa: PTH116
        try:
            with open(f"{LOADED}/{module}/notes/.note.gnu.build-id", "rb") as file:  # noqa: PTH123
                build = files.build_id(file.read())
        except OSError:
            build = self._kernel
        return f"{module}-{size}-{build}"

    def _data(self, module: str) -> bytes | mmap:
        return files.read(f"{self._folder}/{module}").data

    def _names(self, kernel: Btf) -> bytes:
        """Return a line for each name: the modules that have it."""
        store = self._store(self.ident())
        kept = store.read("names")
        if kept is not None:
            return kept
        found: dict[bytes, list[bytes]] = {}
        for module in self.names():
            for name in _named(parse.Btf.parse(self._data(module), kernel)):
                found.setdefault(name, []).append(module.encode())
        lines = (b"%s\t%s\n" % (name, b",".join(modules)) for name, modules in found.items())
        table = b"\n" + b"".join(lines)
        store.write("names", table)
        return table


def missing(module: str) -> str:
    """Say that a module is not loaded, and what to do; empty if it is."""
    if os.path.isdir(f"{LOADED}/{module}"):  # noqa: PTH112 - quick to import
        return ""
    installed = {name.replace("-", "_") for name in _installed()}
    if module in installed:
        return f"the module {module} is not loaded: run `modprobe {module}` first"
    return f"this kernel has no module {module}{did_you_mean(nearest(module, installed))}"


def _named(btf: Btf) -> set[bytes]:
    """Return the essential names of a module's own types."""
    words = array("I", btf.sections()[0])  # indexing a memoryview costs twice as much
    offsets = {words[at] for at in btf.starts if words[at + 1] >> 24 & 0x7F in _NAMED}
    names = {btf.raw_string(offset) for offset in offsets if offset}
    flavoured = {name for name in names if b"___" in name}
    return names - flavoured | {encode(essential(decode(name))) for name in flavoured}


def _installed() -> Iterator[str]:
    """Yield the modules that could be loaded."""
    try:
        with open(f"{INSTALLED}/{os.uname().release}/modules.dep", encoding="utf-8") as file:  # noqa: PTH123
            for line in file:
                yield line.partition(":")[0].rpartition("/")[2].partition(".ko")[0]
    except OSError:
        return
