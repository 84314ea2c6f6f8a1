"""Values that belong to kernel objects, and go with them: of threads, inodes, sockets, cgroups."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, overload

from pyebpf.dsl.annotations import data_type
from pyebpf.dsl.map_verbs import Gives, HelperVerb
from pyebpf.dsl.maps import Keyed, MapDecl
from pyebpf.dsl.scalars import Ptr
from pyebpf.errors import PyebpfError
from pyebpf.spec.objects import MapSpec
from pyebpf.spec.types import I32, U32, U64, DataType, Record, record

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from pyebpf.dsl.map_flags import MapFlags

V = TypeVar("V")
#: ``struct bpf_cgroup_storage_key`` of ``include/uapi/linux/bpf.h``.
_PLACE = record("bpf_cgroup_storage_key", [("cgroup_inode_id", U64), ("attach_type", U32)])


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


class CgroupStorage(MapDecl, Generic[V]):
    """A record for each cgroup that a program is attached to: ``CgroupStorage[Traffic]()``.

    ``own.get()`` is the record of the cgroup that the program runs for; it is always there.
    Outside, the key is ``(id, type)``: the number of the cgroup's inode, and ``BPF_CGROUP_*``.

    Since:  Linux 4.19.
    """

    kind = "cgroup_storage"
    verbs: ClassVar = {"get": HelperVerb("get_local_storage", Gives.ENTRY)}

    def record(self) -> DataType:
        """Return the type of the records."""
        args = self.type_arguments()
        kind = data_type(args[0]) if args else None
        if not isinstance(kind, Record):
            raise PyebpfError(f"{type(self).__name__} needs a record: CgroupStorage[Traffic]()")
        return kind

    def spec(self, name: str, cpus: int) -> MapSpec:
        value = self.record()
        return MapSpec(name, self.kind, _PLACE.size, value.size, 0, 0, _PLACE, value)

    def get(self) -> V:
        """Return the record of the cgroup that the program runs for."""
        self._outside("get()")


class PerCpuCgroupStorage(CgroupStorage[V]):
    """A :class:`CgroupStorage` with a record for each CPU.

    Since:  Linux 4.20.
    """

    kind = "percpu_cgroup_storage"
