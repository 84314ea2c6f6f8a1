"""What a row about a helper says, and how its signature is written.

A signature is one line, ``"map: map, key: key, flags: flags"``: the name of each parameter (as in the
kernel's header) and its kind, with the C type behind it in brackets where there is one:
``"tuple: mem[bpf_sock_tuple]"``. It is read when it is first asked for.
"""

from __future__ import annotations

import re
from keyword import iskeyword
from typing import NamedTuple

_PARAMETER = re.compile(r"(?:(\w+): )?(\w+)(?:\[(\w+)\])?")

#: Words for several types of programs. ``probes``: what tracing needs; ``typed``: where arguments have BTF types.
GROUPS: dict[str, tuple[str, ...]] = {
    "typed": ("tracing", "lsm", "syscall"),
    "probes": ("kprobe", "tracepoint", "raw_tracepoint", "raw_tracepoint_writable", "perf_event", "tracing", "lsm", "syscall"),
    "tc": ("sched_cls", "sched_act"),
    "lwt": ("lwt_in", "lwt_out", "lwt_xmit", "lwt_seg6local"),
    "most": (
        "cgroup_device", "cgroup_skb", "cgroup_sock", "cgroup_sock_addr", "cgroup_sockopt", "cgroup_sysctl",
        "flow_dissector", "kprobe", "lsm", "lwt_in", "lwt_out", "lwt_seg6local", "lwt_xmit", "netfilter",
        "perf_event", "raw_tracepoint", "raw_tracepoint_writable", "sched_act", "sched_cls", "sk_lookup",
        "sk_msg", "sk_reuseport", "sk_skb", "sock_ops", "socket_filter", "struct_ops", "syscall", "tracepoint",
        "tracing", "xdp",
    ),
}  # fmt: skip
GROUPS["all"] = (*GROUPS["most"], "lirc_mode2")


class Parameter(NamedTuple):
    """A parameter of a helper.

    Attributes:
        name: as in the kernel's header; empty for a result.
        kind: what the verifier checks, a word of the table in :mod:`pyebpf.abi.helpers`.
        type: the C type behind the kind: a struct's name, ``char`` for text, ``u64``; often empty.
    """

    name: str
    kind: str
    type: str = ""

    @property
    def python_name(self) -> str:
        """The name as a keyword argument in Python: ``from`` is ``from_``."""
        return f"{self.name}_" if iskeyword(self.name) else self.name

    @property
    def default(self) -> str:
        """What stands for it if nothing is given, in Python; empty if something must be."""
        return "0" if self.kind == "flags" else "None" if self.kind in ("stack_or_null", "value_or_null") else ""


def parse(signature: str) -> tuple[Parameter, ...]:
    """Return the parameters of a signature."""
    return tuple(
        Parameter(name or "", kind, ctype or "")
        for name, kind, ctype in _PARAMETER.findall(signature)
    )


class Helper(NamedTuple):
    """One helper.

    Attributes:
        name: without ``bpf_``.
        id: ``BPF_FUNC_*``.
        since: the Linux version that brought it, for messages only.
        signature: parameters, see above; :attr:`args` has them read.
        returns: the kind of the result, with its type; see :attr:`ret`.
        programs: the types of programs that may call it in the newest kernel that the table knows:
            words of ``GROUPS`` and names of types, ``-name`` takes one away. Older kernels allow less, and
            some types allow a helper for some of their hooks only: the feature ``helper:NAME@KIND`` asks.
        doc: what it does, one sentence.
        gpl: only for programs with a GPL-compatible license.
        sleeps: only for programs that may sleep.
        callback: the signature of the function that it calls, with its result.
    """

    name: str
    id: int
    since: str
    signature: str
    returns: str
    programs: str
    doc: str
    gpl: bool = False
    sleeps: bool = False
    callback: str = ""

    @property
    def args(self) -> tuple[Parameter, ...]:
        """The parameters, at most five."""
        return parse(self.signature)

    @property
    def required(self) -> int:
        """How many parameters must be given: flags at the end are 0 by default, and null before them."""
        count = len(self.args)
        while count and self.args[count - 1].default:
            count -= 1
        return count

    @property
    def ret(self) -> Parameter:
        """The kind and the type of the result."""
        return parse(self.returns)[0]

    @property
    def program_types(self) -> frozenset[str]:
        """The names of the types of programs (``sched_cls`` …) that may call it."""
        return expand(self.programs)


def expand(words: str) -> frozenset[str]:
    """Return the types of programs that ``programs`` of a row means."""
    found: set[str] = set()
    for word in words.split():
        if word.startswith("-"):
            found.discard(word[1:])
        else:
            found.update(GROUPS.get(word, (word,)))
    return frozenset(found)
