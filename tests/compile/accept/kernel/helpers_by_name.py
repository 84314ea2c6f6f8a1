from pyebpf import *
from pyebpf import helpers


@record
class Row:
    comm: Char = chars(16)
    n: i64


rows = Hash[u32, Row](max_entries=8)
counts = Hash[u32, u64](max_entries=8)
out = Array[i64](max_entries=8)


@raw_tracepoint("sys_enter")
def probe(ctx: RawTracepointContext) -> None:
    row = Row(n=1)
    out[0] = helpers.get_current_comm(row.comm, 16)
    rows[1] = row
    out[1] = helpers.map_update_elem(counts, 7, 70)
    out[2] = helpers.map_delete_elem(map=counts, key=7)
    found = helpers.map_lookup_elem(rows, 1)
    if found is not None:
        out[3] = helpers.probe_read_kernel(found.n, 8, current_task())
    out[4] = helpers.get_current_task_btf().tgid
