"""Fields in the order of the network: read, written, made, and in the memory of others."""

from pyebpf import Events, Hash, Ptr, be16, be32, be64, cast, raw_tracepoint, record, u16, u64


@record
class Header:
    port: be16
    plain: u16
    number: be32
    long: be64


headers = Hash[u64, Header](max_entries=4)
events = Events[Header](pages=1)


@raw_tracepoint("sys_enter")
def probe() -> None:
    mine = Header(port=53, plain=53, number=0x01020304)
    mine.port += 1
    mine.long = mine.number + mine.port
    headers[1] = mine
    found = headers.get(1)
    if found is not None and found.port == 54:
        found.number = found.long
    with events.reserve() as e:
        e.port, e.plain = 80, 80
    far = cast(Ptr[Header], 4_096)
    headers[far.port] = Header(number=far.number)
