"""What is known at a point of a function being checked: names, variables, the flow so far."""

from __future__ import annotations

import ast
import builtins
import difflib
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

from pyebpf.dsl.access import has_enumerator, has_type
from pyebpf.dsl.builtins import has_field
from pyebpf.dsl.faults import Fault, Unassigned, UnknownName, Unsupported
from pyebpf.dsl.typed import Bind, Expr, Literal, Object, Read, Stmt, Text, Variable

if TYPE_CHECKING:
    from typing import TypeGuard

    from pyebpf.diag import Span
    from pyebpf.dsl.check.tuple_results import TupleResult
    from pyebpf.dsl.source import FunctionSource
    from pyebpf.dsl.unit import UnitState
    from pyebpf.spec.types import Int

ExprRule: TypeAlias = "Callable[[Any, Scope], Expr]"
StmtRule: TypeAlias = "Callable[[Any, Scope], list[Stmt]]"

#: Statements after which the next one of their block is not run.
_LEAVING = (ast.Return, ast.Raise, ast.Break, ast.Continue)

#: Marks the names of variables that the compiler adds: no name of Python has it.
FRESH = "@"

#: What has no counterpart in the kernel, with what to do instead.
ADVICE: dict[str, tuple[str, str]] = {
    "Try": ("`try`", "test for the case with `if` instead"),
    "TryStar": ("`try`", "test for the case with `if` instead"),
    "With": ("`with`", ""),
    "AsyncWith": ("`async`", "probes run to their end without waiting"),
    "AsyncFor": ("`async`", "probes run to their end without waiting"),
    "AsyncFunctionDef": ("`async`", "probes run to their end without waiting"),
    "Await": ("`await`", "probes run to their end without waiting"),
    "Yield": ("`yield`", "send an event with `events.emit(...)`"),
    "YieldFrom": ("`yield`", "send an event with `events.emit(...)`"),
    "Lambda": ("`lambda`", "define a function with `def` outside the probe"),
    "FunctionDef": (
        "a nested function",
        "define it outside the probe; it is expanded where it is called",
    ),
    "ClassDef": ("a class", "define a `@record` outside the probe"),
    "Import": ("`import`", "import at the top of the module"),
    "ImportFrom": ("`import`", "import at the top of the module"),
    "Global": ("`global`", "keep shared values in an `Array`"),
    "Nonlocal": ("`nonlocal`", "keep shared values in an `Array`"),
    "Dict": ("a dict", "declare a `Hash` outside the probe"),
    "Set": ("a set", "write a tuple, or declare a `Hash` outside the probe"),
    "ListComp": ("a comprehension", "write a `for` loop"),
    "SetComp": ("a comprehension", "write a `for` loop"),
    "DictComp": ("a comprehension", "write a `for` loop"),
    "GeneratorExp": ("a generator", "write a `for` loop"),
    "Starred": ("`*`", "name the values one by one"),
    "JoinedStr": ("an f-string outside `print`", "pass it to `print(...)`"),
    "Slice": ("a slice", "texts and bytes have slices; maps have keys"),
}


@dataclass(frozen=True)
class Rules:
    """How each kind of syntax node is checked."""

    expressions: Mapping[type[ast.AST], ExprRule]
    statements: Mapping[type[ast.AST], StmtRule]


