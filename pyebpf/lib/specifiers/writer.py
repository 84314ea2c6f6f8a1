"""The probes that a specifier means, written as a module of Python.

It has the public declarations of this package, as a user would have written it: what compiles, and
what errors show, is its lines.
"""

from __future__ import annotations

import importlib
import keyword
import linecache
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

from pyebpf.btf.near import did_you_mean, nearest
from pyebpf.lib.specifiers.c_types import CType
from pyebpf.lib.specifiers.expressions import Part, SpecifierError, Token, to_python
from pyebpf.lib.specifiers.grammar import Parameter, Signature, Specifier
from pyebpf.plain import Frozen

#: What expressions may use of this package, and of Python.
_OURS = frozenset(
    (
        *("Ptr", "UserPtr", "kernel", "i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64"),
        *("addressof", "cast", "container_of", "has_field", "offsetof", "sizeof"),
        *("read_kernel", "read_kernel_str", "read_user", "read_user_str"),
        *("comm", "cpu", "current_task", "cgroup_id", "numa_node"),
        *("gid", "pid_tgid", "tgid", "tid", "uid"),
        *("get_prandom_u32", "jiffies64", "ktime_get_boot_ns", "ktime_get_ns"),
        *("htonl", "htonll", "htons", "ipv4", "ipv6", "ntohl", "ntohll", "ntohs"),
    )
)
_PYTHON = frozenset(["abs", "bool", "int", "len", "max", "min", "ord"])
#: Where constants of C are found: O_CREAT, ENOENT, SIGKILL, AF_INET, S_IFMT.
_CONSTANTS = ("os", "errno", "signal", "socket", "stat")
_ALIASES = {
    "$PID": "tgid()", "$COMM": "comm()", "$pid": "tgid()", "$tgid": "tgid()", "$tid": "tid()",
    "$uid": "uid()", "$gid": "gid()", "$cpu": "cpu()", "$task": "current_task()",
}  # fmt: skip
_FRAME = "ctx.sp + 8 >> 4"
_RESULTS = ("$retval", "retval")
#: Addresses from here on are the kernel's, on every machine that there are programs for.
_KERNEL_HALF = "1 << 63"
#: Names of the written module, which arguments cannot have.
_TAKEN = frozenset(
    (
        *("ctx", "ret", "retval", "latency", "entry", "entries", "found", "Entry", "bool"),
        *("Char", "Hash", "chars", "record", "UprobeContext", "TracepointContext"),
        *("first_of", "fentry", "fexit", "kprobe", "kretprobe", "tracepoint"),
        *("uprobe", "uretprobe", "usdt", "ksyscall", "kretsyscall"),
    )
).union(_OURS, _PYTHON)
_I64 = CType("long")


class Settings(Frozen):
    """What is the same for all specifiers of a command line.

    Attributes:
        pid: the process in which functions of programs are looked for; 0 for all.
        text_size: how many bytes of a text are read.
        modules: of Python, whose records and constants may be named.
        filtered: whether probes ask :func:`pyebpf.lib.filters.is_wanted`.
        signature: tells the parameters and the result of a function of the kernel, where a
            specifier does not; None if the kernel does not know either.
        prefixes: ``STRCMP`` compares so many bytes as its text has.
    """

    pid: int = 0
    text_size: int = 80
    modules: tuple[str, ...] = ()
    filtered: bool = False
    signature: Callable[[str], Signature | None] | None = None
    prefixes: bool = False


