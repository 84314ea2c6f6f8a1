"""What a kernel can do, and its tracepoints, by its own types: to compile for one that is not here.

A kernel's BTF has the enumerations of its helpers, maps and programs, so that they need not be
tried. What leaves no mark in the types is taken to be missing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pyebpf.abi.helpers import HELPERS
from pyebpf.abi.maps import MAP_KINDS
from pyebpf.abi.names import prog_type_name
from pyebpf.abi.programs import PROGRAM_KINDS
from pyebpf.btf import layout
from pyebpf.btf.types import Enum, Func, FuncProto, Int, Kind, Struct
from pyebpf.spec.target import Lack, TracepointField

if TYPE_CHECKING:
    from pyebpf.btf import Btf

#: Whatever shows its BTF (Linux 5.4) has these; whether a variable is listed is told by loading.
_WITH_BTF = {"kernel_btf", "cpu_v3", "global_data", "prog_name", "func_info", "line_info"}
_WITH_BTF |= {"btf_func", "btf_datasec", "bounded_loops", "kallsyms_all"}
_FUNC_IDS, _MAPS, _LINKS = "bpf_func_id", "bpf_map_type", "bpf_link_type"
_PROGRAMS, _ATTACH = "bpf_prog_type", "bpf_attach_type"
#: Feature → what came with it: an enumerator of an enumeration, or else a function or a struct.
_MARKS = {
    "bpf_loop": (_FUNC_IDS, "BPF_FUNC_loop"),
    "cookie": (_FUNC_IDS, "BPF_FUNC_get_attach_cookie"),
    "probe_read_kernel": (_FUNC_IDS, "BPF_FUNC_probe_read_kernel"),
    # Linux 5.12 has no name for them; this helper is of 5.13.
    "atomics": (_FUNC_IDS, "BPF_FUNC_for_each_map_elem"),
    "ringbuf": (_MAPS, "BPF_MAP_TYPE_RINGBUF"),
    "perf_link": (_LINKS, "BPF_LINK_TYPE_PERF_EVENT"),
    "tcx": (_LINKS, "BPF_LINK_TYPE_TCX"),
    "fentry_load": (_ATTACH, "BPF_TRACE_FENTRY"),
    "raw_tp_btf": (_ATTACH, "BPF_TRACE_RAW_TP"),
    "syscall_prog": (_PROGRAMS, "BPF_PROG_TYPE_SYSCALL"),
    "rdonly_cast": ("bpf_rdonly_cast", ""),
    "module_btf": ("btf_module", ""),
}


class DescribedFeatures:
    """The features of a kernel as far as its types tell. Implements ``Features``."""

    def __init__(self, btf: Btf) -> None:
        self._btf = btf
        self._enums: dict[str, dict[str, int]] = {}

    def has(self, name: str) -> bool:
        """Tell whether the types say that the kernel has a feature."""
        family, _, rest = name.partition(":")
        if family == "helper":
            return self._helper(*rest.partition("@")[::2])
        if family == "map":
            return MAP_KINDS[rest].id in self._enum(_MAPS).values()
        if family == "prog":
            return self._program(rest)
        what, enumerator = _MARKS.get(name, ("", ""))
        if enumerator:
            return enumerator in self._enum(what)
        return name in _WITH_BTF or bool(what and self._btf.find_all(what, *_SEEN))

    def lack(self, name: str) -> Lack | None:
        """Return why the types do not say that it has the feature; None if they do."""
        if self.has(name):
            return None
        return Lack("its types show no sign of it", is_sure=name in _MARKS or ":" in name)

    def _helper(self, helper: str, kind: str) -> bool:
        kinds = (kind,) if kind else _TRACING
        programs = {prog_type_name(PROGRAM_KINDS[name].prog_type) for name in kinds}
        if programs.isdisjoint(HELPERS[helper].program_types):
            return False
        return f"BPF_FUNC_{helper}" in self._enum(_FUNC_IDS)

    def _program(self, kind: str) -> bool:
        row = PROGRAM_KINDS[kind]
        known = row.prog_type in self._enum(_PROGRAMS).values()
        return known and row.attach_type in self._enum(_ATTACH).values()

    def _enum(self, name: str) -> dict[str, int]:
        if name not in self._enums:
            nodes = [self._btf.type(i) for i in self._btf.find_all(name, Kind.ENUM)]
            values = nodes[0].values if nodes and isinstance(nodes[0], Enum) else ()
            self._enums[name] = {value.name: value.value for value in values}
        return self._enums[name]


#: Programs that ``helper:NAME`` is about.
_TRACING = ("kprobe", "tracepoint", "raw_tracepoint", "perf_event")
_SEEN = (Kind.FUNC, Kind.STRUCT)
_WORD = 8
#: The record of a system call: 8 common bytes, its number, then words (``syscall_trace_enter``).
_SYSCALL = (
    TracepointField("common_type", "unsigned short", 0, 2, False),
    TracepointField("common_flags", "unsigned char", 2, 1, False),
    TracepointField("common_preempt_count", "unsigned char", 3, 1, False),
    TracepointField("common_pid", "int", 4, 4, True),
    TracepointField("__syscall_nr", "int", 8, 4, True),
)
#: How the function of a system call without arguments is declared.
_NO_PARAMETER = "__unused"
_RESULT = TracepointField("ret", "long", 16, 8, True)
_SYSCALL_EVENT = re.compile(r"sys_(enter|exit)_(\w+)")


class DescribedTracepoints:
    """The tracepoints of a kernel as far as its types tell. Implements ``Tracepoints``.

    Known are those whose record has their own name (``struct trace_event_raw_sched_switch``), and
    those of system calls whose function is described. The category is not in the types: it is found
    wrong when the program is attached.
    """

    def __init__(self, btf: Btf) -> None:
        self._btf = btf

    def names(self) -> tuple[str, ...]:
        """Return nothing: the types do not tell categories."""
        return ()

    def fields(self, category: str, name: str) -> tuple[TracepointField, ...]:
        """Return the fields.

        Raises:
            KeyError: the types do not describe such a tracepoint.
        """
        called = _SYSCALL_EVENT.fullmatch(name)
        if category == "syscalls" and called:
            return self._syscall(called[2], leaves=called[1] == "exit")
        for number in self._btf.find_all(f"trace_event_raw_{name}", Kind.STRUCT):
            node = self._btf.type(number)
            assert isinstance(node, Struct)
            own = [m for m in node.members if m.name not in ("ent", "__data") and m.name]
            return (*_SYSCALL[:4], *(self._field(m.name, m.type, m.bit_offset // 8) for m in own))
        raise KeyError(f"{category}:{name}")

    def _syscall(self, name: str, *, leaves: bool) -> tuple[TracepointField, ...]:
        # The function with the arguments as they are declared; where it is inlined, the one around
        # it has them as words.
        for prefix in ("__do_sys_", "__se_sys_"):
            for number in self._btf.find_all(prefix + name, Kind.FUNC):
                function = self._btf.type(number)
                assert isinstance(function, Func)
                proto = self._btf.type(function.type)
                assert isinstance(proto, FuncProto)
                if leaves:
                    return (*_SYSCALL, _RESULT)
                words = (
                    TracepointField(
                        p.name, layout.c_name(self._btf, p.type), 16 + _WORD * at, _WORD, False
                    )
                    for at, p in enumerate(proto.params)
                    if p.name != _NO_PARAMETER
                )
                return (*_SYSCALL, *words)
        raise KeyError(f"syscalls:sys_enter_{name}")

    def _field(self, name: str, type_id: int, offset: int) -> TracepointField:
        size = layout.size_of(self._btf, type_id)
        for kind in ("__data_loc", "__rel_loc"):
            if name.startswith(f"{kind}_"):
                # What it is an array of is in the format's text only; most are of characters.
                return TracepointField(
                    name.removeprefix(f"{kind}_"), f"{kind} char[]", offset, size, False
                )
        node = self._btf.type(self._btf.skip(type_id))
        signed = isinstance(node, Int) and node.signed
        return TracepointField(name, layout.c_name(self._btf, type_id), offset, size, signed)
