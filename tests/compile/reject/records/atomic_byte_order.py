from pyebpf import Hash, be32, raw_tracepoint, record, u64


@record
class Header:
    number: be32


headers = Hash[u64, Header](max_entries=4)


@raw_tracepoint("sys_enter")
def probe() -> None:
    found = headers.get(1)
    if found is not None:
        found.number += 1
