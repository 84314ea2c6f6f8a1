"""System calls by host name of the container."""

from pyebpf import Char, Hash, chars, current_task, raw_tracepoint, record, u64


@record
class Host:
    name: Char = chars(65)


by_host = Hash[Host, u64](max_entries=64)


@raw_tracepoint("sys_enter")
def probe() -> None:
    host = Host(name=current_task().nsproxy.uts_ns.name.nodename)
    by_host[host] += 1
