"""Hooks whose names are constants: chosen when the probes are loaded."""

from __future__ import annotations

from pyebpf import (
    Array,
    Const,
    UprobeContext,
    compile_probes,
    first_of,
    kprobe,
    tracepoint,
    u64,
    uprobe,
    uretprobe,
)
from pyebpf.dsl.collect import collect
from pyebpf.dsl.fingerprint import fingerprint
from pyebpf.testing import target

function = Const("vfs_read", "function")
library = Const("c", "--library")
counts = Array[u64](max_entries=2)


@first_of(tracepoint(function), kprobe(function))
def called() -> None:
    counts[0] += 1


@uprobe(library, "malloc", offset=4)
@uretprobe(library, "malloc")
def allocates(ctx: UprobeContext) -> None:
    counts[1] += 1


def targets(*probes: object, **chosen: str) -> list[tuple[str, str]]:
    options = {globals()[name]: value for name, value in chosen.items()}
    compiled = compile_probes(*probes, target=target(), options=options)  # type: ignore[arg-type]
    return [(program.kind, program.target) for program in compiled.programs]


def test_the_value_is_the_name() -> None:
    assert targets(called) == [("kprobe", "vfs_read")]
    assert targets(called, function="vfs_write") == [("kprobe", "vfs_write")]
    assert targets(called, function="sched:sched_switch") == [("tracepoint", "sched:sched_switch")]


def test_the_value_is_the_binary() -> None:
    places = [("uprobe", "c:malloc+0x4"), ("uretprobe", "c:malloc")]
    assert targets(allocates) == places
    assert targets(allocates, library="/opt/a:b.so") == [
        (kind, place.replace("c:", "/opt/a:b.so:", 1)) for kind, place in places
    ]


def test_the_cache_tells_names_apart() -> None:
    keys = {
        fingerprint((allocates,), collect([allocates]), options, 2)
        for options in ({}, {library: "c"}, {library: "m"})  # type: ignore[dict-item]
    }
    assert len(keys) == 2
