"""The survey: which features are asked for, in which groups, and whether tracing works at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyebpf.abi.maps import MAP_KINDS
from pyebpf.abi.programs import PROGRAM_GROUPS
from pyebpf.doctor import settings, trials
from pyebpf.doctor.findings import Finding, Group, Word
from pyebpf.doctor.judge import judge
from pyebpf.plain import Frozen
from pyebpf.runtime.features import KernelFeatures

if TYPE_CHECKING:
    from pyebpf.doctor.machine import Machine

_KERNEL = {
    "kernel_btf": "it describes its types (BTF)",
    "module_btf": "its modules describe theirs",
    "kallsyms_all": "it tells the addresses of its variables",
    "bounded_loops": "loops whose end the verifier sees",
    "bpf_loop": "bpf_loop: loops of any length",
    "global_data": "global variables",
    "mmap_array": "arrays mapped into memory",
    "ringbuf": "ring buffers",
    "batch_ops": "many entries of a map in one call",
    "atomics": "atomic operations that give the old value",
    "cpu_v3": "32-bit jumps (-mcpu=v3)",
    "cpu_v4": "sign-extending loads (-mcpu=v4)",
    "rdonly_cast": "typed reads (bpf_rdonly_cast)",
    "prog_name": "names of programs and maps",
    "func_info": "programs that carry their functions",
    "line_info": "programs that carry their source lines",
}
_BTF = ("func", "func_global", "datasec", "float", "decl_tag", "type_tag", "enum64")
_ATTACH = {
    "perf_link": "links to perf events",
    "cookie": "a number for each attachment (bpf_get_attach_cookie)",
    "kprobe_attach": "@kprobe, @kretprobe: kprobes through perf",
    "uprobe_attach": "@uprobe, @uretprobe, @usdt: uprobes through perf",
    "sleepable_functions": "@fentry(…, sleepable=True): programs that may wait",
    "tcx": "@tc: by links (tcx)",
    "xdp_link": "@xdp: by links",
    "cgroup_link": "programs of cgroups: by links",
}
_HELPERS = (
    "probe_read_kernel", "probe_read_kernel_str", "probe_read_user", "probe_read_user_str",
    "probe_write_user", "get_current_task_btf", "get_stackid", "get_stack", "ktime_get_boot_ns",
    "jiffies64", "get_ns_current_pid_tgid", "get_current_cgroup_id", "send_signal",
    "override_return", "get_func_ip", "get_attach_cookie", "ringbuf_output", "ringbuf_reserve",
    "user_ringbuf_drain", "for_each_map_elem", "loop", "timer_init@syscall",
    "spin_lock@tc", "strncmp", "snprintf", "find_vma", "task_pt_regs", "copy_from_user@syscall",
    "task_storage_get", "cgrp_storage_get",
    "dynptr_from_mem", "kptr_xchg@tc", "get_branch_snapshot", "perf_prog_read_value@perf_event",
    "sk_storage_get@tc", "redirect_map@xdp", "fib_lookup@xdp",
)  # fmt: skip
_TITLES = {"Tracing": "tracing", "Packets": "packets", "Sockets": "sockets"}


class Survey(Frozen):
    """Everything that was found out.

    Attributes:
        groups: the lines.
        attaching: whether a tracing program loads, and can be attached.
        works: the decorators of tracing that work here.
        fails: those that do not.
    """

    groups: tuple[Group, ...]
    attaching: bool
    works: tuple[str, ...]
    fails: tuple[str, ...]


def survey(machine: Machine) -> Survey:
    """Ask for everything.

    Cost: about 0.2 s, three system calls for each of 250 features.
    """
    features = KernelFeatures(keep=False)

    def line(feature: str, label: str = "") -> Finding:
        answer = features.support(feature)
        return judge(feature, label or feature.partition(":")[2], answer, machine)

    kernel = [line(name, label) for name, label in _KERNEL.items()]
    attach = [trials.raw_tracepoint(machine), trials.perf_event(machine)]
    attach += [line(name, label) for name, label in _ATTACH.items()]
    groups = [
        Group("The kernel", tuple(kernel)),
        Group("What this process may do", tuple(settings.privileges(machine))),
        Group("Ways to attach", tuple(attach)),
        Group("Mounts and files", tuple(settings.surroundings(machine))),
    ]
    for title, rows in PROGRAM_GROUPS.items():
        lines = tuple(line(f"prog:{row.name}") for row in rows)
        groups.append(Group(f"Programs that load: {_TITLES.get(title, title)}", lines, terse=True))
    groups += [
        Group("BTF that it takes", tuple(line(f"btf_{name}", name) for name in _BTF), terse=True),
        Group("Kinds of maps", tuple(line(f"map:{name}") for name in MAP_KINDS), terse=True),
        Group("Helpers", tuple(line(f"helper:{name}") for name in _HELPERS), terse=True),
    ]
    return _concluded(tuple(groups))


#: What a decorator of tracing needs, by the names of findings.
_DECORATORS = {
    "@tracepoint": ("prog:tracepoint", "perf_event_open", "tracefs"),
    "@raw_tracepoint": ("prog:raw_tp", "raw_tp_attach"),
    "@tp_btf": ("prog:tp_btf", "raw_tp_attach", "kernel_btf"),
    "@fentry": ("prog:fentry", "kernel_btf"),
    "@fexit": ("prog:fexit", "kernel_btf"),
    "@kprobe": ("prog:kprobe", "perf_event_open", "kprobe_attach"),
    '@kprobe("…*")': ("prog:kprobe.multi", "functions"),
    "@uprobe": ("prog:uprobe", "perf_event_open", "uprobe_attach"),
    "@usdt": ("prog:usdt", "perf_event_open", "uprobe_attach"),
    "@perf_event": ("prog:perf_event", "perf_event_open"),
    "@iter": ("prog:iter", "kernel_btf"),
    "@lsm": ("prog:lsm", "kernel_btf", "lsm"),
}


def _concluded(groups: tuple[Group, ...]) -> Survey:
    yes = {f.name for group in groups for f in group.findings if f.word is Word.YES}
    works = tuple(name for name, needs in _DECORATORS.items() if yes.issuperset(needs))
    fails = tuple(name for name in _DECORATORS if name not in works)
    return Survey(groups, bool(works) and "map:array" in yes, works, fails)
