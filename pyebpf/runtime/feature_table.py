"""The table of features, each with its probe. Imported when something must be probed."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from pyebpf.abi import constants as c
from pyebpf.abi.helpers import HELPERS
from pyebpf.abi.maps import MAP_KINDS
from pyebpf.abi.programs import PROGRAM_KINDS
from pyebpf.runtime import probing
from pyebpf.runtime import probing_functions as functions
from pyebpf.runtime import probing_snippets as snippets
from pyebpf.runtime.answers import Answer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Feature(NamedTuple):
    """One feature. ``since`` is the Linux version that brought it; empty if that is not known."""

    name: str
    since: str
    probe: Callable[[], Answer]
    doc: str


#: Programs that ``helper:NAME`` tries; others are asked for as ``helper:NAME@KIND``.
_TRACING = (
    c.BPF_PROG_TYPE_KPROBE,
    c.BPF_PROG_TYPE_TRACEPOINT,
    c.BPF_PROG_TYPE_RAW_TRACEPOINT,
    c.BPF_PROG_TYPE_PERF_EVENT,
)

_ROWS = (
    Feature("kernel_btf", "5.2", probing.probe_kernel_btf, "the kernel describes its own types"),
    Feature("module_btf", "5.11", probing.probe_module_btf, "modules describe their types"),
    *(
        Feature(name, since, partial(probing.probe_btf, name), f"a BTF blob may have {what}")
        for name, since, what in (
            ("btf_func", "5.0", "functions"),
            ("btf_func_global", "5.6", "functions with a linkage"),
            ("btf_datasec", "5.2", "variables and sections"),
            ("btf_float", "5.13", "floating-point types"),
            ("btf_decl_tag", "5.16", "tags of declarations"),
            ("btf_type_tag", "5.17", "tags of types"),
            ("btf_enum64", "6.0", "64-bit enumerations"),
        )
    ),
    *(
        Feature(name, "5.0", partial(probing.probe_debug_info, name), f"programs carry {name}")
        for name in ("func_info", "line_info")
    ),
    *(
        Feature(name, since, partial(snippets.probe_snippet, name), doc)
        for name, since, doc in (
            ("cpu_v3", "5.1", "32-bit jumps and arithmetic (-mcpu=v3)"),
            ("cpu_v4", "6.6", "sign-extending loads and moves, long jumps (-mcpu=v4)"),
            ("atomics", "5.12", "atomic operations that return the old value"),
            ("bounded_loops", "5.3", "loops that the verifier can see the end of"),
            ("private_stack", "6.13", "a stack for each function of a probe"),
        )
    ),
    Feature("mmap_array", "5.5", probing.probe_mmap_array, "arrays can be mapped into memory"),
    Feature("global_data", "5.2", probing.probe_global_data, "programs have global variables"),
    Feature("batch_ops", "5.6", probing.probe_batch, "many entries of a map in one call"),
    Feature("prog_name", "4.15", probing.probe_name, "programs and maps have names"),
    *(
        Feature(name, since, partial(probing.probe_link, *numbers), f"a bpf_link to {what}")
        for name, since, numbers, what in (
            ("perf_link", "5.15", (c.BPF_PROG_TYPE_TRACEPOINT, c.BPF_PERF_EVENT), "a perf event"),
            ("cgroup_link", "5.7", (c.BPF_PROG_TYPE_CGROUP_SKB, 0), "a cgroup"),
        )
    ),
    Feature("xdp_link", "5.9", probing.probe_xdp_link, "a bpf_link to a network device, for XDP"),
    Feature(
        "perf_inherit_thread",
        "5.13",
        probing.probe_inherit_thread,
        "perf events of new threads",
    ),
    Feature("tcx", "6.6", probing.probe_tcx, "traffic control by links"),
    Feature("kprobe_attach", "4.17", partial(probing.probe_pmu, "kprobe"), "kprobes through perf"),
    Feature("uprobe_attach", "4.17", partial(probing.probe_pmu, "uprobe"), "uprobes through perf"),
    Feature("rdonly_cast", "6.2", partial(probing.probe_kfunc, "bpf_rdonly_cast"), "typed reads"),
    *(
        Feature(name, "", probe, doc)
        for name, probe, doc in (
            ("sleepable_functions", functions.probe_sleepable_functions, "system calls let sleep"),
            ("sleepable_hooks", functions.probe_sleepable_hooks, "security hooks let sleep"),
            ("lsm_active", functions.probe_lsm_active, "programs at security hooks are asked"),
        )
    ),
    Feature("kallsyms_all", "", probing.probe_kallsyms, "the kernel lists its variables"),
    Feature("bpf_token", "6.9", probing.probe_token, "a container may be delegated BPF"),
    Feature("memcg_accounting", "5.11", probing.probe_memcg, "no RLIMIT_MEMLOCK on BPF memory"),
    *(
        Feature(name, HELPERS[helper].since, partial(probing.probe_helper, helper, _TRACING), doc)
        for name, helper, doc in (
            ("bpf_loop", "loop", "bpf_loop: a function called many times"),
            ("cookie", "get_attach_cookie", "a number for each attachment"),
            ("probe_read_kernel", "probe_read_kernel", "reads of kernel memory"),
        )
    ),
    *(
        Feature(name, row.since, partial(probing.probe_program, row), doc)
        for name, row, doc in (
            ("fentry_load", PROGRAM_KINDS["fentry"], "fentry programs load"),
            ("raw_tp_btf", PROGRAM_KINDS["tp_btf"], "typed raw tracepoint programs load"),
            ("syscall_prog", PROGRAM_KINDS["syscall"], "programs that user space runs"),
        )
    ),
    Feature("ringbuf", "5.8", partial(probing.probe_map, MAP_KINDS["ringbuf"]), "ring buffers"),
)

#: The families of rows, by what their names begin with; their rows are made when asked for.
_FAMILIES: dict[str, Mapping[str, object]] = {
    "map": MAP_KINDS,
    "prog": PROGRAM_KINDS,
    "helper": HELPERS,
}


class _Table(dict[str, Feature]):
    """Every feature by its name. Iterating gives what was asked for; see :func:`names`."""

    def __missing__(self, name: str) -> Feature:
        row = self[name] = _row_of_family(name)
        return row


#: Every feature by its name: the rows above, ``map:NAME`` and ``prog:NAME`` for each kind of map
#: and program, ``helper:NAME`` for tracing programs, and ``helper:NAME@KIND`` for another kind.
FEATURES: dict[str, Feature] = _Table({row.name: row for row in _ROWS})


def feature(name: str) -> Feature:
    """Return the row of a feature; ``KeyError`` if there is none."""
    return FEATURES[name]


def names() -> tuple[str, ...]:
    """Return the name of every feature, but those of helpers in a particular kind of program."""
    families = (f"{word}:{name}" for word, rows in _FAMILIES.items() for name in rows)
    return (*(row.name for row in _ROWS), *families)


def _row_of_family(name: str) -> Feature:
    """Return the row of a kind of map or program, or of a helper; ``KeyError`` if there is none."""
    word, _, rest = name.partition(":")
    if word == "map":
        kind = MAP_KINDS[rest]
        return Feature(name, kind.since, partial(probing.probe_map, kind), f"{rest} maps")
    if word == "prog":
        row = PROGRAM_KINDS[rest]
        many = row.strategy == "kprobe_multi"
        probe = functions.probe_many_functions if many else probing.probe_program
        return Feature(name, row.since, partial(probe, row), f"{rest} programs")
    if word == "helper":
        return _helper_row(name, *rest.partition("@"))
    raise KeyError(name)


def _helper_row(name: str, helper: str, at: str, kind: str) -> Feature:
    kinds: tuple[int, ...] = _TRACING
    attach_type = flags = 0
    if at:
        program = PROGRAM_KINDS[kind]
        if program.needs_btf_id:
            raise KeyError(f"{name}: a {kind} program cannot be tried without a target")
        kinds = (program.prog_type,)
        attach_type, flags = program.attach_type, program.flags
    probe = partial(probing.probe_helper, helper, kinds, attach_type, flags)
    who = f"{kind} programs" if at else "tracing programs"
    return Feature(name, HELPERS[helper].since, probe, f"{who} may call bpf_{helper}")