class Writer:
    """Writes the module of one specifier: first its expressions, then :meth:`module`.

    Args:
        spec: the specifier.
        settings: for all of them.
        taken: names that the tool declares in the module, and arguments cannot have.
    """

    def __init__(self, spec: Specifier, settings: Settings, taken: frozenset[str]) -> None:
        self._spec, self._settings = spec, settings
        self._taken = _TAKEN | taken
        self._imports: dict[str, set[str]] = {}
        self._used: dict[int, tuple[str, CType]] = {}  # arguments by position: local name, type
        self._has_latency = self._has_result = False

    def value(self, kind: CType, part: Part) -> str:
        """Return the expression of Python that gives a value of a type.

        Raises:
            SpecifierError: it makes no sense, or names what is not there.
        """
        value = to_python(part, self)
        if kind.is_text:
            return self.as_text(value)
        if kind.scalar == "bool":
            return f"bool({value})"
        return f"{self._our('cast')}({self._our(kind.scalar)}, {value})"

    def condition(self) -> str:
        """Return the filter as an expression of Python; empty if there is none."""
        part = self._spec.condition
        return "" if part is None else to_python(part, self)

    def field(self, kind: CType) -> str:
        """Return the declaration of a record's field that holds a value of a type."""
        if not kind.is_text:
            return self._our(kind.scalar)
        return f"{self._our('Char')} = {self._our('chars')}({self._settings.text_size})"

    # What expressions name.

    def function(self, name: str) -> str:
        """Return a function of this package by its name, which the module then imports."""
        return self._our(name)

    def name(self, word: Token) -> str:
        """Return what a name stands for in the module."""
        text, spec = word.text, self._spec
        if text.startswith("$") or (text == "retval" and spec.kind == "r"):
            return self._special(word)
        position = self._position(text)
        if position is not None:
            return self._argument(position)
        if spec.kind == "t" and text == "args":
            return "ctx"
        if text in _OURS:
            return self._our(text)
        if text in _PYTHON or self._is_found(text, (*self._settings.modules, *_CONSTANTS)):
            return text
        raise SpecifierError(f"there is no {text!r} here{self._have(text)}", spec.text, word.at)

    def entry(self, word: Token) -> str:
        """Return what an argument was when the function began."""
        if self._spec.kind != "r":
            raise SpecifierError(
                "$entry is for the end of a function: r:…", self._spec.text, word.at
            )
        position = self._position(word.text)
        if position is None:
            names = [parameter.name for parameter in self._spec.parameters]
            near = did_you_mean(nearest(word.text, names))
            near = near or f"; it has {', '.join(names) or 'none: write its parameters'}"
            why = f"the signature has no parameter {word.text!r}{near}"
            raise SpecifierError(why, self._spec.text, word.at)
        return self._argument(position)

    def as_text(self, value: str) -> str:
        """Return what reads the text that a value points to."""
        spec, size = self._spec, self._settings.text_size
        marked = {local for local, kind in self._used.values() if kind.is_user}
        is_user = spec.is_user or spec.is_syscall or "UserPtr[" in value
        is_user = is_user or bool(marked.intersection(re.findall(r"\w+", value)))
        if not is_user and value in self._untyped():  # nobody has said: its address does
            user, kernel = self._our("read_user_str"), self._our("read_kernel_str")
            address = f"{self._our('cast')}({self._our('u64')}, {value})"
            in_kernel = f"{kernel}({value}, {size})"
            return f"({user}({address}, {size}) if {address} < {_KERNEL_HALF} else {in_kernel})"
        read = self._our("read_user_str" if is_user else "read_kernel_str")
        return f"{read}({value}, {size})"

    def same_text(self, value: str, wanted: str) -> str:
        """Return what compares a text with a constant: whole, or as much as that has."""
        text = self.as_text(value)
        return (
            f"{text}.startswith({wanted})" if self._settings.prefixes else f"({text} == {wanted})"
        )

    def _untyped(self) -> set[str]:
        """Return the arguments whose types the specifier does not say."""
        said = range(len(self._spec.parameters))
        return {local for position, (local, _) in self._used.items() if position not in said}

    def in_process(self, value: str) -> str:
        """Return an address as one in the memory of the process."""
        return f"{self._our('cast')}({self._our('UserPtr')}[{self._our('u8')}], {value})"

    def pointer(self, kind: CType) -> str:
        """Return the annotation that a C type stands for."""
        pointer = "UserPtr" if kind.is_user or self._spec.is_user else "Ptr"
        if kind.struct:
            known = kind.struct if self._is_found(kind.struct, self._settings.modules) else ""
            inside = known or f"{self._our('kernel')}.{kind.struct}"
        elif kind.element() and kind.element() != "bool":
            inside = self._our(kind.element())
        else:
            return self._our("u8" if kind.scalar == "bool" else kind.scalar)
        return f"{self._our(pointer)}[{inside}]"

    def _special(self, word: Token) -> str:
        text, is_end = word.text, self._spec.kind == "r"
        if text in _ALIASES:
            self._our(_ALIASES[text].removesuffix("()"))
            return _ALIASES[text]
        if text not in (*_RESULTS, "$latency"):
            have = f"{', '.join(_ALIASES)}, $retval, $latency and $entry(name)"
            raise SpecifierError(f"there is no {text}: there are {have}", self._spec.text, word.at)
        if not is_end:
            why = f"{text} is known at the end of a function only: r:…"
            raise SpecifierError(why, self._spec.text, word.at)
        self._has_result |= text in _RESULTS
        self._has_latency |= text == "$latency"
        return text.removeprefix("$")

    def _position(self, name: str) -> int | None:
        """Return which argument has a name: its own, or ``arg1`` of a USDT probe."""
        for position, parameter in enumerate(self._parameters):
            if parameter.name == name:
                return position
        found = re.fullmatch(r"arg([1-9]\d?)", name) if self._spec.kind in "pru" else None
        return int(found[1]) - 1 if found else None

    @cached_property
    def _known(self) -> Signature | None:
        """What the kernel knows of a function whose parameters the specifier does not say."""
        spec, ask = self._spec, self._settings.signature
        is_function = spec.kind in "pr" and not (spec.is_user or spec.is_syscall)
        if not is_function or spec.parameters or "+" in spec.function or ask is None:
            return None
        return ask(spec.function)

    @property
    def _parameters(self) -> tuple[Parameter, ...]:
        return self._known.parameters if self._known is not None else self._spec.parameters

    def _argument(self, position: int) -> str:
        parameters = self._parameters
        if position < len(parameters):
            name, kind = parameters[position].name, parameters[position].type
        else:
            name, kind = f"arg{position + 1}", _I64
        is_taken = name in self._taken or keyword.iskeyword(name) or (
            position < len(parameters) and re.fullmatch(r"arg\d+|v\d+", name)
        )  # fmt: skip
        local = f"{name}_" if is_taken else name
        self._used[position] = (local, kind)
        return local

    def _our(self, name: str) -> str:
        if name != "bool":
            self._imports.setdefault("pyebpf", set()).add(name)
        return name

    def _is_found(self, name: str, modules: Iterable[str]) -> bool:
        """Tell whether a module has a constant or record of this name, and import it from there."""
        for module in modules:
            value: Any = getattr(importlib.import_module(module), name, None)
            if isinstance(value, int) or hasattr(value, "__pyebpf_record__"):
                self._imports.setdefault(module, set()).add(name)
                return True
        return False

    def _have(self, name: str) -> str:
        spec = self._spec
        names = [parameter.name for parameter in self._parameters]
        names += ["args"] * (spec.kind == "t")
        near = did_you_mean(nearest(name, [*names, *_OURS]))
        if near:
            return near
        arguments = {
            "t": "fields are args->name", "u": "arguments are arg1, arg2 and so on"
        }.get(spec.kind, f"the signature has {', '.join(names) or 'no parameters'}")  # fmt: skip
        return f": {arguments}; other constants come from a module of Python, -I"

    # The module.

    def module(self, declarations: list[str], *collect: str, passed_over: str = "") -> str:
        """Return the text of the module.

        Args:
            declarations: lines of the tool's own, before the probes.
            collect: the lines that take the values, once the condition holds.
            passed_over: a condition under which nothing is collected.
        """
        condition, spec = self.condition(), self._spec
        guards = [f"    if {passed_over}:", "        return"] if passed_over else []
        probes = [*self._begin(guards), *self._last(condition, collect, guards)]
        title = " ".join(["#", *spec.text.split()])
        lines = [title, *self._import_lines(), "", *declarations]
        return "\n".join([*lines, *probes, ""])

    def needs(self, *names: str) -> None:
        """Import names of this package."""
        for name in names:
            self._our(name)

    def _import_lines(self) -> list[str]:
        return [
            f"from {module} import {', '.join(sorted(names))}"
            for module, names in self._imports.items()
        ]

    @property
    def _is_paired(self) -> bool:
        return self._spec.kind == "r" and (bool(self._used) or self._has_latency)

    @property
    def _key(self) -> str:
        """What the begin and the end of a call have in common.

        In a process also its place on the stack: 16 bytes, where the return address may be among
        them, so calls in calls of one function are told apart.
        """
        return f"(tid(), {_FRAME})" if self._spec.is_user else "tid()"

    @property
    def _key_type(self) -> str:
        return "tuple[u32, u64]" if self._spec.is_user else "u32"

    def _begin(self, guards: Sequence[str]) -> list[str]:
        """Return the probe at the begin of a function that keeps what its end needs."""
        if not self._is_paired:
            return []
        self.needs("Hash", "record", "u32", "tid")
        fields = {"began_ns": ("u64", "ktime_get_ns()")} if self._has_latency else {}
        for position, (local, kind) in self._used.items():
            annotation = self.pointer(kind)
            fields[local] = (annotation, f"cast({annotation}, arg{position + 1})")
        self.needs("cast", "u64", *(["ktime_get_ns"] * self._has_latency))
        stored = ", ".join(f"{name}={value}" for name, (_, value) in fields.items())
        return [
            "", "@record", "class Entry:", *(f"    {n}: {kind}" for n, (kind, _) in fields.items()),
            "", f"entries = Hash[{self._key_type}, Entry](max_entries=10_240)", "",
            *self._head("p", f"{self._called}_entry"), *guards,
            f"    entries[{self._key}] = Entry({stored})",
        ]  # fmt: skip

    def _last(self, condition: str, collect: Sequence[str], guards: Sequence[str]) -> list[str]:
        """Return the probe that collects."""
        spec = self._spec
        lines = ["", *self._head(spec.kind, self._called), *guards]
        if self._is_paired:
            lines += [
                f"    entry = entries.pop({self._key})",
                "    if entry is None:",
                "        return",
            ]
            lines += ["    latency = ktime_get_ns() - entry.began_ns"] * self._has_latency
            lines += [f"    {local} = entry.{local}" for local, _ in self._used.values()]
        elif spec.kind != "r":
            for position, (local, kind) in self._used.items():
                argument = f"arg{position + 1}"
                if local != argument:
                    lines.append(
                        f"    {local} = {self._our('cast')}({self.pointer(kind)}, {argument})"
                    )
        if self._has_result:
            lines.append(f"    retval = {self._our('cast')}({self.pointer(self._result())}, ret)")
        if condition:
            return [*lines, f"    if {condition}:", *(f"        {line}" for line in collect)]
        return [*lines, *(f"    {line}" for line in collect)]

    def _result(self) -> CType:
        """Return the type of ``$retval``: that of the value that it is, if it is one."""
        whole = (kind for kind, part in self._spec.values if part.text in _RESULTS)
        known = self._known.result if self._known is not None else None
        return next(whole, known or _I64)

    @property
    def _called(self) -> str:
        name = re.sub(r"\W", "_", self._spec.function)
        is_taken = name in self._taken or keyword.iskeyword(name) or not name.isidentifier()
        return f"at_{name}" if is_taken else name

    def _head(self, kind: str, called: str) -> list[str]:
        """Return the decorator, the ``def`` line and the filters of a probe."""
        spec, settings = self._spec, self._settings
        has_arguments = kind in "pu"
        count = max(self._used, default=-1) + 1 if has_arguments else 0
        known = 0 if kind == "u" else len(self._parameters)
        widths = ["u64" if n < known else "i64" for n in range(count)]
        parameters = [f"arg{n}: {self._our(width)}" for n, width in enumerate(widths, 1)]
        if kind == "r" and self._has_result:
            parameters.append(f"ret: {self._our('u64')}")
        if spec.kind == "t":
            parameters = [f"ctx: {self._our('TracepointContext')}"]
        elif spec.is_user:
            parameters = [f"ctx: {self._our('UprobeContext')}", *parameters]
        lines = [self._decorator(kind), f"def {called}({', '.join(parameters)}) -> None:"]
        if settings.filtered:
            self._imports.setdefault("pyebpf.lib.filters", set()).add("is_wanted")
            lines += ["    if not is_wanted():", "        return"]
        return lines

    def _decorator(self, kind: str) -> str:
        spec, pid = self._spec, self._settings.pid
        name, place = repr(spec.function), repr(spec.place)
        if spec.is_syscall and kind != "t":
            decorator = self._our("ksyscall" if kind == "p" else "kretsyscall")
            return f"@{decorator}({spec.syscall!r})"
        if kind == "t":
            return f"@{self._our('tracepoint')}({f'{spec.place}:{spec.function}'!r})"
        if spec.is_user:
            decorator = {"p": "uprobe", "r": "uretprobe", "u": "usdt"}[kind]
            only = f", pid={pid}" if pid else ""
            return f"@{self._our(decorator)}({place}, {name}{only})"
        typed, plain = ("fentry", "kprobe") if kind == "p" else ("fexit", "kretprobe")
        if "+" in spec.function:  # an instruction within
            return f"@{self._our(plain)}({name})"
        self.needs("first_of", typed, plain)
        return f"@first_of({typed}({name}), {plain}({name}))"


def executed(text: str, name: str, given: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Run the text of a module and return its names; errors of its probes show its lines.

    Args:
        text: its text.
        name: what errors call it.
        given: names that it has besides its own.
    """
    lines, number, file = text.splitlines(keepends=True), 1, f"<{name}>"
    while file in linecache.cache and linecache.getlines(file) != lines:
        number += 1
        file = f"<{name}, {number}>"
    linecache.cache[file] = (len(text), None, lines, file)
    names: dict[str, Any] = {"__name__": file, **(given or {})}
    exec(compile(text, file, "exec"), names)  # noqa: S102 - our own text, of checked parts
    return names
