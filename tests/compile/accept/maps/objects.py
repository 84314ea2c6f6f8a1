from pyebpf import *
from pyebpf.kernel import cgroup, sock

sockets = SkStorage[u64](clone=True)
groups = CgrpStorage[u64]()


@tp_btf("inet_sock_set_state")
def changed(sk: Ptr[sock], old: i32, new: i32) -> None:
    sockets[sk] += 1
    if new == 7:
        del sockets[sk]


@tp_btf("cgroup_mkdir")
def made(cgrp: Ptr[cgroup]) -> None:
    groups[cgrp] = 17
    if groups.get(cgrp) is None:
        del groups[cgrp]
