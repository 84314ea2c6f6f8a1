"""Maps without keys: queues, stacks, and Bloom filters."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

from pyebpf.abi.constants import BPF_EXIST
from pyebpf.dsl.map_verbs import Gives, HelperVerb
from pyebpf.dsl.maps import Sized
from pyebpf.errors import PyebpfError

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from pyebpf.dsl.map_flags import MapFlags
    from pyebpf.spec.objects import MapSpec
    from pyebpf.spec.types import DataType

V = TypeVar("V")
_MAX_HASHES = 15


class _Valued(Sized, Generic[V]):
    """Maps that hold values and have no keys."""

    def key_and_value(self) -> tuple[None, DataType]:
        """Return None for the key, and the type of the values."""
        return None, self.types("[u64](max_entries=16)", 1)[0]


class Queue(_Valued[V]):
    """Values in the order in which they were put in: ``waiting = Queue[u64](max_entries=64)``.

    Programs and user space put in and take out at the same end each; ``session[waiting]`` has the
    same methods.

    Since:  Linux 4.20.
    """

    kind = "queue"
    verbs: ClassVar = {
        "push": HelperVerb("map_push_elem", Gives.LOST, words={"replace": BPF_EXIST}),
        "pop": HelperVerb("map_pop_elem", Gives.TAKEN),
        "peek": HelperVerb("map_peek_elem", Gives.TAKEN),
    }

    def push(self, value: V, *, replace: bool = False) -> None:
        """Put a value in. What a full map has no room for is counted (``session.lost()``).

        Args:
            value: what to put in.
            replace: make room by dropping the value that would be taken out last; a constant.
        """
        self._outside("push()")

    def pop(self) -> V | None:
        """Take the next value out: the oldest of a queue, the newest of a stack; None if empty."""
        self._outside("pop()")

    def peek(self) -> V | None:
        """Return the value that :meth:`pop` would take, and leave it there; None if empty."""
        self._outside("peek()")


class Stack(Queue[V]):
    """Values of which the newest comes out first: ``seen = Stack[u64](max_entries=64)``.

    Since:  Linux 4.20.
    """

    kind = "stack"


class BloomFilter(_Valued[V]):
    """A set that remembers roughly: ``seen = BloomFilter[u64](max_entries=1_000)``.

    ``value in seen`` is True for every value that was added, and for a few that were not.

    Args:
        max_entries: how many values it is made for; with more of them, more answers are wrong.
        hashes: how many bits stand for a value, 1 to 15; the kernel takes 5.
        flags: see :class:`pyebpf.dsl.map_flags.MapFlags`.

    Since:  Linux 5.16.
    """

    kind = "bloom_filter"
    verbs: ClassVar = {
        "add": HelperVerb("map_push_elem", Gives.LOST),
        "__contains__": HelperVerb("map_peek_elem", Gives.TRUTH),
    }

    def __init__(
        self, max_entries: int = 10_240, *, hashes: int = 0, **flags: Unpack[MapFlags]
    ) -> None:
        super().__init__(max_entries, **flags)
        if not 0 <= hashes <= _MAX_HASHES:
            raise PyebpfError(f"BloomFilter(hashes={hashes}): there can be 1 to {_MAX_HASHES}")
        self.hashes = hashes

    def spec(self, name: str, cpus: int) -> MapSpec:
        return super().spec(name, cpus).replace(extra=self.hashes)

    def add(self, value: V) -> None:
        """Add a value."""
        self._outside("add()")

    def __contains__(self, value: V) -> bool:
        self._outside("in")
