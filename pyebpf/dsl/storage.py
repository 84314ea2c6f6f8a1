"""Values that belong to kernel objects, and go with them: of threads, inodes, sockets, cgroups."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from pyebpf.dsl.maps import Keyed
from pyebpf.dsl.scalars import Ptr
from pyebpf.spec.types import I32, DataType

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from pyebpf.dsl.map_flags import MapFlags
    from pyebpf.spec.objects import MapSpec

V = TypeVar("V")


class Storage(Keyed[Ptr[Any], V], Generic[V]):
    """A value for each of some kernel objects, found by a pointer to the object.

    The key is a pointer that the kernel vouches for: an argument of the probe, or
    ``current_task()``. Nothing is to be removed: a value is gone with its object. As for a hash,
    ``storage[task] += 1`` starts at 0, and ``storage.get(task)`` is None without a value.

    Args:
        flags: see :class:`pyebpf.dsl.map_flags.MapFlags`.
    """

    def __init__(self, **flags: Unpack[MapFlags]) -> None:
        super().__init__(1, **flags)

    def key_and_value(self) -> tuple[DataType, DataType]:
        """Return the type of descriptors, by which user space finds values, and of the values."""
        return I32, self.types("[u64]()", 1)[0]

    def spec(self, name: str, cpus: int) -> MapSpec:
        return super().spec(name, cpus).replace(max_entries=0)

    @overload
    def get(self, key: Ptr[Any], *, create: bool = False) -> V | None: ...
    @overload
    def get(self, key: Ptr[Any], default: V) -> V: ...
    def get(self, key: Ptr[Any], default: Any = None, *, create: bool = False) -> Any:
        """Return the value of an object, or ``default``; None without: test it before use.

        Args:
            key: the object.
            default: what to give if it has no value.
            create: make a value of zeros first if it has none; a constant. Still None if there is
                no memory.
        """
        self._outside("get()")

    def setdefault(self, key: Ptr[Any], value: V) -> V:
        """Return the value of an object, which is ``value`` if it had none."""
        self._outside("setdefault()")

    @overload
    def pop(self, key: Ptr[Any]) -> V | None: ...
    @overload
    def pop(self, key: Ptr[Any], default: V) -> V: ...
    def pop(self, key: Ptr[Any], default: Any = None) -> Any:
        """Remove the value of an object and return it, or ``default`` if it has none."""
        self._outside("pop()")

    def __delitem__(self, key: Ptr[Any]) -> None:
        """Remove the value of an object if it has one."""
        self._outside("del")

    def __contains__(self, key: Ptr[Any]) -> bool:
        self._outside("in")


class TaskStorage(Storage[V]):
    """A value for each thread: ``started = TaskStorage[u64]()``, ``started[current_task()] = now``.

    Outside, ``session[started][tid]`` is the value of the main thread of a process.

    Since:  Linux 5.11; 5.15 in probes of functions and tracepoints.
    """

    kind = "task_storage"


class InodeStorage(Storage[V]):
    """A value for each inode, in LSM probes. Outside, the key is a path or an open file.

    Since:  Linux 5.10.
    """

    kind = "inode_storage"


class SkStorage(Storage[V]):
    """A value for each socket. Outside, the key is an open socket.

    Since:  Linux 5.2.
    """

    kind = "sk_storage"


class CgrpStorage(Storage[V]):
    """A value for each cgroup. Outside, the key is its path below ``/sys/fs/cgroup``.

    Since:  Linux 6.2.
    """

    kind = "cgrp_storage"
