"""The cgroups of this machine: where they are, and which of them are containers."""

from __future__ import annotations

import errno
import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

from pyebpf.host.inodes import inode

_NOT_THERE = "no cgroup2 is mounted here (mount -t cgroup2 none /sys/fs/cgroup)"
#: A name of a container in the names of cgroups: what Docker, Podman, containerd and CRI-O call by
#: an id, alone or with the name of the program before it, and what LXC and systemd call by a name.
_BY_ID = re.compile(r"(?:(?!.*conmon)[a-z][a-z-]*-)?([0-9a-f]{64})(?:\.scope)?")
_BY_NAME = re.compile(r"lxc\.payload\.(.+)|systemd-nspawn@(.+)\.service|machine-(.+)\.scope")
#: cgroups whose children are containers, by whatever name.
_PARENTS = ("lxc",)
_TRIES = 1000  # to remove a cgroup, a millisecond apart
_SHORT = 12  # characters of an id, as container programs print it


class Container(NamedTuple):
    """A container that runs.

    Attributes:
        path: of its cgroup.
        id: 64 hexadecimal digits; empty if it has only a name.
        name: what people call it; empty if nothing tells.
    """

    path: str
    id: str
    name: str

    def __str__(self) -> str:
        return f"{self.id[:_SHORT]} {self.name}".strip()


def mount(mounts: str = "/proc/self/mounts") -> str:
    """Return where cgroups are.

    Raises:
        ValueError: nowhere.
    """
    with open(mounts, encoding="utf-8", errors="surrogateescape") as file:  # noqa: PTH123
        for line in file:
            _, place, kind = line.split(" ", 3)[:3]
            if kind == "cgroup2":
                return place.replace("\\040", " ")
    raise ValueError(_NOT_THERE)


def cgroup_id(path: str) -> int:
    """Return the number that the kernel knows a cgroup by.

    Args:
        path: of its directory, or as ``/proc/PID/cgroup`` has it, with or without the first slash.

    Raises:
        ValueError: there is no such cgroup.
    """
    above = mount()
    below = os.path.join(above, path.lstrip("/"))  # noqa: PTH118
    for place in (path, below) if os.path.isabs(path) else (below,):  # noqa: PTH117
        # Every cgroup2 has this file; directories of older cgroups have not.
        if os.path.exists(f"{place}/cgroup.controllers"):  # noqa: PTH110
            return inode(place)
    raise ValueError(f"there is no cgroup {path!r} in {above}")


@contextmanager
def around(pid: int) -> Iterator[int]:
    """Put a process into a cgroup of its own, below the one it is in; give the number of that.

    What the process starts is in it, too. At the end, what is left goes back.

    Raises:
        ValueError: no cgroup2 is mounted.
        OSError: none can be made here.
    """
    above = os.path.join(mount(), _own_path().lstrip("/"))  # noqa: PTH118
    path = os.path.join(above, f"pyebpf-{pid}")  # noqa: PTH118
    os.mkdir(path)  # noqa: PTH102
    try:
        _move(pid, path)
        yield os.stat(path).st_ino  # noqa: PTH116
    finally:
        _remove(path, above)


def _own_path() -> str:
    with open("/proc/self/cgroup", encoding="utf-8", errors="surrogateescape") as file:  # noqa: PTH123
        return next((line[3:-1] for line in file if line.startswith("0::")), "/")


def _move(pid: int, path: str) -> None:
    with (
        suppress(ProcessLookupError),  # it has ended
        open(f"{path}/cgroup.procs", "w", encoding="ascii") as file,  # noqa: PTH123
    ):
        file.write(str(pid))


def _remove(path: str, above: str) -> None:
    """Remove a cgroup; who is still in it goes above, also who is born, or dies, meanwhile."""
    for left in reversed(range(_TRIES)):
        with open(f"{path}/cgroup.procs", encoding="ascii") as file:  # noqa: PTH123
            inside = file.read().split()
        for pid in inside:
            _move(int(pid), above)
        try:
            os.rmdir(path)  # noqa: PTH106
        except OSError as err:
            if err.errno != errno.EBUSY or not left:
                raise
            time.sleep(0.001)
        else:
            return


def container_id(text: str) -> int:
    """Return the number of the cgroup of a container.

    Args:
        text: its id or name, or how one of them begins.

    Raises:
        ValueError: there is none, or there are several.
    """
    there = list(containers(mount()))
    found = [each for each in there if text and text in (each.id, each.name)]
    found = found or [each for each in there if text and _begins(each, text)]
    if len(found) == 1:
        return inode(found[0].path)
    if found:
        raise ValueError(f"{text!r} may be {' or '.join(sorted(map(str, found)))}")
    running = ", ".join(sorted(map(str, there))) or "none"
    raise ValueError(f"no container's id or name begins with {text!r}; there are: {running}")


def _begins(container: Container, text: str) -> bool:
    return container.id.startswith(text) or container.name.startswith(text)


def containers(cgroups: str, root: str = "/") -> Iterator[Container]:
    """Yield the containers that run, found by the names of cgroups.

    Args:
        cgroups: where they are mounted.
        root: where the container programs' own files are, for the names.
    """
    names = _names(root)
    for place, below, _ in os.walk(cgroups):
        for child in tuple(below):
            path = os.path.join(place, child)  # noqa: PTH118
            if by_id := _BY_ID.fullmatch(child):
                yield Container(path, by_id[1], names.get(by_id[1], ""))
            elif by_name := _BY_NAME.fullmatch(child):
                yield Container(path, "", next(filter(None, by_name.groups())))
            elif os.path.basename(place) in _PARENTS:  # noqa: PTH119
                yield Container(path, "", child)
            else:
                continue
            below.remove(child)  # what is inside belongs to it


def _names(root: str) -> dict[str, str]:
    """Return names by ids, as far as the files that know them may be read."""
    return {**_of_kubernetes(root), **_of_podman(root), **_of_docker(root)}


def _of_docker(root: str) -> dict[str, str]:
    folder = os.path.join(root, "var/lib/docker/containers")  # noqa: PTH118
    found = {}
    for number in _listed(folder):
        about = _json(f"{folder}/{number}/config.v2.json")
        if isinstance(about, dict):
            found[number] = str(about.get("Name", "")).lstrip("/")
    return found


def _of_podman(root: str) -> dict[str, str]:
    about = _json(
        os.path.join(root, "var/lib/containers/storage/overlay-containers/containers.json")  # noqa: PTH118
    )
    rows = about if isinstance(about, list) else []
    return {row["id"]: row["names"][0] for row in rows if row.get("names")}


def _of_kubernetes(root: str) -> dict[str, str]:
    # The kubelet's links to logs are called POD_NAMESPACE_CONTAINER-ID.log.
    names = _listed(os.path.join(root, "var/log/containers"))  # noqa: PTH118
    found = (re.fullmatch(r"(.+)-([0-9a-f]{64})\.log", name) for name in names)
    return {match[2]: match[1] for match in found if match}


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208
    except OSError:
        return []


def _json(path: str) -> object:
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123
            found: object = json.load(file)
            return found
    except (OSError, ValueError):
        return None
