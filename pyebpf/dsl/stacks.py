"""Call stacks, kept by the kernel under small numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyebpf.abi.constants import BPF_F_STACK_BUILD_ID
from pyebpf.dsl.map_flags import pin_path
from pyebpf.dsl.maps import MapDecl
from pyebpf.dsl.scalars import i64
from pyebpf.errors import PyebpfError
from pyebpf.spec.objects import MapSpec
from pyebpf.spec.stacks import SECOND_PIN, entries_of_each, stack_type
from pyebpf.spec.types import U32

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyebpf.dsl.map_flags import Path

#: ``PERF_MAX_STACK_DEPTH`` of ``include/uapi/linux/perf_event.h``.
MAX_DEPTH = 127


class StackTrace(MapDecl):
    """Call stacks by id: ``by_stack[stacks.kernel()] += 1`` with ``stacks = StackTrace()``.

    Equal stacks get one id. ``session[stacks][id]`` gives the addresses, innermost first, as a
    numpy array ``(n,)`` of ``uint64``; ``session[stacks].names(id, pid)`` names its functions, and
    ``session[stacks].counts(session[samples])`` the stacks that another map counts.

    Args:
        max_entries: how many different stacks there is room for, rounded up to a power of two; it
            may be a ``Const``. The kernel has a place for each hash of a stack, and there are two
            maps of these places: a third stack that falls into one gets no id and is counted as
            lost (``session.lost()``). Docs: how many that are.
        depth: how many addresses of a stack are kept, at most 127.
        replace: a new stack takes the place, and ids of the old one give the new one from then on;
            nothing is lost, and there is one map.
        stack_build_id: keep of each place in user space the build id of its file and the offset
            there, which can be named when the process is gone. Where the kernel has no build id, or
            may not wait for it, it keeps the address.
        pin: its path in a BPF file system, where it outlives the session; the second map is beside
            it, with ``_second`` at the end of its name.

    Cost:   memory for as many stacks, all of it when the maps are made: 8 bytes for each address,
        1 KB for a stack of 127; with build ids 32 bytes for each, and twice as many stacks.
    Since:  Linux 4.6.
    """

    kind = "stack_trace"

    def __init__(
        self,
        max_entries: int = 1024,
        *,
        depth: int = MAX_DEPTH,
        replace: bool = False,
        stack_build_id: bool = False,
        pin: Path | None = None,
    ) -> None:
        self.pin = pin_path("StackTrace", pin)
        self.max_entries = self._room(max_entries)
        if not 1 <= depth <= MAX_DEPTH:
            raise PyebpfError(f"StackTrace(depth={depth}): a stack has 1 to {MAX_DEPTH} addresses")
        self.depth, self.replace = depth, replace
        self.stack_build_id = stack_build_id
        #: Where stacks go that the first map has no place for.
        self.second = None if replace else SecondStacks(self)

    def entries_with(self, options: Mapping[Any, Any]) -> int:
        return self._entries(super().entries_with(options))

    def _entries(self, stacks: int) -> int:
        if self.replace:
            return stacks
        return entries_of_each(stacks, build_ids=self.stack_build_id)

    def spec(self, name: str, cpus: int) -> MapSpec:
        value = stack_type(self.depth, build_ids=self.stack_build_id)
        flags = BPF_F_STACK_BUILD_ID if self.stack_build_id else 0
        entries = self._entries(self.max_entries)
        return MapSpec(name, self.kind, 4, value.size, entries, flags, U32, value)

    def kernel(self, skip: int = 0) -> i64:
        """Keep the kernel's stack here, and return its id; negative if there is none.

        Args:
            skip: how many of the innermost addresses to leave out; a constant up to 255.
        """
        self._outside("kernel()")

    def user(self, skip: int = 0) -> i64:
        """Keep the stack of the current thread in user space, like :meth:`kernel`.

        The kernel follows frame pointers, so code compiled without them gives short stacks.
        """
        self._outside("user()")


class SecondStacks(MapDecl):
    """The second map of a :class:`StackTrace`, which nobody declares."""

    kind = StackTrace.kind

    def __init__(self, first: StackTrace) -> None:
        self.first = first
        self.entries_option = first.entries_option
        self.pin = f"{first.pin}{SECOND_PIN}" if first.pin else None

    def entries_with(self, options: Mapping[Any, Any]) -> int:
        return self.first.entries_with(options)

    def spec(self, name: str, cpus: int) -> MapSpec:
        return self.first.spec(name, cpus)
