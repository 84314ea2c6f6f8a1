"""LLVM at work: text in, an ELF object out. The only file that imports llvmlite.

LLVM of the wheel has assertions on, and its backend ends the process on an error that it cannot
explain; so text is parsed and verified first, and what the backend is known to choke on is refused
before (a name that is also a section's) or after (a stack that is too large).
"""

from __future__ import annotations

import struct
from functools import cache
from typing import TYPE_CHECKING

from llvmlite import binding as llvm
from llvmlite.binding.newpassmanagers import NewPassManager

from pyebpf.abi.disasm import disassemble as listing
from pyebpf.errors import InternalError
from pyebpf.ir.context import Context
from pyebpf.ir.llvm import mend, pages, shorten
from pyebpf.ir.llvm.emit import DATA_LAYOUT, TRIPLE, check_names, cpu_of, unit_llvm
from pyebpf.ir.llvm.stack import check_stack, functions
from pyebpf.ir.passes import run_for_code

if TYPE_CHECKING:
    from pyebpf.ir.nodes import Unit
    from pyebpf.spec.target import Target

PRODUCER = "pyebpf"
#: What the backend takes before it ends the process; the kernel's own limit is checked afterwards.
_BACKEND_STACK_BYTES = 8192
#: What is changed in each function once LLVM's passes have run.
_CHANGES = (
    mend.null_tests_apart,
    mend.sources_apart,
    mend.choices_apart,
    mend.offsets_apart,
    mend.zeros_added,
    shorten.high_bits_shifted,
    shorten.lone_guards_gone,
    shorten.extremes_stored_if_new,
    shorten.repeated_stores_gone,
)


def compile_unit(unit: Unit, target: Target, producer: str = PRODUCER) -> bytes:
    """Compile functions and maps into one ELF object.

    Raises:
        CompileError: if the object's names clash, or a function needs too much stack.
        InternalError: if LLVM refuses what was made of the unit.
    """
    context = Context(target)
    check_names(unit, context)
    context.diagnostics.raise_errors()
    run_for_code(unit, context)
    data = _object(unit_llvm(unit, target, producer), cpu_of(target))
    check_stack(unit, data, context)
    context.diagnostics.raise_errors()
    return data


def dump_llvm(unit: Unit, target: Target, producer: str = PRODUCER) -> str:
    """Return the LLVM IR of a unit after optimisation."""
    run_for_code(unit, Context(target))
    with _Compilation(unit_llvm(unit, target, producer), cpu_of(target)) as compilation:
        return str(compilation.module)


def disassemble(data: bytes) -> str:
    """Return the instructions of an object, function by function, as the verifier writes them."""
    parts = []
    for name, code in functions(data):
        parts.append(f"{name}:")
        parts += [f"  {line}" for line in listing(code)]
    return "\n".join(parts) + "\n"


def _object(text: str, cpu: str) -> bytes:
    with _Compilation(text, cpu) as compilation:
        data: bytes = compilation.machine.emit_object(compilation.module)
    _have_compiled()
    if data[:4] != b"\x7fELF" or struct.unpack_from("<H", data, 18) != (247,):
        raise InternalError("LLVM did not make a BPF object")
    return data


class _Compilation:
    """One optimised module in its own context; everything is freed at the end."""

    def __init__(self, text: str, cpu: str) -> None:
        self.machine = _machine(cpu)
        self.context = llvm.create_context()
        try:
            self.module = llvm.parse_assembly(text, self.context)
            self.module.verify()
        except RuntimeError as err:
            self.context.close()
            raise InternalError(f"LLVM refuses the module: {err}") from err
        self._optimise()
        self._mend()

    def __enter__(self) -> _Compilation:
        return self

    def __exit__(self, *_: object) -> None:
        self.module.close()
        self.context.close()

    def _mend(self) -> None:
        made = str(self.module)
        mended = mend.results_given(mend.fills_inline(made))
        mended = mend.in_each(mended, *_CHANGES)
        if mended != made:
            self.module.close()
            self.module = llvm.parse_assembly(mended, self.context)

    def _optimise(self) -> None:
        options = llvm.create_pipeline_tuning_options(speed_level=2)
        options.loop_vectorization = options.slp_vectorization = False
        builder = llvm.create_pass_builder(self.machine, options)
        passes = builder.getModulePassManager()
        passes.run(self.module, builder)
        # close() of a pass manager frees nothing: its class takes ObjectRef's empty _dispose before
        # its own. Without this, every compilation would keep 90 KB.
        NewPassManager._dispose(passes)  # noqa: SLF001
        passes.detach()
        builder.close()
        options.close()


@cache
def _machine(cpu: str) -> llvm.TargetMachine:
    _initialise()
    target = llvm.Target.from_triple(TRIPLE)
    machine = target.create_target_machine(cpu=cpu, opt=2, reloc="static", codemodel="small")
    layout = str(machine.target_data)
    if layout != DATA_LAYOUT:
        raise InternalError(f"LLVM's layout for BPF is {layout}, not {DATA_LAYOUT}")
    return machine


@cache
def _initialise() -> None:
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    llvm.set_option("pyebpf", f"--bpf-stack-size={_BACKEND_STACK_BYTES}")
    # Of two loads at the ends of two ways it would make one, and the verifier allows no instruction
    # that reads the context here and a map there. It saves no time: what runs is the same.
    llvm.set_option("pyebpf", "--enable-tail-merge=false")
    pages.give_back()


@cache
def _have_compiled() -> None:
    """Give back what LLVM took, after the first object: most processes compile no second one."""
    pages.give_back()
