"""Whom to trace: the options that every tool has which knows of a task, declared once.

A tool that says ``filters=FILTERS`` has them, and asks in its probes :func:`is_wanted` of the
current task, or :func:`is_task_wanted` of another. What is not asked for costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pyebpf.dsl.access import container_of
from pyebpf.dsl.builtins import comm, current_task, tgid, tid, uid
from pyebpf.dsl.constants import Const
from pyebpf.dsl.scalars import Ptr, u64
from pyebpf.headstart import own
from pyebpf.kernel import cgroup, task_struct
from pyebpf.lazy import lazy

if TYPE_CHECKING:
    from pyebpf.host import cgroups as found_cgroups
else:  # not by a name that is a field's too, task.cgroups: the cache takes it for what a probe uses
    found_cgroups = lazy("pyebpf.host.cgroups")

_LONGEST = 15  # bytes of a task's name: TASK_COMM_LEN of include/linux/sched.h, less the zero
_DEEPEST = 16  # how many cgroups below the one asked for are looked at


def user(name: str) -> int:
    """Return the number of a user by name or number."""
    if name.isascii() and name.isdigit():
        return int(name)
    own.depends_on("/etc/passwd")
    try:
        number: int = import_module("pwd").getpwnam(name).pw_uid  # few starts need it
    except KeyError:
        raise ValueError(f"there is no user {name!r}") from None
    return number


def task_name(text: str) -> str:
    """Return a name as the kernel has it, which keeps 15 bytes."""
    if not text:
        raise ValueError("a task's name is not empty")
    return text.encode("utf-8", "surrogateescape")[:_LONGEST].decode("utf-8", "ignore")


def _cgroup(path: str) -> int:
    return found_cgroups.cgroup_id(path)


def _container(text: str) -> int:
    return found_cgroups.container_id(text)


only_pid = Const(0, "-p", "--pid", help="trace this process only")
only_tid = Const(0, "-t", "--tid", help="trace this thread only")
only_uid = Const(-1, "-u", "--uid", help="trace this user only", convert=user, metavar="USER")
only_comm = Const(
    "", "--comm", help="trace threads of this name only", convert=task_name, metavar="NAME"
)
only_cgroup = Const(
    0,
    "--cgroup",
    help="trace this cgroup only, and those in it",
    convert=_cgroup,
    metavar="PATH",
)
only_container = Const(
    0,
    "--container",
    help="trace this container only: an id or a name, or its beginning",
    convert=_container,
    metavar="NAME",
)

#: All of them, for a ``Tool``. Where a tool has another use for a letter, it has the words.
FILTERS = (only_pid, only_tid, only_uid, only_comm, only_cgroup, only_container)
_DEFAULTS = tuple(zip(FILTERS, (0, 0, -1, "", 0, 0), strict=True))


def is_wanted() -> bool:
    """Tell whether the current task is among those asked for; without the options, True."""
    if (only_pid and tgid() != only_pid) or (only_tid and tid() != only_tid):
        return False
    if (only_uid >= 0 and uid() != only_uid) or (only_comm and comm() != only_comm):
        return False
    return (not only_cgroup and not only_container) or _is_inside(current_task())


def is_task_wanted(task: Ptr[task_struct]) -> bool:
    """Tell whether a task is among those asked for; without the options, True."""
    if (only_pid and task.tgid != only_pid) or (only_tid and task.pid != only_tid):
        return False
    if (only_uid >= 0 and task.cred.uid.val != only_uid) or (only_comm and task.comm != only_comm):
        return False
    return (not only_cgroup and not only_container) or _is_inside(task)


def is_filtering() -> bool:
    """Tell in a probe whether any of the options is given."""
    if only_pid or only_tid or only_uid >= 0 or only_comm != "":
        return True
    return bool(only_cgroup or only_container)


def are_given(options: Any) -> bool:
    """Tell whether any of the options is given: of a session, or what makes probes of options."""
    return any(options.option(const) != default for const, default in _DEFAULTS)


def _is_inside(task: Ptr[task_struct]) -> bool:
    """Tell whether a task is in the cgroups that the options name."""
    if only_cgroup and not _is_below(task, only_cgroup):
        return False
    return not only_container or _is_below(task, only_container)


def _is_below(task: Ptr[task_struct], number: u64) -> bool:
    """Tell whether a task's cgroup has this number, or one around it has.

    Upwards one by one: how deep a cgroup lies is not known where namespaces hide what is above.
    """
    group = task.cgroups.dfl_cgrp
    for _ in range(_DEEPEST):
        if group.kn.id == number:
            return True
        above = group.self.parent
        if not above:
            return False
        group = container_of(above, cgroup, "self")
    return False