@dataclass(frozen=True)
class Flow:
    """What holds on every way to this point.

    ``assigned`` variables have a value; ``present`` ones were tested not to be None; ``live`` is
    false after a ``return``; ``doubtful`` ones hold a pointer which the verifier takes for NULL
    until it is tested; ``untrusted`` ones hold a pointer that it does not trust. ``constants`` are
    what names stand for that no variable can hold: maps, functions, texts.
    """

    assigned: frozenset[str] = frozenset()
    present: frozenset[str] = frozenset()
    live: bool = True
    doubtful: frozenset[str] = frozenset()
    untrusted: frozenset[str] = frozenset()
    constants: Mapping[str, Expr] = field(default_factory=dict)

    def merge(self, other: Flow) -> Flow:
        """Return what holds where two ways meet."""
        if not self.live:
            return other
        if not other.live:
            return self
        return replace(
            self,
            assigned=self.assigned & other.assigned,
            present=self.present & other.present,
            doubtful=self.doubtful | other.doubtful,
            untrusted=self.untrusted & other.untrusted,
            constants={
                name: value
                for name, value in self.constants.items()
                if _are_same(value, other.constants.get(name))
            },
        )

    def assign(
        self, name: str, *, present: bool, doubtful: bool = False, untrusted: bool = False
    ) -> Flow:
        return replace(
            self,
            assigned=self.assigned | {name},
            present=_with(self.present, name, present),
            doubtful=_with(self.doubtful, name, doubtful),
            untrusted=_with(self.untrusted, name, untrusted),
            constants={key: value for key, value in self.constants.items() if key != name},
        )

    def naming(self, name: str, value: Expr) -> Flow:
        """Return this with a name that stands for a constant, and for no variable."""
        return replace(self.without(name), constants={**self.constants, name: value})

    def without(self, name: str) -> Flow:
        return replace(self, assigned=self.assigned - {name}, present=self.present - {name})

    def knowing(self, names: frozenset[str]) -> Flow:
        return replace(
            self,
            assigned=self.assigned | names,
            present=self.present | names,
            doubtful=self.doubtful - names,
        )

    def forgetting(self, names: frozenset[str]) -> Flow:
        present = frozenset(name for name in self.present if variable_of(name) not in names)
        constants = {
            name: value for name, value in self.constants.items() if variable_of(name) not in names
        }
        return replace(self, present=present, constants=constants)


def _are_same(one: Expr, other: Expr | None) -> bool:
    """Tell whether two constants are the same."""
    if isinstance(one, Text) or isinstance(other, Text):
        return isinstance(one, Text) and isinstance(other, Text) and one.value == other.value
    return one is other or (
        isinstance(one, Object) and other is not None and one.type == other.type
    )


def variable_of(name: str) -> str:
    """Return the name that is written of what may be an item of a tuple: ``key`` of ``key[0]``."""
    return name.partition("[")[0]


def _with(names: frozenset[str], name: str, is_in: bool) -> frozenset[str]:
    return names | {name} if is_in else names - {name}


@dataclass
class LoopFlow:
    """What held where a loop was left, and where a turn of it ended early."""

    breaks: list[Flow] = field(default_factory=list)
    continues: list[Flow] = field(default_factory=list)


