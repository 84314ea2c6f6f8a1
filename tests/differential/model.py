"""The same text in CPython: values wrap where a width is declared, maps are dicts.

The text is changed in one way: after each assignment to a variable with a declared width, and at
the start and end of functions, the value is wrapped at that width.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from tests.differential.generate import WIDTHS

#: What a program that was ended by an exception leaves.
ABORTED = None


def wrap(width: str, value: Any) -> int:
    bits = int(width[1:])
    number = int(value) & (1 << bits) - 1
    return number - (1 << bits) if width[0] == "i" and number >> bits - 1 else number


class Cells:
    """An array: an index past the end raises, a negative one counts from the end."""

    def __init__(self) -> None:
        self.values = [0] * 16

    def __getitem__(self, index: int) -> int:
        return self.values[index]

    def __setitem__(self, index: int, value: int) -> None:
        self.values[index] = wrap("i64", value)


class Table(dict[Any, Any]):
    """A hash whose keys and values have widths; a missing entry starts at 0 in ``+=``."""

    def __init__(self, key: str | tuple[str, ...], value: str | None) -> None:
        super().__init__()
        self._key_widths, self._value_width = key, value

    def _key(self, key: Any) -> Any:
        if isinstance(self._key_widths, str):
            return wrap(self._key_widths, key)
        return tuple(wrap(w, k) for w, k in zip(self._key_widths, key, strict=True))

    def __getitem__(self, key: Any) -> Any:
        return super().get(self._key(key), 0)

    def __setitem__(self, key: Any, value: Any) -> None:
        if self._value_width:
            value = wrap(self._value_width, value)
        super().__setitem__(self._key(key), value)

    def get(self, key: Any, default: Any = None) -> Any:
        return super().get(self._key(key), default)

    def __contains__(self, key: object) -> bool:
        return super().__contains__(self._key(key))

    def __delitem__(self, key: Any) -> None:
        super().pop(self._key(key), None)


class Rec:
    """A record of the programs."""

    widths = {"a": "u8", "b": "i16", "c": "i64"}  # noqa: RUF012

    def __init__(self, **fields: int) -> None:
        for name in self.widths:
            setattr(self, name, fields.get(name, 0))

    def __setattr__(self, name: str, value: int) -> None:
        super().__setattr__(name, wrap(self.widths[name], value))


class _Wrapping(ast.NodeTransformer):
    def __init__(self) -> None:
        self.widths: dict[str, str] = {}
        self.result = ""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        self.widths = {
            n.target.id: n.annotation.id
            for n in ast.walk(node)
            if isinstance(n, ast.AnnAssign)
            and isinstance(n.target, ast.Name)
            and isinstance(n.annotation, ast.Name)
        }
        params = node.args.args
        for param in params:
            assert isinstance(param.annotation, ast.Name)
            self.widths[param.arg] = param.annotation.id
        returns = node.returns.left if isinstance(node.returns, ast.BinOp) else node.returns
        assert isinstance(returns, ast.Name)
        self.result = returns.id
        self.generic_visit(node)
        node.body[:0] = [self._wrap(param.arg) for param in params]
        return node

    def _wrap(self, name: str) -> ast.stmt:
        return ast.parse(f"{name} = wrap({self.widths[name]!r}, {name})").body[0]

    def _and_wrap(self, node: Any) -> Any:
        self.generic_visit(node)
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        names = [
            n.id
            for target in targets
            for n in ast.walk(target)
            if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store) and n.id in self.widths
        ]
        return [node, *map(self._wrap, names)]

    visit_Assign = visit_AugAssign = visit_AnnAssign = _and_wrap  # noqa: N815 - as ast says

    def visit_Return(self, node: ast.Return) -> ast.AST:
        self.generic_visit(node)
        is_none = isinstance(node.value, ast.Constant) and node.value.value is None
        if node.value is not None and not is_none:
            call = ast.parse(f"wrap({self.result!r}, 0)").body[0]
            assert isinstance(call, ast.Expr)
            assert isinstance(call.value, ast.Call)
            call.value.args[1] = node.value
            node.value = call.value
        return node


class Model:
    """A program in CPython."""

    def __init__(self, text: str, name: str) -> None:
        tree = ast.fix_missing_locations(_Wrapping().visit(ast.parse(text)))
        self.names: dict[str, Any] = {"wrap": wrap, "Rec": Rec, **dict.fromkeys(WIDTHS, int)}
        exec(compile(tree, "<model>", "exec"), self.names)
        self.function: Callable[..., int] = self.names[name]

    def run(self, args: tuple[int, ...]) -> tuple[Any, ...]:
        """Return what is left: the result or ABORTED, and what is in the maps."""
        cells, table = Cells(), Table("u32", "u64")
        pairs, recs = Table(("u8", "i16"), "i32"), Table("u8", None)
        self.names.update(cells=cells, table=table, pairs=pairs, recs=recs)
        try:
            result: int | None = int(self.function(*args)) & (1 << 64) - 1
        except (ZeroDivisionError, IndexError, ValueError, AssertionError):
            result = ABORTED
        records = {k: (r.a, r.b, r.c) for k, r in recs.items()}
        return result, cells.values, dict(table), dict(pairs), records
