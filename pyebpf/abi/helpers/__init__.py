"""The helpers that a BPF program may call: one row each. A helper here is a BPF helper, nothing else.

The rows are in a module for each family; how a row is written is in :mod:`pyebpf.abi.helpers.row`. The
kinds of arguments, as the verifier checks them; ``[NAME]`` after a kind is the C type behind it:

===================== ================================================================================
``map``               a map
``key``, ``value``    memory of the map's key or value size, read
``uninit_value``      memory of the map's value size, written
``value_or_null``     memory of the map's value size, read, or null
``mem``, ``size``     memory that is read, and its size in bytes, which is the next argument;
                      ``size_or_zero`` may be 0. ``mem_or_null`` may be null when the size is 0
``uninit_mem``        memory that is written, the same
``rw_mem``            memory that is written, but must have been initialised (``rw_mem_or_null``)
``fixed``             memory of exactly the type in brackets, read; ``uninit_fixed`` is written, ``rw_fixed``
                      both. No size follows
``const_size``        a size that is a constant
``const_str``         text in a read-only global map, with a NUL
``kernel_addr``       a number that the helper takes as an address; nothing is checked (``user_addr``)
``u32``, ``u64``      a number (``u16``, ``i32``, ``i64``; ``be16`` is in network order); ``flags`` is a ``u64``
``ctx``               the program's context (``ctx_or_null``)
``ctx_or_sock``       the context where that has a socket, a ``sock`` in other kinds of programs
``func``              a function of the same program, as ``callback`` of the row describes it
``stack_or_null``     memory on the stack, passed to that function, or null
``btf``               a pointer to a kernel structure that the verifier trusts
``sock``              a socket: a kernel structure beginning with ``sock_common``, or what a lookup returned
``sock_common``       the same in any state; ``socket`` a full one, ``tcp_sock`` its TCP state;
                      ``released_sock`` is given up
``percpu_btf``        a per-CPU variable of the kernel
``reserved``          what ``ringbuf_reserve`` returned; it is given up
``dynptr``            a dynamic pointer (``uninit_dynptr`` is made, ``reserved_dynptr`` is given up)
``spin_lock``         a ``bpf_spin_lock`` in a map value (``timer``: a ``bpf_timer``, ``kptr``: a pointer)
``kptr_or_null``      a kernel object that the program owns, or null; it is given up
===================== ================================================================================

And of results: ``errno`` is 0 or a negative error, ``length`` a size or a negative error; numbers as above;
``void`` is nothing; ``value``, ``btf``, ``mem``, ``percpu_mem``, ``reserved``, ``kptr`` and sockets are pointers, and
``…_or_null`` must be compared with null before use.

Source: ``include/uapi/linux/bpf.h``, and the ``bpf_func_proto`` of each helper; versions by the range of ids that
each release added. ``scripts/gen_helpers.py`` compares the rows with a kernel's source tree.
"""

from __future__ import annotations

from typing import NamedTuple

from pyebpf.abi.helpers import (
    clocks,
    control,
    maps,
    memory,
    output,
    packets,
    sockets,
    tasks,
    tracing,
)
from pyebpf.abi.helpers.row import Helper, Parameter, parse

__all__ = ["FAMILIES", "HELPERS", "Family", "Helper", "Parameter", "helper_by_id", "parse"]


class Family(NamedTuple):
    """Helpers that belong together, for documents."""

    title: str
    rows: tuple[Helper, ...]


FAMILIES = (
    Family("Maps and storage", maps.ROWS),
    Family("Output", output.ROWS),
    Family("The current task", tasks.ROWS),
    Family("Clocks and timers", clocks.ROWS),
    Family("Memory and text", memory.ROWS),
    Family("Tracing", tracing.ROWS),
    Family("Control", control.ROWS),
    Family("Packets", packets.ROWS),
    Family("Sockets", sockets.ROWS),
)

_BY_ID = {row.id: row for family in FAMILIES for row in family.rows}

#: Every helper by its name, without ``bpf_``, in the order of their ids.
HELPERS: dict[str, Helper] = {_BY_ID[number].name: _BY_ID[number] for number in sorted(_BY_ID)}


#: What gives something that must be given back → what takes it back.
RELEASED_BY = dict.fromkeys(("sk_lookup_tcp", "sk_lookup_udp", "skc_lookup_tcp"), "sk_release")


def helper_by_id(number: int) -> Helper | None:
    """Return the helper with an id, or None if this version does not know it."""
    return _BY_ID.get(number)
