"""Which processes hold which BPF objects: open files of the kernel's kinds, under ``/proc``.

Source: ``proc(5)``; ``bpf_map_show_fdinfo``, ``bpf_prog_show_fdinfo``, ``bpf_link_show_fdinfo`` of
``kernel/bpf/syscall.c``; the names of BCC's probes, ``p_vfs_read_bcc_1234``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress

from pyebpf.abi import constants
from pyebpf.plain import Frozen

#: What each kind of file is, by what its link in ``/proc/PID/fd`` says.
_TYPES = {
    "anon_inode:bpf-prog": "prog",
    "anon_inode:bpf-map": "map",
    "anon_inode:bpf_link": "link",
    "anon_inode:bpf-raw-tracepoint": "link",  # before Linux 5.8
    "anon_inode:bpf-link": "link",
    "anon_inode:[perf_event]": "perf_event",
}
#: Where the kernel lists the probes that were made through files.
_TRACEFS = ("/sys/kernel/tracing", "/sys/kernel/debug/tracing")
_OF_BCC = re.compile(r"\S*_bcc_(\d+)\b")


class BpfFile(Frozen):
    """One open file.

    Attributes:
        pid: whose.
        comm: what that process is called.
        fd: its number there.
        type: ``"prog"``, ``"map"``, ``"link"``, or ``"perf_event"``, which may have a program.
        info: what the kernel says of it, by its words: ``"map_id"``, ``"prog_type"``.
    """

    pid: int
    comm: str
    fd: int
    type: str
    info: dict[str, str]

    @property
    def kind(self) -> str:
        """What it is more closely: ``"hash"``, ``"kprobe"``; a number that is not known as it is.

        ``""`` where the kernel does not say it.
        """
        if self.type == "link":
            return self.info.get("event_type") or self.info.get("link_type", "")
        number = self.info.get(f"{self.type}_type", "")
        return (_PROGRAMS if self.type == "prog" else _MAPS).get(number, number)

    @property
    def id(self) -> str:
        """The kernel's number of the object; ``""`` of what has none."""
        return self.info.get(f"{self.type}_id", "")


def _numbered(prefix: str) -> dict[str, str]:
    named = ((n, v) for n, v in vars(constants).items() if n.startswith(prefix))
    return {str(number): name.removeprefix(prefix).lower() for name, number in named}


_MAPS, _PROGRAMS = _numbered("BPF_MAP_TYPE_"), _numbered("BPF_PROG_TYPE_")


def bpf_files(proc: str = "/proc", unreadable: list[int] | None = None) -> Iterator[BpfFile]:
    """Yield the BPF objects, and the perf events, that processes have open.

    Args:
        proc: where the kernel shows processes.
        unreadable: takes the numbers of processes that belong to others.
    """
    for name in sorted(filter(str.isdecimal, os.listdir(proc)), key=int):  # noqa: PTH208
        pid = int(name)
        try:
            yield from _of_process(f"{proc}/{name}", pid)
        except PermissionError:
            if unreadable is not None:
                unreadable.append(pid)
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended meanwhile


def _of_process(folder: str, pid: int) -> Iterator[BpfFile]:
    for fd in sorted(map(int, os.listdir(f"{folder}/fd"))):  # noqa: PTH208
        with suppress(FileNotFoundError):  # closed meanwhile
            kind = _TYPES.get(os.readlink(f"{folder}/fd/{fd}"))  # noqa: PTH115
            if kind is not None:
                info = parse_fdinfo(_read(f"{folder}/fdinfo/{fd}"))
                yield BpfFile(pid, _read(f"{folder}/comm").rstrip("\n"), fd, kind, info)


def _read(path: str) -> str:
    with open(path, encoding="utf-8", errors="surrogateescape") as file:  # noqa: PTH123
        return file.read()


def parse_fdinfo(text: str) -> dict[str, str]:
    """Return the words of a file in ``/proc/PID/fdinfo`` with what they say."""
    pairs = (line.partition(":") for line in text.splitlines())
    return {word: said.strip() for word, colon, said in pairs if colon}


class NamedProbe(Frozen):
    """A probe that a process made in tracefs, under a name that says whose it is.

    Attributes:
        pid: whose.
        type: ``"kprobe"`` or ``"uprobe"``.
        line: as the kernel lists it.
    """

    pid: int
    type: str
    line: str


def named_probes(folders: tuple[str, ...] = _TRACEFS) -> list[NamedProbe]:
    """Return the probes whose names end with ``_bcc_PID``, as older versions of BCC make them.

    Args:
        folders: where tracefs may be; the first that is there counts.
    """
    for folder in folders:
        found = [
            NamedProbe(int(owner[1]), kind, line)
            for kind in ("kprobe", "uprobe")
            for line in _lines(f"{folder}/{kind}_events")
            if (owner := _OF_BCC.search(line))
        ]
        if found:
            return found
    return []


def _lines(path: str) -> list[str]:
    try:
        return _read(path).splitlines()
    except OSError:
        return []  # no tracefs, or a kernel without such probes
