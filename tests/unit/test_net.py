"""Headers lie as the RFCs say, and their fields are the numbers that a person reads."""

from __future__ import annotations

import ipaddress
import struct

import pytest

from pyebpf import net
from pyebpf.errors import PyebpfError
from pyebpf.spec.dtype import pack, records
from pyebpf.spec.types import Record

SIZES = {
    "Ethernet": 14, "VLAN": 4, "ARP": 28, "IPv4": 20, "IPv6": 40, "TCP": 20, "UDP": 8, "ICMP": 8,
}  # fmt: skip


def layout(name: str) -> Record:
    found: Record = getattr(net, name).__pyebpf_record__
    return found


@pytest.mark.parametrize(("name", "size"), SIZES.items())
def test_a_header_has_its_size(name: str, size: int) -> None:
    assert layout(name).size == size


def test_an_ipv4_header_is_what_struct_packs() -> None:
    data = struct.pack("!BBHHHBBHII", 0x45, 1, 28, 2, 3, 64, 17, 4, 0x7F000001, 0x0A000001)
    row = records(layout("IPv4"), data)[0]
    assert (row["version"], row["words"], row["length"], row["checksum"]) == (4, 5, 28, 4)
    values = {name: row[name] for name in row.dtype.names}
    values["source"] = ipaddress.IPv4Address("127.0.0.1")
    values["target"] = ipaddress.IPv4Address("10.0.0.1")
    assert pack(layout("IPv4"), values) == data


def test_the_flags_of_tcp_are_bits() -> None:
    data = struct.pack("!HHIIBBHHH", 80, 4000, 1 << 31, 7, 0x50, 0x12, 512, 9, 0)
    row = records(layout("TCP"), data)[0]
    assert (row["source"], row["target"], row["sequence"], row["words"]) == (80, 4000, 1 << 31, 5)
    flags = [name for name in ("fin", "syn", "rst", "psh", "ack", "urg") if row[name]]
    assert flags == ["syn", "ack"]


def test_a_column_of_network_numbers_computes() -> None:
    rows = records(layout("UDP"), struct.pack("!8H", 53, 1, 8, 0, 80, 2, 8, 0))
    assert rows["source"].tolist() == [53, 80]
    assert int(rows["source"].sum()) == 133


def test_a_bit_field_has_no_byte_order() -> None:
    from pyebpf import be16, bits, record

    with pytest.raises(PyebpfError, match="a bit-field has no byte order"):

        @record
        class Wrong:
            kind: be16 = bits(4)
