"""Loading one program into the kernel."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pyebpf.abi import constants as c
from pyebpf.abi.programs import ProgramKind
from pyebpf.btf.types import Kind
from pyebpf.errors import KernelError, NotSupportedError
from pyebpf.lazy import lazy
from pyebpf.owner import Owner
from pyebpf.runtime import syscall
from pyebpf.runtime.relocate import FUNC_INFO_SIZE, LINE_INFO_SIZE, LinkedProgram
from pyebpf.runtime.resolver import KernelPlace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pyebpf.runtime import verifier
    from pyebpf.runtime.module_fds import ModuleFds
    from pyebpf.runtime.resolver import CoreResolver
else:
    verifier = lazy("pyebpf.runtime.verifier")


class Program(Owner):
    """A loaded program. It owns its descriptor.

    Attributes:
        fd: the descriptor; -1 when closed.
        name: of its entry function.
        kind: the row that says what it is and how it attaches.
        hook: what it attaches to, as its section says; may be empty.
        linked: the instructions as they were loaded.
        log: the verifier's log, if one was asked for.
        again: loads it once more, with other code in place of some of its functions, as a kind.
    """

    def __init__(
        self, fd: int, name: str, kind: ProgramKind, hook: str, linked: LinkedProgram, log: str = ""
    ) -> None:
        self.fd, self.name, self.kind, self.hook = fd, name, kind, hook
        self.linked, self.log = linked, log
        self.again: Callable[[Mapping[str, bytes], ProgramKind], Program] | None = None
        self._others: dict[tuple[object, ...], Program] = {}

    def adapted(self, bodies: Mapping[str, bytes], kind: ProgramKind) -> Program:
        """Return it with other code in place of some of its functions, as a kind.

        It is loaded once, and is this program's: closed with it, and what it costs is what this
        one costs.
        """
        key = (*bodies.items(), kind.name)
        if key not in self._others:
            assert self.again is not None, "only what an object holds can be loaded once more"
            self._others[key] = self.again(bodies, kind)
        return self._others[key]

    def loaded(self) -> tuple[Program, ...]:
        """Return all that the kernel has of it: itself, and what :meth:`adapted` gave."""
        return (self, *self._others.values())

    def fileno(self) -> int:
        """Return the descriptor."""
        return self.fd

    def close(self) -> None:
        """Close the descriptor. Closing twice is no error; a link keeps the program running."""
        for other in self._others.values():
            other.close()
        self._others.clear()
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)

    def __repr__(self) -> str:
        return f"<Program {self.name!r} ({self.kind.name}), descriptor {self.fd}>"


def load_program(  # noqa: PLR0913 - one argument for each thing that a load depends on
    linked: LinkedProgram,
    kind: ProgramKind,
    hook: str,
    *,
    resolver: CoreResolver,
    modules: ModuleFds,
    license: str = "GPL",  # noqa: A002 - the kernel's name
    btf_fd: int = 0,
    log_level: int = 0,
) -> Program:
    """Load a program; if the kernel refuses it, say at which line and why.

    Args:
        linked: the instructions.
        kind: what kind of program it is.
        hook: what it will be attached to.
        resolver: knows the ids of kernel types, for the kinds that name their hook when loaded.
        modules: the types of modules that it names.
        license: of the object.
        btf_fd: the object's BTF, loaded; 0 for none.
        log_level: 0 asks for the verifier's log only after a refusal; 1 keeps that of an accepted
            program too; 2 has every state.

    Raises:
        VerifierError: the verifier refuses the program.
        KernelError: the kernel refuses it for another reason, such as a missing capability.
        RelocationError: the hook does not exist in this kernel.
        NotSupportedError: the kind of hook cannot be named on this kernel.
    """
    target = KernelPlace(0)
    if kind.needs_btf_id:
        target = attach_place(kind, hook, linked.name, resolver)
    of_modules = [modules[name] for name in linked.modules]
    func_info = linked.func_info if btf_fd else b""
    line_info = linked.line_info if btf_fd else b""
    try:
        fd, log = syscall.prog_load(
            kind.prog_type,
            linked.code,
            license,
            name=linked.name,
            expected_attach_type=kind.attach_type,
            attach_btf_id=target.id,
            attach_btf_fd=modules[target.module] if target.module else 0,
            btf_fd=btf_fd,
            func_info=func_info,
            func_info_rec_size=FUNC_INFO_SIZE if func_info else 0,
            line_info=line_info,
            line_info_rec_size=LINE_INFO_SIZE if line_info else 0,
            log_level=log_level,
            flags=kind.flags,
            fd_array=[0, *of_modules] if of_modules else (),
        )
    except syscall.RefusedError as refusal:
        if verifier.gives_reason(refusal.log):
            raise verifier.explain(linked, refusal.log, resolver) from None
        raise _in_context(refusal, kind, hook) from None
    return Program(fd, linked.name, kind, hook, linked, log)


def _in_context(refusal: KernelError, kind: ProgramKind, hook: str) -> KernelError:
    """Add the kind and the hook to a refusal that the verifier had no part in."""
    what = f"{kind.name} program for {hook!r}" if hook else f"{kind.name} program"
    return KernelError(
        refusal.errno or 0, f"{what}: {refusal.strerror}", capability=refusal.capability
    )


#: Where the hook of a program that names it by BTF id is found: prefix of its name, and its kind.
_TARGETS = {
    c.BPF_TRACE_RAW_TP: ("btf_trace_", Kind.TYPEDEF),
    c.BPF_TRACE_FENTRY: ("", Kind.FUNC),
    c.BPF_TRACE_FEXIT: ("", Kind.FUNC),
    c.BPF_MODIFY_RETURN: ("", Kind.FUNC),
    c.BPF_TRACE_FSESSION: ("", Kind.FUNC),
    c.BPF_LSM_MAC: ("bpf_lsm_", Kind.FUNC),
    c.BPF_LSM_CGROUP: ("bpf_lsm_", Kind.FUNC),
    c.BPF_TRACE_ITER: ("bpf_iter_", Kind.FUNC),
}


def attach_place(kind: ProgramKind, hook: str, name: str, resolver: CoreResolver) -> KernelPlace:
    """Return where the kernel's types have a hook, such as ``vfs_read`` or ``xfs:xfs_file_open``.

    Raises:
        RelocationError: the kernel has no such hook.
        NotSupportedError: the kernel has no BTF, or the kind attaches to another program.
    """
    known = _TARGETS.get(kind.attach_type)
    if known is None or kind.prog_type == c.BPF_PROG_TYPE_EXT:
        raise NotSupportedError(
            f"program {name!r}: a {kind.name} program replaces a function of another program, "
            "which has to be given when it is loaded",
            feature="freplace",
        )
    prefix, what = known
    module, _, own = hook.rpartition(":")
    return resolver.place(prefix + own, what, module)
