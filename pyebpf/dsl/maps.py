"""Declarations of maps. A declaration holds nothing and opens nothing: ``load`` makes the map.

The methods exist for probes and for type checkers. Outside a probe, read the open map:
``session[declaration]``.
"""

from __future__ import annotations

from operator import index
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NoReturn, TypeVar, get_args, overload

from pyebpf.abi.constants import BPF_F_INNER_MAP, BPF_F_MMAPABLE
from pyebpf.abi.maps import MAP_KINDS
from pyebpf.dsl.annotations import data_type
from pyebpf.dsl.constants import ConstDecl, value_of
from pyebpf.dsl.map_flags import Chosen
from pyebpf.errors import PyebpfError
from pyebpf.spec.kernel_fields import kernel_fields
from pyebpf.spec.objects import MapSpec
from pyebpf.spec.types import U32, DataType

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import Unpack

    from pyebpf.dsl.map_flags import MapFlags
    from pyebpf.dsl.map_verbs import HelperVerb
    from pyebpf.spec.aggregates import AggregateSpec
    from pyebpf.spec.events import EventShape
    from pyebpf.spec.target import Target

K = TypeVar("K")
V = TypeVar("V")

#: ``max_entries`` of ``union bpf_attr`` in ``include/uapi/linux/bpf.h`` has 32 bits.
_MOST = (1 << 32) - 1


def room(owner: str, word: str, number: Any) -> int:
    """Return for how many entries or keys a map has room.

    Args:
        owner: what is declared, for the message.
        word: the argument that says it: ``max_entries``, ``max_keys``.
        number: what was said there.

    Raises:
        PyebpfError: it is no such number.
    """
    try:
        size = index(number)
    except TypeError:
        raise PyebpfError(f"{owner}: {word}={number!r} is no whole number") from None
    if size < 1:
        unit = "key" if word == "max_keys" else "entry"
        raise PyebpfError(f"{owner}: {word}={size}: a map holds at least 1 {unit}")
    if size > _MOST:
        raise PyebpfError(f"{owner}: {word}={size}: no map holds more than {_MOST}")
    return size


class MapDecl:
    """A declared map.

    Attributes:
        kind: the row's name in ``pyebpf.abi.maps``.
        verbs: the methods that are calls of a helper, by name.
        pin: where the map is pinned, if it is.
    """

    kind: ClassVar[str]
    verbs: ClassVar[dict[str, HelperVerb]] = {}
    #: The path in a BPF file system where the map is pinned. No part of what is compiled.
    pin: str | None = None
    #: The constant that says how many entries there are. No part of what is compiled either.
    entries_option: ConstDecl | None = None
    #: What the compiler made of it, if it stands for a map that a program found in another one.
    found: Any = None

    def spec(self, name: str, cpus: int) -> MapSpec:
        """Return what is to be created under ``name`` on a machine with ``cpus`` possible CPUs."""
        raise NotImplementedError

    def spec_for(self, name: str, target: Target) -> MapSpec:
        """Return what is to be created for a kernel."""
        return self.spec(name, target.cpus)

    def entries_with(self, options: Mapping[Any, Any]) -> int:
        """Return how many entries the map is made with, where a constant says how many."""
        return room(type(self).__name__, "max_entries", value_of(self.entries_option, options))

    def aggregate(self) -> AggregateSpec | None:
        """Say what the map's rows are, if it is an aggregate."""
        return None

    def shape(self) -> EventShape | None:
        """Say how records lie in the map, if it is a stream of them."""
        return None

    def stored(self) -> DataType | None:
        """Return what its helpers take or give, if that is not the map's own value."""
        return None

    def _room(self, max_entries: int, *, fixed: str = "") -> int:
        """Return for how many entries a map is compiled; a constant may say others later.

        Args:
            max_entries: as declared.
            fixed: why no constant may say it; nothing if one may.

        Raises:
            PyebpfError: there is no room, or it is a constant where it may not.
        """
        name = type(self).__name__
        if isinstance(max_entries, ConstDecl):
            if fixed:
                raise PyebpfError(f"{name}: max_entries cannot be an option: {fixed}")
            self.entries_option = max_entries
        return room(name, "max_entries", value_of(max_entries, {}))

    def type_arguments(self) -> tuple[Any, ...]:
        """Return what stands in the brackets of the declaration: ``Hash[u32, u64]``."""
        return get_args(getattr(self, "__orig_class__", None))

    def _outside(self, verb: str) -> NoReturn:
        raise PyebpfError(f"{verb} works in a probe; outside, use session[…], the open map")


class Sized(MapDecl):
    """Maps that are made with a number of entries, and flags.

    Args:
        max_entries: how many entries there is room for; of hashes it may be a ``Const``.
        flags: see :class:`pyebpf.dsl.map_flags.MapFlags`.
    """

    #: Why the number of entries is part of what is compiled; nothing if it is not.
    fixed: ClassVar[str] = ""

    def __init__(self, max_entries: int = 10_240, **flags: Unpack[MapFlags]) -> None:
        self.max_entries = self._room(max_entries, fixed=self.fixed)
        self.chosen = Chosen(type(self).__name__, self.kind, flags)
        self.pin = self.chosen.pin

    def types(self, example: str, count: int) -> list[DataType]:
        """Return what stands in the brackets as types of data.

        Raises:
            PyebpfError: there are more or fewer, or one has no size.
        """
        args = self.type_arguments()
        name = type(self).__name__
        if len(args) != count:
            raise PyebpfError(f"{name} needs its type{'s' * (count > 1)}: {name}{example}")
        found = []
        for arg in args:
            kind = data_type(arg)
            if kind is None:
                raise PyebpfError(f"{name}: {arg!r} has no size in the kernel; use u8 … i64, …")
            found.append(kind)
        return found

    def key_and_value(self) -> tuple[DataType | None, DataType | None]:
        """Return the types of key and value; None for what a kind has not."""
        raise NotImplementedError

    def _flags(self) -> int:
        return MAP_KINDS[self.kind].flags | self.chosen.bits

    def spec(self, name: str, cpus: int) -> MapSpec:
        key, value = self.key_and_value()
        return MapSpec(
            name,
            self.kind,
            key.size if key else 0,
            value.size if value else 0,
            self.max_entries,
            self._flags(),
            key,
            value,
            numa_node=self.chosen.numa_node,
        )


