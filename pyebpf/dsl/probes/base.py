"""Probes and their hooks, and how a decorator makes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias, get_type_hints

from pyebpf.dsl.constants import ConstDecl, Options, value_of
from pyebpf.dsl.unit_names import object_name
from pyebpf.errors import PyebpfError
from pyebpf.plain import Frozen, Plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pyebpf.spec.types import Record


class Hook(Frozen):
    """One place to attach to.

    Attributes:
        kind: a row of ``pyebpf.abi.programs``.
        target: the name there: a tracepoint, a function; empty for kinds that have none.
        when: the option that enables it, or a function that tells of :class:`Options`.
        at: what attaching needs besides, by the names of ``Session.attach``'s arguments; constants
            stand for their values.
        option: the constant whose value comes before ``target``: a name that is chosen later.
    """

    kind: str
    target: str
    when: Any = True
    at: tuple[tuple[str, Any], ...] = ()
    option: Any = None

    def chosen(self, options: Mapping[Any, Any]) -> Hook:
        """Return the hook with its target whole, as the options say."""
        if self.option is None:
            return self
        return self.replace(target=f"{value_of(self.option, options)}{self.target}", option=None)

    def enabled(self, options: Mapping[Any, Any]) -> bool:
        """Tell whether the options that this hook depends on are set."""
        if callable(self.when):
            return bool(self.when(Options(options)))
        return bool(value_of(self.when, options))

    def places(self, options: Mapping[Any, Any]) -> tuple[tuple[str, Any], ...]:
        """Return ``at`` with the values of constants; None, no text and process 0 say nothing."""
        found = ((name, value_of(value, options)) for name, value in self.at)
        return tuple(one for one in found if one[1] not in (None, "") and one != ("pid", 0))


class Probe(Plain):
    """A function that is to run in the kernel, with its hooks. ``load`` it to run it.

    ``called`` is the name of its program, if not that of the function.
    """

    function: Callable[..., Any]
    hooks: tuple[Hook, ...]
    called: str = ""
    #: Says what becomes of it: ``pyebpf.shown`` gives it, which knows both halves.
    explain: ClassVar[Callable[..., str]]

    @property
    def name(self) -> str:
        """The function's name, as the kernel takes it: what is not ASCII is ``_``."""
        return object_name(self.called or self.function.__name__)

    def record(self) -> Record | None:
        """Return the record that a ``@syscall`` probe takes; None if it takes none."""
        hints = get_type_hints(self.function, include_extras=True)
        hints.pop("return", None)
        return next((getattr(h, "__pyebpf_record__", None) for h in hints.values()), None)

    def __call__(self, *_: object, **__: object) -> None:
        raise PyebpfError(f"{self.name} runs in the kernel: load({self.name}) attaches it")


def program_names(
    probes: Iterable[Probe], options: Mapping[Any, Any]
) -> list[tuple[str, Probe, Hook]]:
    """Return the programs that the probes make: one per enabled hook, each with its own name."""
    out: list[tuple[str, Probe, Hook]] = []
    used: set[str] = set()
    for probe in probes:
        for hook in probe.hooks:
            if not hook.enabled(options):
                continue
            name, number = probe.name, 1
            while name in used:
                number += 1
                name = f"{probe.name}_{number}"
            used.add(name)
            out.append((name, probe, hook.chosen(options)))
    return out


Decorator: TypeAlias = "Callable[[Callable[..., Any]], Probe]"


def hooked(
    kind: str,
    target: str = "",
    when: Any = True,
    at: Mapping[str, Any] | None = None,
    option: Any = None,
) -> Decorator:
    """Return the decorator that gives a function one more hook.

    Args:
        kind: a row of ``pyebpf.abi.programs``.
        target: the name of the hook there.
        when: the option that enables it, or a function that tells of :class:`Options`.
        at: what attaching needs besides; None stands for "not given".
        option: a constant whose value comes before ``target``.
    """
    given = tuple((name, value) for name, value in (at or {}).items() if value is not None)
    hook = Hook(kind, target, when, given, option)

    def decorate(function: Any) -> Probe:
        if isinstance(function, Probe):  # decorators stack: one function, several hooks
            return Probe(function.function, (hook, *function.hooks))
        if not hasattr(function, "__code__"):
            raise PyebpfError(f"@{kind} decorates a function, not {function!r}")
        return Probe(function, (hook,))

    return decorate


def named(
    kind: str, target: Any, example: str, when: Any, at: Mapping[str, Any] | None = None
) -> Decorator:
    """Return the decorator of a kind that needs a name, or a constant that is one.

    Raises:
        PyebpfError: it was used without one.
    """
    if isinstance(target, ConstDecl):
        return hooked(kind, "", when, at, target)
    if not isinstance(target, str) or not target:
        raise PyebpfError(f"@{kind} needs a name: @{kind}({example!r})")
    return hooked(kind, target, when, at)


def cookies_at(
    kind: str, cookie: int | None, cookies: Mapping[str, int] | None = None
) -> dict[str, Any]:
    """Return the numbers of attachments as part of a hook's ``at``.

    Args:
        kind: of the hook.
        cookie: for every place that it attaches to.
        cookies: for the functions with these names, or whose names match these patterns.

    Raises:
        PyebpfError: one is no unsigned number of 64 bits.
    """
    given = dict(cookies or {})
    for number in (*given.values(), *([] if cookie is None else [cookie])):
        if not 0 <= number < 1 << 64:
            raise PyebpfError(f"@{kind}: {number!r} is no cookie: it is an unsigned 64-bit number")
    return {"cookie": cookie, "cookies": tuple(given.items()) or None}


def one_by_one(
    kind: str, cookies: Mapping[str, int] | None, target: str, many: str
) -> Mapping[str, int] | None:
    """Return the cookies of single functions, which only a hook at ``many`` has.

    Raises:
        PyebpfError: this is a hook at one function.
    """
    if cookies and not many:
        raise PyebpfError(f"@{kind}({target!r}) attaches to one function: cookie= is its number")
    return cookies


def one_of(kind: str, word: str, words: Iterable[str]) -> str:
    """Return ``word`` if it is one of those that a decorator knows.

    Raises:
        PyebpfError: it is another.
    """
    known = tuple(words)
    if word not in known:
        raise PyebpfError(f"@{kind}({word!r}): write one of {', '.join(map(repr, known))}")
    return word
