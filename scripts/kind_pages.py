"""The tables of kinds of maps and programs as pages, with what pyebpf declares of them.

The declarations are looked up in the package's public names, so that a page cannot promise more.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import pyebpf
from pyebpf.abi.map_flags import MAP_FLAGS, NUMA_KINDS
from pyebpf.abi.maps import MAP_KINDS
from pyebpf.abi.names import prog_type_name
from pyebpf.abi.programs import PROGRAM_GROUPS
from pyebpf.dsl.maps import MapDecl

if TYPE_CHECKING:
    from pyebpf.abi.maps import MapKind
    from pyebpf.abi.programs import ProgramKind

_LOADER_ONLY = "loader only"
#: How each decorator is written; `_` stands for the name of a hook.
FORMS = """
tracepoint("a:b") raw_tracepoint(_) tp_btf(_)
fentry(_) fentry(_,sleepable=True) fexit(_) fexit(_,sleepable=True)
fmod_ret(_) fmod_ret(_,sleepable=True) lsm(_) lsm(_,sleepable=True) iter(_) iter(_,sleepable=True)
kprobe(_) kretprobe(_) kprobe("a*") kretprobe("a*") kprobe(_,session=True) syscall
ksyscall(_) kretsyscall(_)
uprobe(_,_) uprobe(_,"a*") uretprobe(_,"a*") uprobe(_,_,session=True)
uprobe(_,"a*",sleepable=True) uretprobe(_,"a*",sleepable=True) uprobe(_,_,sleepable=True)
uretprobe(_,_) uretprobe(_,_,sleepable=True) uprobe(_,_,session=True,sleepable=True)
usdt(_,_) usdt(_,_,sleepable=True)
perf_event(freq_hz=49)
xdp xdp(frags=True) xdp(entry_of="devmap") xdp(entry_of="devmap",frags=True)
xdp(entry_of="cpumap") xdp(entry_of="cpumap",frags=True)
tc tc("ingress") tc("egress") tc_action socket_filter flow_dissector
netfilter netfilter("local_in")
lwt("in") lwt("out") lwt("xmit") lwt("seg6local")
sk_lookup sk_reuseport sk_reuseport(migrate=True) sk_msg
sk_skb("parser") sk_skb("verdict") sk_skb("stream_verdict") sock_ops
cgroup_skb() cgroup_skb("ingress") cgroup_skb("egress") lsm_cgroup(_)
cgroup_sock("sock_create") cgroup_sock("sock_release")
cgroup_sock("post_bind4") cgroup_sock("post_bind6")
cgroup_sock_addr("bind4") cgroup_sock_addr("bind6")
cgroup_sock_addr("connect4") cgroup_sock_addr("connect6") cgroup_sock_addr("connect_unix")
cgroup_sock_addr("sendmsg4") cgroup_sock_addr("sendmsg6") cgroup_sock_addr("sendmsg_unix")
cgroup_sock_addr("recvmsg4") cgroup_sock_addr("recvmsg6") cgroup_sock_addr("recvmsg_unix")
cgroup_sock_addr("getpeername4") cgroup_sock_addr("getpeername6")
cgroup_sock_addr("getpeername_unix") cgroup_sock_addr("getsockname4")
cgroup_sock_addr("getsockname6") cgroup_sock_addr("getsockname_unix")
cgroup_sysctl cgroup_sockopt("get") cgroup_sockopt("set") cgroup_device
"""


def map_declarations() -> dict[str, list[str]]:
    """Return the public classes that declare each kind of map."""
    found: dict[str, list[str]] = {}
    for name in pyebpf.__all__:
        thing = getattr(pyebpf, name)
        kind = getattr(thing, "kind", None)
        if isinstance(thing, type) and issubclass(thing, MapDecl) and kind in MAP_KINDS:
            found.setdefault(kind, []).append(name)
    return found


@cache
def decorators() -> dict[str, list[str]]:
    """Return the public decorators that make each kind of program."""
    found: dict[str, list[str]] = {}
    for form in FORMS.split():
        found.setdefault(_kind(form), []).append(f"@{_shown(form)}")
    return found


def _kind(form: str) -> str:
    """Return the kind of program that a decorator makes, as it is written."""
    public = {name: getattr(pyebpf, name) for name in pyebpf.__all__}
    decorate = eval(form, {"_": "name", **public})  # noqa: S307 - our own text
    kind: str = decorate(_nothing).hooks[0].kind
    return kind


def _shown(form: str) -> str:
    return form.replace('"a:b"', "…").replace("_,_", "…").replace("(_", "(…").replace(",", ", ")


def decorators_of(kind: str) -> list[str]:
    """Return the public decorators of a row, under its long name too."""
    aliases = {"raw_tp": "raw_tracepoint", "tracepoint": "tp"}
    found = decorators()
    return [*found.get(kind, []), *found.get(aliases.get(kind, ""), [])]


def _nothing() -> None:
    """Stands for a probe."""


_MAPS_HEAD = """\
# Kinds of maps