@dataclass
class Scope:
    """One function being checked: a probe, or a plain function expanded into one."""

    unit: UnitState
    rules: Rules
    source: FunctionSource
    names: Mapping[str, Any]
    variables: dict[str, Variable] = field(default_factory=dict)
    #: Parameters of an expanded function that stand for the caller's expressions.
    arguments: dict[str, Expr] = field(default_factory=dict)
    #: Variables that hold tuples, with their lengths: ``key`` stands for ``key[0]``, ``key[1]``.
    tuples: dict[str, int] = field(default_factory=dict)
    flow: Flow = field(default_factory=Flow)
    #: What must be given back before the program ends, innermost last, in words.
    held: tuple[str, ...] = ()
    result: Variable | None = None
    #: Where a result goes that is a tuple; None if there can be none.
    result_items: TupleResult | None = None
    #: The width at which a result wraps that may also be None.
    result_width: Int | None = None
    #: For each loop around this place, what held at its `break`s and `continue`s.
    loops: list[LoopFlow] = field(default_factory=list)
    #: Which expansion this is: the places of the calls that lead here.
    path: str = ""
    #: The functions being expanded, outermost first.
    stack: tuple[Any, ...] = ()
    #: Names of copies that an expression made, which its next evaluation overwrites.
    copies: set[str] = field(default_factory=set)
    #: Names that stand for a constant somewhere: see :class:`Flow`.
    named: set[str] = field(default_factory=set)
    #: Names that a refused statement was to give a meaning.
    refused: set[str] = field(default_factory=set)
    faulty: bool = False

    def expr(self, node: ast.expr) -> Expr:
        """Check an expression.

        Raises:
            Fault: it is wrong.
        """
        rule = self.rules.expressions.get(type(node))
        if rule is None:
            raise Fault(self._unsupported(node))
        return rule(node, self)

    def block(self, nodes: list[ast.stmt]) -> list[Stmt]:
        """Check statements in order; what is wrong is reported, and the next one is checked."""
        out: list[Stmt] = []
        todo = list(nodes)
        while todo and self.flow.live:  # where it is not, Python would not run the rest either
            node = todo.pop(0)
            if self._is_for_others(node, todo):
                node, todo = ast.copy_location(ast.If(node.test, node.body, todo), node), []
            try:
                out += self._statement(node)
            except Fault as fault:
                self.faulty = True
                if fault.diagnostic is not None:
                    self.unit.diagnostics.report(fault.diagnostic)
                self._assume_assigned(node)
        return out

    def _is_for_others(self, node: ast.stmt, rest: list[ast.stmt]) -> TypeGuard[ast.If]:
        """Tell whether what follows `if has_field(…): return x` is its `else`."""
        if not isinstance(node, ast.If) or node.orelse or not rest:
            return False
        return isinstance(node.body[-1], _LEAVING) and any(map(self._asks, ast.walk(node.test)))

    def _asks(self, node: ast.AST) -> bool:
        called = node.func if isinstance(node, ast.Call) else None
        named = self.names.get(called.id) if isinstance(called, ast.Name) else None
        return any(named is question for question in (has_field, has_type, has_enumerator))

    def _statement(self, node: ast.stmt) -> list[Stmt]:
        rule = self.rules.statements.get(type(node))
        if rule is None:
            raise Fault(self._unsupported(node))
        return rule(node, self)

    def _assume_assigned(self, node: ast.stmt) -> None:
        # One fault, one message: later uses of what this statement was to assign are not faults
        # too.
        for name in stored_names([node]) | _declared_names(node):
            self.refused.add(name)
            self.flow = self.flow.assign(name, present=True)

    def stands_for(self, name: str, constant: Expr) -> None:
        """Let a name stand for a constant from here on, as far as no other way leads there."""
        self.named.add(name)
        self.flow = self.flow.naming(name, constant)

    def end_flow(self) -> None:
        """Note that nothing after this place is reached from here."""
        self.flow = replace(self.flow, live=False)

    def span(self, node: ast.AST) -> Span:
        return self.source.span(node)

    def name_span(self, node: ast.Attribute) -> Span:
        """Return where the name of a member stands, behind the dot."""
        whole = self.span(node)
        return whole.replace(line=whole.end_line, column=max(0, whole.end_column - len(node.attr)))

    def word_span(self, word: str, value: ast.AST) -> Span:
        """Return where ``word`` stands in ``word=value``, or else where the value does."""
        span = self.span(value)
        before = span.text[: span.column].rstrip().removesuffix("=").rstrip()
        if not before.endswith(word):
            return span
        end = len(before)
        return span.replace(column=end - len(word), end_line=span.line, end_column=end)

    def unsupported(self, node: ast.AST, what: str, advice: str = "") -> Fault:
        """Return the fault of using something that probes cannot."""
        return Fault(Unsupported(self.span(node), what=what, advice=advice))

    def _unsupported(self, node: ast.AST) -> Unsupported:
        name = type(node).__name__
        what, advice = ADVICE.get(name, (f"`{name}`", ""))
        return Unsupported(self.span(node), what=what, advice=advice)

    def variable(self, name: str) -> Variable:
        """Return the local variable of that name, making it if needed."""
        if name not in self.variables:
            self.variables[name] = self.unit.variable(self.path, name)
        return self.variables[name]

    def temporary(self, value: Expr) -> tuple[Expr, Expr]:
        """Return an expression that keeps a value, and one that reads it again."""
        if isinstance(value, (Read, Literal)):
            return value, value
        return self.keep(value)

    def keep(self, value: Expr) -> tuple[Expr, Expr]:
        """Like :meth:`temporary`, but also for what is a variable now and may change."""
        kept = Variable("", value.type, value.range)
        return Bind(value.type, value.span, kept, value), Read(value.type, value.span, kept)

    def is_local(self, name: str) -> bool:
        return FRESH in name or name in local_names(self.source.node)

    def is_bound_once(self, name: str) -> bool:
        """Tell whether a name gets one value at most: assigned in one place, in no loop."""
        loops = [p for p in ast.walk(self.source.node) if isinstance(p, (ast.For, ast.While))]
        if any(name in stored_names([loop]) for loop in loops):
            return False
        parts = ast.walk(self.source.node)
        stores = [p for p in parts if isinstance(p, ast.Name) and isinstance(p.ctx, ast.Store)]
        return sum(part.id == name for part in stores) <= 1

    def is_assigned(self, name: str) -> bool:
        """Tell whether the function gives a name a value of its own."""
        return name in stored_names(list(self.source.node.body))

    def need_assigned(self, name: str, node: ast.AST) -> None:
        """Check that a variable has a value here."""
        if name not in self.flow.assigned:
            raise Fault(self._unassigned(name, self.span(node)))

    def _unassigned(self, name: str, span: Span) -> Unassigned:
        parts = [part for part in ast.walk(self.source.node) if _stores(part, name)]
        places = sorted((self.span(part) for part in parts), key=lambda at: (at.line, at.column))
        if places and places[0].line > span.line:
            why, advice = "assigned only below", "it is used"
            return Unassigned(span, name=name, why=why, advice=advice, origin=places[0])
        return Unassigned(span, name=name, origin=next(iter(places), None))

    def outer(self, name: str, node: ast.AST) -> Any:
        """Return the object that a name means outside the function."""
        if name in self.names:
            return self.names[name]
        if hasattr(builtins, name):
            return getattr(builtins, name)
        known = [*self.names, *(n for n in self.variables if FRESH not in n)]
        close, advice = closest(name, known), "assign it, or import it at the top of the module"
        if name in sys.stdlib_module_names:
            close, advice = "", f"write `import {name}` at the top of the module"
        raise Fault(UnknownName(self.span(node), name=name, close=close, advice=advice))

    def declaration(self, name: str) -> Span | None:
        """Return where the module assigns a name that stands outside; None if it is not there."""
        return self.source.declaration(name)


