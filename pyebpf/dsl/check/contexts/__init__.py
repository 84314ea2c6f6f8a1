"""What a probe is given: one model for each form of context, named in one table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyebpf.abi.programs import PROGRAM_KINDS
from pyebpf.dsl.check.contexts.arguments import typed_arguments
from pyebpf.dsl.check.contexts.base import Context as Context
from pyebpf.dsl.check.contexts.base import Given as Given
from pyebpf.dsl.check.contexts.base import Model
from pyebpf.dsl.check.contexts.registers import perf_event, register_arguments
from pyebpf.dsl.check.contexts.structs import record_context, struct_context
from pyebpf.dsl.check.contexts.tracepoint import DynamicArray as DynamicArray
from pyebpf.dsl.check.contexts.tracepoint import raw_tracepoint, tracepoint
from pyebpf.dsl.check.contexts.usdt import usdt_arguments
from pyebpf.dsl.uapi import CONTEXTS

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Form of the context (``ProgramKind.context``) → what the function is given, and its ELF section.
_MODELS: Mapping[str, Model] = {
    "record": tracepoint,
    "words": raw_tracepoint,
    "arguments": typed_arguments,
    "pt_regs": register_arguments,
    "usdt": usdt_arguments,
    "bpf_perf_event_data": perf_event,
    "custom": record_context,
    **dict.fromkeys(CONTEXTS, struct_context),
}


def model_of(kind: str) -> Model:
    """Return the model of a kind of programs."""
    return _MODELS[PROGRAM_KINDS[kind].context]
