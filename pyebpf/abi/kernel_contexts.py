"""What the kernel itself has behind the context of each kind of program.

Source: ``include/linux/bpf_types.h``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyebpf.abi import constants as c

if TYPE_CHECKING:
    from pyebpf.abi.programs import ProgramKind

#: The structure of the context → the kernel's own.
_STRUCTS = {
    "__sk_buff": "sk_buff",
    "xdp_md": "xdp_buff",
    "bpf_sock": "sock",
    "bpf_sock_addr": "bpf_sock_addr_kern",
    "bpf_sock_ops": "bpf_sock_ops_kern",
    "bpf_sockopt": "bpf_sockopt_kern",
    "bpf_sysctl": "bpf_sysctl_kern",
    "bpf_sk_lookup": "bpf_sk_lookup_kern",
    "bpf_perf_event_data": "bpf_perf_event_data_kern",
    "sk_msg_md": "sk_msg",
    "sk_reuseport_md": "sk_reuseport_kern",
}


def kernel_context(row: ProgramKind) -> str:
    """Return the name of the kernel's structure; empty if there is none, or it is the same."""
    if row.prog_type == c.BPF_PROG_TYPE_FLOW_DISSECTOR:
        return "bpf_flow_dissector"
    return _STRUCTS.get(row.context, "")