def _stores(part: ast.AST, name: str) -> bool:
    return isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store) and part.id == name


def closest(name: str, names: list[str] | tuple[str, ...]) -> str:
    """Say which names are near, as the tail of a message."""
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.6)
    return f"; did you mean {' or '.join(f'`{n}`' for n in near)}?" if near else ""


def stored_names(nodes: list[ast.stmt]) -> frozenset[str]:
    """Return the names that statements assign, at any depth."""
    return frozenset().union(*map(_stored, nodes))


@lru_cache(maxsize=256)  # asked before and after a loop, and for each call of its function
def _stored(node: ast.stmt) -> frozenset[str]:
    parts = list(ast.walk(node))
    assigned = [p.id for p in parts if isinstance(p, ast.Name) and isinstance(p.ctx, ast.Store)]
    captured = [p.name for p in parts if isinstance(p, (ast.MatchAs, ast.MatchStar)) and p.name]
    return frozenset([*assigned, *captured])


def _declared_names(node: ast.stmt) -> set[str]:
    # `global`, `import`, `def` and `class` give names a meaning too.
    items = getattr(node, "names", [node] if hasattr(node, "name") else [])
    return {getattr(item, "asname", None) or getattr(item, "name", item) for item in items}


@lru_cache(maxsize=64)  # asked for every name in the function
def local_names(node: ast.FunctionDef) -> frozenset[str]:
    """Return the names that are local to a function: its parameters and what it assigns."""
    args = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    return stored_names(list(node.body)) | {arg.arg for arg in args}
