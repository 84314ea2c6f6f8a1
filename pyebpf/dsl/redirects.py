"""Maps whose entries are devices, CPUs, sockets and cgroups; user space puts them in."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

from pyebpf.abi.constants import BPF_F_BROADCAST, BPF_F_EXCLUDE_INGRESS
from pyebpf.dsl.map_verbs import Gives, HelperVerb
from pyebpf.dsl.maps import Sized
from pyebpf.spec.types import U32, U64

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from pyebpf.dsl.map_flags import MapFlags
    from pyebpf.spec.types import DataType

K = TypeVar("K")
#: What XDP does if there is no such entry.
_XDP_ABORTED = 0
#: What socket programs do if there is no such entry: ``SK_DROP``, and the like.
_NOTHING = 0


class Places(Sized):
    """Maps from a number to something that user space opened."""

    value: ClassVar[DataType] = U32

    def key_and_value(self) -> tuple[DataType, DataType]:
        """Return the types of key and value."""
        return U32, self.value


class _XdpPlaces(Places):
    """Maps that XDP programs send frames to."""

    verbs: ClassVar = {
        "redirect": HelperVerb(
            "redirect_map", Gives.NUMBER, default=_XDP_ABORTED, last="otherwise"
        ),
    }

    def redirect(self, key: int, otherwise: int = _XDP_ABORTED) -> int:
        """Send the frame there when the program has ended; return what the program must return.

        Args:
            key: which entry.
            otherwise: what is returned if there is no such entry: ``XDP_PASS``, for example.
        """
        self._outside("redirect()")


class _WithPrograms(_XdpPlaces):
    """Maps whose entries may hold a program for the frames that are sent there.

    Args:
        max_entries: how many entries there is room for.
        programs: an entry may be a pair: its place, an ``@xdp(entry_of=…)`` probe of the session.
        flags: see :class:`pyebpf.dsl.map_flags.MapFlags`.
    """

    def __init__(
        self, max_entries: int = 10_240, *, programs: bool = False, **flags: Unpack[MapFlags]
    ) -> None:
        super().__init__(max_entries, **flags)
        self.programs = programs

    def key_and_value(self) -> tuple[DataType, DataType]:
        """Return the types of key and value: with programs, place and descriptor in one."""
        return U32, U64 if self.programs else U32


class DevMap(_WithPrograms):
    """Network devices by number: ``return devices.redirect(0)`` in an XDP program.

    Outside, ``session[devices][0] = "eth0"``; with ``programs=True`` also
    ``session[devices][0] = ("eth0", probe)`` (Linux 5.8).

    Since:  Linux 4.14.
    """

    kind = "devmap"
    verbs: ClassVar = {
        "redirect": HelperVerb(
            "redirect_map",
            Gives.NUMBER,
            words={
                "broadcast": BPF_F_BROADCAST,
                "exclude_ingress": BPF_F_EXCLUDE_INGRESS,
            },
            default=_XDP_ABORTED,
            last="otherwise",
        ),
    }

    def redirect(
        self,
        key: int,
        otherwise: int = _XDP_ABORTED,
        *,
        broadcast: bool = False,
        exclude_ingress: bool = False,
    ) -> int:
        """Send the frame to a device when the program has ended.

        Args:
            key: which entry.
            otherwise: what is returned if there is no such entry: ``XDP_PASS``, for example.
            broadcast: to all devices of the map; ``key`` does not count. Since 5.14.
            exclude_ingress: but not to the one that it came from.
        """
        self._outside("redirect()")


class DevMapHash(DevMap):
    """Network devices by any numbers.

    Since:  Linux 5.4.
    """

    kind = "devmap_hash"


class CpuMap(_WithPrograms):
    """CPUs that go on with frames. Outside, ``session[cpus][3] = 192`` gives CPU 3 a queue of 192.

    With ``programs=True`` also ``session[cpus][3] = (192, probe)`` (Linux 5.9).

    Since:  Linux 4.15.
    """

    kind = "cpumap"


class XskMap(_XdpPlaces):
    """AF_XDP sockets by number, most often the receive queue's. Outside, an open socket is stored.

    Since:  Linux 4.18.
    """

    kind = "xskmap"


class SockMap(Places):
    """Sockets by number. Outside, ``session[sockets][0] = connection``.

    Since:  Linux 4.14.
    """

    kind = "sockmap"
    value = U64
    verbs: ClassVar = {
        "redirect": HelperVerb(
            {"sk_skb": "sk_redirect_map", "sk_msg": "msg_redirect_map"},
            Gives.NUMBER,
            default=_NOTHING,
        ),
        "add": HelperVerb("sock_map_update", Gives.LOST, default=0),
        "select": HelperVerb("sk_select_reuseport", Gives.TRUTH),
    }

    def redirect(self, key: int, flags: int = 0) -> int:
        """Send data (``sk_skb``) or a message (``sk_msg``) to a socket; return what it returns.

        Args:
            key: which entry.
            flags: ``BPF_F_INGRESS`` to hand it to the socket's reader.
        """
        self._outside("redirect()")

    def add(self, key: int, flags: int = 0) -> None:
        """Put the socket of a ``sock_ops`` program in; a refusal is counted.

        Args:
            key: where.
            flags: ``BPF_ANY`` (0), ``BPF_NOEXIST`` (1) or ``BPF_EXIST`` (2).
        """
        self._outside("add()")

    def select(self, key: int) -> bool:
        """Give a packet to this socket of a reuse-port group; False if that cannot be."""
        self._outside("select()")


class SockHash(SockMap, Generic[K]):
    """Sockets by keys of any type: ``SockHash[u64](max_entries=64)``.

    Since:  Linux 4.18.
    """

    kind = "sockhash"
    verbs: ClassVar = {
        "redirect": HelperVerb(
            {"sk_skb": "sk_redirect_hash", "sk_msg": "msg_redirect_hash"},
            Gives.NUMBER,
            default=_NOTHING,
        ),
        "add": HelperVerb("sock_hash_update", Gives.LOST, default=0),
        "select": HelperVerb("sk_select_reuseport", Gives.TRUTH),
    }

    def key_and_value(self) -> tuple[DataType, DataType]:
        """Return the types of key and value."""
        return self.types("[u64](max_entries=16)", 1)[0], self.value


class ReuseportSockArray(Places):
    """Sockets of one port, of which a ``sk_reuseport`` program chooses.

    Since:  Linux 4.19.
    """

    kind = "reuseport_sockarray"
    value = U64
    verbs: ClassVar = {"select": HelperVerb("sk_select_reuseport", Gives.TRUTH)}

    def select(self, key: int) -> bool:
        """Give a packet to this socket; False if that cannot be."""
        self._outside("select()")


class CgroupArray(Places):
    """Cgroups by number. Outside, ``session[groups][0] = "/sys/fs/cgroup/web"``.

    Since:  Linux 4.8.
    """

    kind = "cgroup_array"
    verbs: ClassVar = {
        "has_current": HelperVerb("current_task_under_cgroup", Gives.ONE),
        "has_packet": HelperVerb("skb_under_cgroup", Gives.ONE),
    }

    def has_current(self, index: int) -> bool:
        """Tell whether the current thread is in a cgroup, or below it. Since Linux 4.9."""
        self._outside("has_current()")

    def has_packet(self, index: int) -> bool:
        """Tell whether a packet's socket is in a cgroup, or below it, in ``tc`` programs."""
        self._outside("has_packet()")
