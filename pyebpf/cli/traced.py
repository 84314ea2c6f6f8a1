"""Lines that specifiers of a command line ask for: what they send, as columns."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Any

from pyebpf.btf import types as btf
from pyebpf.btf.types import Kind
from pyebpf.cli.lines import Column, Lines
from pyebpf.cli.stacks import symbols
from pyebpf.errors import NotSupportedError
from pyebpf.lazy import lazy
from pyebpf.lib.specifiers import CType, Parameter, Signature
from pyebpf.lib.specifiers.c_types import read_type
from pyebpf.lib.stacks import own_frames

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyebpf.btf import layout, system
    from pyebpf.cli.lines import Printer
    from pyebpf.lib.specifiers import Tracing
    from pyebpf.session import Session
else:
    layout, system = lazy("pyebpf.btf.layout"), lazy("pyebpf.btf.system")

_U64 = (1 << 64) - 1
_VOID = 0


@cache
def kernel_signature(function: str) -> Signature | None:
    """Return what a function of the kernel takes and gives; None if its types are not known."""
    try:
        types = system.kernel_btf()
    except NotSupportedError:
        return None
    for number in types.find_all(function, Kind.FUNC):
        node = types.type(number)
        assert isinstance(node, btf.Func)
        proto = types.type(node.type)
        assert isinstance(proto, btf.FuncProto)
        parameters = []
        for each in proto.params:
            kind = _readable(types, each.type)
            if kind is None:
                break  # it and those behind it are elsewhere
            parameters.append(Parameter(kind, each.name))
        return Signature(tuple(parameters), _readable(types, proto.result))
    return None


def _readable(types: Any, number: int) -> CType | None:
    """Return a type as C has it, if values of it can be read; what its name stands for."""
    if number == _VOID:
        return None
    kind = read_type(layout.c_name(types, number))
    if kind.is_struct:
        kind = read_type(layout.c_name(types, types.skip(number)))
    return None if kind.is_struct else kind


class TracedLines(Lines):
    """The lines of specifiers, which are known when a session is: see :class:`Lines`.

    Args:
        tracing: returns what is traced, of the session.
        columns: as of :class:`Lines`.
        with_own: the option to show what the tool itself does.
        files: the option with files whose functions are to be named.
        process: the option that says which process to trace.
        more: as of :class:`Lines`.
    """

    def __init__(
        self,
        tracing: Callable[[Any], Tracing],
        *columns: Column,
        with_own: Any,
        files: Any,
        process: Any,
        **more: Any,
    ) -> None:
        super().__init__(None, *columns, **more)
        self._tracing, self._own_columns, self._more = tracing, columns, more
        self._with_own = with_own
        self._files, self._process = files, process

    def printer(
        self, session: Session, *, json: bool, csv: bool = False, tool: str = ""
    ) -> Printer:
        """Begin to print, and to trace."""
        tracing = self._tracing(session)
        self._remember(session, tracing)
        lines = Lines(tracing.hits, *self._own_columns, **self._more)
        printer = lines.printer(session, json=json, csv=csv, tool=tool)
        session[tracing.own].value = 0 if session.option(self._with_own) else os.getpid()
        return printer

    def _remember(self, session: Session, tracing: Tracing) -> None:
        """Look at processes and files while they are there, for names of their functions."""
        pid, has_stacks = session.option(self._process), tracing.wanted.user
        for file in session.option(self._files) if has_stacks else ():
            session[tracing.user_stacks].remember(file)
        if pid and has_stacks:
            session[tracing.user_stacks].remember(pid)
        if pid and any("U" in each.message.kinds for each in tracing.traced):
            symbols().remember(pid)


def said(tracing: Tracing, row: Any) -> str:
    """Return what is said of a call."""
    traced = tracing.traced[row.spec]
    values = []
    for name, letter, (kind, _) in zip(
        tracing.fields[row.spec], traced.message.kinds, traced.spec.values, strict=True
    ):
        value = getattr(row, name)
        if letter in "KU":
            value = _function(value & _U64, row.pid if letter == "U" else 0)
        elif letter == "c":
            value = chr(value & 0xFF)
        elif not kind.is_text and kind.scalar.startswith("u"):
            value &= _U64
        values.append(value)
    text: str = traced.message.text % tuple(values)
    return text


def _function(address: int, pid: int) -> str:
    (frame,) = symbols().frames([address], pid)
    return str(frame)


def stack_of(tracing: Tracing, session: Any, row: Any, *, addresses: bool) -> list[str]:
    """Return the functions of a call's stacks, the innermost first.

    Args:
        tracing: what is traced.
        session: where.
        row: the record of the call.
        addresses: show each address before its function.
    """
    frames: list[Any] = []
    if tracing.wanted.kernel:
        frames += own_frames(session[tracing.stacks].frames(row.kernel))
    if tracing.wanted.user:
        frames += session[tracing.user_stacks].frames(row.user, row.pid)
    if addresses:
        return [f"{frame.address:<16x} {frame}" for frame in frames]
    return [f"{frame}+{frame.offset:#x}" for frame in frames]
