"""BPF objects of processes, read from a folder like ``/proc``; names of system calls."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from pyebpf.abi.syscalls import syscall_names
from pyebpf.host import syscalls
from pyebpf.host.bpf_files import BpfFile, NamedProbe, bpf_files, named_probes, parse_fdinfo

MAP = "pos:\t0\nflags:\t02\nmap_type:\t1\nmax_entries:\t8\nmap_id:\t7\n"
PROG = "pos:\t0\nprog_type:\t31\nprog_id:\t9\n"
LINK = "link_type:\tperf\nlink_id:\t3\nprog_id:\t9\nname:\t/lib/a:b.so\nevent_type:\turetprobe\n"
OLD_LINK = "link_type:\traw_tracepoint\nprog_id:\t9\n"


def process(proc: Path, pid: int, files: dict[int, tuple[str, str]]) -> None:
    for name in ("fd", "fdinfo"):
        (proc / str(pid) / name).mkdir(parents=True)
    (proc / str(pid) / "comm").write_text("one\x1b two\n")
    for fd, (target, info) in files.items():
        (proc / str(pid) / "fd" / str(fd)).symlink_to(target)
        (proc / str(pid) / "fdinfo" / str(fd)).write_text(info)


def test_objects_of_processes(tmp_path: Path) -> None:
    (tmp_path / "self").mkdir()
    process(tmp_path, 20, {11: ("anon_inode:bpf_link", LINK), 4: ("/dev/null", "pos:\t0\n")})
    process(tmp_path, 3, {
        5: ("anon_inode:bpf-map", MAP), 6: ("anon_inode:bpf-prog", PROG),
        7: ("anon_inode:bpf_link", OLD_LINK), 8: ("anon_inode:[perf_event]", "pos:\t0\n"),
    })  # fmt: skip
    (tmp_path / "4").mkdir()  # has just ended
    found = [*bpf_files(str(tmp_path))]
    assert [(file.pid, file.fd, file.type, file.kind, file.id) for file in found] == [
        (3, 5, "map", "hash", "7"),
        (3, 6, "prog", "syscall", "9"),
        (3, 7, "link", "raw_tracepoint", ""),
        (3, 8, "perf_event", "", ""),
        (20, 11, "link", "uretprobe", "3"),
    ]
    assert {file.comm for file in found} == {"one\x1b two"}
    assert found[-1].info["name"] == "/lib/a:b.so"


def test_kinds_that_are_not_known_stay_numbers() -> None:
    file = BpfFile(1, "x", 3, "map", parse_fdinfo("map_type:\t4000\nno colon here\n"))
    assert (file.kind, file.id, file.info) == ("4000", "", {"map_type": "4000"})


def test_processes_of_others_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    process(tmp_path, 7, {})
    look = os.listdir

    def refused(path: str) -> list[str]:
        if path.endswith("/fd"):
            raise PermissionError
        return look(path)

    monkeypatch.setattr(os, "listdir", refused)
    hidden: list[int] = []
    assert [*bpf_files(str(tmp_path), hidden)] == []
    assert hidden == [7]


def test_probes_that_say_whose_they_are(tmp_path: Path) -> None:
    (tmp_path / "kprobe_events").write_text(
        "p:kprobes/p_vfs_read_bcc_12 vfs_read\np:kprobes/mine vfs_read\n"
    )
    (tmp_path / "uprobe_events").write_text("r:uprobes/r__bin_bash_0x1_bcc_345 /bin/bash:0x1\n")
    assert named_probes((str(tmp_path / "none"), str(tmp_path))) == [
        NamedProbe(12, "kprobe", "p:kprobes/p_vfs_read_bcc_12 vfs_read"),
        NamedProbe(345, "uprobe", "r:uprobes/r__bin_bash_0x1_bcc_345 /bin/bash:0x1"),
    ]


def test_system_calls_by_number() -> None:
    assert (syscall_names("x86_64")[0], syscall_names("x86_64")[334]) == ("read", "rseq")
    arm = syscall_names("aarch64")
    assert [arm.get(number) for number in (56, 63, 244, 276, 293)] == [
        "openat", "read", None, "renameat2", "rseq"
    ]  # fmt: skip
    assert syscall_names("sparc") == {n: s for n, s in arm.items() if n >= 424}
    for machine in ("x86_64", "aarch64", "riscv64"):
        names = syscall_names(machine)
        assert len({*names.values()}) == len(names)
        assert names[435] == "clone3"


def test_system_calls_of_this_machines_headers() -> None:
    header = Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h")
    if not header.exists():
        pytest.skip("needs linux-libc-dev, of x86-64")
    text = header.read_text(encoding="ascii")
    given = {int(n): name for name, n in re.findall(r"#define __NR_(\w+) (\d+)", text)}
    known = syscall_names("x86_64")
    assert len(given) > 300
    assert {number: known.get(number) for number in given} == given


def test_system_calls_by_name() -> None:
    for name in ("read", "openat", "clone3"):
        assert syscalls.name_of(syscalls.number_of(name)) == name
    assert syscalls.name_of(9_999) == "[unknown: 9999]"
    with pytest.raises(ValueError, match="there is no system call 'raed'; did you mean read"):
        syscalls.number_of("raed")
