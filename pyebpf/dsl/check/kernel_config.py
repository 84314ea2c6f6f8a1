"""How the kernel was configured, as constants."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from pyebpf.dsl.check.convert import literal
from pyebpf.dsl.faults import Fault, Mismatch, WrongCall
from pyebpf.dsl.typed import Expr, Text
from pyebpf.dsl.types import Chars

if TYPE_CHECKING:
    from pyebpf.dsl.check.scope import Scope

_PREFIX = "CONFIG_"
#: What an option that can be built in or a module is.
_SET = ("y", "m")


def kernel_config(node: ast.Call, scope: Scope) -> Expr:
    """Check ``kernel_config("CONFIG_HZ")``.

    Raises:
        Fault: that is no option, or the kernel does not tell.
    """
    span = scope.span(node)
    args = [scope.expr(arg) for arg in node.args]
    if len(args) != 1 or node.keywords:
        raise Fault(WrongCall(span, name="kernel_config", why="takes the name of an option"))
    name = args[0].value if isinstance(args[0], Text) else ""
    if not name.startswith(_PREFIX):
        expected = "an option as the kernel names it, such as `CONFIG_HZ`"
        raise Fault(Mismatch(args[0].span, expected=expected, got=name or str(args[0].type)))
    try:
        found = scope.unit.target.configuration.get(name)
    except LookupError as err:
        raise Fault(WrongCall(span, name="kernel_config", why=f"has no answer: {err}")) from None
    scope.unit.note_choice(f"{name} is {'not set' if found is None else found}")
    if found is None or found in _SET:
        return literal(found is not None, span)
    if found.startswith('"'):
        text = found.strip('"')
        return Text(Chars(len(text.encode()) + 1), span, text)
    return literal(int(found, 0), span)
