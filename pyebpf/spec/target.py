"""The kernel that a compilation is for, as one argument.

Compilation reads nothing else about a kernel: the same source and the same target give the same
bytes, and a test passes a target that it made itself.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from pyebpf.errors import NotSupportedError
from pyebpf.plain import Frozen
from pyebpf.spec.machine import machine_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyebpf.btf import Btf


class Lack(Frozen):
    """Why a kernel is not known to have a feature.

    Attributes:
        reason: what the probe of the feature saw; empty of a kernel that is not the running one.
        is_sure: it has not got it; otherwise this could not be told.
    """

    reason: str = ""
    is_sure: bool = True


class Features(Protocol):
    """What a kernel can do, by the names of the rows in ``pyebpf.runtime.features``."""

    def has(self, name: str) -> bool:
        """Tell whether the kernel has the feature."""
        ...

    def lack(self, name: str) -> Lack | None:
        """Return why the kernel is not known to have the feature; None if it has it."""


class FrozenFeatures(Frozen):
    """A fixed set of features, for tests and for cross compilation."""

    names: frozenset[str] = frozenset()

    def has(self, name: str) -> bool:
        return name in self.names

    def lack(self, name: str) -> Lack | None:
        return None if name in self.names else Lack()


class TracepointField(Frozen):
    """One field of a tracepoint's record, as tracefs describes it. Offsets and sizes in bytes."""

    name: str
    c_type: str
    offset: int
    size: int
    signed: bool

    @property
    def is_dynamic(self) -> bool:
        """Whether this is a word that says where a string or array is, not the thing itself.

        ``__data_loc`` counts from the start of the record, ``__rel_loc`` from the end of the word.
        """
        return self.c_type.startswith(("__data_loc ", "__rel_loc "))


class Tracepoints(Protocol):
    """The tracepoints of a kernel."""

    def fields(self, category: str, name: str) -> tuple[TracepointField, ...]:
        """Return the fields; ``KeyError`` if there is no such tracepoint."""
        ...

    def names(self) -> tuple[str, ...]:
        """Return every tracepoint as ``category:name``, sorted."""
        ...


class FrozenTracepoints(Frozen):
    """A fixed set of tracepoints: ``{"sched:sched_switch": fields}``."""

    events: Mapping[str, tuple[TracepointField, ...]] = MappingProxyType({})

    def fields(self, category: str, name: str) -> tuple[TracepointField, ...]:
        return self.events[f"{category}:{name}"]

    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self.events))


class Configuration(Protocol):
    """How a kernel was configured."""

    def get(self, name: str) -> str | None:
        """Return what follows ``CONFIG_NAME=``, or None if the option is not set.

        Raises:
            LookupError: the kernel does not tell its configuration.
        """


class FrozenConfiguration(Frozen):
    """A fixed configuration: ``{"CONFIG_HZ": "250"}``; None of a kernel that does not tell."""

    options: Mapping[str, str] | None = None

    def get(self, name: str) -> str | None:
        """Return what follows ``CONFIG_NAME=``, or None if the option is not set."""
        if self.options is None:
            raise LookupError("this kernel does not tell its configuration")
        return self.options.get(name)


class Target(Frozen):
    """A kernel to compile for.

    Attributes:
        btf: its types; None for a kernel without BTF.
        features: what it can do.
        tracepoints: its tracepoints and their fields.
        arch: machine name as in ``platform.machine()``; empty to take what the types tell.
        cpus: possible CPUs (``/sys/devices/system/cpu/possible``), for per-CPU layouts.
        ident: tells kernels apart in cache keys (the build id, or a hash of the BTF).
        configuration: how it was configured.
        exact: only this kernel will load the object. For others too, numbers that a helper reads
            are read by what the types of the kernel at hand say of their width, bits and sign.
    """

    btf: Btf | None
    features: Features = FrozenFeatures()
    tracepoints: Tracepoints = FrozenTracepoints()
    arch: str = ""
    cpus: int = 1
    ident: str = "frozen"
    configuration: Configuration = FrozenConfiguration()
    exact: bool = False

    def has(self, feature: str) -> bool:
        """Tell whether the kernel has the feature, for choosing another way without it."""
        return self.features.has(feature)

    def lacks(self, feature: str) -> bool:
        """Tell whether the kernel is known not to have it, for refusing what needs it.

        Who may not ask the running kernel knows of nothing that it lacks, and may compile.

        >>> from pyebpf import testing
        >>> testing.target(without={"ringbuf"}).lacks("ringbuf")
        True
        """
        lack = self.features.lack(feature)
        return lack is not None and lack.is_sure

    @property
    def machine(self) -> str:
        """The machine, as ``uname -m`` names it; never a guess.

        Raises:
            NotSupportedError: neither ``arch`` nor the types tell, or they contradict each other.
        """
        told = self._told()
        if not (told or self.arch):
            raise NotSupportedError(
                "it is not known which machine the target kernel is for: its types have no "
                "`struct pt_regs` that tells, so give Target(…, arch=…), such as 'aarch64'"
            )
        if told and self.arch and told != self.arch:
            raise NotSupportedError(
                f"the target is said to be {self.arch}, but its types are those of a kernel for "
                f"{told}: leave `arch` out, or give the BTF of the other kernel"
            )
        return told or self.arch

    def is_elsewhere(self, machine: str) -> bool:
        """Tell whether the target is known to be another machine than ``machine``."""
        known = self._told() or self.arch
        return bool(known) and known != machine

    def _told(self) -> str:
        return machine_of(self.btf) if self.btf is not None else ""
