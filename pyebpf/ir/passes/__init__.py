"""The passes over the IR, in order. The IR is verified after each one that changed it.

``PYEBPF_DUMP=<pass>`` prints each function after that pass to standard error; ``input`` names the
IR that the front end made.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from pyebpf.ir.legal import check_leftovers, verify
from pyebpf.ir.passes.const_fold import fold_constants
from pyebpf.ir.passes.copies import join_copies
from pyebpf.ir.passes.dead_code import drop_dead_code
from pyebpf.ir.passes.early import read_early
from pyebpf.ir.passes.fills import trim_fills
from pyebpf.ir.passes.frames import share_frames
from pyebpf.ir.passes.kernel_access import choose_kernel_access
from pyebpf.ir.passes.large_memory import call_for_large
from pyebpf.ir.passes.large_slots import move_large_slots
from pyebpf.ir.passes.late import ask_late
from pyebpf.ir.passes.locks import check_locks
from pyebpf.ir.passes.loops import choose_loops
from pyebpf.ir.passes.share_slots import share_slots
from pyebpf.ir.passes.stack_slots import check_stack_slots
from pyebpf.ir.passes.tails import share_tails
from pyebpf.ir.text import function_text
from pyebpf.plain import Frozen

if TYPE_CHECKING:
    from pyebpf.ir.context import Context
    from pyebpf.ir.nodes import Function, Unit


class Pass(Frozen):
    """One step over a function, in place. ``run`` tells whether it changed it; it may report."""

    name: str
    run: Callable[[Function, Context], bool]


PIPELINE: tuple[Pass, ...] = (
    Pass("const_fold", fold_constants),
    Pass("share_slots", share_slots),
    Pass("large_slots", move_large_slots),
    Pass("loops", choose_loops),
    Pass("frames", share_frames),
    Pass("kernel_access", choose_kernel_access),
    Pass("large_memory", call_for_large),
    Pass("locks", check_locks),
    Pass("copies", join_copies),
    Pass("fills", trim_fills),
    Pass("dead_code", drop_dead_code),
    Pass("stack_slots", check_stack_slots),
)

#: What is done right before the code is made: who runs the IR finds each line of its own there.
CODE_PIPELINE: tuple[Pass, ...] = (
    Pass("tails", share_tails),
    Pass("late", ask_late),
    Pass("early", read_early),
)


def run_pipeline(fn: Function, context: Context) -> list[Function]:
    """Run every pass; stop after the first that reported an error.

    Returns:
        The function, and the subprograms that passes made of parts of it.

    Raises:
        InternalError: if the IR is malformed before a pass or after it.
    """
    wanted = os.environ.get("PYEBPF_DUMP", "")
    verify(fn, after="input")
    _dump(fn, "input", wanted)
    group = [fn]
    for step in PIPELINE:
        changed = [each for each in group if step.run(each, context)] + context.made
        group += context.made
        context.made.clear()
        for each in changed:
            verify(each, after=step.name)
        for each in group:
            check_leftovers(each, after=step.name)
            _dump(each, step.name, wanted)
        if context.diagnostics.has_errors():
            break
    return group


def run_for_code(unit: Unit, context: Context) -> None:
    """Run the passes that only the code is made after, in place.

    Raises:
        InternalError: if the IR is malformed after a pass.
    """
    wanted = os.environ.get("PYEBPF_DUMP", "")
    for fn in unit.functions:
        for step in CODE_PIPELINE:
            if step.run(fn, context):
                verify(fn, after=step.name)
            _dump(fn, step.name, wanted)


def _dump(fn: Function, name: str, wanted: str) -> None:
    if name == wanted:
        sys.stderr.write(f"; after {name}\n{function_text(fn, lines=True)}\n")
