"""What this machine says of itself: privileges, policies, settings, mounts."""

from __future__ import annotations

import os
from functools import cached_property

from pyebpf.abi.capability import CAPABILITIES, missing
from pyebpf.plain import Frozen
from pyebpf.runtime import policy
from pyebpf.runtime.configuration import KernelConfiguration
from pyebpf.runtime.refusal import effective_capabilities, in_user_namespace


class Mount(Frozen):
    """A row of ``/proc/self/mounts``."""

    kind: str
    place: str


class Machine:
    """What is read, each when first asked for, from files that every user may read.

    Args:
        root: where ``/proc`` and ``/sys`` are, for tests.
    """

    def __init__(self, root: str = "") -> None:
        self._root = root
        self._configuration = KernelConfiguration()

    def read(self, path: str) -> str | None:
        """Return the text of a file, stripped; None if it is not there or may not be read."""
        try:
            with open(self._root + path, encoding="utf-8", errors="replace") as file:  # noqa: PTH123
                return file.read().strip()
        except OSError:
            return None

    def sysctl(self, name: str) -> str | None:
        """Return a setting: ``kernel.kptr_restrict``."""
        return self.read(f"/proc/sys/{name.replace('.', '/')}")

    @cached_property
    def capabilities(self) -> int:
        """The effective set, as a bit mask."""
        return effective_capabilities()

    def lacks(self, needs: tuple[str, ...]) -> tuple[str, ...]:
        """Return those of some capabilities that this process does not have."""
        return missing(needs, self.capabilities)

    def holds(self, name: str) -> bool:
        """Tell whether this process has a capability."""
        return bool(self.capabilities >> CAPABILITIES[name] & 1)

    @cached_property
    def is_contained(self) -> bool:
        """Whether this is a user namespace, where capabilities do not count for bpf."""
        return in_user_namespace()

    @cached_property
    def mounts(self) -> tuple[Mount, ...]:
        """The file systems that this process sees."""
        rows = [line.split() for line in (self.read("/proc/self/mounts") or "").splitlines()]
        return tuple(Mount(row[2], row[1]) for row in rows if len(row) > 2)

    def mounted(self, kind: str) -> str:
        """Return where a kind of file system is mounted; empty if it is not."""
        return next((mount.place for mount in self.mounts if mount.kind == kind), "")

    def has_filesystem(self, kind: str) -> bool:
        """Tell whether the kernel knows a kind of file system."""
        lines = (self.read("/proc/filesystems") or "").splitlines()
        return any(line.split()[-1:] == [kind] for line in lines)

    @cached_property
    def lockdown(self) -> str | None:
        """``none``, ``integrity`` or ``confidentiality``; None if the kernel does not tell."""
        text = self.read("/sys/kernel/security/lockdown")
        return None if text is None else policy.lockdown_of(text)

    @cached_property
    def security_modules(self) -> tuple[str, ...] | None:
        """The active security modules; None if the kernel does not tell."""
        text = self.read("/sys/kernel/security/lsm")
        return None if text is None else policy.modules_of(text)

    @cached_property
    def seccomp(self) -> bool:
        """Whether a filter of system calls is on this process."""
        return policy.is_filtered(self.read("/proc/self/status") or "")

    def option(self, name: str) -> str | None:
        """Return the value of ``CONFIG_name``; None if it is not set.

        Raises:
            LookupError: the kernel does not tell its configuration.
        """
        return self._configuration.get(name)

    def is_configured(self, name: str) -> bool | None:
        """Tell whether ``CONFIG_name`` is on; None if the kernel does not tell."""
        try:
            return self.option(f"CONFIG_{name}") in ("y", "m")
        except LookupError:
            return None

    @property
    def release(self) -> str:
        """What ``uname -r`` says."""
        return os.uname().release
