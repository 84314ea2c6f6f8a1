"""The kernel's own handles of the types of modules, open while programs that name them load."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pyebpf.errors import RelocationError
from pyebpf.lazy import lazy
from pyebpf.owner import Owner
from pyebpf.runtime import syscall

if TYPE_CHECKING:
    from pyebpf.runtime import info
else:
    info = lazy("pyebpf.runtime.info")


class ModuleFds(Owner):
    """Descriptors of the BTF of modules, by name. It owns them."""

    def __init__(self) -> None:
        self._open: dict[str, int] = {}

    def __getitem__(self, module: str) -> int:
        """Return the descriptor of a module's types; opened at the first question.

        Raises:
            RelocationError: the kernel has no types of it (any more).
            KernelError: this process may not look for them.
        Cost:    two system calls for each BTF blob that the kernel has.
        Since:   Linux 5.11.
        """
        if module not in self._open:
            self._open[module] = _find(module)
        return self._open[module]

    def close(self) -> None:
        """Close them; programs that were loaded keep what they need."""
        for fd in self._open.values():
            os.close(fd)
        self._open.clear()


def _find(module: str) -> int:
    for ident in syscall.ids("btf"):
        fd = syscall.fd_by_id("btf", ident)
        found = info.btf_info(fd)
        if found.kernel and found.name == module:
            return fd
        os.close(fd)
    raise RelocationError(f"the kernel has no types of the module {module}: is it still loaded?")
