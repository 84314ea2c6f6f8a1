"""The function of a program that reads one argument, written for the place where it is.

It takes the context and returns the argument as a number of 64 bits, extended by its own sign. It
replaces what the compiler left there: nothing is looked up or decided when the probe is hit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyebpf.abi import insn as i
from pyebpf.abi.constants import BPF_FUNC_copy_from_user, BPF_FUNC_probe_read_user
from pyebpf.runtime.usdt.places import Constant, Memory, Register

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyebpf.abi.insn import Insn
    from pyebpf.abi.registers import Registers
    from pyebpf.runtime.usdt.arguments import Argument

_BITS = 64
#: Where in its frame the function keeps what it reads of the process.
_BUFFER = -8
_LOW_HALF = 32
_INT32 = range(-(1 << 31), 1 << 31)


def read_argument(
    argument: Argument, registers: Registers, distance: Callable[[str], int], *, sleepable: bool
) -> bytes:
    """Return the code that reads an argument; it must be readable.

    Args:
        argument: where it is.
        registers: of the machine.
        distance: how far behind the instruction of the probe a symbol is, in bytes. Distances are
            all that is needed of symbols: where the instruction is, the registers say.
        sleepable: whether the program may wait for memory that is not there yet.
    """
    place = argument.place
    if isinstance(place, Register):
        code = (_register(i.R0, place.name, registers), *_extended(argument, place.shift))
    elif isinstance(place, Constant) and place.symbol:
        away = distance(place.symbol) + place.value
        code = (_register(i.R0, registers.ip, registers), *_plus(i.R0, i.R2, away))
    elif isinstance(place, Constant):
        code = i.ld_imm64(i.R0, argument.value or 0)
    else:
        assert isinstance(place, Memory), place
        code = (*_address(place, registers, distance), *_fetched(argument, sleepable=sleepable))
    return i.assemble(tuple(code), i.exit_insn())


def _register(target: int, name: str, registers: Registers) -> Insn:
    return i.ldx_mem(i.DW, target, i.R1, registers.offset(name))


def _extended(argument: Argument, shift: int) -> tuple[Insn, ...]:
    """Cut the argument out of ``r0``, ``shift`` bits above its lowest."""
    bits = 8 * argument.size
    if bits == _BITS:
        return ()
    right = i.ARSH if argument.signed else i.RSH
    up = _BITS - bits - shift
    left = (i.alu64_imm(i.LSH, i.R0, up),) if up else ()
    return (*left, i.alu64_imm(right, i.R0, _BITS - bits))


def _plus(target: int, scratch: int, number: int) -> tuple[Insn, ...]:
    """Add a number of any size."""
    if number in _INT32:
        return (i.alu64_imm(i.ADD, target, number),) if number else ()
    return (*i.ld_imm64(scratch, number), i.alu64_reg(i.ADD, target, scratch))


def _address(
    place: Memory, registers: Registers, distance: Callable[[str], int]
) -> tuple[Insn, ...]:
    """Compute the address of an operand in ``r3``."""
    code: list[Insn] = [i.mov64_imm(i.R3, 0)]
    if place.base:
        code = [_register(i.R3, place.base, registers)]
    number = place.displacement
    if place.symbol:
        code += [_register(i.R2, registers.ip, registers), i.alu64_reg(i.ADD, i.R3, i.R2)]
        number += distance(place.symbol)
    if place.index:
        code.append(_register(i.R2, place.index, registers))
        if place.low:
            right = i.ARSH if place.low == "signed" else i.RSH
            code += [i.alu64_imm(i.LSH, i.R2, _LOW_HALF), i.alu64_imm(right, i.R2, _LOW_HALF)]
        code += [i.alu64_imm(i.MUL, i.R2, place.scale), i.alu64_reg(i.ADD, i.R3, i.R2)]
    return (*code, *_plus(i.R3, i.R2, number))


def _fetched(argument: Argument, *, sleepable: bool) -> tuple[Insn, ...]:
    """Read the memory at ``r3``; what cannot be read is 0, as everywhere in a probe."""
    return (
        i.st_mem(i.DW, i.R10, _BUFFER, 0),
        i.mov64_reg(i.R1, i.R10),
        i.alu64_imm(i.ADD, i.R1, _BUFFER),
        i.mov64_imm(i.R2, argument.size),
        i.call(BPF_FUNC_copy_from_user if sleepable else BPF_FUNC_probe_read_user),
        i.ldx_mem(i.DW, i.R0, i.R10, _BUFFER),
        *(_extended(argument, 0) if argument.signed else ()),
    )
