"""Kernels that are compiled for without being there: what their types say that they can do."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyebpf import btf_target
from pyebpf.errors import FormatError, NotSupportedError
from pyebpf.spec.described import DescribedFeatures, DescribedTracepoints
from pyebpf.spec.machine import machine_of
from pyebpf.spec.target import TracepointField
from tests import arm64, frozen


def test_a_file_of_types_is_a_target(tmp_path: Path) -> None:
    path = tmp_path / "arm64.btf"
    path.write_bytes(bytes(arm64.btf().data))
    target = btf_target(path, cpus=3)
    assert (target.machine, target.cpus) == ("aarch64", 3)
    assert target.is_elsewhere("x86_64")
    assert not target.is_elsewhere("aarch64")
    assert target.ident == btf_target(arm64.btf()).ident
    with pytest.raises(LookupError):
        target.configuration.get("CONFIG_HZ")


def test_a_file_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(NotSupportedError, match="absent cannot be read"):
        btf_target(tmp_path / "absent")
    (tmp_path / "text").write_text("something else that is longer")
    with pytest.raises(FormatError, match=r"/.*: not BTF: magic"):
        btf_target(tmp_path / "text")


def test_types_without_registers_tell_no_machine() -> None:
    assert machine_of(frozen.btf()) == ""
    assert btf_target(frozen.btf(), arch="x86_64").machine == "x86_64"
    assert not btf_target(frozen.btf()).is_elsewhere("x86_64")


@pytest.mark.parametrize(
    ("name", "has"),
    [
        ("ringbuf", True),
        ("atomics", True),
        ("cpu_v3", True),
        ("tcx", True),
        ("rdonly_cast", True),
        ("map:arena", True),
        ("prog:syscall", True),
        ("helper:loop", True),
        ("helper:probe_read_kernel", True),
        ("helper:probe_read_kernel@kprobe", True),
        ("helper:redirect", False),
        ("helper:redirect@xdp", True),
        ("helper:redirect@kprobe", False),
        ("memcg_accounting", False),  # leaves no mark
    ],
)
def test_features_by_types(name: str, has: bool) -> None:
    assert DescribedFeatures(arm64.btf()).has(name) is has


def test_types_without_marks_have_no_feature() -> None:
    reduced = DescribedFeatures(frozen.btf())
    names = ("atomics", "tcx", "prog:xdp", "helper:loop", "rdonly_cast")
    assert not any(map(reduced.has, names))


def test_tracepoints_by_types() -> None:
    points = DescribedTracepoints(arm64.btf())
    switch = {f.name: f for f in points.fields("sched", "sched_switch")}
    assert switch["prev_comm"] == TracepointField("prev_comm", "char[16]", 8, 16, False)
    assert switch["next_pid"].offset == 56
    assert switch["next_pid"].signed
    executed = {f.name: f for f in points.fields("sched", "sched_process_exec")}
    assert executed["filename"] == TracepointField("filename", "__data_loc char[]", 8, 4, False)
    with pytest.raises(KeyError):
        points.fields("sched", "no_such_event")
    with pytest.raises(KeyError):
        points.fields("syscalls", "sys_enter_no_such_call")


def test_system_calls_by_types() -> None:
    points = DescribedTracepoints(arm64.btf())
    enter = points.fields("syscalls", "sys_enter_flock")
    assert [(f.name, f.c_type, f.offset) for f in enter[4:]] == [
        ("__syscall_nr", "int", 8), ("fd", "unsigned int", 16), ("cmd", "unsigned int", 24),
    ]  # fmt: skip
    (result,) = points.fields("syscalls", "sys_exit_flock")[5:]
    assert (result.name, result.offset, result.signed) == ("ret", 16, True)
