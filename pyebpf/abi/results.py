"""What the kernel makes of a program's result, and which fields of its context it may change.

Source: ``check_return_code`` of ``kernel/bpf/verifier.c``, and the ``…_is_valid_access`` functions of
``net/core/filter.c`` and ``kernel/bpf/cgroup.c``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyebpf.abi import constants as c
from pyebpf.plain import Frozen

if TYPE_CHECKING:
    from pyebpf.abi.programs import ProgramKind

_ANY = (-(1 << 31), (1 << 32) - 1)
_MAX_ERRNO = 4095


class Result(Frozen):
    """The result of a kind of programs.

    Attributes:
        low: the least that the kernel takes.
        high: the greatest.
        ended: what a program gives that says nothing, or that an error ends: what lets things go on.
        decides: whether the kernel acts on it, so that a program must say what it wants.
        wide: it stands for a function's, all 64 bits of it.
    """

    low: int
    high: int
    ended: int = 0
    decides: bool = False
    wide: bool = False

    @property
    def is_free(self) -> bool:
        """Whether the kernel takes every number."""
        return (self.low, self.high) == _ANY


_IGNORED = Result(*_ANY)
_NOTHING = Result(0, 0)
_ALLOWED = Result(0, 1, ended=1, decides=True)
_PASSED = Result(0, 1, ended=1, decides=True)
_ONLY_ALLOWED = Result(1, 1, ended=1)
#: Bit 0 lets it pass; bit 1 changes what happens besides.
_TWO_BITS = Result(0, 3, ended=1, decides=True)

_BY_NAME = {
    "tp_btf": _NOTHING,
    "fentry": _NOTHING,
    "fexit": _NOTHING,
    "fmod_ret": Result(*_ANY, decides=True, wide=True),
    "fsession": Result(0, 1),
    "iter": Result(0, 1),
    "lsm": Result(-_MAX_ERRNO, 0, decides=True),
    "lsm_cgroup": _ALLOWED,
    "kprobe.session": Result(0, 1),
    "uprobe.session": Result(0, 1),
    "cgroup_skb_egress": _TWO_BITS,
    "cgroup_bind4": _TWO_BITS,
    "cgroup_bind6": _TWO_BITS,
    **dict.fromkeys(
        (
            f"cgroup_{what}{family}"
            for what in ("recvmsg", "getpeername", "getsockname")
            for family in ("4", "6", "_unix")
        ),
        _ONLY_ALLOWED,
    ),
}
_BY_TYPE = {
    c.BPF_PROG_TYPE_XDP: Result(*_ANY, ended=2, decides=True),  # XDP_PASS
    c.BPF_PROG_TYPE_SCHED_CLS: Result(*_ANY, ended=-1, decides=True),  # TC_ACT_UNSPEC
    c.BPF_PROG_TYPE_SCHED_ACT: Result(*_ANY, ended=0, decides=True),  # TC_ACT_OK
    c.BPF_PROG_TYPE_SOCKET_FILTER: Result(*_ANY, ended=-1, decides=True),  # the whole packet
    c.BPF_PROG_TYPE_LWT_IN: Result(*_ANY, decides=True),  # BPF_OK
    c.BPF_PROG_TYPE_LWT_OUT: Result(*_ANY, decides=True),
    c.BPF_PROG_TYPE_LWT_XMIT: Result(*_ANY, decides=True),
    c.BPF_PROG_TYPE_LWT_SEG6LOCAL: Result(*_ANY, decides=True),
    c.BPF_PROG_TYPE_FLOW_DISSECTOR: Result(*_ANY, decides=True),
    c.BPF_PROG_TYPE_NETFILTER: _PASSED,  # NF_ACCEPT
    c.BPF_PROG_TYPE_SK_LOOKUP: _PASSED,
    c.BPF_PROG_TYPE_SK_REUSEPORT: Result(*_ANY, ended=1, decides=True),  # SK_PASS
    c.BPF_PROG_TYPE_SK_SKB: Result(*_ANY, ended=1, decides=True),
    c.BPF_PROG_TYPE_SK_MSG: Result(*_ANY, ended=1, decides=True),
    c.BPF_PROG_TYPE_SOCK_OPS: Result(0, 1, ended=1),
    c.BPF_PROG_TYPE_CGROUP_SKB: _ALLOWED,
    c.BPF_PROG_TYPE_CGROUP_SOCK: _ALLOWED,
    c.BPF_PROG_TYPE_CGROUP_SOCK_ADDR: _ALLOWED,
    c.BPF_PROG_TYPE_CGROUP_SYSCTL: _ALLOWED,
    c.BPF_PROG_TYPE_CGROUP_SOCKOPT: _ALLOWED,
    c.BPF_PROG_TYPE_CGROUP_DEVICE: _ALLOWED,
}
#: A parser of a stream says how long the next message is.
_BY_NAME["sk_skb_parser"] = Result(*_ANY, decides=True)


def result_of(row: ProgramKind) -> Result:
    """Return what the kernel makes of the result of a kind of programs."""
    return _BY_NAME.get(row.name.removesuffix(".s")) or _BY_TYPE.get(row.prog_type) or _IGNORED


_WRITABLE: dict[int, tuple[str, ...]] = {
    c.BPF_PROG_TYPE_SOCKET_FILTER: ("cb",),
    c.BPF_PROG_TYPE_SCHED_CLS: (
        "mark", "tc_index", "priority", "tc_classid", "cb", "tstamp", "queue_mapping",
    ),
    c.BPF_PROG_TYPE_SCHED_ACT: (
        "mark", "tc_index", "priority", "tc_classid", "cb", "tstamp", "queue_mapping",
    ),
    c.BPF_PROG_TYPE_CGROUP_SKB: ("mark", "priority", "cb", "tstamp"),
    c.BPF_PROG_TYPE_LWT_IN: ("mark", "priority", "cb"),
    c.BPF_PROG_TYPE_LWT_OUT: ("mark", "priority", "cb"),
    c.BPF_PROG_TYPE_LWT_XMIT: ("mark", "priority", "cb"),
    c.BPF_PROG_TYPE_SK_SKB: ("tc_index", "priority"),
    c.BPF_PROG_TYPE_CGROUP_SOCK: ("bound_dev_if", "mark", "priority"),
    c.BPF_PROG_TYPE_CGROUP_SOCK_ADDR: (
        "user_ip4", "user_ip6", "user_port", "msg_src_ip4", "msg_src_ip6",
    ),
    c.BPF_PROG_TYPE_SOCK_OPS: ("reply", "sk_txhash"),
    c.BPF_PROG_TYPE_CGROUP_SYSCTL: ("file_pos",),
    c.BPF_PROG_TYPE_CGROUP_SOCKOPT: ("level", "optname", "optlen", "retval"),
}  # fmt: skip


def writable_fields(row: ProgramKind) -> tuple[str, ...]:
    """Return the fields of the context that programs of a kind may change."""
    return _WRITABLE.get(row.prog_type, ())
