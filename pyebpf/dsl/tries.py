"""Maps that are searched by prefix: networks."""

from __future__ import annotations

from typing import TypeVar

from pyebpf.dsl.maps import Hash
from pyebpf.errors import PyebpfError
from pyebpf.spec.types import U32, DataType, Field, Octets, Record

K = TypeVar("K")
V = TypeVar("V")
#: The data of a key is behind the length of its prefix.
_DATA_AT = 4


class LpmTrie(Hash[K, V]):
    """A table of networks: ``routes = LpmTrie[IPv4Address, u32](max_entries=256)``.

    Outside, keys are networks: ``session[routes][ip_network("10.0.0.0/8")] = 1``. In a probe
    ``routes.get(address)`` gives the value of the longest prefix that fits the address; a key with
    a length, ``routes[address, 24] = 2``, is a network.

    The key is an address, or a record or tuple whose bytes are compared from the first on: what
    must be equal as a whole stands before what may be cut.

    Since:  Linux 4.11.
    """

    kind = "lpm_trie"

    def key_and_value(self) -> tuple[DataType, DataType]:
        """Return the kernel's form of the key, and the type of the values."""
        data, value = super().key_and_value()
        if not isinstance(data, (Octets, Record)) or data.align > _DATA_AT or data.size % _DATA_AT:
            raise PyebpfError(
                f"LpmTrie: {data} is no key: it is an address, or a record of addresses and "
                "numbers of at most 32 bits"
            )
        return prefix_of(data), value


def prefix_of(data: DataType) -> Record:
    """Return ``struct bpf_lpm_trie_key`` with some data."""
    fields = (Field("prefixlen", U32, 0), Field("data", data, _DATA_AT))
    name = "".join(c if c.isalnum() else "_" for c in f"prefix_{data}")
    return Record(name, fields, _DATA_AT + data.size, _DATA_AT)
