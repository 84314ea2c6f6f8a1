"""Tables of networks.

Shapes below: ``n`` entries now in the map.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyebpf.runtime.maps.hash import HashMap
from pyebpf.spec.dtype import pack
from pyebpf.spec.types import Octets, Record

_NETWORKS = (IPv4Network, IPv6Network)


class LpmMap(HashMap):
    """An open ``BPF_MAP_TYPE_LPM_TRIE``: networks are its keys, and it is asked for addresses.

    ``table[address]`` and ``table.get(address)`` give the value of the longest prefix that fits.
    Where the data is no address, a key is ``(data, bits)``, and data alone has all its bits.

    Shape:  a snapshot has keys ``(n,)`` with the fields ``prefixlen`` and ``data``.
    Since:  Linux 4.11.
    """

    @property
    def _declared(self) -> bool:
        """Whether the key is as we declare it; another compiler's object may have any."""
        fields = self.spec.key.fields if isinstance(self.spec.key, Record) else ()
        return [field.name for field in fields] == ["prefixlen", "data"]

    def _pack_key(self, key: object) -> bytes:
        if not self._declared:
            return super()._pack_key(key)
        return pack_prefix(self.spec.key, key, self.layout.key.what)

    def _pack_keys(self, keys: Any) -> NDArray[Any]:
        if isinstance(keys, np.ndarray) or not self._declared:
            return super()._pack_keys(keys)
        return np.frombuffer(b"".join(map(self._pack_key, keys)), self.layout.key.dtype)

    def keys(self) -> list[Any]:
        """Return the networks of one :meth:`snapshot`."""
        if not self._declared:
            return super().keys()
        return [network(key) for key in self.layout.key.pythonic(self.snapshot()[0])]

    def items(self) -> list[tuple[Any, Any]]:
        """Return networks and values of one :meth:`snapshot`."""
        if not self._declared:
            return super().items()
        return [(network(key), value) for key, value in super().items()]


def pack_prefix(kind: Any, key: object, where: str) -> bytes:
    """Return the bytes of a network, an address, or data with a number of bits."""
    assert isinstance(kind, Record)
    data = kind.fields[1].type
    value, bits = _parts(data, key)
    if not 0 <= bits <= 8 * data.size:
        raise ValueError(f"{where}: {bits} bits of {8 * data.size}")
    return pack(kind, (bits, value), where)


def _parts(data: Any, key: object) -> tuple[object, int]:
    if isinstance(key, _NETWORKS):
        return key.network_address, key.prefixlen
    pair = isinstance(key, tuple) and len(key) == len(("data", "bits"))
    if pair and (isinstance(data, Octets) or isinstance(key[0], tuple | dict)):  # type: ignore[index]
        return key[0], int(key[1])  # type: ignore[index]
    if isinstance(key, IPv4Address | IPv6Address):
        return key, key.max_prefixlen
    return key, 8 * data.size


def network(key: Any) -> Any:
    """Return a key as Python has it: a network, or data and bits."""
    data = key.data
    if isinstance(data, IPv4Address | IPv6Address):
        return ip_network((data, key.prefixlen), strict=False)  # the kernel keeps them all
    return data, key.prefixlen
