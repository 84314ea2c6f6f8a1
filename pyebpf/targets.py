"""Kernels to compile for: the one that runs, and others that a file of types describes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from zlib import crc32

from pyebpf.btf.system import kernel_btf, kernel_ident, open_btf
from pyebpf.errors import NotSupportedError
from pyebpf.host.cpus import possible_count
from pyebpf.lazy import lazy
from pyebpf.runtime.features import KernelFeatures
from pyebpf.runtime.tracefs import Tracefs
from pyebpf.spec.target import FrozenConfiguration, Target

if TYPE_CHECKING:
    from pyebpf.btf import Btf
    from pyebpf.runtime import configuration
    from pyebpf.spec import described
    from pyebpf.spec.target import Configuration, Features, Tracepoints
else:
    configuration = lazy("pyebpf.runtime.configuration")
    described = lazy("pyebpf.spec.described")


def host_target(btf: str | os.PathLike[str] | None = None, *, exact: bool = False) -> Target:
    """Return the running kernel as a target; its BTF is None if it has none.

    Args:
        btf: a file with its types, for a kernel without: raw BTF, or a ``vmlinux``.
        exact: what is compiled is loaded here only, as a session does it. Without it, other kernels
            read the right numbers too, wherever they have another width, or are bit-fields.

    Raises:
        OtherKernelError: the file is of another kernel.
        FormatError: it is no BTF.
        NotSupportedError: it cannot be read.
    """
    types: Btf | None
    try:
        types = kernel_btf(os.fspath(btf or ""))
    except NotSupportedError:
        if btf is not None or os.environ.get("PYEBPF_BTF"):
            raise
        types = None
    return Target(
        types,
        KernelFeatures(),
        Tracefs(),
        os.uname().machine,
        possible_count(),
        kernel_ident(),
        configuration.KernelConfiguration(),
        exact,
    )


def btf_target(
    btf: str | os.PathLike[str] | Btf,
    *,
    arch: str = "",
    cpus: int = 1,
    features: Features | None = None,
    tracepoints: Tracepoints | None = None,
    configuration: Configuration | None = None,
) -> Target:
    """Return the kernel that a file of types describes, to compile for it anywhere.

    What it can do is read from its types: the helpers, maps and programs that it numbers. Objects
    find fields where they are in the kernel that loads them (CO-RE).

    Args:
        btf: raw BTF, as in ``/sys/kernel/btf/vmlinux`` and from BTFHub, a ``vmlinux`` with it, or
            types that were read already.
        arch: its machine, as ``uname -m`` names it; needed only if the types do not tell, as those
            that were reduced, and refused if they tell another.
        cpus: possible CPUs, for what has a row for each.
        features: what it can do, if that is known better.
        tracepoints: with their fields, if they are known better.
        configuration: how it was configured; without it, it does not tell.

    Raises:
        NotSupportedError: the file cannot be read; or the machine is contradicted.
        FormatError: it is no BTF.
    """
    types = open_btf(os.fspath(btf)) if isinstance(btf, (str, os.PathLike)) else btf
    target = Target(
        types,
        features or described.DescribedFeatures(types),
        tracepoints or described.DescribedTracepoints(types),
        arch,
        cpus,
        f"btf-{crc32(types.data):08x}",
        configuration or FrozenConfiguration(),
    )
    if arch:
        target.machine  # noqa: B018 - raises if the types tell another
    return target
