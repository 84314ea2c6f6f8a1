"""The same text in CPython: the declarations mean plain Python, and values wrap at their widths.

The text is changed in one way: what is assigned to a variable with a declared kind, what a function
gets and gives, and a list of numbers is kept as that kind would keep it.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable, Iterator
from typing import Any

from tests.differential.generator.head import DECLARATIONS, texts
from tests.differential.generator.ranges import WIDTHS
from tests.differential.kinds import Elements, Fields, Number, Text, Tuple, kept, wrap

#: What a program that was ended by an exception leaves.
ABORTED = None


class Map:
    """The declaration of a map: ``Hash[u32, u64](max_entries=…)`` and ``Array[i64](…)``."""

    def __init__(self, kinds: Any, entries: type[Cells | Table]) -> None:
        self.kinds, self.entries, self.length = kinds, entries, 0

    def __call__(self, max_entries: int) -> Map:
        self.length = max_entries
        return self

    def opened(self) -> Cells | Table:
        """Return an empty one."""
        return self.entries(self.kinds, self.length)


class Cells:
    """An array: an index past the end raises, a negative one counts from the end."""

    def __init__(self, kind: Number, length: int) -> None:
        self.kind, self.list = kind, [0] * length

    def __getitem__(self, index: int) -> int:
        return self.list[index]

    def __setitem__(self, index: int, value: int) -> None:
        self.list[index] = wrap(self.kind.width, value)

    def values(self) -> list[int]:
        return self.list

    def left(self) -> Any:
        """Return what is in it, as plain data."""
        return tuple(self.list)


class Table(dict[Any, Any]):
    """A hash whose keys and values have kinds; a missing number starts at 0 in ``+=``."""

    def __init__(self, kinds: tuple[Any, Any], _: int) -> None:
        super().__init__()
        self._keys, self._values = kinds

    def __getitem__(self, key: Any) -> Any:
        return super().get(kept(self._keys, key), 0)

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(kept(self._keys, key), kept(self._values, value))

    def get(self, key: Any, default: Any = None) -> Any:
        return super().get(kept(self._keys, key), default)

    def pop(self, key: Any, default: Any = None) -> Any:  # type: ignore[override]
        return super().pop(kept(self._keys, key), default)

    def __contains__(self, key: object) -> bool:
        return super().__contains__(kept(self._keys, key))

    def __delitem__(self, key: Any) -> None:
        super().pop(kept(self._keys, key), None)

    def left(self) -> Any:
        """Return what is in it, as plain data."""
        return {key: self._values.plain(value) for key, value in self.items()}


class _Named:
    """Stands for ``Hash``, ``Array``, ``FixedArray`` and ``tuple`` in declarations."""

    def __init__(self, made: Callable[[Any], Any]) -> None:
        self._made = made

    def __getitem__(self, kinds: Any) -> Any:
        return self._made(kinds)


def _fields(cls: type, *, union: bool) -> Fields:
    fields = {}
    for name, kind in cls.__annotations__.items():
        size = cls.__dict__.get(name)
        fields[name] = size if kind is str else kind._replace(length=size) if size else kind
    return Fields(cls.__name__, fields, union)


def _chars(size: int) -> Any:
    return Text(size)


PYEBPF: dict[str, Any] = {
    **{width: Number(width) for width in WIDTHS},
    "Char": str,
    "chars": _chars,
    "array": lambda length: length,
    "FixedArray": _Named(lambda element: Elements(element, 0)),
    "tuple": _Named(Tuple),
    "record": functools.partial(_fields, union=False),
    "union": functools.partial(_fields, union=True),
    "Array": _Named(lambda kind: Map(kind, Cells)),
    "Hash": _Named(lambda kinds: Map(kinds, Table)),
    "noinline": lambda function: function,
}


def declared() -> dict[str, Any]:
    """Return what the declarations that all programs share mean here."""
    names = dict(PYEBPF)
    exec(compile(DECLARATIONS, "<declarations>", "exec", dont_inherit=True), names)
    return names


DECLARED = declared()
MAPS = {name: made for name, made in DECLARED.items() if isinstance(made, Map) and name != "out"}


def keep(kind: Any, value: Any) -> Any:
    """Return what a variable of a declared kind gets; None stays, and so do text and records."""
    if value is None or kind is str or isinstance(kind, Fields):
        return value
    if not isinstance(kind, Elements):
        return wrap(kind.width, value)
    given = [0] * value if isinstance(value, int) else list(value)  # `array(3)` is 3 here
    return kept(kind._replace(length=len(given)), given)


class _Keeping(ast.NodeTransformer):
    def __init__(self) -> None:
        self.kinds: dict[str, ast.expr] = {}
        self.result: ast.expr | None = None

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        annotated = [part for part in ast.walk(node) if isinstance(part, ast.AnnAssign)]
        self.kinds = {
            a.target.id: a.annotation for a in annotated if isinstance(a.target, ast.Name)
        }
        params = {arg.arg: arg.annotation for arg in node.args.args if arg.annotation}
        self.kinds |= params
        self.result = node.returns.left if isinstance(node.returns, ast.BinOp) else node.returns
        self.generic_visit(node)
        node.body[:0] = [self._again(name) for name in params]
        return node

    def _kept(self, kind: ast.expr, value: ast.expr) -> ast.expr:
        return ast.Call(ast.Name("keep", ast.Load()), [kind, value], [])

    def _again(self, name: str) -> ast.stmt:
        value = self._kept(self.kinds[name], ast.Name(name, ast.Load()))
        return ast.Assign([ast.Name(name, ast.Store())], value)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> Any:
        self.generic_visit(node)
        assert node.value is not None
        return ast.Assign([node.target], self._kept(node.annotation, node.value))

    def _and_keep(self, node: Any) -> Any:
        self.generic_visit(node)
        if isinstance(node, ast.Assign) and _is_list(node.value):
            kind = ast.parse("FixedArray[i64]", mode="eval").body
            node.value = self._kept(kind, node.value)
        names = [n.id for n in _targets(node) if isinstance(n, ast.Name) and n.id in self.kinds]
        return [node, *map(self._again, names)]

    visit_Assign = visit_AugAssign = _and_keep  # noqa: N815 - as ast says

    def visit_Return(self, node: ast.Return) -> ast.AST:
        self.generic_visit(node)
        if node.value is not None and self.result is not None:
            node.value = self._kept(self.result, node.value)
        return node


def _targets(node: ast.Assign | ast.AugAssign) -> Iterator[ast.AST]:
    for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
        yield from target.elts if isinstance(target, ast.Tuple) else [target]


def _is_list(node: ast.expr) -> bool:
    return isinstance(node.left if isinstance(node, ast.BinOp) else node, ast.List)


class Model:
    """A program in CPython."""

    def __init__(self, text: str, name: str) -> None:
        tree = ast.fix_missing_locations(_Keeping().visit(ast.parse(text)))
        self.names = {**DECLARED, "keep": keep}
        exec(compile(tree, "<model>", "exec"), self.names)
        self.function: Callable[..., int] = self.names[name]

    def run(self, args: tuple[int, ...]) -> dict[str, Any]:
        """Return what is left: the result or ABORTED, and what is in each map."""
        maps = {name: made.opened() for name, made in MAPS.items()}
        for key, text in enumerate(texts(args)):
            maps["words"][key] = self.names["Row"](n=key, text=text)
        self.names.update(maps)
        try:
            result: int | None = int(self.function(*args)) & (1 << 64) - 1
        except (ZeroDivisionError, IndexError, ValueError, AssertionError):
            result = ABORTED
        return {"result": result, **{name: made.left() for name, made in maps.items()}}
