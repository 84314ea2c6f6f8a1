"""The hooks of the kernel, with their types from BTF and tracefs."""

from __future__ import annotations

import os
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING

from pyebpf.abi.helpers import HELPERS
from pyebpf.abi.registers import REGISTERS
from pyebpf.btf import types as btf
from pyebpf.btf.types import Kind as BtfKind
from pyebpf.dsl.check.contexts.arguments import annotation_of
from pyebpf.dsl.check.contexts.tracepoint import visible_fields
from pyebpf.dsl.check.kernel_types import Argument, Kernel
from pyebpf.dsl.types import Bool, Int, Pointer, Space
from pyebpf.errors import KernelError, NotSupportedError
from pyebpf.hooks.entries import Entry
from pyebpf.runtime import kallsyms
from pyebpf.runtime.links.probes import SYSCALLS
from pyebpf.runtime.tracefs import Tracefs
from pyebpf.stubs.spelling import python_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pyebpf.btf import Btf
    from pyebpf.hooks.kinds import Kind
    from pyebpf.spec.target import Target, TracepointField

_TRACEPOINT, _LSM, _ITER = "btf_trace_", "bpf_lsm_", "bpf_iter_"
#: Numbers as C calls them, where they are no typedef.
_NUMBERS = {
    "int": "i32", "unsigned": "u32", "unsigned int": "u32", "long": "i64", "unsigned long": "u64",
    "char": "i8", "unsigned char": "u8", "short": "i16", "unsigned short": "u16",
}  # fmt: skip
_META = "struct bpf_iter_meta *"
#: This union of ``include/linux/lsm_hooks.h`` has a member for each hook.
_LSM_HOOKS = "security_list_options"


class Sources:
    """Where names and types come from: one kernel."""

    def __init__(self, target: Target) -> None:
        self.kernel = Kernel(target)
        self.tracefs = Tracefs()
        #: Why it is not known which functions can be traced; empty if it is.
        self.doubt = ""

    @property
    def btf(self) -> Btf:
        """The kernel's types; raises :class:`NotSupportedError` if there are none."""
        return self.kernel.btf

    @cached_property
    def functions(self) -> list[str]:
        """Every function that BTF describes."""
        return self.btf.own_names(functions=True)

    @cached_property
    def traceable(self) -> frozenset[str] | None:
        """The functions that ftrace can trace; None if that is not known."""
        try:
            found = self.tracefs.functions()
        except (KernelError, NotSupportedError) as error:
            self.doubt = str(error).partition("; ")[0]
            return None
        if not found:
            self.doubt = "this kernel lists none: it was built without dynamic ftrace"
        return frozenset(found) or None

    @cached_property
    def symbols(self) -> frozenset[str]:
        """The functions that the kernel has as such, which were not inlined everywhere."""
        return kallsyms.functions()


class _Kernel:
    doubt = ""

    def __init__(self, sources: Sources) -> None:
        self._from = sources

    def _parameters(self, name: str) -> tuple[btf.Param, ...]:
        """Return the parameters of a function, with their names."""
        kernel = self._from.btf
        for number in kernel.find_all(name, BtfKind.FUNC):
            node = kernel.type(number)
            assert isinstance(node, btf.Func)
            proto = kernel.type(node.type)
            assert isinstance(proto, btf.FuncProto)
            return proto.params
        return ()

    def _named(
        self, arguments: Iterable[Argument], params: Iterable[btf.Param]
    ) -> tuple[tuple[str, str], ...]:
        """Write arguments as parameters of a probe."""
        names = [param.name for param in params]
        out = []
        for number, each in enumerate(arguments):
            name = names[number] if number < len(names) else ""
            out.append((python_name(name) if name else f"arg{number}", self._written(each)))
        return tuple(out)

    def _written(self, argument: Argument | None) -> str:
        """Return the annotation of an argument or a result; empty if there is none.

        What no probe can hold is its type in C, quoted.
        """
        if argument is None:
            return ""
        if not isinstance(argument.type, (Int, Pointer, Bool)):
            return f'"{argument.spelling}"'
        hint = annotation_of(argument)
        return hint if not hint.startswith("Ptr[") or self._is_importable(hint[4:-1]) else "u64"

    def _is_importable(self, name: str) -> bool:
        """Tell whether ``from pyebpf.kernel import`` gives a struct or union of that name."""
        found = None
        with suppress(NotSupportedError):
            found = None if name.startswith("__") else self._from.kernel.find(name)
        return found is not None and self._from.kernel.has_members(found)