class Keyed(Sized, Generic[K, V]):
    """Maps with keys and values."""

    def key_and_value(self) -> tuple[DataType, DataType]:
        """Return the types of key and value."""
        key, value = self.types("[u32, u64](max_entries=1024)", 2)
        return key, value

    def __getitem__(self, key: K) -> V:
        """Read (of an array), or update in place: ``counts[key] += 1`` is atomic.

        A negative index counts from the end; one out of range ends the probe.
        """
        self._outside("[]")

    def __setitem__(self, key: K, value: V) -> None:
        """Insert or replace."""
        self._outside("[] =")

    @overload
    def get(self, key: K) -> V | None: ...
    @overload
    def get(self, key: K, default: V) -> V: ...
    def get(self, key: K, default: Any = None) -> Any:
        """Return the value of ``key``, or ``default``; None without: test it before use."""
        self._outside("get()")

    def fetch_add(self, key: K, amount: int) -> V:
        """Add ``amount`` atomically, and return what was there before; a missing entry starts at 0.

        Since Linux 5.12, as are the methods below.
        """
        self._outside("fetch_add()")

    def fetch_and(self, key: K, mask: int) -> V:
        """Keep the bits of ``mask``, and return what was there before."""
        self._outside("fetch_and()")

    def fetch_or(self, key: K, bits: int) -> V:
        """Set ``bits``, and return what was there before."""
        self._outside("fetch_or()")

    def fetch_xor(self, key: K, bits: int) -> V:
        """Flip ``bits``, and return what was there before."""
        self._outside("fetch_xor()")

    def exchange(self, key: K, value: V) -> V:
        """Store the number ``value``, and return what was there before."""
        self._outside("exchange()")

    def compare_exchange(self, key: K, expected: V, new: V) -> V:
        """Store ``new`` if ``expected`` is there, and return what was there before."""
        self._outside("compare_exchange()")


class Hash(Keyed[K, V]):
    """A hash table shared by all CPUs: ``Hash[Ptr[request], u64](max_entries=10_240)``.

    An update when the table is full is refused by the kernel; the session counts it
    (``session.lost()``).

    Since:  Linux 3.19.
    """

    kind = "hash"

    @overload
    def pop(self, key: K) -> V | None: ...
    @overload
    def pop(self, key: K, default: V) -> V: ...
    def pop(self, key: K, default: Any = None) -> Any:
        """Remove ``key`` and return its value, or ``default`` if it is absent."""
        self._outside("pop()")

    def setdefault(self, key: K, value: V) -> V:
        """Return the value of ``key``, inserting ``value`` first if it is absent."""
        self._outside("setdefault()")

    def __delitem__(self, key: K) -> None:
        """Remove ``key`` if it is there."""
        self._outside("del")

    def __contains__(self, key: K) -> bool:
        self._outside("in")


class LruHash(Hash[K, V]):
    """A hash table that drops the least recently used entry when it is full.

    Since:  Linux 4.10.
    """

    kind = "lru_hash"


class PerCpuHash(Hash[K, V]):
    """A hash table with a value for each CPU: no CPU waits for another.

    ``session[map][key]`` is one value per possible CPU, shape ``(cpus,)``.

    Since:  Linux 4.6.
    """

    kind = "percpu_hash"


class LruPerCpuHash(Hash[K, V]):
    """A :class:`PerCpuHash` that drops the least recently used entry when it is full.

    Since:  Linux 4.10.
    """

    kind = "lru_percpu_hash"


class RHash(Hash[K, V]):
    """A hash table that grows and shrinks with its entries, up to ``max_entries``.

    Since:  newer than Linux 6.18.
    """

    kind = "rhash"


class Numbered(Keyed[int, V], Generic[V]):
    """Maps whose keys are the numbers from 0 to ``max_entries - 1``."""

    fixed = "programs are compiled for the length of an array"

    def key_and_value(self) -> tuple[DataType, DataType]:
        """Return the types of key and value."""
        return U32, self.types("[u64](max_entries=16)", 1)[0]

    def __len__(self) -> int:
        """Return ``max_entries``."""
        return self.max_entries


class Array(Numbered[V]):
    """``max_entries`` values, numbered from 0, all 0 at first: ``Array[u64](max_entries=16)``.

    Shared with user space as memory: ``session[array].view()`` is a live numpy array.

    Since:  Linux 3.19; the mapping 5.5.
    """

    kind = "array"

    def _flags(self) -> int:
        flags = super()._flags()
        # What the kernel keeps for itself in a value is not mapped into a process; nor is what
        # stands in an array of maps beside arrays of other lengths.
        other = self.chosen.off & BPF_F_MMAPABLE or flags & BPF_F_INNER_MAP
        if other or kernel_fields(self.key_and_value()[1]):
            return flags
        return flags | BPF_F_MMAPABLE


class PerCpuArray(Numbered[V]):
    """An array with one copy per CPU: no CPU waits for another.

    ``session[array][0]`` is one value per possible CPU, shape ``(cpus,)``.

    Since:  Linux 4.6.
    """

    kind = "percpu_array"
