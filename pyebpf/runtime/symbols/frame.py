"""One place in code, with all that is known of it."""

from __future__ import annotations

from typing import NamedTuple


class Frame(NamedTuple):
    """What an address of a call stack is.

    Attributes:
        address: as the stack has it; the offset in the file where the kernel gave a build id.
        name: the function as programmers write it; "" if it is not known.
        offset: bytes into the function; without one into the file; 0 if nothing is known.
        module: the file as the process sees it, the kernel's module, ``"[kernel]"``, ``"[vdso]"``,
            ``"[jit]"`` for code that was made at run time; "" if it is not known.
    """

    address: int
    name: str
    offset: int
    module: str

    def __str__(self) -> str:
        """Return the function; the file in brackets, or the address, where there is none."""
        if self.name:
            return self.name
        if self.module:
            return f"[{self.module.rpartition('/')[2].strip('[]')}]"
        return f"{self.address:#x}"