What the kernel knows as maps, and what declares them in pyebpf. Made from the rows of
`pyebpf/abi/maps.py` by `python scripts/gen_tables.py`. A kind marked `{loader}` has no declaration
yet: the loader creates it for an object that another compiler made. Flags are keywords of the
declaration, listed below the table. Whether the running kernel has a kind is the feature
`map:NAME`; *since* is for reading only.

| kind | since | declared as | keys | per CPU | flags | |
|---|---|---|---|---|---|---|
"""


_FLAGS_HEAD = """
## Flags

The names of the kernel, `BPF_F_NO_PREALLOC`, in lower case and without `BPF_F_`. `numa_node` is the
number of the node whose memory a map is in.

| flag | |
|---|---|
"""


def maps_page() -> str:
    """Return ``docs/maps.md``."""
    declared = map_declarations()
    return (
        _MAPS_HEAD.format(loader=_LOADER_ONLY)
        + "".join(_map_line(row, declared.get(row.name, [])) for row in MAP_KINDS.values())
        + _FLAGS_HEAD
        + "".join(f"| `{f.name}` | {f.doc} |\n" for f in MAP_FLAGS.values())
    )


def _map_line(row: MapKind, declared: list[str]) -> str:
    names = ", ".join(f"`{name}`" for name in declared) or _LOADER_ONLY
    per_cpu = "yes" if row.per_cpu else ""
    note = row.note.replace("BPF_F_NO_PREALLOC", "`BPF_F_NO_PREALLOC`")
    words = [f"`{word}`" for word, flag in MAP_FLAGS.items() if row.name in flag.kinds]
    flags = " ".join([*words, *["`numa_node`"] * (row.name in NUMA_KINDS)])
    since = row.since or "new"
    return f"| `{row.name}` | {since} | {names} | {row.key} | {per_cpu} | {flags} | {note} |\n"


_PROGRAMS_HEAD = """\
# Kinds of programs

What the kernel can run programs for, and what declares them in pyebpf. Made from the rows of
`pyebpf/abi/programs.py` by `python scripts/gen_tables.py`. A kind marked `{loader}` has no
decorator yet: the loader loads and attaches it for an object that another compiler made. `.s` is
the form that may sleep. Whether the running kernel has a kind is the feature `prog:NAME`; *since*
is for reading only.
"""


def programs_page() -> str:
    """Return ``docs/programs.md``."""
    out = [_PROGRAMS_HEAD.format(loader=_LOADER_ONLY)]
    for title, rows in PROGRAM_GROUPS.items():
        out.append(
            f"\n## {title}\n\n| kind | since | declared as | type | ELF sections | attached by |\n"
        )
        out.append("|---|---|---|---|---|---|\n")
        out += [_program_line(row) for row in rows]
    return "".join(out)


def _program_line(row: ProgramKind) -> str:
    names = decorators_of(row.name)
    how = ", ".join(f"`{name}`" for name in names) or _LOADER_ONLY
    sections = ", ".join(f"`{section}`" for section in row.sections)
    by = row.strategy or row.reason
    kind = prog_type_name(row.prog_type)
    return f"| `{row.name}` | {row.since or 'new'} | {how} | {kind} | {sections} | {by} |\n"