def with_context(kind: str, params: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Put the context in front of parameters, of which none may have its name."""
    rest = (("ctx_" if name == "ctx" else name, hint) for name, hint in params)
    return (("ctx", kind), *rest)


class Tracepoints(_Kernel):
    """Tracepoints with the fields of their records."""

    name = "tracepoint"

    def names(self) -> Iterable[str]:
        return self._from.tracefs.names()

    def describe(self, name: str) -> Entry:
        category, _, event = name.partition(":")
        fields = visible_fields(self._from.tracefs.fields(category, event))
        return Entry(
            self.name, name, f'@tracepoint("{name}")', (("ctx", "TracepointContext"),),
            fields=tuple((python_name(f.name), _field_type(f), f.c_type) for f in fields),
        )  # fmt: skip


def _field_type(field: TracepointField) -> str:
    is_text = "char" in field.c_type and ("[" in field.c_type or field.is_dynamic)
    if is_text and "unsigned" not in field.c_type:
        return "text"
    if "[" in field.c_type or field.is_dynamic or field.size not in (1, 2, 4, 8):
        return ""
    if field.c_type.startswith(("struct ", "const struct ")) and field.c_type.endswith("*"):
        struct = field.c_type.removeprefix("const ").removeprefix("struct ").rstrip("* ")
        return f"Ptr[{struct}]"
    return f"{'i' if field.signed else 'u'}{8 * field.size}"


class TypedTracepoints(_Kernel):
    """Tracepoints with their arguments as the kernel passes them."""

    name = "tp_btf"

    def names(self) -> Iterable[str]:
        names = self._from.btf.own_names(functions=False)
        return [n.removeprefix(_TRACEPOINT) for n in names if n.startswith(_TRACEPOINT)]

    def describe(self, name: str) -> Entry:
        found = self._from.kernel.tracepoint(name)
        # Types of functions have no names of parameters; the function that calls the probes has.
        params = self._parameters(f"__traceiter_{name}")[1:]
        arguments = found.arguments if found is not None else ()
        return Entry(self.name, name, f'@tp_btf("{name}")', self._named(arguments, params))


class Functions(_Kernel):
    """Functions of the kernel: those in BTF with their types, and others that can be traced."""

    name = "function"

    @property
    def doubt(self) -> str:  # type: ignore[override]
        """Say that what can be traced is not known."""
        why = self._from.doubt
        return f"which of these functions can be traced is not known: {why}" if why else ""

    def names(self) -> Iterable[str]:
        try:
            described = self._from.functions
        except NotSupportedError:
            described = []
        traceable = self._from.traceable or ()
        return [*described, *traceable] or self._from.symbols

    def describe(self, name: str) -> Entry:
        found = None
        with suppress(NotSupportedError):
            found = self._from.kernel.function(name, Space.BTF)
        if found is None:
            note = "no types in the kernel's BTF"
            return Entry(
                self.name, name, f'@kprobe("{name}")', with_context("KprobeContext", ()), note=note
            )
        params = self._named(found.arguments, self._parameters(name))
        result = self._written(found.result)
        decorator, note = self._place(name)
        if decorator == "@kprobe":  # its arguments are those that are passed in registers
            machine = REGISTERS.get(os.uname().machine)
            params = with_context(
                "KprobeContext", params[: len(machine.arguments) if machine else 0]
            )
        return Entry(self.name, name, f'{decorator}("{name}")', params, result, note=note)

    def _place(self, name: str) -> tuple[str, str]:
        """Say which decorator takes a function, and what else there is to know."""
        traceable = self._from.traceable
        if traceable is None or name in traceable:
            return "@fentry", ""
        if name in self._from.symbols:
            return "@kprobe", "no fentry: ftrace does not trace it"
        return "@fentry", "inlined everywhere, or of the start: nothing attaches"


class Syscalls(_Kernel):
    """System calls: their arguments as tracefs describes them."""

    name = "syscall"

    def names(self) -> Iterable[str]:
        prefix = SYSCALLS.get(os.uname().machine, "")
        try:
            functions = self._from.functions
        except NotSupportedError:
            functions = list(self._from.symbols)
        return [n.removeprefix(prefix) for n in functions if prefix and n.startswith(prefix)]

    def describe(self, name: str) -> Entry:
        fields: tuple[TracepointField, ...] = ()
        with suppress(KernelError, NotSupportedError, KeyError):
            fields = self._from.tracefs.fields("syscalls", f"sys_enter_{name}")
        params = [
            (python_name(field.name), self._annotation(field.c_type))
            for field in visible_fields(fields)
            # The number of the call, and since Linux 7 the texts that arguments point to.
            if field.name != "nr" and not field.name.startswith("__")
        ]
        note = "" if fields else "its arguments are not known"
        given = with_context("KprobeContext", params)
        return Entry(self.name, name, f'@ksyscall("{name}")', given, note=note)

    def _annotation(self, c_type: str) -> str:
        """Return the annotation of an argument, whose field has 8 bytes whatever its type has."""
        bare = c_type.removeprefix("const ").strip()
        if bare.endswith("*"):
            bare = bare.rstrip("* ").removeprefix("struct ")
            if bare == "char":
                return "UserPtr[u8]"
            return f"UserPtr[{bare}]" if self._is_importable(bare) else "u64"
        if bare in _NUMBERS:
            return _NUMBERS[bare]
        kernel = self._from.kernel
        found = kernel.find(bare) if self._has_types() else None
        kind = kernel.value(found.id, Space.KERNEL) if found is not None else None
        return str(kind) if isinstance(kind, Int) else "u64"

    def _has_types(self) -> bool:
        try:
            return len(self._from.btf) > 0
        except NotSupportedError:
            return False


class LsmHooks(_Kernel):
    """Hooks for security modules."""

    name = "lsm"

    def names(self) -> Iterable[str]:
        found = self._from.kernel.find(_LSM_HOOKS)
        hooks = set(self._from.kernel.member_names(found)) if found is not None else set()
        names = {n.removeprefix(_LSM) for n in self._from.functions if n.startswith(_LSM)}
        return names & hooks

    def describe(self, name: str) -> Entry:
        found = self._from.kernel.function(f"{_LSM}{name}", Space.BTF)
        assert found is not None
        params = self._named(found.arguments, self._parameters(f"{_LSM}{name}"))
        # Also where the kernel's own hook gives nothing: a program gives 0 there.
        return Entry(self.name, name, f'@lsm("{name}")', params, "i32")


class Iterators(_Kernel):
    """What programs can visit, one object after the other."""

    name = "iter"

    def names(self) -> Iterable[str]:
        begun = [n for n in self._from.functions if n.startswith(_ITER)]
        return [n.removeprefix(_ITER) for n in begun if self._is_iterator(n)]

    def _is_iterator(self, name: str) -> bool:
        params = self._parameters(name)
        spelled = [self._from.kernel.spelling(param.type) for param in params[:2]]
        return len(spelled) == 2 and spelled[0].startswith(_META) and spelled[1].endswith("*")

    def describe(self, name: str) -> Entry:
        found = self._from.kernel.function(f"{_ITER}{name}", Space.BTF)
        assert found is not None
        rest = self._named(found.arguments, self._parameters(f"{_ITER}{name}"))[1:]
        # After the last object it is called once more, with nothing.
        visited = [(n, f"{hint} | None" if hint.startswith("Ptr[") else hint) for n, hint in rest]
        return Entry(self.name, name, f'@iter("{name}")', with_context("IterContext", visited))


class Kfuncs(_Kernel):
    """Functions of the kernel that programs may call."""

    name = "kfunc"

    def names(self) -> Iterable[str]:
        return self._from.kernel.kfunc_names()

    def describe(self, name: str) -> Entry:
        found = self._from.kernel.function(name, Space.BTF)
        assert found is not None
        params = self._named(found.arguments, self._parameters(name))
        result = self._written(found.result)
        return Entry(self.name, name, f'kfunc("{name}")', params, result)


class Helpers(_Kernel):
    """Functions that programs may call by number. The table is this package's, not the kernel's."""

    name = "helper"

    def names(self) -> Iterable[str]:
        return HELPERS

    def describe(self, name: str) -> Entry:
        row = HELPERS[name]
        params = tuple((each.python_name, "") for each in row.args)
        return Entry(self.name, name, f"helpers.{name}", params, note=f"Linux {row.since}")


#: How the kinds are called, and what makes them, in the order in which they are shown.
KERNEL_KINDS: dict[str, Callable[[Sources], Kind]] = {
    each.name: each
    for each in (
        Tracepoints, TypedTracepoints, Functions, Syscalls, LsmHooks, Iterators, Kfuncs, Helpers,
    )
}  # fmt: skip
