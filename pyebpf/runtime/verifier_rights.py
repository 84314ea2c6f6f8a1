"""Refusals of the verifier that are about who loads a program, not about the program.

Without CAP_PERFMON a program may do less with pointers, and may not call what reads the kernel's
memory; under kernel lockdown (confidentiality) nobody's may.

Source: ``kernel/bpf/verifier.c`` (``allow_ptr_leaks``, ``sanitize_err``), ``kernel/bpf/helpers.c``
(``bpf_base_func_proto``), ``kernel/trace/bpf_trace.c`` (``security_locked_down``).
"""

from __future__ import annotations

import re
from typing import NamedTuple

from pyebpf.abi.capability import missing
from pyebpf.runtime import policy
from pyebpf.runtime.refusal import effective_capabilities

#: What only programs of less trusted users are told.
_POINTERS = (
    r"prohibited for !root|pointer comparison prohibited|leaks addr|corrupt spilled pointer"
    r"|R\d+ partial copy of pointer|allowed only to CAP_PERFMON"
)
_HELPER = r"(?:unknown func|cannot use helper|policy check failed for helper) (bpf_\w+)"
_READS_KERNEL = r"bpf_(probe_read(_kernel)?(_str)?|snprintf_btf|seq_printf_btf)$"
_FOR_PERFMON = rf"{_READS_KERNEL}|bpf_(trace_v?printk|get_current_task(_btf)?|task_pt_regs)$"


class Right(NamedTuple):
    """What is missing: a sentence, and the capability if it is one."""

    hint: str
    capability: str


def lacking(raw: str) -> Right | None:
    """Return what the loader of a program lacks, if that is why it was refused.

    Args:
        raw: the verifier's reason.
    """
    helper = re.search(_HELPER, raw)
    name = helper[1] if helper else ""
    if re.match(_READS_KERNEL, name) and policy.lockdown() == "confidentiality":
        text = (
            "kernel lockdown (confidentiality) lets no program read the kernel's memory; "
            "/sys/kernel/security/lockdown tells, and nothing lifts it before the next boot"
        )
        return Right(text, "")
    if not re.search(_POINTERS, raw) and not re.match(_FOR_PERFMON, name):
        return None
    if not missing(("CAP_PERFMON",), effective_capabilities()):
        return None
    text = (
        "this process lacks CAP_PERFMON, without which the verifier takes fewer programs (no "
        "arithmetic on pointers with numbers of any size, no reads of the kernel): run it as root, "
        "or grant CAP_PERFMON"
    )
    return Right(text, "CAP_PERFMON")
